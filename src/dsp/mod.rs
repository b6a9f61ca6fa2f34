//! Signals: samples into what was heard, and what is to be heard into samples. Sans-IO: no descriptor, no clock.
//!
//! ```text
//!  made:   tone  dtmf  fsk  caller_id  voice ──▶ Source::add_to ──▶ samples
//!  heard:  samples ──▶ ear ──▶ Heard         (off-hook: digits, tones, speech, silence, fax)
//!          samples ──▶ caller_id::Receiver   (on-hook: who calls)
//!  passed: samples ──▶ echo ──▶ agc ──▶ samples, concealment and comfort_noise where packets are missing, noise to measure
//! ```
//!
//! Everything runs at 8 kHz on 16 bit linear samples. Nothing allocates per call once it is warm.

pub mod level;
pub mod oscillator;

pub mod agc;
pub mod caller_id;
pub mod clicks;
pub mod comfort_noise;
pub mod concealment;
pub mod describe;
pub mod dtmf;
pub mod echo;
pub mod fsk;
pub mod g711;
pub mod noise;
pub mod resample;
pub mod sit;
pub mod tone;
pub mod voice;

mod burst;
mod cadence;
mod filter;
mod front;
mod modem;
mod sound;
mod spectrum;
mod speech;
mod wide;

pub mod ear;

pub use spectrum::bins;

/// Samples of one frame: 20 ms at 8 kHz.
pub const FRAME_SAMPLES: usize = 160;

/// 20 ms of audio, 16 bit linear. 0 dBm0 is a sine of peak 22,767 (G.711: overload of a sine is +3.17 dBm0 µ-law).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame(pub [i16; FRAME_SAMPLES]);

impl Default for Frame {
    fn default() -> Self {
        Frame([0; FRAME_SAMPLES])
    }
}

/// Something that makes sound. Sources are added to what is already there, so several can speak at once.
pub trait Source {
    /// Adds the next `out.len()` samples to `out`, saturating. `false` once it is finished: the samples after its end
    /// are left as they were, and every later call adds nothing.
    fn add_to(&mut self, out: &mut [i16]) -> bool;
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn add_to(&mut self, out: &mut [i16]) -> bool {
        (**self).add_to(out)
    }
}

/// All that a source has to say from here on, at most `max` samples.
pub fn render(source: &mut dyn Source, max: usize) -> Vec<i16> {
    let mut all = Vec::new();
    let mut frame = [0i16; FRAME_SAMPLES];
    while all.len() < max {
        frame.fill(0);
        let more = source.add_to(&mut frame);
        all.extend_from_slice(&frame);
        if !more {
            break;
        }
    }
    all.truncate(max);
    all
}

/// How many samples a duration lasts, to the nearest.
pub(crate) fn samples_of(d: std::time::Duration) -> u64 {
    u64::try_from((d.as_micros() + 62) / 125).unwrap_or(u64::MAX)
}

/// Adds a float to a sample, rounded to nearest and saturating.
pub(crate) fn add_sample(out: &mut i16, value: f32) {
    // truncation of value ± 0.5: `round` is a library call on plain x86-64
    let sum = i32::from(*out) + (value + 0.5f32.copysign(value)) as i32;
    *out = sum.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
}
