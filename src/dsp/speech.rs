//! Somebody speaks.
//!
//! Speech is what is left when tones are explained: sound whose power gathers in a few lines (the voice's harmonics), as
//! noise has not, that move or fade from look to look, as tones do not, and that is louder and softer by turns, three to
//! five times a second. A quarter of half a second of it is enough. Music passes for speech; noise, data and digits do not.

use super::sound::SoundSet;
use super::spectrum::Look;
use crate::clock::Time;
use crate::event::Heard;
use std::time::Duration;

/// Looks of 20 ms that are remembered: half a second.
const WINDOW: usize = 25;
/// So many of them must be a voice.
const ENOUGH: usize = 7;
/// The loudest is so much louder than the softest: 6 dB in power.
const SYLLABIC: f32 = 4.0;
/// No voice for so long is the end of speech.
const PAUSE: Duration = Duration::from_millis(1000);

#[derive(Clone, Debug)]
pub struct Speech {
    window: [Glance; WINDOW],
    count: usize,
    /// Strongest line and power of the last looks at this sound, newest first; zero: none.
    before: [(f32, f32); 4],
    speaking: bool,
    last_voice: Time,
}

#[derive(Clone, Copy, Debug, Default)]
struct Glance {
    voice: bool,
    /// Zero: quiet.
    power: f32,
    /// When the sound began that this is a look at.
    since: Time,
}

impl Speech {
    pub fn new() -> Speech {
        Speech {
            window: [Glance::default(); WINDOW],
            count: 0,
            before: [(0.0, 0.0); 4],
            speaking: false,
            last_voice: Time::ZERO,
        }
    }

    /// Every 20 ms: what was seen and what tones it may be, if there was enough to look at, and whether it is `quiet`. `since`: when the sound began.
    pub fn glance(
        &mut self,
        seen: Option<(&Look, SoundSet)>,
        quiet: bool,
        since: Time,
        now: Time,
        out: &mut Vec<Heard>,
    ) {
        let glance = match seen {
            None => {
                if quiet {
                    self.before = [(0.0, 0.0); 4];
                }
                Glance::default()
            }
            Some((look, set)) => {
                let hz = look.lines().first().map_or(0.0, |l| l.hz);
                let moved = self.before.iter().any(|&(before_hz, before)| {
                    before > 0.0
                        && ((hz - before_hz).abs() > 0.02 * before_hz
                            || look.total > 1.6 * before
                            || look.total < 0.6 * before)
                });
                self.before.rotate_right(1);
                self.before[0] = (hz, look.total);
                let gathered = look.concentration();
                let voice = set.is_empty() && gathered > 0.4 && (gathered < 0.85 || moved);
                Glance { voice, power: look.total, since }
            }
        };
        self.window[self.count % WINDOW] = glance;
        self.count += 1;
        if glance.voice {
            self.last_voice = now;
        }
        if self.speaking {
            if now.since(self.last_voice) >= PAUSE {
                self.speaking = false;
                out.push(Heard::SpeechEnded { at: self.last_voice });
            }
        } else if glance.voice && self.is_speech() {
            self.speaking = true;
            // the window from its oldest to its newest
            let first = (0..WINDOW).map(|i| self.window[(self.count + i) % WINDOW]).find(|g| g.voice);
            out.push(Heard::Speech { since: first.map_or(now, |g| g.since) });
        }
    }

    fn is_speech(&self) -> bool {
        let voices = self.window.iter().filter(|g| g.voice).count();
        let sounding = || self.window.iter().filter(|g| g.power > 0.0).map(|g| g.power);
        let (least, most) = sounding().fold((f32::MAX, 0f32), |(least, most), p| (least.min(p), most.max(p)));
        voices >= ENOUGH && most > SYLLABIC * least
    }
}
