//! The pair between the exchange and us, as audio at 8 kHz: loss, noise, mains hum and the echo of two hybrids.
//!
//! ```text
//!   exchange ──hybrid──╮  loss, noise, hum  ╭──hybrid── port
//!       ▲       echo ╰─┼────────────────────┼─╯ echo      │
//!       ╰──────────────╯                    ╰─────────────╯
//! ```
//!
//! The port hears what the exchange says less the loss, its own words back from the far hybrid, and the noise of the
//! pair. Levels in dBm0. White noise stands for the pair's; its level is what a C-message weighting would show within
//! a decibel or two (0 dBrnC is −90 dBm).

use super::rng::Rng;
use crate::dsp::{FRAME_SAMPLES, level};

/// The pair's properties; the defaults are a good short line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    pub loss_db: f32,
    /// Below −90 there is none.
    pub noise_dbm0: f32,
    pub hum: Option<Hum>,
    /// Echo return loss of each hybrid; 60 dB and more is none.
    pub echo_loss_db: f32,
    pub echo_delay_samples: usize,
}

/// Mains induced on the pair: the fundamental, and the third harmonic 6 dB below it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hum {
    pub hz: u8,
    pub dbm0: f32,
}

impl Pair {
    /// 64 ms: more than any hybrid of a local loop, and no more than our buffer.
    pub const MAX_ECHO_DELAY_SAMPLES: usize = 512;
}

impl Default for Pair {
    fn default() -> Self {
        Pair { loss_db: 3.0, noise_dbm0: -70.0, hum: None, echo_loss_db: 18.0, echo_delay_samples: 12 }
    }
}

/// 800 samples hold whole periods of 50 and of 60 Hz.
const HUM_SAMPLES: usize = 800;
/// The click of a contact: a damped pulse this long.
const CLICK_SAMPLES: usize = 32;
const CLICK_PEAK: f32 = 2500.0;

#[derive(Debug)]
pub struct LocalLoop {
    gain: f32,
    noise: Noise,
    hum: Option<Box<[f32; HUM_SAMPLES]>>,
    hum_at: usize,
    to_us: Echo,
    to_exchange: Echo,
    click: Option<usize>,
}

impl LocalLoop {
    pub fn new(pair: &Pair, seed: u64) -> LocalLoop {
        let echo_gain = if pair.echo_loss_db >= 60.0 { 0.0 } else { level::gain(-pair.echo_loss_db) };
        LocalLoop {
            gain: level::gain(-pair.loss_db),
            noise: Noise::new(pair.noise_dbm0, seed),
            hum: pair.hum.map(hum_table),
            hum_at: 0,
            // what we say passes the loop twice before it is back
            to_us: Echo::new(pair.echo_delay_samples, echo_gain * level::gain(-2.0 * pair.loss_db)),
            to_exchange: Echo::new(pair.echo_delay_samples, echo_gain),
            click: None,
        }
    }

    /// A contact opened or closed, or battery moved, at this sample of the next frame: both ends hear a click.
    pub fn click(&mut self, at: usize) {
        self.click = Some(at.min(FRAME_SAMPLES - 1));
    }

    /// What the exchange hears of what the port says. `said` is what the exchange says meanwhile.
    pub fn towards_exchange(
        &mut self,
        sent: &[i16; FRAME_SAMPLES],
        said_before: &[i16; FRAME_SAMPLES],
        heard: &mut [i16; FRAME_SAMPLES],
    ) {
        for (h, s) in heard.iter_mut().zip(sent) {
            *h = (f32::from(*s) * self.gain) as i16;
        }
        self.to_exchange.add(said_before, heard);
    }

    /// What the port hears of what the exchange says.
    pub fn towards_us(
        &mut self,
        said: &[i16; FRAME_SAMPLES],
        sent: &[i16; FRAME_SAMPLES],
        heard: &mut [i16; FRAME_SAMPLES],
    ) {
        for (h, s) in heard.iter_mut().zip(said) {
            *h = (f32::from(*s) * self.gain) as i16;
        }
        self.to_us.add(sent, heard);
        self.noise.add(heard);
        if let Some(table) = &self.hum {
            for h in heard.iter_mut() {
                *h = h.saturating_add(table[self.hum_at] as i16);
                self.hum_at = (self.hum_at + 1) % HUM_SAMPLES;
            }
        }
        if let Some(at) = self.click.take() {
            for (i, h) in heard[at..].iter_mut().take(CLICK_SAMPLES).enumerate() {
                let decay = 1.0 - i as f32 / CLICK_SAMPLES as f32;
                let sign = if (i / 4) % 2 == 0 { 1.0 } else { -1.0 };
                *h = h.saturating_add((CLICK_PEAK * decay * decay * sign) as i16);
            }
        }
    }
}

fn hum_table(hum: Hum) -> Box<[f32; HUM_SAMPLES]> {
    let mut table = Box::new([0.0; HUM_SAMPLES]);
    let peak = level::peak(hum.dbm0);
    for (i, t) in table.iter_mut().enumerate() {
        let phase = std::f32::consts::TAU * f32::from(hum.hz) * i as f32 / 8000.0;
        *t = peak * (phase.sin() + 0.5 * (3.0 * phase).sin());
    }
    table
}

/// White noise of even distribution. Its samples are drawn once; each frame begins elsewhere among them, which costs
/// one draw a frame and no multiplication, and repeats no frame within any time that matters.
#[derive(Debug)]
struct Noise {
    rng: Rng,
    samples: Vec<i16>,
}

const NOISE_SAMPLES: usize = 8192;

impl Noise {
    fn new(dbm0: f32, seed: u64) -> Noise {
        let mut rng = Rng::new(seed, 0x6E6F_6973);
        let samples = if dbm0 < -90.0 {
            Vec::new()
        } else {
            // an even distribution of peak p has the power p²/3
            let peak = level::rms(dbm0) * 3f32.sqrt();
            let draw = |r: &mut Rng| {
                let unit = (r.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
                (unit * peak).round() as i16
            };
            (0..NOISE_SAMPLES + FRAME_SAMPLES).map(|_| draw(&mut rng)).collect()
        };
        Noise { rng, samples }
    }

    fn add(&mut self, out: &mut [i16; FRAME_SAMPLES]) {
        if self.samples.is_empty() {
            return;
        }
        let from = (self.rng.next() >> 20) as usize % NOISE_SAMPLES;
        for (o, n) in out.iter_mut().zip(&self.samples[from..from + FRAME_SAMPLES]) {
            *o = o.saturating_add(*n);
        }
    }
}

/// One hybrid: what was sent comes back later and weaker.
#[derive(Debug)]
struct Echo {
    gain: f32,
    delay: usize,
    /// The last samples sent, oldest first.
    sent: [i16; Pair::MAX_ECHO_DELAY_SAMPLES],
    /// Nothing but zeros in `sent`: then there is nothing to do, and most of the time there is not.
    silent_for: usize,
}

impl Echo {
    fn new(delay: usize, gain: f32) -> Echo {
        Echo {
            gain,
            delay: delay.min(Pair::MAX_ECHO_DELAY_SAMPLES),
            sent: [0; Pair::MAX_ECHO_DELAY_SAMPLES],
            silent_for: Pair::MAX_ECHO_DELAY_SAMPLES,
        }
    }

    fn add(&mut self, sent: &[i16; FRAME_SAMPLES], out: &mut [i16; FRAME_SAMPLES]) {
        let silent = sent.iter().all(|s| *s == 0);
        if self.gain == 0.0 || (silent && self.silent_for >= self.delay) {
            return;
        }
        self.silent_for = if silent { self.silent_for + FRAME_SAMPLES } else { 0 };
        let n = self.sent.len();
        for (i, o) in out.iter_mut().enumerate() {
            let s = if i >= self.delay { sent[i - self.delay] } else { self.sent[n + i - self.delay] };
            *o = o.saturating_add((f32::from(s) * self.gain) as i16);
        }
        self.sent.copy_within(FRAME_SAMPLES.., 0);
        self.sent[n - FRAME_SAMPLES..].copy_from_slice(sent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(level_dbm0: f32) -> [i16; FRAME_SAMPLES] {
        let mut f = [0; FRAME_SAMPLES];
        for (i, s) in f.iter_mut().enumerate() {
            *s = (level::peak(level_dbm0) * (std::f32::consts::TAU * 1000.0 * i as f32 / 8000.0).sin()) as i16;
        }
        f
    }

    const SILENCE: [i16; FRAME_SAMPLES] = [0; FRAME_SAMPLES];
    const CLEAN: Pair = Pair { loss_db: 0.0, noise_dbm0: -99.0, hum: None, echo_loss_db: 60.0, echo_delay_samples: 0 };

    #[test]
    fn what_crosses_the_pair_loses_its_loss_in_both_directions() {
        let mut pair = LocalLoop::new(&Pair { loss_db: 6.0, ..CLEAN }, 1);
        let mut heard = SILENCE;
        pair.towards_us(&tone(-10.0), &SILENCE, &mut heard);
        assert!((level::dbm0(&heard) + 16.0).abs() < 0.2);
        pair.towards_exchange(&tone(-7.0), &SILENCE, &mut heard);
        assert!((level::dbm0(&heard) + 13.0).abs() < 0.2);
    }

    #[test]
    fn a_quiet_pair_has_its_noise_and_the_same_for_the_same_seed() {
        let listen = |seed| {
            let mut pair = LocalLoop::new(&Pair { noise_dbm0: -50.0, ..CLEAN }, seed);
            let mut all = Vec::new();
            for _ in 0..50 {
                let mut heard = SILENCE;
                pair.towards_us(&SILENCE, &SILENCE, &mut heard);
                all.extend(heard);
            }
            all
        };
        assert!((level::dbm0(&listen(3)) + 50.0).abs() < 0.5);
        assert_eq!(listen(3), listen(3));
        assert_ne!(listen(3), listen(4));
    }

    #[test]
    fn our_own_words_come_back_late_and_weak() {
        let mut pair = LocalLoop::new(&Pair { echo_loss_db: 20.0, echo_delay_samples: 200, ..CLEAN }, 1);
        let mut heard = SILENCE;
        pair.towards_us(&SILENCE, &tone(-10.0), &mut heard);
        assert_eq!(heard, SILENCE, "25 ms have not passed");
        pair.towards_us(&SILENCE, &SILENCE, &mut heard);
        assert!(heard[..40].iter().all(|s| *s == 0));
        assert!((level::dbm0(&heard[40..]) + 30.0).abs() < 0.5);
        pair.towards_us(&SILENCE, &SILENCE, &mut heard);
        assert!((level::dbm0(&heard[..40]) + 30.0).abs() < 0.5);
        for _ in 0..5 {
            pair.towards_us(&SILENCE, &SILENCE, &mut heard);
        }
        assert_eq!(heard, SILENCE);
    }

    #[test]
    fn mains_hum_has_its_level_and_no_seam() {
        for hz in [50, 60] {
            let mut pair = LocalLoop::new(&Pair { hum: Some(Hum { hz, dbm0: -40.0 }), ..CLEAN }, 1);
            let mut all = Vec::new();
            for _ in 0..10 {
                let mut heard = SILENCE;
                pair.towards_us(&SILENCE, &SILENCE, &mut heard);
                all.extend(heard);
            }
            // the harmonic adds 1 dB
            assert!((level::dbm0(&all) + 39.0).abs() < 0.5, "{hz} Hz");
            let period = if hz == 50 { 160 } else { 400 };
            assert!(all.iter().zip(&all[period..]).all(|(a, b)| (a - b).abs() <= 1), "{hz} Hz");
        }
    }
}
