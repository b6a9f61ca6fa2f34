//! The pair between the exchange and us, as audio at 8 kHz: loss, delay, noise, mains hum and the echo of two hybrids.
//!
//! ```text
//!   exchange ──hybrid──╮  loss, delay,      ╭──hybrid── port
//!       ▲       echo ╰─┼────────────────────┼─╯ echo      │
//!       ╰──────────────╯  noise, hum,       ╰─────────────╯
//!                         clicks, bursts,
//!                         another telephone
//! ```
//!
//! The port hears what the exchange says less the loss, its own words back from the far hybrid, and the noise of the
//! pair. Levels in dBm0. White noise stands for the pair's; its level is what a C-message weighting would show within
//! a decibel or two (0 dBrnC is −90 dBm). Bursts and clicks are on the pair, so both ends hear them. A second telephone
//! off the hook takes half of the current and of the voice: 3.5 dB both ways (600 Ω beside 600 Ω).

use super::rng::Rng;
use crate::clock::Time;
use crate::dsp::voice::Speech;
use crate::dsp::{FRAME_SAMPLES, Source, level};
use std::time::Duration;

type Samples = [i16; FRAME_SAMPLES];

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
    /// One way: the carrier equipment between the exchange and the last metres of copper.
    pub delay_samples: usize,
    /// By chance, so many in a minute on the average.
    pub clicks_per_minute: f32,
    pub bursts_per_minute: f32,
    pub burst: Burst,
}

/// Mains induced on the pair: the fundamental, and the third harmonic 6 dB below it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hum {
    pub hz: u8,
    pub dbm0: f32,
}

/// A burst of noise: a wet joint, a motor nearby.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Burst {
    pub lasts: Duration,
    pub dbm0: f32,
}

impl Pair {
    /// Neither loss nor noise nor echo: for a real pair, which has its own.
    pub const CLEAN: Pair = Pair {
        loss_db: 0.0,
        noise_dbm0: -99.0,
        hum: None,
        echo_loss_db: 60.0,
        echo_delay_samples: 0,
        delay_samples: 0,
        clicks_per_minute: 0.0,
        bursts_per_minute: 0.0,
        burst: Burst { lasts: Duration::from_millis(200), dbm0: -25.0 },
    };
}

impl Default for Pair {
    fn default() -> Self {
        Pair { loss_db: 3.0, noise_dbm0: -70.0, echo_loss_db: 18.0, echo_delay_samples: 12, ..Pair::CLEAN }
    }
}

/// What the mains of a country hum at: 60 Hz in North America, Brazil and Korea, 50 Hz in the other countries of the
/// tables; Japan has both, and the east, where Tokyo is, 50 (IEC, world plugs and frequencies).
pub fn mains_hz(country: &str) -> u8 {
    if matches!(country, "us" | "ca" | "mx" | "br" | "kr") { 60 } else { 50 }
}

/// 800 samples hold whole periods of 50 and of 60 Hz.
const HUM_SAMPLES: usize = 800;
/// The click of a contact: a damped pulse this long.
const CLICK_SAMPLES: usize = 32;
const CLICK_PEAK: f32 = 2500.0;
/// What a second telephone off the hook takes from the voice, and how loud somebody speaks into it.
const BRIDGED_DB: f32 = -3.5;
pub const PARALLEL_DBM0: f32 = -18.0;

pub struct LocalLoop {
    noise: Noise,
    hum: Option<Box<[f32; HUM_SAMPLES]>>,
    hum_at: usize,
    down: Path,
    up: Path,
    to_us: Path,
    to_exchange: Path,
    bridged: f32,
    parallel: Option<Speech>,
    disturbances: Disturbances,
    /// What is on the pair in this frame besides speech, if anything is.
    disturbed: Option<Box<Samples>>,
}

impl LocalLoop {
    /// `bursts` come at their times, counted from now.
    pub fn new(pair: &Pair, bursts: Vec<(Time, Burst)>, seed: u64) -> LocalLoop {
        let echo_gain = if pair.echo_loss_db >= 60.0 { 0.0 } else { level::gain(-pair.echo_loss_db) };
        let gain = level::gain(-pair.loss_db);
        // an echo passes the loop twice before it is back
        let twice = pair.echo_delay_samples + 2 * pair.delay_samples;
        LocalLoop {
            noise: Noise::new(pair.noise_dbm0, seed),
            hum: pair.hum.map(hum_table),
            hum_at: 0,
            down: Path::new(pair.delay_samples, gain),
            up: Path::new(pair.delay_samples, gain),
            to_us: Path::new(twice, echo_gain * level::gain(-2.0 * pair.loss_db)),
            to_exchange: Path::new(twice, echo_gain),
            bridged: 1.0,
            parallel: None,
            disturbances: Disturbances::new(pair, bursts, seed),
            disturbed: None,
        }
    }

    /// Another telephone on the same pair is lifted, and somebody talks into it, or hung up.
    pub fn set_parallel(&mut self, voice: Option<Speech>) {
        self.parallel = voice;
    }

    /// A frame begins. `click`: a contact opened or closed, or battery moved, at this sample. `closed`: our own set draws
    /// current.
    pub fn begin_frame(&mut self, click: Option<usize>, closed: bool) {
        self.bridged = if self.parallel.is_some() && closed { level::gain(BRIDGED_DB) } else { 1.0 };
        self.disturbed = self.disturbances.frame(click);
        if let Some(voice) = &mut self.parallel {
            voice.add_to(&mut self.disturbed.get_or_insert_with(|| Box::new([0; FRAME_SAMPLES]))[..]);
        }
    }

    /// What the exchange hears of what the port says. `said_before` is what the exchange says meanwhile.
    pub fn towards_exchange(&mut self, sent: &Samples, said_before: &Samples, heard: &mut Samples) {
        heard.fill(0);
        self.up.add(sent, heard);
        self.bridge(heard);
        self.to_exchange.add(said_before, heard);
        self.disturb(heard);
    }

    /// What the port hears of what the exchange says.
    pub fn towards_us(&mut self, said: &Samples, sent: &Samples, heard: &mut Samples) {
        heard.fill(0);
        self.down.add(said, heard);
        self.bridge(heard);
        self.to_us.add(sent, heard);
        self.noise.add(heard);
        if let Some(table) = &self.hum {
            for h in heard.iter_mut() {
                *h = h.saturating_add(table[self.hum_at] as i16);
                self.hum_at = (self.hum_at + 1) % HUM_SAMPLES;
            }
        }
        self.disturb(heard);
    }

    fn bridge(&self, heard: &mut Samples) {
        if self.bridged < 1.0 {
            heard.iter_mut().for_each(|h| *h = (f32::from(*h) * self.bridged) as i16);
        }
    }

    fn disturb(&self, heard: &mut Samples) {
        if let Some(disturbed) = &self.disturbed {
            heard.iter_mut().zip(disturbed.iter()).for_each(|(h, d)| *h = h.saturating_add(*d));
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

/// Clicks and bursts of noise, by chance and at their times.
#[derive(Debug)]
struct Disturbances {
    rng: Rng,
    /// Samples of the pair that have passed.
    now: u64,
    /// The mean distance in samples, and the sample of the next.
    clicks: Option<(u64, u64)>,
    bursts: Option<(u64, u64)>,
    burst: Burst,
    /// First and last sample of each, and its peak; those that are over are gone.
    noisy: Vec<(u64, u64, f32)>,
}

impl Disturbances {
    fn new(pair: &Pair, bursts: Vec<(Time, Burst)>, seed: u64) -> Disturbances {
        let mut rng = Rng::new(seed, 0x6275_7273);
        let mut chance = |per_minute: f32| {
            let mean = (per_minute > 0.0).then(|| (480_000.0 / per_minute).max(1.0) as u64)?;
            Some((mean, rng.between(mean / 2, mean + mean / 2)))
        };
        let (clicks, by_chance) = (chance(pair.clicks_per_minute), chance(pair.bursts_per_minute));
        let mut all = Disturbances { rng, now: 0, clicks, bursts: by_chance, burst: pair.burst, noisy: Vec::new() };
        for (at, burst) in bursts {
            all.add_burst(at.as_samples(), burst);
        }
        all
    }

    fn add_burst(&mut self, from: u64, burst: Burst) {
        let to = from + (burst.lasts.as_micros() / 125) as u64;
        // an even distribution of peak p has the power p²/3
        self.noisy.push((from, to, level::rms(burst.dbm0) * 3f32.sqrt()));
    }

    fn frame(&mut self, click: Option<usize>) -> Option<Box<Samples>> {
        let (from, to) = (self.now, self.now + FRAME_SAMPLES as u64);
        self.now = to;
        let mut out: Option<Box<Samples>> = None;
        let made = || Box::new([0; FRAME_SAMPLES]);
        if let Some(at) = click {
            add_click(at, out.get_or_insert_with(made));
        }
        if let Some((mean, next)) = self.clicks.filter(|(_, next)| *next < to) {
            add_click((next - from) as usize, out.get_or_insert_with(made));
            self.clicks = Some((mean, to + self.rng.between(mean / 2, mean + mean / 2)));
        }
        if let Some((mean, next)) = self.bursts.filter(|(_, next)| *next < to) {
            self.add_burst(next, self.burst);
            self.bursts = Some((mean, to + self.rng.between(mean / 2, mean + mean / 2)));
        }
        for &(begin, end, peak) in &self.noisy {
            let (begin, end) = (begin.clamp(from, to), end.clamp(from, to));
            if begin < end {
                let out = out.get_or_insert_with(made);
                for o in &mut out[(begin - from) as usize..(end - from) as usize] {
                    *o = o.saturating_add(white(&mut self.rng, peak));
                }
            }
        }
        self.noisy.retain(|(_, end, _)| *end > to);
        out
    }
}

fn add_click(at: usize, out: &mut Samples) {
    for (i, o) in out[at.min(FRAME_SAMPLES - 1)..].iter_mut().take(CLICK_SAMPLES).enumerate() {
        let decay = 1.0 - i as f32 / CLICK_SAMPLES as f32;
        let sign = if (i / 4) % 2 == 0 { 1.0 } else { -1.0 };
        *o = o.saturating_add((CLICK_PEAK * decay * decay * sign) as i16);
    }
}

fn white(rng: &mut Rng, peak: f32) -> i16 {
    let unit = (rng.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
    (unit * peak).round() as i16
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
            (0..NOISE_SAMPLES + FRAME_SAMPLES).map(|_| white(&mut rng, peak)).collect()
        };
        Noise { rng, samples }
    }

    fn add(&mut self, out: &mut Samples) {
        if self.samples.is_empty() {
            return;
        }
        let from = (self.rng.next() >> 20) as usize % NOISE_SAMPLES;
        for (o, n) in out.iter_mut().zip(&self.samples[from..from + FRAME_SAMPLES]) {
            *o = o.saturating_add(*n);
        }
    }
}

/// A way through the pair: what was sent arrives later and weaker.
#[derive(Debug)]
struct Path {
    gain: f32,
    delay: usize,
    /// The last samples sent, oldest first: at least a frame, and at least as many as the delay.
    sent: Vec<i16>,
    /// Nothing but zeros in `sent`: then there is nothing to do, and most of the time there is not.
    silent_for: usize,
}

impl Path {
    fn new(delay: usize, gain: f32) -> Path {
        let kept = delay.max(FRAME_SAMPLES);
        Path { gain, delay, sent: vec![0; kept], silent_for: kept }
    }

    fn add(&mut self, sent: &Samples, out: &mut Samples) {
        let silent = sent.iter().all(|s| *s == 0);
        if self.gain == 0.0 || (silent && self.silent_for >= self.sent.len()) {
            return;
        }
        self.silent_for = if silent { self.silent_for + FRAME_SAMPLES } else { 0 };
        let (late, kept) = (self.delay.min(FRAME_SAMPLES), self.sent.len());
        let (before, now) = out.split_at_mut(late);
        let add = |o: &mut i16, s: &i16| *o = o.saturating_add((f32::from(*s) * self.gain) as i16);
        before.iter_mut().zip(&self.sent[kept - self.delay..]).for_each(|(o, s)| add(o, s));
        now.iter_mut().zip(sent).for_each(|(o, s)| add(o, s));
        self.sent.copy_within(FRAME_SAMPLES.., 0);
        self.sent[kept - FRAME_SAMPLES..].copy_from_slice(sent);
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
    const CLEAN: Pair = Pair::CLEAN;

    fn local_loop(pair: Pair, seed: u64) -> LocalLoop {
        LocalLoop::new(&pair, vec![], seed)
    }

    /// What the port hears of silence for so many frames.
    fn listen(pair: &mut LocalLoop, frames: usize) -> Vec<i16> {
        let mut all = Vec::new();
        for _ in 0..frames {
            let mut heard = SILENCE;
            pair.begin_frame(None, true);
            pair.towards_us(&SILENCE, &SILENCE, &mut heard);
            all.extend(heard);
        }
        all
    }

    #[test]
    fn what_crosses_the_pair_loses_its_loss_in_both_directions() {
        let mut pair = local_loop(Pair { loss_db: 6.0, ..CLEAN }, 1);
        let mut heard = SILENCE;
        pair.towards_us(&tone(-10.0), &SILENCE, &mut heard);
        assert!((level::dbm0(&heard) + 16.0).abs() < 0.2);
        pair.towards_exchange(&tone(-7.0), &SILENCE, &mut heard);
        assert!((level::dbm0(&heard) + 13.0).abs() < 0.2);
    }

    #[test]
    fn a_quiet_pair_has_its_noise_and_the_same_for_the_same_seed() {
        let listen = |seed| {
            let mut pair = local_loop(Pair { noise_dbm0: -50.0, ..CLEAN }, seed);
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
        let mut pair = local_loop(Pair { echo_loss_db: 20.0, echo_delay_samples: 200, ..CLEAN }, 1);
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
            let mut pair = local_loop(Pair { hum: Some(Hum { hz, dbm0: -40.0 }), ..CLEAN }, 1);
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

    #[test]
    fn a_delayed_pair_gives_everything_back_later_and_whole() {
        let mut pair = local_loop(Pair { delay_samples: 400, ..CLEAN }, 1);
        let mut heard = SILENCE;
        let mut all = Vec::new();
        pair.towards_us(&tone(-10.0), &SILENCE, &mut heard);
        all.extend(heard);
        all.extend(listen(&mut pair, 5));
        assert!(all[..400].iter().all(|s| *s == 0));
        let late: Vec<i16> = all[400..400 + FRAME_SAMPLES].to_vec();
        assert!(late.iter().zip(tone(-10.0)).all(|(a, b)| (a - b).abs() <= 1), "50 ms late and unchanged");
        assert!(all[400 + FRAME_SAMPLES..].iter().all(|s| *s == 0));
        let mut pair = local_loop(Pair { delay_samples: 400, echo_loss_db: 20.0, ..CLEAN }, 1);
        pair.towards_us(&SILENCE, &tone(-10.0), &mut heard);
        let all = listen(&mut pair, 10);
        let first = all.iter().position(|s| *s != 0).unwrap() + FRAME_SAMPLES;
        assert!((800..803).contains(&first), "an echo has crossed the pair twice: {first}");
    }

    #[test]
    fn bursts_come_at_their_times_with_their_levels_and_at_both_ends() {
        let burst = Burst { lasts: Duration::from_millis(100), dbm0: -20.0 };
        let mut pair = LocalLoop::new(&CLEAN, vec![(Time::ms(250), burst)], 1);
        let (mut at_us, mut at_exchange) = (Vec::new(), Vec::new());
        for _ in 0..30 {
            let mut heard = SILENCE;
            pair.begin_frame(None, true);
            pair.towards_exchange(&SILENCE, &SILENCE, &mut heard);
            at_exchange.extend(heard);
            pair.towards_us(&SILENCE, &SILENCE, &mut heard);
            at_us.extend(heard);
        }
        assert_eq!(at_us, at_exchange);
        assert!(at_us[..2000].iter().chain(&at_us[2800..]).all(|s| *s == 0));
        assert!((level::dbm0(&at_us[2000..2800]) + 20.0).abs() < 1.0);
    }

    #[test]
    fn clicks_and_bursts_by_chance_are_as_many_as_was_said_and_the_same_for_the_same_seed() {
        let count = |pair: Pair, seed| {
            let all = listen(&mut local_loop(pair, seed), 50 * 120);
            let noisy: Vec<bool> = all.chunks(80).map(|c| c.iter().any(|s| *s != 0)).collect();
            (noisy.windows(2).filter(|w| !w[0] && w[1]).count(), all)
        };
        let clicks = Pair { clicks_per_minute: 20.0, ..CLEAN };
        assert!((34..=46).contains(&count(clicks, 1).0), "{}", count(clicks, 1).0);
        let bursts = Pair { bursts_per_minute: 6.0, ..CLEAN };
        assert!((9..=15).contains(&count(bursts, 1).0), "{}", count(bursts, 1).0);
        assert_eq!(count(bursts, 5).1, count(bursts, 5).1);
        assert_ne!(count(bursts, 5).1, count(bursts, 6).1);
    }

    #[test]
    fn a_telephone_beside_ours_is_heard_at_both_ends_and_takes_from_our_level() {
        let mut pair = local_loop(CLEAN, 1);
        pair.set_parallel(Some(Speech::new(1, PARALLEL_DBM0)));
        assert!(level::dbm0(&listen(&mut pair, 200)) > -30.0);
        pair.set_parallel(None);
        assert_eq!(level::dbm0(&listen(&mut pair, 50)), level::FLOOR_DBM0);
    }
}
