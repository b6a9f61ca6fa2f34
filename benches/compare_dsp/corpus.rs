//! What is listened to: generated lines, and recordings of people and of music.

use std::path::{Path, PathBuf};
use std::process::Command;
use tipring::dsp::g711::Law;
use tipring::dsp::level;
use tipring::dsp::voice::{Noise, Random};
use tipring::dsp::{Source, tone::ToneGenerator};

pub struct Dice(Random);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(Random::new(seed))
    }

    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.0.unit()
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.0.below(n as u32) as usize
    }

    pub fn seed(&mut self) -> u64 {
        self.0.bits()
    }

    pub fn sign(&mut self) -> f32 {
        if self.below(2) == 0 { -1.0 } else { 1.0 }
    }
}

/// Adds a sine, with edges as hard as a switch makes them.
pub fn add_sine(samples: &mut [i16], hz: f32, level_dbm0: f32, phase: f32) {
    let peak = f64::from(level::peak(level_dbm0));
    for (n, s) in samples.iter_mut().enumerate() {
        let turn = n as f64 * f64::from(hz) / 8000.0 * std::f64::consts::TAU + f64::from(phase);
        let sum = f64::from(*s) + peak * turn.sin();
        *s = sum.round().clamp(-32768.0, 32767.0) as i16;
    }
}

pub fn add_noise(samples: &mut [i16], seed: u64, level_dbm0: f32) {
    Noise::new(seed, level_dbm0).add_to(samples);
}

/// What the mains leave on a pair.
pub fn add_hum(samples: &mut [i16], level_dbm0: f32) {
    for (hz, below) in [(50.0, 0.0), (100.0, 8.0), (150.0, 10.0), (250.0, 18.0)] {
        ToneGenerator::sine(hz, level_dbm0 - below, None).add_to(samples);
    }
}

pub fn compand(samples: &mut [i16], law: Law) {
    samples.iter_mut().for_each(|s| *s = law.decode(law.encode(*s)));
}

/// A pair of some kilometres takes more of the high than of the low: first order, this many dB between 300 and 3400 Hz.
pub fn tilt(samples: &mut [i16], db: f32) {
    // y = x + a·x₋₁ falls towards the high end; a is found for the drop that was asked for
    let response = |a: f32, hz: f32| {
        let w = hz / 8000.0 * std::f32::consts::TAU;
        10.0 * (1.0 + a * a + 2.0 * a * w.cos()).log10()
    };
    let mut a = 0.0;
    while a < 0.95 && response(a, 300.0) - response(a, 3400.0) < db {
        a += 0.01;
    }
    let gain = 10f32.powf(-response(a, 1000.0) / 20.0);
    let mut before = 0.0;
    for s in samples.iter_mut() {
        let x = f32::from(*s);
        *s = ((x + a * before) * gain).round().clamp(-32768.0, 32767.0) as i16;
        before = x;
    }
}

/// Calls go over packets: this share of 10 ms blocks is lost, and played as silence or as the block before, faded.
pub fn lose(samples: &mut [i16], dice: &mut Dice, share: f32, concealed: bool) {
    for at in (80..samples.len().saturating_sub(80)).step_by(80) {
        if dice.between(0.0, 1.0) < share {
            for i in at..at + 80 {
                samples[i] = if concealed { (f32::from(samples[i - 80]) * 0.9) as i16 } else { 0 };
            }
        }
    }
}

pub fn at_level(samples: &[i16], level_dbm0: f32) -> Vec<i16> {
    let sounding: Vec<i16> = samples.chunks(160).filter(|c| level::dbm0(c) > -45.0).flatten().copied().collect();
    if sounding.is_empty() {
        return samples.to_vec();
    }
    let gain = level::gain(level_dbm0 - level::dbm0(&sounding));
    samples.iter().map(|&s| (f32::from(s) * gain).clamp(-32768.0, 32767.0) as i16).collect()
}

/// Another talker: faster and higher, or slower and lower.
pub fn at_speed(samples: &[i16], speed: f32) -> Vec<i16> {
    let count = (samples.len() as f32 / speed) as usize;
    (0..count)
        .map(|n| {
            let at = n as f32 * speed;
            let i = at as usize;
            let (a, b) = (samples[i], *samples.get(i + 1).unwrap_or(&0));
            (f32::from(a) + (f32::from(b) - f32::from(a)) * at.fract()) as i16
        })
        .collect()
}

pub struct Recording {
    pub name: String,
    pub samples: Vec<i16>,
}

pub fn hours(recordings: &[Recording]) -> f32 {
    recordings.iter().map(|r| r.samples.len()).sum::<usize>() as f32 / 8000.0 / 3600.0
}

/// Where Debian's packages put people who speak, and what in those places is no speech.
const SPEECH: [&str; 2] = ["/usr/share/asterisk/sounds", "/usr/share/games/fillets-ng/sound"];
const NO_SPEECH: [&str; 11] = [
    "beep",
    "silence",
    "tone",
    "ascending",
    "descending",
    "ring",
    "/music",
    "dtmf",
    "/sp-",
    "confbridge-join",
    "confbridge-leave",
];
const MUSIC: [&str; 5] = [
    "/usr/share/asterisk/moh",
    "/usr/share/games/asc/music",
    "/usr/share/games/frozen-bubble/snd",
    "/usr/share/games/etr/music",
    "/usr/share/games/fillets-ng/music",
];

pub fn speech(limit_hours: f32) -> Vec<Recording> {
    recordings(&SPEECH, limit_hours, |path| !NO_SPEECH.iter().any(|n| path.contains(n)))
}

pub fn music(limit_hours: f32) -> Vec<Recording> {
    recordings(&MUSIC, limit_hours, |path| !path.contains("/snd/") || path.contains("music") || path.contains("intro"))
}

fn recordings(directories: &[&str], limit_hours: f32, wanted: impl Fn(&str) -> bool) -> Vec<Recording> {
    let mut files = Vec::new();
    for directory in directories {
        collect(Path::new(directory), &mut files);
    }
    files.sort();
    files.dedup();
    let mut all = Vec::new();
    for file in files {
        let name = file.to_string_lossy().into_owned();
        if !wanted(&name) {
            continue;
        }
        let samples = load(&file);
        if samples.len() < 4000 {
            continue;
        }
        all.push(Recording { name, samples });
        if hours(&all) > limit_hours {
            break;
        }
    }
    all
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "wav" || e == "ogg" || e == "flac") {
            files.push(path);
        }
    }
}

/// sox reads everything, once: what it made is kept.
fn load(path: &Path) -> Vec<i16> {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compare-dsp");
    let _ = std::fs::create_dir_all(&cache);
    let key: String = path.to_string_lossy().chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
    let cached = cache.join(key + ".raw");
    if !cached.exists() {
        let made = Command::new("sox")
            .args(["-V1", "-q", "-G"])
            .arg(path)
            .args(["-t", "raw", "-e", "signed", "-b", "16", "-c", "1", "-r", "8000"])
            .arg(&cached)
            .status();
        if !made.is_ok_and(|s| s.success()) {
            return Vec::new();
        }
    }
    let bytes = std::fs::read(&cached).unwrap_or_default();
    bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
}
