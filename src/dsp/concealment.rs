//! What is played while packets are missing: the voice goes on for a little, and then fades (ITU-T G.711 Appendix I).
//!
//! ```text
//!  received  ~~~~~~~~~~~~~|        lost         |~~~~~~~~~~~~
//!  played    ~~~~~~~~~~~~/‾\/‾\/‾\/‾\/‾\…       \/~~~~~~~~~~~~     later by 3.75 ms
//!                       ↑  the last period again  ↑
//!                  overlapped by 1/4 period    led to where the voice goes on, which is as it was said at once
//!  gain      1 for 10 ms, then less by a fifth every 10 ms: silence from 60 ms on
//! ```
//!
//! Appendix I in spirit (pitch found by correlation, I.2.3; one, two and three periods repeated, I.2.5; fading from 10 ms
//! on, I.2.6), with departures that bring what is played nearer to what was said: lags are all tried, over 13 ms in place of
//! 20, the second and the third period come 10 ms later, and nothing that was received is touched: by the delay that there
//! is, the end of what was made up has not been played when the voice goes on, and is bent to meet it. Every step counts
//! samples, not frames, so that blocks may have any length.

use super::wide::{Wide, dot, wide};

/// Samples by which what is played is later than what is received: 3.75 ms, a quarter of the longest period. The first
/// samples of a loss are blended into the last ones before it, which therefore must not have been played yet.
pub const DELAY_SAMPLES: usize = 30;

/// Periods of a voice: 40 to 120 samples, 200 to 66 Hz.
const SHORTEST: usize = 40;
const LONGEST: usize = 120;
/// What is remembered: three of the longest periods and their overlap.
const PAST: usize = 3 * LONGEST + DELAY_SAMPLES;
/// What is compared to find the period: 13 ms, which go into eights.
const COMPARED: usize = 104;
/// Room for what is remembered, so that it is moved only now and then.
const ROOM: usize = 4 * PAST;
/// The last samples made up, which are bent to where the voice goes on: 2 ms.
const BENT: usize = 16;
/// A step of the fading, and of the number of periods: 10 ms.
const STEP: u32 = 80;
/// Silence from here on: 60 ms.
const FADED: u32 = 6 * STEP;

/// Conceals one direction of one call. Blocks of any length; 5 to 30 ms are meant.
#[derive(Clone, Debug)]
pub struct Concealer {
    /// What was received or made up, the newest before `end`.
    past: Box<[i16; ROOM]>,
    end: usize,
    /// Samples lost so far in this gap.
    lost: u32,
    voice: Voice,
}

/// The voice that goes on.
#[derive(Clone, Debug)]
struct Voice {
    /// What was there when the gap began.
    past: Box<[f32; PAST]>,
    period: usize,
    /// How many periods are being repeated, and where in them.
    periods: usize,
    at: usize,
    /// The same of before the last change, and what is left of the overlap.
    from: (usize, usize),
    blend: usize,
    /// Samples made.
    made: u32,
}

impl Default for Concealer {
    fn default() -> Self {
        Self::new()
    }
}

impl Concealer {
    pub fn new() -> Concealer {
        Concealer {
            past: Box::new([0; ROOM]),
            end: PAST,
            lost: 0,
            voice: Voice {
                past: Box::new([0.0; PAST]),
                period: SHORTEST,
                periods: 1,
                at: 0,
                from: (1, 0),
                blend: 0,
                made: 0,
            },
        }
    }

    /// A block that came: goes in as received and comes out as to be played, [`DELAY_SAMPLES`] later.
    pub fn received(&mut self, block: &mut [i16]) {
        if let (1.., Some(first)) = (self.lost, block.first()) {
            self.bend(f32::from(*first));
            self.lost = 0;
        }
        for piece in block.chunks_mut(ROOM - PAST) {
            let end = self.room_for(piece.len());
            self.past[end..end + piece.len()].copy_from_slice(piece);
            self.play(end, piece);
        }
    }

    /// A block that did not come: filled with what is to be played in its place.
    pub fn lost(&mut self, block: &mut [i16]) {
        if block.is_empty() {
            return;
        }
        if self.lost == 0 {
            self.begin();
        }
        self.lost = self.lost.saturating_add(u32::try_from(block.len()).unwrap_or(u32::MAX));
        for piece in block.chunks_mut(ROOM - PAST) {
            let end = self.room_for(piece.len());
            for slot in &mut self.past[end..end + piece.len()] {
                *slot = sample(self.voice.next());
            }
            self.play(end, piece);
        }
    }

    /// The place for so many more samples, which is the end of those that there are.
    fn room_for(&mut self, samples: usize) -> usize {
        if self.end + samples > ROOM {
            self.past.copy_within(self.end - PAST..self.end, 0);
            self.end = PAST;
        }
        self.end
    }

    /// What is to be played while the samples from here on came.
    fn play(&mut self, from: usize, block: &mut [i16]) {
        block.copy_from_slice(&self.past[from - DELAY_SAMPLES..from - DELAY_SAMPLES + block.len()]);
        self.end = from + block.len();
    }

    fn begin(&mut self) {
        let voice = &mut self.voice;
        let past = &mut self.past[self.end - PAST..self.end];
        voice.past.iter_mut().zip(&*past).for_each(|(x, s)| *x = f32::from(*s));
        voice.period = wide(Period(&voice.past));
        (voice.periods, voice.at, voice.from, voice.blend, voice.made) = (1, 0, (1, 0), 0, 0);
        // what was not played yet leads over into the period that is repeated
        let quarter = voice.period / 4;
        for i in 0..quarter {
            past[PAST - quarter + i] = sample(voice.value(1, voice.period - quarter + i));
        }
    }

    /// The voice goes on here: what was made up last, and not played yet, ends where it does.
    fn bend(&mut self, first: f32) {
        let off = first - self.voice.next();
        let bent = BENT.min(self.lost as usize);
        for (i, slot) in self.past[self.end - bent..self.end].iter_mut().enumerate() {
            let share = (i + 1) as f32 / (bent + 1) as f32;
            *slot = sample(f32::from(*slot) + off * share);
        }
    }
}

/// To the nearest, by truncation: `round` is a library call on plain x86-64.
fn sample(x: f32) -> i16 {
    (x + 0.5f32.copysign(x)) as i16
}

impl Voice {
    #[inline]
    fn next(&mut self) -> f32 {
        if self.made >= FADED {
            return 0.0;
        }
        if (self.made == 2 * STEP || self.made == 3 * STEP) && self.blend == 0 {
            self.from = (self.periods, self.at);
            self.periods += 1;
            self.at %= self.period;
            self.blend = self.period / 4;
        }
        let mut x = self.value(self.periods, self.at);
        self.at += 1;
        if self.at == self.periods * self.period {
            self.at = 0;
        }
        if self.blend > 0 {
            let (periods, at) = self.from;
            let share = self.blend as f32 / (self.period / 4 + 1) as f32;
            x = x * (1.0 - share) + self.value(periods, at) * share;
            self.from.1 = (at + 1) % (periods * self.period);
            self.blend -= 1;
        }
        let gain = 1.0 - self.made.saturating_sub(STEP) as f32 / (FADED - STEP) as f32;
        self.made += 1;
        x * gain
    }

    /// A sample of the last periods, whose end leads over into their beginning.
    fn value(&self, periods: usize, at: usize) -> f32 {
        let length = periods * self.period;
        let quarter = self.period / 4;
        let here = self.past[PAST - length + at];
        match at.checked_sub(length - quarter) {
            None => here,
            Some(i) => {
                let share = (i + 1) as f32 / (quarter + 1) as f32;
                here * (1.0 - share) + self.past[PAST - length - quarter + i] * share
            }
        }
    }
}

/// The lag at which the end of it is most like itself.
struct Period<'a>(&'a [f32; PAST]);

impl Wide for Period<'_> {
    type Out = usize;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> usize {
        let past = self.0;
        let now = &past[PAST - COMPARED..];
        let mut best = (SHORTEST, 0.0f32);
        let first = &past[PAST - COMPARED - SHORTEST..PAST - SHORTEST];
        // in 64 bit: what is added is taken off again
        let mut energy = 1.0 + f64::from(dot::<FUSED>(first, first));
        for lag in SHORTEST..=LONGEST {
            let from = PAST - COMPARED - lag;
            let then = &past[from..from + COMPARED];
            let product = dot::<FUSED>(now, then);
            // the square of the likeness: of those that are like it, none opposite
            let likeness = product.max(0.0) * product / energy as f32;
            if likeness > best.1 {
                best = (lag, likeness);
            }
            // one sample comes before it and one goes at its end
            let (before, last) = (f64::from(past[from - 1]), f64::from(past[from + COMPARED - 1]));
            energy = (energy + before * before - last * last).max(1.0);
        }
        best.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Time;
    use crate::dsp::dtmf::{self, DtmfGenerator, DtmfTiming};
    use crate::dsp::voice::{Random, Speech};
    use crate::dsp::{render, tone::ToneGenerator};
    use proptest::prelude::*;

    /// Plays blocks of this length, those of which `is_lost` says so concealed.
    fn play(samples: &[i16], block: usize, is_lost: impl Fn(usize) -> bool) -> Vec<i16> {
        let mut concealer = Concealer::new();
        let mut out = samples.to_vec();
        for (i, block) in out.chunks_mut(block).enumerate() {
            if is_lost(i) { concealer.lost(block) } else { concealer.received(block) }
        }
        out
    }

    fn energy(samples: impl Iterator<Item = f64>) -> f64 {
        samples.map(|x| x * x).sum()
    }

    #[test]
    fn what_comes_unharmed_is_only_later() {
        let samples = render(&mut Speech::new(3, -18.0), 16_000);
        let out = play(&samples, 160, |_| false);
        assert_eq!(out[DELAY_SAMPLES..], samples[..16_000 - DELAY_SAMPLES]);
    }

    #[test]
    fn a_sine_goes_on_through_a_gap_of_any_block_length() {
        for block in [40, 80, 160, 240] {
            // 160 Hz: a period is 50 samples, so what is made up can be exact while the gain is one
            let mut samples = vec![0i16; 4800];
            crate::dsp::Source::add_to(&mut ToneGenerator::sine(160.0, -10.0, None), &mut samples);
            let gap = 2400 / block;
            let out = play(&samples, block, |i| i == gap);
            let from = gap * block + DELAY_SAMPLES;
            let until = from + block.min(80);
            for i in from - 100..until {
                assert!((i32::from(out[i]) - i32::from(samples[i - DELAY_SAMPLES])).abs() < 250, "{block}: {i}");
            }
            // and after it what was received again, at once
            assert_eq!(out[from + block..], samples[from + block - DELAY_SAMPLES..4800 - DELAY_SAMPLES]);
        }
    }

    #[test]
    fn a_long_gap_fades_to_silence_by_60_ms() {
        let mut samples = vec![0i16; 8000];
        crate::dsp::Source::add_to(&mut ToneGenerator::sine(200.0, -10.0, None), &mut samples);
        let out = play(&samples, 80, |i| (40..60).contains(&i));
        let level = |ms: usize| crate::dsp::level::dbm0(&out[3200 + DELAY_SAMPLES + 8 * ms..][..80]);
        assert!((level(0) + 10.0).abs() < 0.3, "{}", level(0));
        assert!(level(30) < level(10) && level(50) < -20.0, "{} {} {}", level(10), level(30), level(50));
        assert!(out[3200 + DELAY_SAMPLES + 480..4800 + DELAY_SAMPLES].iter().all(|&s| s == 0));
    }

    /// Signal to error in each gap of a sounding voice, and the mean of that: silence has 0 dB by definition.
    #[test]
    fn gaps_in_a_voice_are_better_concealed_than_silent_and_do_not_click() {
        for (block, least_db) in [(40, 5.0), (80, 3.0), (160, 1.0), (240, 0.5)] {
            let mut gaps: Vec<f64> = Vec::new();
            for seed in 0..8 {
                let voice = render(&mut Speech::new(seed, -18.0), 80_000);
                let mut random = Random::new(seed);
                let lost: Vec<bool> = (0..80_000 / block + 1).map(|i| i > 9 && random.below(100) < 8).collect();
                let heard = play(&voice, block, |i| lost[i]);
                for i in (0..80_000 / block - 2).filter(|i| lost[*i] && !lost[i - 1]) {
                    let clean = &voice[i * block..][..block];
                    let made = &heard[i * block + DELAY_SAMPLES..][..block];
                    if crate::dsp::level::dbm0(clean) > -25.0 {
                        let signal = energy(clean.iter().map(|&s| f64::from(s)));
                        let error = energy(clean.iter().zip(made).map(|(&a, &b)| f64::from(a) - f64::from(b)));
                        gaps.push((10.0 * (signal / error).log10()).clamp(-10.0, 35.0));
                    }
                }
                // no step is made that is much steeper than the voice's own steepest
                let steepest = |x: &[i16]| x.windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max();
                let (own, made) = (steepest(&voice).unwrap(), steepest(&heard).unwrap());
                assert!(made * 10 <= own * 13, "seed {seed}, {block}: a step of {made}, the voice's own is {own}");
            }
            let mean_db = gaps.iter().sum::<f64>() / gaps.len() as f64;
            println!("{block} samples lost: {mean_db:.1} dB in {} gaps", gaps.len());
            assert!(gaps.len() > 50 && mean_db > least_db, "{block}: {mean_db} dB in {} gaps", gaps.len());
        }
    }

    #[test]
    fn a_digit_of_which_10_ms_are_lost_is_one_digit() {
        let sent = "1590*#";
        let digits = render(&mut DtmfGenerator::new(&sent.parse().unwrap(), DtmfTiming::default()), usize::MAX);
        for offset in 0..30 {
            let mut samples = vec![0i16; 800];
            samples.extend(&digits);
            samples.extend([0; 2400]);
            // one block in each 150 ms: every digit is hit, at another place each time
            let out = play(&samples, 80, |i| i > 12 && (i + offset / 2) % 15 == 0);
            let mut heard = Vec::new();
            let mut receiver = dtmf::Receiver::new(Time::ZERO);
            receiver.feed(&out, &mut heard);
            let heard: String = heard
                .iter()
                .filter_map(|h| match h {
                    crate::event::Heard::Digit { digit, .. } => Some(digit.as_char()),
                    _ => None,
                })
                .collect();
            assert_eq!(heard, sent, "offset {offset}");
        }
    }

    proptest! {
        /// What a block is split into makes no difference.
        #[test]
        fn any_split_plays_the_same(cuts in prop::collection::vec(1usize..200, 1..40), seed in 0u64..50) {
            let voice = render(&mut Speech::new(seed, -15.0), 4800);
            let whole = play(&voice, 240, |i| i % 5 == 3);
            let mut concealer = Concealer::new();
            let mut out = voice.clone();
            for (i, block) in out.chunks_mut(240).enumerate() {
                let mut rest = block;
                let mut cut = cuts.iter().cycle();
                while !rest.is_empty() {
                    let n = (*cut.next().unwrap()).min(rest.len());
                    let (now, later) = rest.split_at_mut(n);
                    if i % 5 == 3 { concealer.lost(now) } else { concealer.received(now) }
                    rest = later;
                }
            }
            prop_assert_eq!(out, whole);
        }
    }
}
