//! How fast we listen: `cargo bench --bench ear_speed`. One iteration is ten seconds of a line, so 5 ms are 2,000 times real
//! time; the throughput is samples.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use tipring::clock::Time;
use tipring::dsp::caller_id::{Layout, Receiver, Sender};
use tipring::dsp::dtmf::{self, DtmfGenerator, DtmfTiming};
use tipring::dsp::ear::Ear;
use tipring::dsp::fsk::Standard;
use tipring::dsp::tone::ToneGenerator;
use tipring::dsp::voice::{Noise, Speech};
use tipring::dsp::{FRAME_SAMPLES, Source};
use tipring::event::{CallerId, ToneKind};
use tipring::facts::Facts;

fn main() {
    divan::main();
}

const SAMPLES: usize = 80_000;
const SOUNDS: [&str; 6] = ["silence", "dial", "ringback", "speech", "digits", "caller-id"];

fn sound(name: &str) -> Vec<i16> {
    let us = Facts::embedded().country("us").expect("us");
    let mut samples = vec![0; SAMPLES];
    let tone = |kind| ToneGenerator::new(us.tone(kind).expect("a tone"), -13.0);
    match name {
        "silence" => {}
        "dial" => _ = tone(ToneKind::Dial).add_to(&mut samples),
        "ringback" => _ = tone(ToneKind::Ringback).add_to(&mut samples),
        "speech" => _ = Speech::new(1, -20.0).add_to(&mut samples),
        "digits" => {
            let digits = "1234567890*#ABCD".repeat(4).parse().expect("digits");
            DtmfGenerator::new(&digits, DtmfTiming::default()).add_to(&mut samples);
        }
        _ => {
            let id = CallerId { name: Some("A CALLER".into()), ..CallerId::default() };
            for part in samples.chunks_mut(8000) {
                Sender::with_layout(&id, Layout::Mdmf(Standard::Bell202), -15.0).add_to(part);
            }
        }
    }
    Noise::new(1, -60.0).add_to(&mut samples);
    samples
}

#[divan::bench(args = SOUNDS)]
fn ear(bencher: Bencher, name: &str) {
    let samples = sound(name);
    let us = Facts::embedded().country("us").expect("us");
    let mut out = Vec::with_capacity(1000);
    let mut ear = Ear::new(us, Time::ZERO);
    bencher.counter(ItemsCount::new(SAMPLES)).bench_local(|| {
        out.clear();
        for frame in black_box(&samples).chunks(FRAME_SAMPLES) {
            ear.feed(frame, &mut out);
        }
        out.len()
    });
}

#[divan::bench(args = SOUNDS)]
fn dtmf(bencher: Bencher, name: &str) {
    let samples = sound(name);
    let mut out = Vec::with_capacity(1000);
    let mut receiver = dtmf::Receiver::new(Time::ZERO);
    bencher.counter(ItemsCount::new(SAMPLES)).bench_local(|| {
        out.clear();
        for frame in black_box(&samples).chunks(FRAME_SAMPLES) {
            receiver.feed(frame, &mut out);
        }
        out.len()
    });
}

#[divan::bench(args = SOUNDS)]
fn caller_id(bencher: Bencher, name: &str) {
    let samples = sound(name);
    let mut out = Vec::with_capacity(1000);
    let mut receiver = Receiver::new();
    bencher.counter(ItemsCount::new(SAMPLES)).bench_local(|| {
        out.clear();
        for frame in black_box(&samples).chunks(FRAME_SAMPLES) {
            receiver.feed(frame, &mut out);
        }
        out.len()
    });
}
