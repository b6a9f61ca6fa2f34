//! Bursts and gaps → the name of a tone, as soon as no other tone of the country fits.
//!
//! ```text
//!   ▇▇▇▇▇▇▇▇▇▇▇▇________________________▇▇▇▇▇▇▇▇▇▇▇▇____   ringback: after its first burst
//!   ▇▇▇▇____▇▇▇▇____▇▇▇▇____                               busy: after two periods, when no longer pattern is left
//!   ▇_▇_▇_▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇                               recall dial tone: when the fourth burst goes on
//! ```
//!
//! Every burst starts a hypothesis for every tone, and for every place in its cadence where it could be; each edge and the
//! passing of time kill those that do not fit (E.180 allows 10 % of most durations; we allow 15 % and 15 ms). The oldest
//! hypothesis that has seen enough is named when all others as old as it are dead, or cannot be told from it in this
//! country: then the other is named too. A dial tone of the frequency of ringback is not named before it has lasted longer
//! than a burst of ringback may.

use super::sound::{SoundSet, Sounds};
use crate::clock::Time;
use crate::event::{Heard, Tone, ToneKind};
use crate::facts::{Confidence, Sound, ToneSpec, ToneStep};
use std::time::Duration;

/// Off by more than this share of a duration, and [`TOLERANCE`] more, is another cadence.
const TOLERANCE_SHARE: f32 = 0.15;
const TOLERANCE: Duration = Duration::from_millis(15);
/// Segments of special information tones may be 70 ms off (E.180).
const SIT_TOLERANCE: Duration = Duration::from_millis(85);
/// Between two sounds that follow each other there may be such a gap.
const JOIN: Duration = Duration::from_millis(60);
/// A tone without cadence is believed after this long; after bursts that announced it, sooner.
const STEADY: Duration = Duration::from_millis(350);
/// The same where it is not as loud as in its beginning, and where something else sounded until it began: the notes of music.
const STEADY_UNLEVEL: Duration = Duration::from_millis(1500);
const STEADY_IN_MUSIC: Duration = Duration::from_millis(4500);
const STEADY_AFTER_INTRO: Duration = Duration::from_millis(180);
/// One burst shorter than this proves nothing.
const SHORT_BURST: Duration = Duration::from_millis(150);
/// Cadences shorter than this are believed after two periods.
const SHORT_PERIOD: Duration = Duration::from_millis(2000);
/// Bursts of a call-waiting tone are one group when their gaps are shorter than this.
const BETWEEN_GROUPS: Duration = Duration::from_millis(1000);
/// Voices hold a note for so long.
const SYLLABLE: Duration = Duration::from_millis(280);
/// A tone that is played once is named when nothing has followed it for so long.
const DONE: Duration = Duration::from_millis(60);
/// An edge is known so much later, at most.
const LAG: Duration = Duration::from_millis(40);
/// And the change of one sound to another, which is seen when a whole window holds the new one.
const CHANGE_LAG: Duration = Duration::from_millis(220);
/// Two bursts are as loud as each other: within 5 dB, where others differ by 10.
const AS_LOUD: std::ops::Range<f32> = 0.316..3.16;
/// Bursts at most this far apart began together.
const TOGETHER: Duration = Duration::from_millis(60);
/// When two tones fit for so long, the better one is named, and the other with it.
const PATIENCE: Duration = Duration::from_millis(8000);

#[derive(Clone, Debug)]
struct Element {
    /// Empty: a gap.
    sounds: SoundSet,
    /// Its power, where the loudest burst of the tone has 1.
    power: f32,
    nominal: Duration,
    min: Duration,
    max: Duration,
}

impl Element {
    fn is_gap(&self) -> bool {
        self.sounds.is_empty()
    }

    /// Not a gap of the tone's own: one sound follows another.
    fn is_join(&self) -> bool {
        self.is_gap() && self.nominal.is_zero()
    }

    fn is_endless(&self) -> bool {
        self.max == Duration::MAX
    }

    fn allows(&self, d: Duration) -> bool {
        self.min <= d && d <= self.max
    }
}

#[derive(Clone, Debug)]
struct Pattern {
    kind: ToneKind,
    elements: Vec<Element>,
    /// Where it goes on after the last element.
    repeats_from: Option<usize>,
    /// Bursts that must have been heard whole.
    bursts_needed: u32,
    /// Patterns of other kinds that nobody can tell from this one.
    same_as: Vec<usize>,
    /// Only how loud its bursts are tells it from another.
    told_by_level: bool,
    confidence: Confidence,
}

/// One tone that it might be, and how far it has come.
#[derive(Clone, Copy, Debug)]
struct Hypothesis {
    pattern: usize,
    /// The element that is on now; the number of elements: all is over.
    element: usize,
    began: Time,
    element_began: Time,
    last_burst_ended: Time,
    /// The first burst may have begun before we listened.
    partial: bool,
    /// Nothing sounded until it began.
    after_quiet: bool,
    bursts: u32,
    /// Of the first burst, were it as loud as the loudest. 0: not known yet.
    power: f32,
    measured: u32,
    /// Sum of relative deviations.
    error: f32,
}

impl Hypothesis {
    fn mean_error(&self) -> f32 {
        if self.measured == 0 { 0.0 } else { self.error / self.measured as f32 }
    }
}

#[derive(Clone, Copy, Debug)]
struct Named {
    tone: Tone,
    since: Time,
    pattern: usize,
}

/// Names the tones of one country from their bursts.
#[derive(Clone, Debug)]
pub struct Recogniser {
    patterns: Vec<Pattern>,
    hypotheses: Vec<Hypothesis>,
    /// What was named, since when, and the pattern that keeps it alive.
    named: Option<Named>,
    /// Nothing has been dialled: nobody can be ringing.
    before_dialling: bool,
    /// The burst that is on is as loud as in its beginning.
    level: bool,
    /// The exchange was asked something (off-hook, a flash, digits): what begins before then is its answer, not music.
    answer_until: Time,
}

/// In which an exchange answers.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

impl Recogniser {
    /// `shortest_gap`: what is shorter cannot be heard as a gap.
    pub fn new(tones: &[ToneSpec], sounds: &mut Sounds, shortest_gap: Duration) -> Recogniser {
        let drowned: Vec<ToneSpec> = tones.iter().filter_map(without_softer_bursts).collect();
        let mut patterns: Vec<Pattern> =
            tones.iter().chain(&drowned).filter_map(|t| Pattern::new(t, sounds, shortest_gap)).collect();
        // in the order of the kinds, so that the commoner tone is the first named of two that are the same
        patterns.sort_by_key(|p| p.kind);
        for i in 0..patterns.len() {
            let of_other_kinds = (0..patterns.len()).filter(|&j| patterns[j].kind != patterns[i].kind);
            let (told_by_level, same_as): (Vec<usize>, Vec<usize>) = of_other_kinds
                .filter(|&j| patterns[i].is_like(&patterns[j]))
                .partition(|&j| !patterns[i].is_as_level_as(&patterns[j]));
            patterns[i].told_by_level = !told_by_level.is_empty();
            patterns[i].same_as = same_as;
        }
        let most = patterns.iter().map(|p| p.elements.len()).sum::<usize>() * 2;
        Recogniser {
            patterns,
            hypotheses: Vec::with_capacity(most),
            named: None,
            before_dialling: false,
            level: true,
            answer_until: Time::ZERO,
        }
    }

    /// Something is being followed: gaps may be told from bursts by the level of what was heard.
    pub fn is_following(&self) -> bool {
        !self.hypotheses.is_empty()
    }

    /// The same, by something that began then or before.
    pub fn is_following_since(&self, began: Time) -> bool {
        self.hypotheses.iter().any(|h| h.began <= began + TOGETHER)
    }

    /// A tone is named, and it is in its gap or sounding.
    pub fn named(&self) -> Option<Tone> {
        self.named.map(|n| n.tone)
    }

    /// Whether nothing has been dialled yet, so that no tone can be ringback.
    pub fn before_dialling(&mut self, yes: bool) {
        self.before_dialling = yes;
    }

    /// A burst began. `partial`: it may have begun earlier, unheard. `after_quiet`: nothing sounded until then.
    pub fn burst_began(&mut self, at: Time, partial: bool, after_quiet: bool, out: &mut Vec<Heard>) {
        self.keep(at, SHORT_BURST, out, |pattern, h| {
            let Some(gap) = pattern.elements.get(h.element).filter(|e| e.is_gap()) else {
                return false;
            };
            let lasted = at.since(h.element_began);
            if !gap.allows(lasted) {
                return false;
            }
            h.deviate(gap, lasted);
            let Some(next) = pattern.next(h.element) else { return false };
            h.element = next;
            h.element_began = at;
            true
        });
        for (index, pattern) in self.patterns.iter().enumerate() {
            let intro = pattern.repeats_from.unwrap_or(0);
            for (e, element) in pattern.elements.iter().enumerate() {
                // an announced tone is known by its announcement, one that is played once by its beginning
                let announced = intro > 0 || pattern.repeats_from.is_none();
                let may_begin = !announced
                    || e == 0
                    || (partial && e < intro)
                    // what we sent has drowned its announcement
                    || (element.is_endless() && !after_quiet && at <= self.answer_until);
                let known = self.hypotheses.iter().any(|h| h.pattern == index && h.element == e);
                if may_begin && !element.is_gap() && !known && self.hypotheses.len() < self.hypotheses.capacity() {
                    self.hypotheses.push(Hypothesis {
                        pattern: index,
                        element: e,
                        began: at,
                        element_began: at,
                        last_burst_ended: at,
                        partial,
                        after_quiet,
                        bursts: 0,
                        power: 0.0,
                        measured: 0,
                        error: 0.0,
                    });
                }
            }
        }
    }

    /// The burst that is on can only be one of these sounds.
    pub fn burst_is(&mut self, sounds: SoundSet, now: Time, out: &mut Vec<Heard>) {
        self.keep(now, SHORT_BURST, out, |pattern, h| {
            pattern.elements.get(h.element).is_some_and(|e| e.sounds.meets(sounds))
        });
    }

    /// The burst that was on is over; `power` is its mean square.
    pub fn burst_ended(&mut self, at: Time, power: f32, out: &mut Vec<Heard>) {
        self.keep(at, Duration::ZERO, out, |pattern, h| {
            let Some(element) = pattern.elements.get(h.element) else { return false };
            let lasted = at.since(h.element_began);
            if element.is_endless() || lasted > element.max || (lasted < element.min && !h.partial) {
                return false;
            }
            if lasted >= element.min {
                h.bursts += 1;
                h.deviate(element, lasted);
                let power = power / element.power;
                if pattern.told_by_level && h.power > 0.0 && !AS_LOUD.contains(&(power / h.power)) {
                    return false;
                }
                h.power = power;
            }
            h.partial = false;
            h.last_burst_ended = at;
            h.element = pattern.next(h.element).unwrap_or(pattern.elements.len());
            h.element_began = at;
            true
        });
    }

    /// Something else is heard, in place of a burst or of a gap. `at`: when the last that fitted was.
    pub fn interrupted(&mut self, at: Time, out: &mut Vec<Heard>) {
        self.keep(at, SHORT_BURST, out, |_, _| false);
    }

    /// Time passes. `level`: the burst that is on is as loud as in its beginning.
    pub fn pass(&mut self, now: Time, level: bool, out: &mut Vec<Heard>) {
        self.level = level;
        self.keep(now, SHORT_BURST, out, |pattern, h| {
            let lasted = now.since(h.element_began);
            match pattern.elements.get(h.element) {
                Some(element) => {
                    let changes = pattern.next(h.element).is_some_and(|n| pattern.elements[n].is_join());
                    lasted <= element.max.saturating_add(if changes { CHANGE_LAG } else { LAG })
                }
                None => lasted <= 2 * DONE,
            }
        });
    }

    /// Keeps the hypotheses that still fit. When the one that was named is not among them, its tone ended: now, if it was in
    /// a burst longer than `longer_than` (a shorter one is the beginning of something else), else with its last burst.
    fn keep(
        &mut self,
        now: Time,
        longer_than: Duration,
        out: &mut Vec<Heard>,
        mut fits: impl FnMut(&Pattern, &mut Hypothesis) -> bool,
    ) {
        let patterns = &self.patterns;
        let named = self.named.map(|n| n.pattern);
        let mut ended_at = now;
        self.hypotheses.retain_mut(|h| {
            let pattern = &patterns[h.pattern];
            let kept = fits(pattern, h);
            if !kept && named == Some(h.pattern) {
                let lasted = now.since(h.element_began);
                ended_at = match pattern.elements.get(h.element) {
                    Some(e) if e.is_endless() => now,
                    Some(e) if !e.is_gap() && lasted > longer_than && lasted < e.min => now,
                    _ => h.last_burst_ended,
                };
            }
            kept
        });
        self.settle(now, ended_at, out);
    }

    /// Forgets everything, and says nothing about it.
    pub fn reset(&mut self, now: Time) {
        self.hypotheses.clear();
        self.named = None;
        self.answer_until = now + ANSWERS_WITHIN;
    }

    /// Ends what was named when nothing keeps it alive, then looks for a new name.
    fn settle(&mut self, now: Time, ended_at: Time, out: &mut Vec<Heard>) {
        // each burst of another tone may be the first of this one, and then of nothing
        let bears = |h: &Hypothesis, since: Time| h.began <= since + TOGETHER || self.is_ready(h, now);
        if let Some(Named { tone, since, pattern }) = self.named
            && !self.hypotheses.iter().any(|h| h.pattern == pattern && bears(h, since))
        {
            // another record of the same tone may fit what follows (a second cadence of the same country)
            let patterns = &self.patterns;
            let of_its_kind = |h: &&Hypothesis| patterns[h.pattern].kind == tone.kind && h.bursts > 0;
            match self.hypotheses.iter().find(|h| of_its_kind(h) && bears(h, since)) {
                Some(h) => self.named = Some(Named { tone, since, pattern: h.pattern }),
                None => {
                    self.named = None;
                    // its bursts are spoken for: they are not the beginning of another tone; but what was taken for a
                    // dial tone may turn out to be a special one
                    let same = |h: &Hypothesis| {
                        tone.kind.is_dial_tone() && patterns[h.pattern].kind.is_dial_tone() && h.began <= since
                    };
                    self.hypotheses.retain(|h| h.began >= ended_at || same(h));
                    out.push(Heard::ToneEnded { tone, at: ended_at });
                }
            }
        }
        self.judge(now, out);
    }

    fn judge(&mut self, now: Time, out: &mut Vec<Heard>) {
        if self.named.is_some() {
            return;
        }
        let ready = self.hypotheses.iter().filter(|h| self.is_possible(h) && self.is_ready(h, now));
        let order = |a: &&Hypothesis, b: &&Hypothesis| {
            (a.began.cmp(&b.began)).then(a.mean_error().total_cmp(&b.mean_error())).then(a.pattern.cmp(&b.pattern))
        };
        let Some(best) = ready.min_by(order).copied() else {
            return;
        };
        let pattern = &self.patterns[best.pattern];
        // a dial tone that may yet turn out to be a special one invites to dial all the same
        let endless =
            pattern.kind.is_dial_tone() && pattern.elements.get(best.element).is_some_and(Element::is_endless);
        let patient = now.since(best.began) < PATIENCE;
        let mut or = None;
        for rival in self.hypotheses.iter().filter(|r| self.patterns[r.pattern].kind != pattern.kind) {
            if rival.began > best.began + TOGETHER || self.is_worse(rival, &best) || !self.is_possible(rival) {
                continue;
            }
            let kind = self.patterns[rival.pattern].kind;
            if endless && kind.is_dial_tone() && !pattern.same_as.contains(&rival.pattern) {
                continue;
            }
            // a country may have several records of one tone: like any of them is like it
            let mut kin = self.hypotheses.iter().filter(|h| {
                self.patterns[h.pattern].kind == pattern.kind && h.began <= best.began && self.is_ready(h, now)
            });
            if patient && !kin.any(|h| self.patterns[h.pattern].same_as.contains(&rival.pattern)) {
                return;
            }
            or = Some(or.map_or(kind, |k: ToneKind| self.likelier(k, kind, best.began)));
        }
        let tone = match or {
            Some(other) if self.likelier(other, pattern.kind, best.began) == other => {
                Tone { kind: other, or: Some(pattern.kind) }
            }
            or => Tone { kind: pattern.kind, or },
        };
        out.push(Heard::Tone { tone, since: best.began });
        if pattern.elements.len() == best.element {
            out.push(Heard::ToneEnded { tone, at: best.last_burst_ended });
            self.hypotheses.clear();
        } else {
            self.named = Some(Named { tone, since: best.began, pattern: best.pattern });
        }
    }

    /// Of two that cannot be told apart: the one that the country's facts are surer of to sound like this, or the commoner.
    fn likelier(&self, a: ToneKind, b: ToneKind, began: Time) -> ToneKind {
        let confidence = |kind: ToneKind| {
            let fitting =
                self.hypotheses.iter().filter(|h| h.began <= began + TOGETHER).map(|h| &self.patterns[h.pattern]);
            fitting.filter(|p| p.kind == kind).map(|p| p.confidence).max()
        };
        match confidence(a).cmp(&confidence(b)) {
            std::cmp::Ordering::Equal => a.min(b),
            std::cmp::Ordering::Less => b,
            std::cmp::Ordering::Greater => a,
        }
    }

    fn is_possible(&self, h: &Hypothesis) -> bool {
        !(self.before_dialling && self.patterns[h.pattern].kind == ToneKind::Ringback)
    }

    /// It has seen enough to be believed, were it alone.
    fn is_ready(&self, h: &Hypothesis, now: Time) -> bool {
        let pattern = &self.patterns[h.pattern];
        match pattern.elements.get(h.element) {
            Some(element) if element.is_endless() => {
                let needed = match h.bursts {
                    0 if !h.after_quiet && h.element_began > self.answer_until => STEADY_IN_MUSIC,
                    0 if !h.after_quiet => STEADY_UNLEVEL,
                    0 if !self.level => STEADY_UNLEVEL,
                    0 => STEADY,
                    _ => STEADY_AFTER_INTRO,
                };
                now.since(h.element_began) >= needed
            }
            // not in its announcement: others announce themselves like that
            Some(_) => h.bursts >= pattern.bursts_needed && h.element >= pattern.repeats_from.unwrap_or(0),
            None => now.since(h.element_began) >= DONE,
        }
    }

    /// The durations fit it so much less that it needs no more patience.
    fn is_worse(&self, rival: &Hypothesis, best: &Hypothesis) -> bool {
        rival.measured >= 8 && best.measured >= 8 && rival.mean_error() > best.mean_error() + 0.07
    }
}

impl Hypothesis {
    fn deviate(&mut self, element: &Element, lasted: Duration) {
        if element.nominal > JOIN {
            self.measured += 1;
            self.error += (lasted.as_secs_f32() / element.nominal.as_secs_f32() - 1.0).abs();
        }
    }
}

impl Pattern {
    fn new(spec: &ToneSpec, sounds: &mut Sounds, shortest_gap: Duration) -> Option<Pattern> {
        let mut make = |steps: &[ToneStep]| -> Vec<Part> {
            let steps = steps.iter().filter(|s| s.lasts != Some(Duration::ZERO));
            let part = |s: &ToneStep| {
                let power = super::level::gain(s.relative_db).powi(2);
                Part { sounds: sounds.add(spec, &s.sound), power, lasts: s.lasts }
            };
            steps.map(part).collect()
        };
        let mut intro = merged(make(&spec.intro), shortest_gap);
        let mut steps = merged(make(&spec.steps), shortest_gap);
        // lists of tones give one period of a special dial tone, and it goes on until somebody dials
        let ends_in_gap = steps.len() > 1 && steps.last().is_some_and(Part::is_gap);
        let spec_repeats = spec.repeats || (spec.kind.is_dial_tone() && ends_in_gap);
        // a loop of one sound is that sound without end
        if spec_repeats && steps.len() == 1 {
            steps[0].lasts = None;
        }
        let mut repeats = spec_repeats && !steps.is_empty();
        if repeats && steps.last().is_some_and(|s| s.lasts.is_none()) {
            // what never ends is the last thing that there is
            intro = merged(intro.into_iter().chain(steps.drain(..)).collect(), shortest_gap);
            repeats = false;
        }
        let repeats_from = intro.len();
        let mut all: Vec<Part> = intro.into_iter().chain(steps).collect();
        if !repeats {
            while all.last().is_some_and(Part::is_gap) {
                all.pop();
            }
        }
        if all.first().is_some_and(Part::is_gap) && !repeats {
            all.remove(0);
        }
        if all.iter().all(Part::is_gap) {
            return None;
        }
        let mut elements = Vec::new();
        let mut first_of_loop = 0;
        for (i, part) in all.iter().enumerate() {
            if i == repeats_from {
                first_of_loop = elements.len();
            }
            elements.push(element(spec.kind, part));
            let next = all.get(i + 1).or_else(|| if repeats { all.get(repeats_from) } else { None });
            if !part.is_gap() && next.is_some_and(|n| !n.is_gap()) {
                elements.push(Element {
                    sounds: SoundSet::NONE,
                    power: 1.0,
                    nominal: Duration::ZERO,
                    min: Duration::ZERO,
                    max: JOIN,
                });
            }
        }
        let looped = &elements[if repeats { first_of_loop } else { 0 }..];
        let bursts = looped.iter().filter(|e| !e.is_gap()).count() as u32;
        let period: Duration = looped.iter().map(|e| e.nominal).sum();
        let longest = elements.iter().filter(|e| !e.is_gap()).map(|e| e.nominal).max().unwrap_or_default();
        let endless = elements.iter().any(Element::is_endless);
        if bursts == 1 && !repeats && !endless && longest < SHORT_BURST {
            // a voice has such blips: nothing is told from one of them
            return None;
        }
        let bursts_needed = match spec.kind {
            ToneKind::Sit if is_rising(looped) => 3,
            ToneKind::Sit => bursts,
            // one that is played once is known when it is over, unless it takes for ever
            _ if !repeats && period < Duration::from_secs(5) => u32::MAX,
            ToneKind::Busy
            | ToneKind::Congestion
            | ToneKind::Disconnect
            | ToneKind::NumberUnobtainable
            | ToneKind::Howler
                if period <= SHORT_PERIOD =>
            {
                2 * bursts
            }
            _ if period < SHORT_PERIOD / 2 || longest < SHORT_BURST => 2 * bursts,
            ToneKind::CallWaiting => bursts_that_say_who_waits(looped),
            _ => 1,
        };
        let repeats_from = repeats.then_some(first_of_loop);
        let confidence = spec.provenance.confidence;
        let same_as = Vec::new();
        Some(Pattern {
            kind: spec.kind,
            elements,
            repeats_from,
            bursts_needed,
            same_as,
            told_by_level: false,
            confidence,
        })
    }

    fn next(&self, element: usize) -> Option<usize> {
        if element + 1 < self.elements.len() { Some(element + 1) } else { self.repeats_from }
    }

    /// Every burst of theirs is as loud as the others, or the same ones are softer.
    fn is_as_level_as(&self, other: &Pattern) -> bool {
        let powers = |p: &Pattern| p.elements.iter().filter(|e| !e.is_gap()).map(|e| e.power).collect::<Vec<_>>();
        let (a, b) = (powers(self), powers(other));
        a == b || a.iter().chain(&b).all(|power| *power == 1.0)
    }

    /// Heard long enough, the one cannot be told from the other: somewhere in the other's cadence this one fits in for good.
    fn is_like(&self, other: &Pattern) -> bool {
        // three rising tones are named before it is known whether they come again
        if self.kind == ToneKind::Sit || other.kind == ToneKind::Sit {
            let bursts = |p: &Pattern| p.elements.iter().filter(|e| !e.is_gap()).take(3).cloned().collect::<Vec<_>>();
            let (a, b) = (bursts(self), bursts(other));
            if a.len() == 3 && a.len() == b.len() && a.iter().zip(&b).all(|(x, y)| x.is_like(y)) {
                return true;
            }
        }
        let intro = |p: &Pattern| p.repeats_from.is_none_or(|from| from > 0);
        let starts = if intro(self) || intro(other) { 1 } else { other.elements.len() };
        (0..starts).any(|start| {
            let (mut a, mut b) = (Some(0), Some(start));
            for _ in 0..2 * (self.elements.len() + other.elements.len()) {
                match (a, b) {
                    (Some(i), Some(j)) => {
                        let (x, y) = (&self.elements[i], &other.elements[j]);
                        if !x.is_like(y) {
                            return false;
                        }
                        if x.is_endless() {
                            return true;
                        }
                        (a, b) = (self.next(i), other.next(j));
                    }
                    (None, None) => return true,
                    _ => return false,
                }
            }
            true
        })
    }
}

impl Element {
    fn is_like(&self, other: &Element) -> bool {
        if self.is_gap() != other.is_gap() || (!self.is_gap() && !self.sounds.meets(other.sounds)) {
            return false;
        }
        if self.is_endless() || other.is_endless() {
            return self.is_endless() && other.is_endless();
        }
        if self.is_gap() && self.nominal <= JOIN && other.nominal <= JOIN {
            return true;
        }
        let off = self.nominal.abs_diff(other.nominal);
        off <= Duration::from_millis(10) + self.nominal.max(other.nominal) / 16
    }
}

/// It comes in the middle of speech, and a syllable of 200 ms is nothing unusual: all bursts of the group are needed (one of
/// 425 Hz alone was heard nine times in an hour of speech), and of groups of one short burst two.
fn bursts_that_say_who_waits(elements: &[Element]) -> u32 {
    let group = elements.iter().take_while(|e| !e.is_gap() || e.nominal < BETWEEN_GROUPS);
    let mut bursts = group.filter(|e| !e.is_gap());
    match (bursts.next(), bursts.count()) {
        (Some(only), 0) if only.nominal < SYLLABLE => 2,
        (_, more) => 1 + more as u32,
    }
}

/// The first three bursts are three different sounds: special information tones as everywhere.
fn is_rising(elements: &[Element]) -> bool {
    let mut bursts = elements.iter().filter(|e| !e.is_gap());
    let [Some(a), Some(b), Some(c)] = [bursts.next(), bursts.next(), bursts.next()] else { return false };
    !a.sounds.meets(b.sounds) && !b.sounds.meets(c.sounds) && !a.sounds.meets(c.sounds)
}

/// What is left of a tone when noise has drowned those of its bursts that are softer than the others.
fn without_softer_bursts(tone: &ToneSpec) -> Option<ToneSpec> {
    let mut left = tone.clone();
    let softer = |s: &&mut ToneStep| s.relative_db < 0.0;
    let mut some = false;
    for step in left.intro.iter_mut().chain(&mut left.steps).filter(softer) {
        (step.sound, some) = (Sound::Silence, true);
    }
    some.then_some(left)
}

/// What sounds, how loud, and for how long.
#[derive(Clone, Copy, Debug)]
struct Part {
    sounds: SoundSet,
    power: f32,
    lasts: Option<Duration>,
}

impl Part {
    fn is_gap(&self) -> bool {
        self.sounds.is_empty()
    }

    fn is_same(&self, other: &Part) -> bool {
        self.sounds == other.sounds && (self.is_gap() || self.power == other.power)
    }
}

/// Neighbours of the same sound are one, and gaps that nobody can hear are none.
fn merged(steps: Vec<Part>, shortest_gap: Duration) -> Vec<Part> {
    let plus = |a: Option<Duration>, b: Option<Duration>| Some(a? + b?);
    let mut out: Vec<Part> = Vec::new();
    let looped = steps.len() > 1;
    for (i, step) in steps.iter().enumerate() {
        let too_short = step.is_gap() && step.lasts.is_some_and(|d| d < shortest_gap) && looped;
        let next = &steps[(i + 1) % steps.len()];
        match out.last_mut() {
            Some(last) if last.is_same(step) => last.lasts = plus(last.lasts, step.lasts),
            // a gap between two different sounds is heard by the change, however short
            Some(last) if too_short && last.is_same(next) => last.lasts = plus(last.lasts, step.lasts),
            _ => out.push(*step),
        }
    }
    out
}

fn element(kind: ToneKind, part: &Part) -> Element {
    let Part { sounds, power, lasts } = *part;
    let Some(nominal) = lasts else {
        return Element { sounds, power, nominal: Duration::ZERO, min: STEADY_AFTER_INTRO, max: Duration::MAX };
    };
    let tolerance = match kind {
        ToneKind::Sit if !sounds.is_empty() && nominal < Duration::from_millis(500) => SIT_TOLERANCE,
        _ => nominal.mul_f32(TOLERANCE_SHARE) + TOLERANCE,
    };
    // gaps of a few hundredths may be bridged by the line's own echo
    let min = if sounds.is_empty() && nominal <= JOIN / 2 { Duration::ZERO } else { nominal.saturating_sub(tolerance) };
    Element { sounds, power, nominal, min, max: nominal + tolerance }
}
