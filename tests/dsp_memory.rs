//! Listening and sounding allocate nothing once they are warm: a line's audio runs on a thread that must not wait.

use allocation_counter::measure;
use tipring::clock::Time;
use tipring::dsp::agc::{Agc, AgcConfig};
use tipring::dsp::caller_id::{Layout, Receiver, Sender};
use tipring::dsp::comfort_noise::{Analyser, Description, Generator};
use tipring::dsp::concealment::Concealer;
use tipring::dsp::dtmf::{DtmfGenerator, DtmfTiming};
use tipring::dsp::ear::Ear;
use tipring::dsp::echo::{Canceller, Config, Tail};
use tipring::dsp::fsk::Standard;
use tipring::dsp::noise::{NoiseMeter, Weighting};
use tipring::dsp::resample::Resampler;
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

#[test]
fn cancelling_an_echo_concealing_a_loss_and_their_like_allocate_nothing() {
    let sent = everything("5550142");
    // speech, double talk from half of it on, a change of path in the middle of that
    let mut received: Vec<i16> =
        (0..sent.len()).map(|n| sent[n.saturating_sub(if n < 120_000 { 20 } else { 60 })] / 4).collect();
    Speech::new(9, -20.0).add_to(&mut received[90_000..]);
    let mut canceller = Canceller::new(Config { tail: Tail::Ms64, ..Config::default() });
    let (mut concealer, mut agc) = (Concealer::new(), Agc::new(AgcConfig::default()));
    let (mut analyser, mut generator) = (Analyser::new(), Generator::new(1));
    let mut meters = [Weighting::CMessage, Weighting::Psophometric].map(NoiseMeter::new);
    let (mut resampler, mut floats, mut faster) = (Resampler::between(8000, 48_000), [0f32; FRAME_SAMPLES], Vec::new());
    // the tables are made when they are first used, and the resampler finds its room
    canceller.process(&sent[..FRAME_SAMPLES], &mut received[..FRAME_SAMPLES].to_vec());
    meters.iter_mut().for_each(|m| m.feed(&sent[..FRAME_SAMPLES]));
    for _ in 0..100 {
        faster.clear();
        resampler.feed(&floats, &mut faster);
    }
    let info = measure(|| {
        for (i, (sent, received)) in sent.chunks(FRAME_SAMPLES).zip(received.chunks_mut(FRAME_SAMPLES)).enumerate() {
            canceller.process(sent, received);
            if i % 9 == 0 {
                concealer.lost(received)
            } else {
                concealer.received(received)
            }
            agc.process(received);
            analyser.feed(received);
            generator.set(&Description { level_dbm0: -50.0, ..analyser.description() });
            generator.add_to(received);
            meters.iter_mut().for_each(|m| m.feed(received));
            floats.iter_mut().zip(received).for_each(|(f, s)| *f = f32::from(*s));
            faster.clear();
            resampler.feed(&floats, &mut faster);
        }
    });
    assert!(canceller.report().erle_db > 10.0, "{:?}", canceller.report());
    assert_eq!(info.count_total, 0);
}
