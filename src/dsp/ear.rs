//! Everything that can be heard on one direction of a line.
//!
//! ```text
//!  samples ─▶ front ─┬▶ burst ─▶ cadence ─▶ Tone, ToneEnded
//!   (5 ms blocks)    │    └────▶ lines ───▶ OtherTone, Fax
//!                    ├▶ speech ───────────▶ Speech, SpeechEnded
//!                    ├▶ silence ──────────▶ Silence
//!                    ├▶ modem, alert ─────▶ Fax, Alert
//!                    └▶ dtmf ─────────────▶ Digit
//! ```

use super::burst::{Edge, Tracker};
use super::cadence::Recogniser;
use super::caller_id::AlertDetector;
use super::dtmf;
use super::front::{BLOCK, Front};
use super::modem::{AnswerTone, Preamble};
use super::sound::Sounds;
use super::spectrum::Look;
use super::speech::Speech;
use crate::clock::Time;
use crate::event::{FaxTone, Heard};
use crate::facts::Country;
use std::time::Duration;

/// Hears one direction of one line.
///
/// What it promises, in line time:
///
/// - [`Heard::Tone`] once when a tone is recognised. A steady tone takes 350 ms (1.5 s where it gets louder or softer,
///   4.5 s where something that is no tone of the country sounded until it began: music), or as long as the longest burst of another
///   tone with the same sound in that country (a dial tone of 425 Hz where ringback is 425 Hz for a second: 1.2 s); ringback
///   is known when its first burst ends, busy and congestion after two periods, special information tones when their
///   third segment ends, before the announcement. Where another tone of the country cannot be told from it, `Tone::or`
///   names that.
/// - [`Heard::ToneEnded`] once when it stops: for a steady tone 30 ms after; for one with a cadence when the next burst is
///   overdue or something else is heard in its place, and `at` is the end of the last burst then.
/// - [`Heard::Speech`] within half a second of its onset, [`Heard::SpeechEnded`] when there was none for a second.
/// - [`Heard::Silence`] once per silence, when it has lasted half a second. The gaps of a tone that is recognised are no
///   silence.
/// - [`Heard::Digit`] when the digit has ended; [`Heard::Fax`] when the tone has lasted long enough (CED and ANSam 500 ms,
///   V.21 flags 213 ms) or has ended (CNG), and once more for an answer tone whose phase turned over twice;
///   [`Heard::Alert`] when it has ended; [`Heard::OtherTone`] when a single tone that no cadence of the country explains has lasted 200 ms;
///   [`Heard::OtherToneEnded`] alone where something could have explained it until it was over. No verdict hangs on such a one.
///
/// Any split of the audio gives the same events. Nothing is allocated per block.
#[derive(Clone, Debug)]
pub struct Ear {
    start: Time,
    /// Whole blocks heard or skipped, in samples.
    heard: u64,
    block: [i16; BLOCK],
    filled: usize,
    front: Front,
    tracker: Tracker,
    recogniser: Recogniser,
    digits: dtmf::Receiver,
    single: Single,
    speech: Speech,
    answer: AnswerTone,
    preamble: Preamble,
    alert: AlertDetector,
    /// What has been told of the answer tone that is on.
    fax_told: Option<FaxTone>,
    silence_told: bool,
    late: Option<Late>,
}

impl Ear {
    /// Listens for the tones of this country; the first sample that is fed is at `start`.
    pub fn new(country: &Country, start: Time) -> Ear {
        let mut sounds = Sounds::new();
        let mut softest_db = 0f32;
        for tone in &country.tones {
            for step in tone.intro.iter().chain(&tone.steps) {
                sounds.add(tone, &step.sound);
                softest_db = softest_db.min(step.relative_db);
            }
        }
        // lines that are near each other beat: a short gap may be theirs
        let gap_blocks = if sounds.beat() { 6 } else { 4 };
        let shortest_gap = Duration::from_millis(5 * u64::from(gap_blocks));
        let recogniser = Recogniser::new(&country.tones, &mut sounds, shortest_gap);
        Ear {
            start,
            heard: 0,
            block: [0; BLOCK],
            filled: 0,
            front: Front::new(),
            tracker: Tracker::new(sounds, gap_blocks, softest_db, start),
            recogniser,
            digits: dtmf::Receiver::new(start),
            single: Single::default(),
            speech: Speech::new(),
            answer: AnswerTone::default(),
            preamble: Preamble::default(),
            alert: AlertDetector::default(),
            fax_told: None,
            silence_told: false,
            late: None,
        }
    }

    /// Listens; pushes what was heard, in the order in which it was recognised.
    pub fn feed(&mut self, samples: &[i16], out: &mut Vec<Heard>) {
        let mut rest = samples;
        while !rest.is_empty() {
            let n = rest.len().min(BLOCK - self.filled);
            self.block[self.filled..self.filled + n].copy_from_slice(&rest[..n]);
            self.filled += n;
            rest = &rest[n..];
            if self.filled == BLOCK {
                self.filled = 0;
                self.heard += BLOCK as u64;
                self.take_block(out);
            }
        }
    }

    /// Whether nothing has been dialled yet on this line, which [`Ear::new`] does not assume. No tone is called ringback then,
    /// and a dial tone of ringback's frequency is named as soon as it is too long for the other tones: after 0.4 to 0.7 s
    /// in place of 1.2 s and more.
    pub fn before_dialling(&mut self, yes: bool) {
        self.recogniser.before_dialling(yes);
    }

    /// This much was not heard (lost, or the line was not ours): what was going on is forgotten without a word.
    pub fn skip(&mut self, samples: u64) {
        self.front.forget();
        self.reset();
        self.heard += samples;
        self.digits.skip(samples);
        self.tracker.skip(self.now());
    }

    /// Forgets what is going on, as when another call begins; the noise of the line and the time are kept.
    pub fn reset(&mut self) {
        self.heard += self.filled as u64;
        self.filled = 0;
        self.recogniser.reset(self.now());
        self.digits.reset();
        self.single = Single::default();
        self.speech = Speech::new();
        self.answer = AnswerTone::default();
        self.preamble = Preamble::default();
        self.alert = AlertDetector::default();
        self.fax_told = None;
        self.silence_told = false;
        self.late = None;
        self.tracker.skip(self.now());
    }

    /// The time of the next sample that is fed, less what waits for a whole block.
    fn now(&self) -> Time {
        self.start + Duration::from_micros(self.heard * 125)
    }

    fn take_block(&mut self, out: &mut Vec<Heard>) {
        let now = self.now();
        let power = self.front.take(&self.block);
        let following = self.recogniser.is_following();
        if let Some(block) = self.front.high(BLOCK, 0).first_chunk() {
            self.answer.take(block, power, now);
            self.alert.take(block, power, now, out);
            if let Some(since) = self.preamble.take(block, power, now) {
                out.push(Heard::Fax { tone: FaxTone::V21Preamble, since });
            }
        }
        let answer = self.answer.lasting(now);
        let mut ced = answer.filter(|(_, lasted)| *lasted >= ANSWER_AT_LAST).map(|(since, _)| since);
        let (recogniser, single) = (&mut self.recogniser, &mut self.single);
        let (fax_told, late) = (&mut self.fax_told, &mut self.late);
        self.tracker.take(&self.front, power, now, following, |edge| match edge {
            Edge::Began { at, partial, after_quiet } => {
                if answer.is_none() {
                    *fax_told = None;
                }
                single.end(at, out);
                single.began(at);
                recogniser.burst_began(at, partial, after_quiet, out);
            }
            Edge::Fits(sounds) => {
                recogniser.burst_is(sounds, now, out);
                if sounds.meets(Sounds::CED) && now.since(single.burst) >= ANSWER {
                    ced = ced.or(Some(single.burst));
                }
            }
            Edge::Ended { at, fitted, power } => {
                let lasted = at.since(single.burst);
                if fitted == Sounds::CNG && CNG.contains(&lasted) {
                    out.push(Heard::Fax { tone: FaxTone::Cng, since: single.burst });
                }
                if fax_told.is_none() && late.is_none() {
                    *late = single.untold(at);
                }
                single.end(at, out);
                if fitted.is_empty() { recogniser.interrupted(at, out) } else { recogniser.burst_ended(at, power, out) }
            }
            Edge::Strange { at } => recogniser.interrupted(at, out),
        });
        if let Some(since) = ced {
            self.answered(since, out);
        }
        let modem = self.preamble.is_likely() || answer.is_some_and(|(_, lasted)| lasted >= Duration::from_millis(100));
        let looked = self.tracker.looked();
        // what a modem says is nobody's voice
        let looked = looked.map(|(look, set)| (look, if modem { set.with(Sounds::CED) } else { set }));
        let quiet = self.tracker.quiet_since().is_some();
        if let Some((look, set)) = looked.filter(|_| !quiet) {
            let fax = set.meets(Sounds::CED) || set.meets(Sounds::CNG);
            let explained = fax || (!set.is_empty() && self.recogniser.is_following());
            self.single.look(look, explained, now, out);
        }
        if self.tracker.ticked() {
            let since = if quiet { now - Duration::from_millis(60) } else { self.single.burst };
            self.speech.glance(looked, quiet, since, now, out);
        }
        self.recogniser.pass(now, self.tracker.is_level(), out);
        self.tell_late(out);
        self.digits.feed(&self.block, out);
        self.listen_for_silence(now, out);
    }

    /// An answer tone is on, since then: what kind of it, told once, and once more when its phase turned out to turn.
    fn answered(&mut self, since: Time, out: &mut Vec<Heard>) {
        let reversed = self.answer.is_reversed();
        let modulated = match self.fax_told {
            Some(FaxTone::Ced) if !reversed => return,
            Some(told) => matches!(told, FaxTone::Ansam | FaxTone::AnsamReversals),
            None => self.answer.is_modulated(),
        };
        let tone = match (modulated, reversed) {
            (false, false) => FaxTone::Ced,
            (false, true) => FaxTone::AnsReversals,
            (true, false) => FaxTone::Ansam,
            (true, true) => FaxTone::AnsamReversals,
        };
        if self.fax_told != Some(tone) {
            self.fax_told = Some(tone);
            out.push(Heard::Fax { tone, since });
        }
    }

    /// It could have been the first of a special information tone's three, and was none: the beep of an answering machine.
    fn tell_late(&mut self, out: &mut Vec<Heard>) {
        let Some(Late { since, told }) = &self.late else { return };
        if self.recogniser.named().is_some() || self.single.told {
            self.late = None;
        } else if !self.recogniser.is_following_since(*since) {
            out.push(told.clone());
            self.late = None;
        }
    }

    fn listen_for_silence(&mut self, now: Time, out: &mut Vec<Heard>) {
        match self.tracker.quiet_since() {
            None => self.silence_told = false,
            Some(since) => {
                if !self.silence_told && now.since(since) >= SILENCE && self.recogniser.named().is_none() {
                    self.silence_told = true;
                    out.push(Heard::Silence { since });
                }
            }
        }
    }
}

/// T.30: half a second, 15 % either way; a little more for echo and our own edges.
const CNG: std::ops::RangeInclusive<Duration> = Duration::from_millis(400)..=Duration::from_millis(620);
/// CED and its kind are told when they are so old.
const ANSWER: Duration = Duration::from_millis(500);
/// And when they are so old, whatever else is made of them: reversals look like other sounds.
const ANSWER_AT_LAST: Duration = Duration::from_millis(600);
const SILENCE: Duration = Duration::from_millis(500);
/// What may be a calling fax is none of the tones that are told late.
const CNG_HZ: std::ops::RangeInclusive<u16> = 1055..=1145;
const LOWEST_UNTOLD_HZ: f32 = 900.0;
/// A single tone is told when it is so old.
const SINGLE: Duration = Duration::from_millis(200);

/// A single steady line, whatever its frequency.
#[derive(Clone, Debug, Default)]
struct Single {
    /// The burst that is on began here.
    burst: Time,
    hz: f32,
    since: Time,
    looks: u32,
    misses: u32,
    told: bool,
}

/// A single tone that was over before anything else had ceased to explain it.
#[derive(Clone, Debug)]
struct Late {
    since: Time,
    told: Heard,
}

impl Single {
    fn began(&mut self, at: Time) {
        *self = Single { burst: at, ..Single::default() };
    }

    fn look(&mut self, look: &Look, explained: bool, now: Time, out: &mut Vec<Heard>) {
        let line = look.lines().first().filter(|l| l.power > 0.85 * look.total && is_alone(look));
        match line {
            Some(line) if self.looks > 0 && (line.hz - self.hz).abs() < 0.01 * self.hz + 2.0 => {
                self.looks += 1;
                self.misses = 0;
                self.hz += (line.hz - self.hz) / self.looks.min(8) as f32;
            }
            Some(line) if !self.told && self.looks < 3 => {
                let since = if now.since(self.burst) <= Duration::from_millis(80) { self.burst } else { now };
                *self = Single { burst: self.burst, hz: line.hz, since, looks: 1, ..Single::default() };
            }
            _ => {
                self.misses += 1;
                if self.misses >= 3 {
                    self.end(now - Duration::from_millis(50), out);
                    self.looks = 0;
                }
            }
        }
        if !self.told && !explained && self.looks >= 6 && self.misses == 0 && now.since(self.since) >= SINGLE {
            self.told = true;
            out.push(Heard::OtherTone { hz: self.hz.round() as u16, since: self.since });
        }
    }

    /// What would have been told of it, had nothing else explained it until it ended. Lower tones are those of exchanges:
    /// one burst of them is nothing by itself.
    fn untold(&self, at: Time) -> Option<Late> {
        let (lasted, hz) = (at.since(self.since), self.hz.round() as u16);
        let is_one = !self.told && self.looks >= 6 && self.misses < 3 && lasted >= SINGLE && self.hz > LOWEST_UNTOLD_HZ;
        let told = Heard::OtherToneEnded { hz, lasted, at };
        (is_one && !CNG_HZ.contains(&hz)).then_some(Late { since: self.burst, told })
    }

    fn end(&mut self, at: Time, out: &mut Vec<Heard>) {
        if std::mem::take(&mut self.told) {
            let hz = self.hz.round() as u16;
            out.push(Heard::OtherToneEnded { hz, lasted: at.since(self.since), at });
        }
    }
}

/// No other line within 18 dB.
fn is_alone(look: &Look) -> bool {
    let [first, rest @ ..] = look.lines() else { return false };
    rest.iter().all(|l| l.height < 0.016 * first.height || (l.hz - first.hz).abs() < look.resolution_hz(first.hz))
}
