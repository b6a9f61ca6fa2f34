//! Listening and sounding allocate nothing once they are warm: a line's audio runs on a thread that must not wait.

use allocation_counter::measure;
use tipring::clock::Time;
use tipring::dsp::caller_id::{Layout, Receiver, Sender};
use tipring::dsp::dtmf::{DtmfGenerator, DtmfTiming};
use tipring::dsp::ear::Ear;
use tipring::dsp::fsk::Standard;
use tipring::dsp::tone::ToneGenerator;
use tipring::dsp::voice::{Noise, Speech};
use tipring::dsp::{FRAME_SAMPLES, Source};
use tipring::event::{CallerId, ToneKind};
use tipring::facts::Facts;

fn everything(digits: &str) -> Vec<i16> {
    let country = Facts::embedded().country("us").unwrap();
    let mut samples = vec![0i16; 8000 * 24];
    let parts: Vec<&mut [i16]> = samples.chunks_mut(32_000).collect();
    let mut sources: Vec<Box<dyn Source>> = vec![
        Box::new(ToneGenerator::new(country.tone(ToneKind::Dial).unwrap(), -13.0)),
        Box::new(DtmfGenerator::new(&digits.parse().unwrap(), DtmfTiming::default())),
        Box::new(ToneGenerator::new(country.tone(ToneKind::Busy).unwrap(), -20.0)),
        Box::new(Speech::new(4, -18.0)),
        Box::new(Noise::new(4, -25.0)),
        Box::new(Sender::with_layout(&CallerId::default(), Layout::Mdmf(Standard::Bell202), -15.0)),
    ];
    for (part, source) in parts.into_iter().zip(&mut sources) {
        source.add_to(part);
    }
    samples
}

#[test]
fn an_ear_allocates_nothing_once_it_is_warm() {
    let samples = everything("5550142*#");
    let mut ear = Ear::new(Facts::embedded().country("us").unwrap(), Time::ZERO);
    let mut out = Vec::with_capacity(1000);
    ear.feed(&samples, &mut out);
    let heard = out.len();
    out.clear();
    let info = measure(|| {
        for frame in samples.chunks(FRAME_SAMPLES) {
            ear.feed(frame, &mut out);
        }
    });
    assert!(heard > 10 && out.len() > 10, "{heard}, {}", out.len());
    assert_eq!(info.count_total, 0);
}

#[test]
fn sources_allocate_nothing() {
    let country = Facts::embedded().country("gb").unwrap();
    let mut sources: Vec<Box<dyn Source>> = vec![
        Box::new(ToneGenerator::new(country.tone(ToneKind::Ringback).unwrap(), -13.0)),
        Box::new(DtmfGenerator::new(&"5550142,*#".parse().unwrap(), DtmfTiming::default())),
        Box::new(Sender::with_layout(&CallerId::default(), Layout::Mdmf(Standard::V23), -15.0)),
        Box::new(Speech::new(4, -18.0)),
        Box::new(Noise::new(4, -50.0)),
    ];
    let mut frame = [0i16; FRAME_SAMPLES];
    sources.iter_mut().for_each(|s| _ = s.add_to(&mut frame));
    let info = measure(|| {
        for _ in 0..200 {
            frame.fill(0);
            sources.iter_mut().for_each(|s| _ = s.add_to(&mut frame));
        }
    });
    assert_eq!(info.count_total, 0);
}

/// Only what it hears is allocated: a name, a number, the bytes of a garbled message.
#[test]
fn a_caller_id_receiver_allocates_nothing_while_nobody_calls() {
    let samples = &everything("5550142")[..8000 * 20];
    let mut receiver = Receiver::new();
    let mut out = Vec::with_capacity(100);
    receiver.feed(samples, &mut out);
    let info = measure(|| {
        for frame in samples.chunks(FRAME_SAMPLES) {
            receiver.feed(frame, &mut out);
        }
    });
    assert_eq!(out, vec![]);
    assert_eq!(info.count_total, 0);
}
