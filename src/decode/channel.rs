//! One direction of a recording: the detectors, and what they say put into words.

use super::found::{Found, State};
use crate::clock::Time;
use crate::dsp::clicks::Clicks;
use crate::dsp::describe::{Describer, Regular};
use crate::dsp::ear::Ear;
use crate::dsp::noise::{NoiseMeter, Weighting};
use crate::dsp::{caller_id, level, sit};
use crate::event::{Absent, CallerId, CallerIdFormat, Event, FaxTone, Heard, Tone, ToneKind};
use crate::facts::{Country, Sound};
use std::collections::VecDeque;
use std::time::Duration;

/// Who listens and to what.
pub struct Listening<'a> {
    pub countries: Vec<&'a Country>,
    /// Tell also what has only begun.
    pub live: bool,
}

/// Samples of a block whose power is remembered: 10 ms.
const BLOCK: usize = 80;
/// How much is remembered, in blocks: two minutes.
const REMEMBERED: usize = 12_000;
/// Audio that is remembered, for those who want a second look: four seconds.
const AUDIO: usize = 32_000;
/// Tones of different countries that began so near to each other are one.
const TOGETHER_S: f64 = 0.08;
/// When a tone is over in one country's ear, the others may take so much longer.
const PATIENCE_S: f64 = 8.0;

/// The alert in a call lasts 75 to 85 ms, that before data 88 to 110 (EN 300 659).
const CAS_AT_MOST: Duration = Duration::from_millis(87);
/// From an alert in a call to the end of the data that it announces, at most.
const WAITING_S: f64 = 5.0;
/// How long the beep of an answering machine is, and how soon it comes after its words.
const BEEP: std::ops::RangeInclusive<Duration> = Duration::from_millis(150)..=Duration::from_millis(2000);
const BEEP_AFTER_S: f64 = 5.0;
/// Fax tones as they are described: T.30, with the error of the description.
const ANSWER_HZ: std::ops::RangeInclusive<u16> = 2080..=2120;
const CNG_HZ: std::ops::RangeInclusive<u16> = 1060..=1140;

/// The noise of fewer seconds of pauses says nothing.
const LEAST_PAUSES_S: f64 = 0.5;
/// What is above the noise of the line by more than this is the beginning of something: 6 dB in power.
const ABOVE_NOISE: f32 = 4.0;

pub struct Channel {
    number: usize,
    live: bool,
    ears: Vec<(String, Ear)>,
    caller: caller_id::Receiver,
    clicks: Clicks,
    describer: Describer,
    /// The noise in the pauses: unweighted, C-message, psophometric.
    noise: [NoiseMeter; 3],
    /// The meters are in a pause.
    pausing: bool,
    /// Samples so far.
    heard: u64,
    powers: VecDeque<f32>,
    power: f32,
    in_block: usize,
    audio: VecDeque<i16>,
    north_american: Vec<bool>,
    /// Tones that are on: of which ear.
    open: Vec<(usize, Tone, Time)>,
    speech: Option<Time>,
    silence: Option<Time>,
    single: Option<Time>,
    /// When somebody spoke last, and when somebody was announced who waits.
    spoke: Option<Time>,
    alerted: Option<Time>,
    /// When a fax called last.
    calling: Option<f64>,
    /// Tones that are over, waiting for the other countries.
    waiting: Vec<Found>,
    last_letter: Option<Time>,
    out: Vec<Found>,
    said: Vec<Heard>,
    events: Vec<Event>,
    regular: Vec<Regular>,
}

impl Channel {
    pub fn new(number: usize, listening: &Listening<'_>) -> Channel {
        let ears = listening.countries.iter().map(|c| (c.code.clone(), Ear::new(c, Time::ZERO))).collect();
        // the meanings of North America's three tones are in their frequencies and lengths
        let north_american = listening.countries.iter().map(|c| has_precise_plan(c)).collect();
        Channel {
            number,
            live: listening.live,
            ears,
            caller: caller_id::Receiver::new(),
            clicks: Clicks::new(),
            describer: Describer::new(),
            noise: [Weighting::Flat, Weighting::CMessage, Weighting::Psophometric].map(NoiseMeter::new),
            pausing: false,
            heard: 0,
            powers: VecDeque::with_capacity(REMEMBERED),
            power: 0.0,
            in_block: 0,
            audio: VecDeque::with_capacity(AUDIO),
            north_american,
            open: Vec::new(),
            speech: None,
            silence: None,
            single: None,
            spoke: None,
            alerted: None,
            calling: None,
            waiting: Vec::new(),
            last_letter: None,
            out: Vec::new(),
            said: Vec::new(),
            events: Vec::new(),
            regular: Vec::new(),
        }
    }

    /// Seconds heard so far.
    pub fn now_s(&self) -> f64 {
        self.heard as f64 / 8000.0
    }

    /// Listens, and gives what was found, not yet in order.
    pub fn feed(&mut self, samples: &[i16], out: &mut Vec<Found>) {
        for piece in samples.chunks(160) {
            self.remember(piece);
            for ear in 0..self.ears.len() {
                let mut said = std::mem::take(&mut self.said);
                self.ears[ear].1.feed(piece, &mut said);
                for heard in said.drain(..) {
                    self.heard(ear, heard);
                }
                self.said = said;
            }
            let mut events = std::mem::take(&mut self.events);
            self.caller.feed(piece, &mut events);
            for event in events.drain(..) {
                self.called(event);
            }
            self.events = events;
            for lost in self.clicks.feed(piece) {
                let (t, lasted) = (seconds(lost.since), lost.lasted.as_secs_f64());
                let kind = if lasted < 0.09 { "pulse" } else { "flash" };
                self.tell(Found::new(t, "loop-break", kind).lasting(lasted).sure(0.6));
            }
            let mut regular = std::mem::take(&mut self.regular);
            self.describer.feed(piece, &mut regular);
            for tone in regular.drain(..) {
                self.described(&tone);
            }
            self.regular = regular;
            self.measure_noise(piece);
            self.merge(false);
            out.append(&mut self.out);
        }
    }

    /// The recording is over: whatever was on ends with it.
    pub fn finish(&mut self, out: &mut Vec<Found>) {
        let end = self.now_s();
        for (ear, tone, since) in std::mem::take(&mut self.open) {
            self.tone_over(ear, tone, since, end);
        }
        if let Some(since) = self.speech.take() {
            self.told(since, end, "speech", "", 0.8);
        }
        self.quiet_until(end);
        if let Some(since) = self.single.take() {
            self.told(since, end, "other-tone", "", 0.5);
        }
        let mut regular = std::mem::take(&mut self.regular);
        self.describer.finish(&mut regular);
        for tone in regular.drain(..) {
            self.described(&tone);
        }
        self.merge(true);
        self.tell_noise();
        out.append(&mut self.out);
    }

    /// What a pause leaves is the noise of the line; its end is known later than it comes, but it is louder at once.
    fn measure_noise(&mut self, piece: &[i16]) {
        let is_pause =
            self.silence.is_some() && level::power(level::dbm0(piece)) < ABOVE_NOISE * level::power(self.noise_dbm0());
        if is_pause {
            self.noise.iter_mut().for_each(|meter| meter.feed(piece));
        } else if self.pausing {
            // a silence goes on only when it is told anew
            self.noise.iter_mut().for_each(NoiseMeter::interrupt);
        }
        self.pausing = is_pause;
    }

    /// The noise of this side, once, when all is heard.
    fn tell_noise(&mut self) {
        let [flat, c_message, psophometric] = &self.noise;
        let measured_s = c_message.measured_s();
        if measured_s < LEAST_PAUSES_S {
            return;
        }
        let tenths = |v: f32| (f64::from(v) * 10.0).round() / 10.0;
        let (dbrnc0, dbm0p) = (tenths(c_message.dbrn0()), tenths(psophometric.dbm0()));
        let value = format!("{dbrnc0:.1}dBrnC0 {dbm0p:.1}dBm0p");
        let mut found = Found::new(self.now_s(), "noise", value).sure(0.9).with("dbrnc0", dbrnc0).with("dbm0p", dbm0p);
        found = found.with("measured_s", (measured_s * 1000.0).round() / 1000.0);
        (found.level_dbm0, found.channel) = (Some(flat.dbm0()), self.number);
        self.out.push(found);
    }

    fn remember(&mut self, piece: &[i16]) {
        for &s in piece {
            self.power += f32::from(s) * f32::from(s);
            self.in_block += 1;
            if self.in_block == BLOCK {
                if self.powers.len() == REMEMBERED {
                    self.powers.pop_front();
                }
                self.powers.push_back(self.power / BLOCK as f32);
                (self.power, self.in_block) = (0.0, 0);
            }
        }
        let over = (self.audio.len() + piece.len()).saturating_sub(AUDIO);
        self.audio.drain(..over.min(self.audio.len()));
        self.audio.extend(piece);
        self.heard += piece.len() as u64;
    }

    /// Mean level of what sounded between these moments: gaps do not count.
    fn level(&self, from_s: f64, to_s: f64) -> Option<f32> {
        let blocks = self.heard / BLOCK as u64;
        let first = blocks.saturating_sub(self.powers.len() as u64);
        let at = |s: f64| ((s * 100.0).max(0.0) as u64).clamp(first, blocks) - first;
        let (from, to) = (at(from_s) as usize, (at(to_s) as usize).max(at(from_s) as usize + 1));
        let slice = || self.powers.iter().skip(from).take(to - from).copied();
        let most = slice().fold(0f32, f32::max);
        let (sum, count) = slice().filter(|p| *p > 0.1 * most).fold((0f32, 0u32), |(s, n), p| (s + p, n + 1));
        (count > 0).then(|| level::dbm0_of_power(sum / count as f32))
    }

    /// What the line itself makes: a tenth of the last blocks is softer.
    fn noise_dbm0(&self) -> f32 {
        let mut recent: Vec<f32> = self.powers.iter().rev().take(1000).copied().collect();
        if recent.is_empty() {
            return level::FLOOR_DBM0;
        }
        let tenth = recent.len() / 10;
        let (_, p, _) = recent.select_nth_unstable_by(tenth, f32::total_cmp);
        level::dbm0_of_power(*p)
    }

    /// Less sure of what is hardly above the noise.
    fn tell(&mut self, mut found: Found) {
        found.channel = self.number;
        if found.level_dbm0.is_none() && found.event != "silence" {
            found.level_dbm0 = self.level(found.t, found.dur.map_or(self.now_s(), |d| found.t + d));
        }
        if let Some(level) = found.level_dbm0 {
            let above = (level - self.noise_dbm0()).clamp(0.0, 12.0);
            found.confidence *= 0.7 + 0.3 * above / 12.0;
        }
        if self.live || found.state == State::Whole {
            self.out.push(found);
        }
    }

    fn told(&mut self, since: Time, end_s: f64, event: &'static str, value: &str, sure: f32) {
        let t = seconds(since);
        self.tell(Found::new(t, event, value).lasting(end_s - t).sure(sure));
    }

    fn quiet_until(&mut self, end_s: f64) {
        // a tone that is named late began before this silence was told
        if let Some(since) = self.silence.take().filter(|since| end_s > seconds(*since) + 0.3) {
            self.told(since, end_s, "silence", "", 0.95);
        }
    }

    fn began(&mut self, since: Time, event: &'static str, value: &str) {
        let mut found = Found::new(seconds(since), event, value).sure(0.8);
        found.state = State::Began;
        self.tell(found);
    }

    fn heard(&mut self, ear: usize, heard: Heard) {
        match heard {
            Heard::Tone { tone, since } => {
                if ear == 0 {
                    self.quiet_until(seconds(since));
                }
                if self.live && self.ears.len() == 1 {
                    self.began(since, "tone", &tone.to_string());
                }
                self.open.push((ear, tone, since));
            }
            Heard::ToneEnded { tone, at } => {
                if let Some(i) = self.open.iter().position(|(e, t, _)| *e == ear && *t == tone) {
                    let (_, _, since) = self.open.swap_remove(i);
                    self.tone_over(ear, tone, since, seconds(at));
                }
            }
            // the rest is the same in every country
            _ if ear > 0 => {}
            Heard::Digit { digit, since, lasted } => {
                self.quiet_until(seconds(since));
                if matches!(digit.as_char(), 'A' | 'B' | 'D') {
                    self.last_letter = Some(since);
                }
                let t = seconds(since);
                self.tell(Found::new(t, "dtmf", digit.as_char()).lasting(lasted.as_secs_f64()).sure(0.99));
            }
            Heard::Speech { since } => {
                self.quiet_until(seconds(since));
                if self.live {
                    self.began(since, "speech", "");
                }
                self.speech = Some(since);
            }
            Heard::SpeechEnded { at } => {
                if let Some(since) = self.speech.take() {
                    self.spoke = Some(at);
                    self.told(since, seconds(at), "speech", "", 0.85);
                }
            }
            Heard::Silence { since } => self.silence = Some(since),
            Heard::Fax { tone, since } => {
                self.quiet_until(seconds(since));
                self.fax(tone, seconds(since));
            }
            Heard::Alert { since, lasted } => {
                self.quiet_until(seconds(since));
                let in_call = lasted < CAS_AT_MOST;
                if in_call {
                    self.alerted = Some(since);
                }
                let value = if in_call { "cas" } else { "dt-as" };
                let found = Found::new(seconds(since), "alert", value).lasting(lasted.as_secs_f64());
                self.tell(found.sure(0.9));
            }
            Heard::OtherTone { hz, since } => {
                self.quiet_until(seconds(since));
                if self.live {
                    self.began(since, "other-tone", &format!("{hz} Hz"));
                }
                self.single = Some(since);
            }
            Heard::OtherToneEnded { hz, lasted, at } => {
                self.single = None;
                let t = seconds(at) - lasted.as_secs_f64();
                let value = format!("{hz} Hz");
                // somebody spoke, and then there is a short tone: whoever calls may speak now
                let after_speech = self.speech.is_some() || self.spoke.is_some_and(|s| t - seconds(s) < BEEP_AFTER_S);
                let event = if after_speech && BEEP.contains(&lasted) { "beep" } else { "other-tone" };
                self.waiting.push(
                    self.with_level(Found::new(t, event, value).lasting(lasted.as_secs_f64()).with("hz", hz).sure(0.8)),
                );
            }
        }
    }

    fn fax(&mut self, tone: FaxTone, t: f64) {
        if tone == FaxTone::Cng {
            self.calling = Some(t);
            return self.tell(Found::new(t, "fax", tone.name()).lasting(self.now_s() - 0.02 - t).sure(0.95));
        }
        // an answer tone is known better after a second
        let same = |f: &&mut Found| f.event == "fax" && (f.t - t).abs() < 0.15;
        match self.waiting.iter_mut().find(same) {
            Some(found) => found.value = tone.name().into(),
            None => self.waiting.push(Found::new(t, "fax", tone.name()).sure(0.95)),
        }
    }

    fn with_level(&self, mut found: Found) -> Found {
        found.level_dbm0 = self.level(found.t, found.end());
        found
    }

    fn tone_over(&mut self, ear: usize, tone: Tone, since: Time, end_s: f64) {
        let t = seconds(since);
        let value = tone.to_string();
        let country = self.ears[ear].0.clone();
        let same = |f: &&mut Found| f.event == "tone" && f.value == value && (f.t - t).abs() < TOGETHER_S;
        let name = if tone.is(ToneKind::Sit) && self.north_american[ear] { self.sit(t) } else { None };
        if let Some(found) = self.waiting.iter_mut().find(same) {
            found.countries.push(country);
            found.dur = Some(found.dur.unwrap_or(0.0).max(end_s - t));
        } else {
            let mut found = Found::new(t, "tone", value).lasting(end_s - t);
            found.confidence = if tone.or.is_some() { 0.7 } else { 0.95 };
            found.countries.push(country);
            let found = self.with_level(found);
            self.waiting.push(found);
        }
        if let (Some(name), Some(found)) = (name, self.waiting.last_mut()) {
            found.more.insert("sit".into(), name.name.into());
            found.more.insert("means".into(), name.means.into());
        }
    }

    /// Which of North America's special information tones began then.
    fn sit(&mut self, t: f64) -> Option<sit::Meaning> {
        let first = self.heard - self.audio.len() as u64;
        let from = ((t * 8000.0) as u64).checked_sub(first)? as usize;
        let audio = self.audio.make_contiguous();
        sit::name(audio.get(from..)?)
    }

    /// A regular tone, described. Where a country of ours has it in its plan, that has been told.
    fn described(&mut self, tone: &Regular) {
        let t = seconds(tone.since);
        let end = t + tone.lasted.as_secs_f64();
        // what a fax says is known by its name, and that it lasted so long is news
        let is_fax = |f: &&mut Found| f.event == "fax" && f.t > t - 0.15 && f.t < end;
        match tone.hz[..] {
            [hz] if ANSWER_HZ.contains(&hz) => {
                if let Some(fax) = self.waiting.iter_mut().find(is_fax) {
                    fax.dur = Some(end - fax.t);
                    return;
                }
            }
            [hz] if CNG_HZ.contains(&hz) && self.calling.is_some_and(|at| at > t - 0.15 && at < end) => return,
            _ => {}
        }
        let mut found = Found::new(t, "unknown-tone", tone.to_string()).lasting(tone.lasted.as_secs_f64()).sure(0.8);
        found.more.insert("hz".into(), tone.hz.clone().into());
        found.more.insert("on_ms".into(), tone.on.map_or(serde_json::Value::Null, |d| (d.as_millis() as u64).into()));
        found.more.insert("off_ms".into(), tone.off.map_or(serde_json::Value::Null, |d| (d.as_millis() as u64).into()));
        found.more.insert("notation".into(), tone.notation().into());
        let found = self.with_level(found);
        self.waiting.push(found);
    }

    /// Lets go of the tones that no other ear will add to.
    fn merge(&mut self, all: bool) {
        if self.waiting.is_empty() {
            return;
        }
        let now = self.now_s();
        let held = self.open.iter().map(|o| seconds(o.2)).fold(f64::INFINITY, f64::min);
        let held = held.min(self.describer.since().map_or(f64::INFINITY, seconds));
        let is_done = |f: &Found| all || self.live || (now > f.end() + PATIENCE_S && f.end() < held + TOGETHER_S);
        if !self.waiting.iter().any(is_done) {
            return;
        }
        let (done, rest): (Vec<Found>, Vec<Found>) = std::mem::take(&mut self.waiting).into_iter().partition(is_done);
        let alone = self.ears.len() == 1;
        let spans = |event: &str| -> Vec<(f64, f64)> {
            done.iter().chain(&rest).filter(|f| f.event == event).map(|f| (f.t, f.end())).collect()
        };
        let (named, regular) = (spans("tone"), spans("unknown-tone"));
        for mut found in done {
            // what some country's plan explains is neither another tone nor an unknown one, and a cadence is told whole
            let covered = |(from, to): &(f64, f64)| {
                found.t < *to
                    && *from < found.end()
                    && (to.min(found.end()) - from.max(found.t)) > 0.5 * (found.end() - found.t)
            };
            let explained = match found.event {
                "other-tone" | "beep" => named.iter().any(covered) || regular.iter().any(covered),
                "unknown-tone" => named.iter().any(covered),
                _ => false,
            };
            if explained {
                continue;
            }
            if alone {
                found.countries.clear();
            }
            self.tell(found);
        }
        self.waiting = rest;
    }

    fn called(&mut self, event: Event) {
        let now = self.now_s();
        match event {
            Event::CallerId(id) => {
                // a number that somebody dials, and ends with #, is no caller's: those begin with a letter
                let lettered = self.last_letter.is_some_and(|at| now - seconds(at) < 6.0);
                if id.format == CallerIdFormat::Dtmf && !lettered {
                    return;
                }
                let mut found = Found { t: now, ..caller(&id) };
                if self.alerted.take().is_some_and(|at| now - seconds(at) < WAITING_S) {
                    found.more.insert("call_waiting".into(), true.into());
                }
                self.tell(found);
            }
            Event::CallerIdGarbled(bytes) => {
                let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
                self.tell(Found::new(now, "caller-id-garbled", "").with("bytes", hex).sure(0.8));
            }
            Event::MessageWaiting(on) => {
                self.tell(Found::new(now, "message-waiting", if on { "on" } else { "off" }).sure(0.99));
            }
            _ => {}
        }
    }
}

fn caller(id: &CallerId) -> Found {
    let (format, sure) = match id.format {
        CallerIdFormat::Bell202 => ("bell202", 0.99),
        CallerIdFormat::V23 => ("v23", 0.99),
        // digits have no checksum
        CallerIdFormat::Dtmf => ("dtmf", 0.85),
    };
    let number = id.number.as_ref().map(|n| n.reveal().to_string());
    let absent = id.absent.map(|a| if a == Absent::Private { "private" } else { "unavailable" });
    let mut value = number.clone().or(absent.map(str::to_string)).unwrap_or_default();
    if let Some(name) = &id.name {
        value += &format!(" {name:?}");
    }
    let mut found = Found::new(0.0, "caller-id", value).with("format", format).sure(sure);
    let mut add = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            found.more.insert(key.into(), value.into());
        }
    };
    add("number", number);
    add("name", id.name.clone());
    add("absent", absent.map(str::to_string));
    add("date", id.date.map(|[month, day, hour, minute]| format!("{month:02}-{day:02} {hour:02}:{minute:02}")));
    found
}

/// The precise tone plan: 480 and 620 Hz are busy there and nowhere else.
fn has_precise_plan(country: &Country) -> bool {
    country.tones.iter().any(|t| {
        t.kind == ToneKind::Busy
            && t.steps.iter().any(|s| matches!(&s.sound, Sound::Sum(hz) if hz[..] == [480.0, 620.0]))
    })
}

fn seconds(t: Time) -> f64 {
    t.since(Time::ZERO).as_secs_f64()
}
