//! Digits in tones, made and heard (ITU-T Q.23, Q.24).
//!
//! A key is one of four low tones and one of four high ones. What receivers must accept and reject differs by
//! administration (Q.24, table A-1); ours takes the widest of what must be accepted that lies inside what must be rejected:
//!
//! | | must be accepted | must be rejected | here |
//! |---|---|---|---|
//! | frequency off by | 1.5 % (AT&T) to 1.8 % (NTT) | 3.0 % (NTT) | 2.4 % |
//! | duration | 40 ms | 20 to 25 ms | 32.5 ms |
//! | pause | 30 ms (NTT) to 70 ms | break of 10 to 20 ms | 25 ms |
//! | level of each tone | 0 to −27 dBm | −55 dBm (AT&T) | −42 dBm0 |
//! | twist, high over low | −10 to +10 dB (Australia), −8 to +4 (AT&T) | | −10.5 to +6.5 dB |
//!
//! ```text
//!        ▄▇▇▇▇▇▇▇▇▇_▇▇▇▇▇▇▇▇▇▄                 a digit with a break of 10 ms: one digit
//!   looks ├────┤                               of 10 ms every 5 ms: five must agree (30 ms)
//!        ├────┤                                on frequencies, levels, twist and purity
//!   began where the amplitude passed one half, ended where it fell below for 25 ms
//! ```
//!
//! Frequencies are estimated, not binned: the phase turns from look to look by what the tone is off. Talkers are kept out in
//! two steps: a look must have nearly all power above 600 Hz in two tones that hold, and below 600 Hz little, or what was
//! there before (a dial tone); and when the digit has ended, what was seen of it is weighed once more (`doubt`).

mod bank;
mod doubt;
mod receiver;

pub use receiver::Receiver;

use super::oscillator::{Oscillator, phase_step};
use super::{FRAME_SAMPLES, Source, add_sample, level, samples_of};
use crate::number::{DialStep, DialString, Digit};
use std::time::Duration;

/// The rows of the keypad, Hz.
pub const LOW_HZ: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
/// Its columns.
pub const HIGH_HZ: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];

/// How digits are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DtmfTiming {
    pub on: Duration,
    pub off: Duration,
    /// Mean level of the two tones.
    pub level_dbm0: f32,
    /// The high tone is this much louder than the low one.
    pub twist_db: f32,
}

impl Default for DtmfTiming {
    /// 70 ms on and off pass every receiver of Q.24's table (the slowest cycle there is 125 ms); the high group is sent 2 dB
    /// louder, because the pair takes more from it.
    fn default() -> Self {
        DtmfTiming { on: Duration::from_millis(70), off: Duration::from_millis(70), level_dbm0: -9.0, twist_db: 2.0 }
    }
}

/// Sends a dial string as tones; a pause is one second of silence.
#[derive(Clone, Debug)]
pub struct DtmfGenerator {
    digits: DialString,
    timing: DtmfTiming,
    low_peak: f32,
    high_peak: f32,
    low: Oscillator,
    high: Oscillator,
    /// The step being sent, and how many of its samples are out.
    at: usize,
    done: u64,
}

impl DtmfGenerator {
    const PAUSE: Duration = Duration::from_secs(1);

    pub fn new(digits: &DialString, timing: DtmfTiming) -> DtmfGenerator {
        Self::of(digits.clone(), timing)
    }

    /// One digit.
    pub fn digit(digit: Digit, timing: DtmfTiming) -> DtmfGenerator {
        Self::of(std::iter::once(digit).collect(), timing)
    }

    fn of(digits: DialString, timing: DtmfTiming) -> DtmfGenerator {
        DtmfGenerator {
            digits,
            timing,
            low_peak: level::peak(timing.level_dbm0 - timing.twist_db / 2.0),
            high_peak: level::peak(timing.level_dbm0 + timing.twist_db / 2.0),
            low: Oscillator::new(LOW_HZ[0]),
            high: Oscillator::new(HIGH_HZ[0]),
            at: 0,
            done: 0,
        }
    }
}

impl Source for DtmfGenerator {
    fn add_to(&mut self, out: &mut [i16]) -> bool {
        let mut rest = out;
        while let Some(&step) = self.digits.steps().get(self.at) {
            if rest.is_empty() {
                return true;
            }
            let (on, whole) = match step {
                DialStep::Pause => (0, samples_of(Self::PAUSE)),
                DialStep::Digit(_) => {
                    let on = samples_of(self.timing.on);
                    (on, on + samples_of(self.timing.off))
                }
            };
            if let (DialStep::Digit(digit), 0) = (step, self.done) {
                let (row, column) = digit.position();
                self.low.retune(phase_step(LOW_HZ[row]));
                self.high.retune(phase_step(HIGH_HZ[column]));
            }
            let until = if self.done < on { on } else { whole };
            let n = rest.len().min(usize::try_from(until - self.done).unwrap_or(usize::MAX));
            let (now, later) = rest.split_at_mut(n);
            if self.done < on {
                for chunk in now.chunks_mut(FRAME_SAMPLES) {
                    let mut mix = [0f32; FRAME_SAMPLES];
                    let mix = &mut mix[..chunk.len()];
                    self.low.mix(self.low_peak, mix);
                    self.high.mix(self.high_peak, mix);
                    chunk.iter_mut().zip(mix).for_each(|(o, m)| add_sample(o, *m));
                }
            }
            rest = later;
            self.done += n as u64;
            if self.done == whole {
                self.at += 1;
                self.done = 0;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Time;
    use crate::dsp::g711::Law;
    use crate::dsp::render;
    use crate::dsp::tone::ToneGenerator;
    use crate::dsp::voice::{Noise, Speech};
    use crate::event::Heard;
    use proptest::prelude::*;

    fn hear(samples: &[i16]) -> Vec<(char, u64, u64)> {
        let mut out = Vec::new();
        let mut receiver = Receiver::new(Time::ZERO);
        receiver.feed(samples, &mut out);
        receiver.feed(&[0; 800], &mut out);
        out.iter()
            .filter_map(|h| match h {
                Heard::Digit { digit, since, lasted } => {
                    Some((digit.as_char(), since.as_ms(), lasted.as_millis() as u64))
                }
                _ => None,
            })
            .collect()
    }

    fn digits(samples: &[i16]) -> String {
        hear(samples).iter().map(|d| d.0).collect()
    }

    const ALL: &str = "123A456B789C*0#D";

    fn send(text: &str, timing: DtmfTiming) -> Vec<i16> {
        let mut samples = vec![0; 2404];
        samples.extend(render(&mut DtmfGenerator::new(&text.parse().unwrap(), timing), usize::MAX));
        samples
    }

    #[test]
    fn digits_are_heard_with_their_times() {
        let heard = hear(&send("19,5", DtmfTiming::default()));
        assert_eq!(heard.iter().map(|d| d.0).collect::<String>(), "195");
        for (got, (at, lasted)) in heard.iter().zip([(300, 70), (440, 70), (1580, 70)]) {
            assert!(got.1.abs_diff(at) <= 3 && got.2.abs_diff(lasted) <= 4, "{got:?}");
        }
    }

    #[test]
    fn forty_milliseconds_on_and_off_are_enough_at_any_alignment() {
        let timing =
            DtmfTiming { on: Duration::from_millis(40), off: Duration::from_millis(40), ..DtmfTiming::default() };
        let samples = send(&ALL.repeat(2), timing);
        for cut in 0..40 {
            assert_eq!(digits(&samples[cut..]), ALL.repeat(2), "{cut}");
        }
    }

    #[test]
    fn noise_at_12_db_is_no_hindrance() {
        for seed in 0..20 {
            let timing = DtmfTiming { on: Duration::from_millis(50), ..DtmfTiming::default() };
            let mut samples = send(ALL, timing);
            Noise::new(seed, level::dbm0(&samples[2500..2700]) - 12.0).add_to(&mut samples);
            assert_eq!(digits(&samples), ALL, "seed {seed}");
        }
    }

    /// Two tones as they are: frequencies off, levels apart, any length.
    fn pair(digit: char, off: f32, level_dbm0: f32, twist_db: f32, ms: usize) -> Vec<i16> {
        let (row, column) = Digit::new(digit).unwrap().position();
        let mut samples = vec![0; 813 + ms * 8];
        for (hz, db) in [(LOW_HZ[row], -twist_db / 2.0), (HIGH_HZ[column], twist_db / 2.0)] {
            ToneGenerator::sine(hz * (1.0 + off), level_dbm0 + db, None).add_to(&mut samples[813..]);
        }
        samples
    }

    #[test]
    fn frequencies_off_by_1_8_percent_are_accepted_and_by_3_percent_rejected() {
        for digit in ALL.chars() {
            for seed in 0..4 {
                for (off, expected) in
                    [(-0.018, true), (0.018, true), (-0.03, false), (0.03, false), (-0.06, false), (0.05, false)]
                {
                    let mut samples = pair(digit, off, -12.0, 0.0, 60);
                    Noise::new(seed, -29.0).add_to(&mut samples);
                    let heard = digits(&samples);
                    assert_eq!(heard, if expected { digit.to_string() } else { String::new() }, "{digit} {off}");
                }
            }
        }
    }

    #[test]
    fn forty_milliseconds_are_a_digit_and_twenty_five_are_none() {
        for digit in ALL.chars() {
            assert_eq!(digits(&pair(digit, 0.0, -12.0, 0.0, 40)), digit.to_string());
            assert_eq!(digits(&pair(digit, 0.0, -12.0, 0.0, 25)), "", "{digit}");
        }
    }

    /// Sooner than spandsp, whose median is 30 ms, and of nothing that is too short to be a digit.
    #[test]
    fn a_digit_is_certain_within_32_ms_and_what_is_too_short_is_never_certain() {
        let certain_at = |samples: &[i16]| {
            let mut receiver = Receiver::new(Time::ZERO);
            samples.chunks(8).position(|ms| {
                receiver.feed(ms, &mut Vec::new());
                receiver.sounding().is_some()
            })
        };
        for digit in ALL.chars() {
            for cut in 0..40 {
                let whole = pair(digit, 0.01, -12.0, 0.0, 60);
                let known = certain_at(&whole[cut..]).map(|ms| (8 * (ms + 1)) as f32 - (813 - cut) as f32);
                assert!(known.is_some_and(|samples| samples <= 8.0 * 33.0), "{digit} {cut}: {known:?}");
                let mut short = pair(digit, 0.0, -12.0, 0.0, 23);
                short.extend([0; 400]);
                assert_eq!(certain_at(&short[cut..]), None, "{digit} {cut}");
            }
        }
    }

    #[test]
    fn twist_of_minus_8_to_plus_4_db_is_accepted_at_all_levels() {
        for digit in ALL.chars() {
            for level in [-34.0, -20.0, -8.0] {
                for twist in [-8.0, 0.0, 4.0] {
                    let heard = digits(&pair(digit, 0.015, level, twist, 50));
                    assert_eq!(heard, digit.to_string(), "{level} dBm0, {twist} dB");
                }
            }
            assert_eq!(digits(&pair(digit, 0.0, -15.0, 9.0, 60)), "");
            assert_eq!(digits(&pair(digit, 0.0, -15.0, -13.0, 60)), "");
            assert_eq!(digits(&pair(digit, 0.0, -50.0, 0.0, 60)), "");
        }
    }

    #[test]
    fn a_break_of_ten_milliseconds_does_not_double_a_digit_and_a_pause_of_thirty_does() {
        for at in 0..8 {
            let mut broken = pair('5', 0.0, -12.0, 0.0, 130);
            let from = 813 + 400 + at * 5;
            broken[from..from + 80].fill(0);
            assert_eq!(digits(&broken), "5");
            broken[from..from + 240].fill(0);
            assert_eq!(digits(&broken), "55");
        }
    }

    #[test]
    fn digits_are_heard_over_a_dial_tone_and_through_companding() {
        for hz in [[350.0, 440.0], [425.0, 400.0], [440.0, 480.0]] {
            for law in [Law::Mu, Law::A] {
                let mut samples = send(ALL, DtmfTiming::default());
                for hz in hz {
                    ToneGenerator::sine(hz, -12.0, None).add_to(&mut samples);
                }
                samples.iter_mut().for_each(|s| *s = law.decode(law.encode(*s)));
                assert_eq!(digits(&samples), ALL, "{hz:?}");
            }
        }
    }

    #[test]
    fn talkers_do_not_dial() {
        let heard: Vec<_> = (0..30).flat_map(|seed| hear(&render(&mut Speech::new(seed, -15.0), 8000 * 60))).collect();
        assert_eq!(heard, vec![], "in half an hour of thirty talkers");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn any_split_of_the_audio_gives_the_same_digits(
            sizes in proptest::collection::vec(1usize..700, 1..20),
            text in "[0-9A-D*#]{1,6}",
        ) {
            let samples = send(&text, DtmfTiming::default());
            let (mut whole, mut pieces) = (Vec::new(), Vec::new());
            Receiver::new(Time::ms(70)).feed(&samples, &mut whole);
            let mut receiver = Receiver::new(Time::ms(70));
            let mut rest = &samples[..];
            for n in sizes.into_iter().cycle() {
                let (now, later) = rest.split_at(n.min(rest.len()));
                receiver.feed(now, &mut pieces);
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(whole, pieces);
        }
    }
}
