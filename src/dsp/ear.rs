//! The whole bank for one direction of one line.

use super::level;
use crate::clock::Time;
use crate::event::{FaxTone, Heard, Tone, ToneKind};
use crate::facts::{Country, Sound, ToneSpec};
use std::time::Duration;

const HOP: usize = 160;
const WINDOW: usize = 400;

#[derive(Clone)]
struct Spec {
    kind: ToneKind,
    /// Frequency set of each step in ms; `None`: silence.
    steps: Vec<(Option<usize>, Option<u32>)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Now {
    Silent,
    Set(usize),
    Other,
    Single(u16),
}

#[derive(Clone, Copy)]
struct Segment {
    what: Now,
    since: u64,
    hops: u32,
}

pub struct Ear {
    hz: Vec<f32>,
    coefficient: Vec<f32>,
    sets: Vec<Vec<usize>>,
    specs: Vec<Spec>,
    window: [f32; WINDOW],
    hann: [f32; WINDOW],
    filled: usize,
    pending: usize,
    samples: u64,
    history: Vec<Segment>,
    told: Option<(Tone, u64, u32)>,
    speech: u32,
    speaking: Option<u32>,
    silent_told: bool,
    other_told: Option<(u16, u64)>,
}

impl Ear {
    pub fn new(country: &Country, start: Time) -> Ear {
        let mut hz: Vec<f32> = vec![1100.0, 2100.0];
        let mut sets: Vec<Vec<usize>> = vec![vec![0], vec![1]];
        let mut specs = Vec::new();
        for tone in &country.tones {
            specs.push(Spec { kind: tone.kind, steps: steps(tone, &mut hz, &mut sets) });
        }
        let hann = std::array::from_fn(|i| 0.5 - 0.5 * (std::f32::consts::TAU * i as f32 / WINDOW as f32).cos());
        Ear {
            coefficient: hz.iter().map(|f| 2.0 * (std::f32::consts::TAU * f / 8000.0).cos()).collect(),
            hz,
            sets,
            specs,
            window: [0.0; WINDOW],
            hann,
            filled: 0,
            pending: 0,
            samples: start.as_samples(),
            history: Vec::new(),
            told: None,
            speech: 0,
            speaking: None,
            silent_told: false,
            other_told: None,
        }
    }

    pub fn reset(&mut self, now: Time) {
        self.samples = now.as_samples();
        self.filled = 0;
        self.pending = 0;
        self.history.clear();
        self.told = None;
        self.speech = 0;
        self.speaking = None;
        self.silent_told = false;
        self.other_told = None;
    }

    pub fn skip(&mut self, samples: u64) {
        self.samples += samples;
    }

    pub fn feed(&mut self, samples: &[i16], out: &mut Vec<Heard>) {
        for s in samples {
            self.window.copy_within(1.., 0);
            self.window[WINDOW - 1] = f32::from(*s);
            self.filled = (self.filled + 1).min(WINDOW);
            self.samples += 1;
            self.pending += 1;
            if self.pending == HOP {
                self.pending = 0;
                if self.filled == WINDOW {
                    self.hop(out);
                }
            }
        }
    }

    fn classify(&self) -> Now {
        let x: Vec<f32> = self.window.iter().zip(&self.hann).map(|(a, b)| a * b).collect();
        let total: f32 = x.iter().map(|v| v * v).sum::<f32>() / WINDOW as f32 / 0.375;
        if total < level::power(-45.0) {
            return Now::Silent;
        }
        let power = |c: f32| {
            let (mut s1, mut s2) = (0.0f32, 0.0f32);
            for v in &x {
                let s0 = v + c * s1 - s2;
                s2 = s1;
                s1 = s0;
            }
            2.0 * (s1 * s1 + s2 * s2 - c * s1 * s2) / (WINDOW as f32 * 0.5).powi(2)
        };
        let p: Vec<f32> = self.coefficient.iter().map(|c| power(*c)).collect();
        let mut best: Option<(usize, f32)> = None;
        for (i, set) in self.sets.iter().enumerate() {
            let sum: f32 = set.iter().map(|f| p[*f]).sum();
            let least = set.iter().map(|f| p[*f]).fold(f32::MAX, f32::min);
            let share = sum / total / if set.len() > 1 { 1.0 } else { 1.02 };
            if share > 0.75 && (set.len() == 1 || least > 0.08 * sum) {
                let score = share + 0.02 * set.len() as f32;
                if best.is_none_or(|(_, b)| score > b) {
                    best = Some((i, score));
                }
            }
        }
        if let Some((i, _)) = best {
            return Now::Set(i);
        }
        // one steady frequency?
        let mut peak = (0.0f32, 0u16);
        for f in (300..3400).step_by(20) {
            let c = 2.0 * (std::f32::consts::TAU * f as f32 / 8000.0).cos();
            let v = power(c);
            if v > peak.0 {
                peak = (v, f as u16);
            }
        }
        if peak.0 / total > 0.8 { Now::Single(peak.1) } else { Now::Other }
    }

    fn hop(&mut self, out: &mut Vec<Heard>) {
        let now = self.classify();
        let at = self.samples.saturating_sub((WINDOW / 2 + HOP / 2) as u64);
        match self.history.last_mut() {
            Some(last) if same(last.what, now) => last.hops += 1,
            _ => {
                // a single odd hop inside a segment is an edge or a click: swallow it
                let n = self.history.len();
                if n >= 2 && self.history[n - 1].hops == 1 && same(self.history[n - 2].what, now) {
                    self.history.pop();
                    if let Some(last) = self.history.last_mut() {
                        last.hops += 2;
                    }
                } else {
                    self.history.push(Segment { what: now, since: at, hops: 1 });
                }
            }
        }
        if self.history.len() > 24 {
            self.history.remove(0);
        }
        self.tones(at, out);
        self.voices(at, now, out);
    }

    fn tones(&mut self, at: u64, out: &mut Vec<Heard>) {
        let Some(last) = self.history.last().copied() else { return };
        if let Some((tone, since, gap)) = self.told {
            let _ = since;
            let set_of = |k: ToneKind| {
                self.specs.iter().filter(move |s| s.kind == k).flat_map(|s| s.steps.iter().filter_map(|(set, _)| *set))
            };
            let own = |what: Now| matches!(what, Now::Set(i) if set_of(tone.kind).any(|s| s == i));
            let last_on =
                self.history.iter().rev().find(|s| own(s.what)).map_or(0, |s| s.since + u64::from(s.hops) * HOP as u64);
            if !own(last.what) && at.saturating_sub(last_on) > u64::from(gap) * 8 {
                self.told = None;
                out.push(Heard::ToneEnded { tone, at: Time::samples(last_on) });
            }
        }
        let mut found: Vec<(ToneKind, u64, u32)> = Vec::new();
        for spec in &self.specs {
            if let Some((since, gap)) = self.matches(spec) {
                found.push((spec.kind, since, gap));
            }
        }
        let Some(&(kind, since, gap)) = found.first() else { return };
        let other = found.iter().map(|f| f.0).find(|k| *k != kind && !(k.is_dial_tone() && kind.is_dial_tone()));
        let tone = Tone { kind, or: other };
        let known = self
            .told
            .is_some_and(|(t, _, _)| t.kind == kind || t.is(kind) || (t.kind.is_dial_tone() && kind.is_dial_tone()));
        if !known {
            if let Some((t, _, _)) = self.told.take() {
                out.push(Heard::ToneEnded { tone: t, at: Time::samples(since) });
            }
            self.told = Some((tone, since, gap));
            self.speech = 0;
            out.push(Heard::Tone { tone, since: Time::samples(since) });
        }
    }

    /// Does what was heard last fit this tone? Since when, and how long a silence belongs to it (ms).
    fn matches(&self, spec: &Spec) -> Option<(u64, u32)> {
        let last = self.history.last()?;
        let sets: Vec<usize> = spec.steps.iter().filter_map(|s| s.0).collect();
        if spec.kind == ToneKind::Sit {
            // three rising tones, each long enough
            let on: Vec<&Segment> =
                self.history.iter().rev().filter(|s| matches!(s.what, Now::Set(_))).take(3).collect();
            if on.len() == 3 && sets.len() >= 3 {
                let ok = (0..3).all(|i| on[2 - i].what == Now::Set(sets[i]) && on[i].hops >= 9);
                if ok && last.since <= on[0].since {
                    return Some((on[2].since, 1500));
                }
            }
            return None;
        }
        let [(Some(set), None)] = spec.steps[..] else {
            let on: Vec<(usize, u32)> = spec.steps.iter().filter_map(|(s, d)| s.zip(*d)).collect();
            if on.is_empty() || spec.steps.iter().any(|s| s.1.is_none()) {
                // an intro and then a steady tone: the steady part decides
                let (Some(set), None) = *spec.steps.last()? else { return None };
                return self.steady(set);
            }
            return self.cadence(spec);
        };
        self.steady(set)
    }

    fn steady(&self, set: usize) -> Option<(u64, u32)> {
        let last = self.history.last()?;
        let longest = self
            .specs
            .iter()
            .filter(|s| s.steps.len() > 1)
            .flat_map(|s| s.steps.iter())
            .filter(|(s, d)| *s == Some(set) && d.is_some())
            .filter_map(|(_, d)| *d)
            .max()
            .unwrap_or(0);
        let need = (longest * 12 / 10 + 60).max(300) / 20;
        (last.what == Now::Set(set) && last.hops >= need).then_some((last.since, 160))
    }

    fn cadence(&self, spec: &Spec) -> Option<(u64, u32)> {
        // runs of on and off as heard, newest last; the newest is still growing
        let runs: Vec<(Option<usize>, u32, u64)> = self
            .history
            .iter()
            .map(|s| {
                let what = match s.what {
                    Now::Set(i) => Some(i),
                    Now::Silent => None,
                    Now::Other | Now::Single(_) => Some(usize::MAX),
                };
                (what, s.hops * 20, s.since)
            })
            .collect();
        let n = spec.steps.len();
        let total: u32 = spec.steps.iter().filter_map(|s| s.1).sum();
        let gap = spec.steps.iter().filter(|s| s.0.is_none()).filter_map(|s| s.1).max().unwrap_or(0);
        let fits = |heard: u32, wanted: u32| heard.abs_diff(wanted) <= (wanted / 7).max(50);
        let whole = if gap >= 1500 { n.div_ceil(2).max(1) } else { (2 * n).max(4) - 1 };
        let whole = if gap >= 1500 { whole.max(if n > 2 { 3 } else { 1 }) } else { whole };
        if runs.len() < whole + 1 {
            return None;
        }
        // the newest run must be silence or tone after a whole pattern
        for end in [runs.len() - 1] {
            let part = &runs[end - whole..end];
            for phase in 0..n {
                let ok = part.iter().enumerate().all(|(i, (what, ms, _))| {
                    let (set, wanted) = spec.steps[(i + phase) % n];
                    *what == set && wanted.is_some_and(|w| fits(*ms, w))
                });
                let next = spec.steps[(whole + phase) % n];
                if ok && part[0].0.is_some() && (phase % n == 0 || gap < 1500) && runs[end].0 == next.0 {
                    let _ = total;
                    return Some((part[0].2, gap + gap / 5 + 150));
                }
            }
        }
        None
    }

    fn voices(&mut self, at: u64, now: Now, out: &mut Vec<Heard>) {
        let Some(last) = self.history.last().copied() else { return };
        match now {
            Now::Other => {
                self.speech = (self.speech + 2).min(60);
                self.silent_told = false;
            }
            Now::Silent => {
                self.speech = self.speech.saturating_sub(1);
                if last.hops == 25 && !self.silent_told {
                    self.silent_told = true;
                    out.push(Heard::Silence { since: Time::samples(last.since) });
                }
            }
            _ => self.speech = self.speech.saturating_sub(1),
        }
        match (&mut self.speaking, now) {
            (None, _) if self.speech >= 24 => {
                self.speaking = Some(0);
                if let Some((tone, _, _)) = self.told.take() {
                    out.push(Heard::ToneEnded { tone, at: Time::samples(at) });
                }
                out.push(Heard::Speech { since: Time::samples(at.saturating_sub(12 * HOP as u64)) });
            }
            (Some(quiet), Now::Other) => *quiet = 0,
            (Some(quiet), _) => {
                *quiet += 1;
                if *quiet > 50 {
                    self.speaking = None;
                    self.speech = 0;
                    out.push(Heard::SpeechEnded { at: Time::samples(at.saturating_sub(50 * HOP as u64)) });
                }
            }
            _ => {}
        }
        if let Now::Set(0 | 1) = now
            && last.hops == 20
        {
            let tone = if now == Now::Set(0) { FaxTone::Cng } else { FaxTone::Ced };
            out.push(Heard::Fax { tone, since: Time::samples(last.since) });
        }
        if let Now::Single(hz) = now
            && last.hops == 30
        {
            self.other_told = Some((hz, last.since));
            out.push(Heard::OtherTone { hz, since: Time::samples(last.since) });
        }
        if let Some((hz, since)) = self.other_told
            && !matches!(now, Now::Single(_))
        {
            self.other_told = None;
            let lasted = Duration::from_micros(at.saturating_sub(since) * 125);
            out.push(Heard::OtherToneEnded { hz, lasted, at: Time::samples(at) });
        }
        let _ = &self.hz;
    }
}

fn same(a: Now, b: Now) -> bool {
    match (a, b) {
        (Now::Single(x), Now::Single(y)) => x.abs_diff(y) <= 40,
        (a, b) => a == b,
    }
}

fn steps(tone: &ToneSpec, hz: &mut Vec<f32>, sets: &mut Vec<Vec<usize>>) -> Vec<(Option<usize>, Option<u32>)> {
    let mut index = |f: f32| match hz.iter().position(|h| (h - f).abs() < 1.0) {
        Some(i) => i,
        None => {
            hz.push(f);
            hz.len() - 1
        }
    };
    let mut all = Vec::new();
    for step in &tone.steps {
        let set = match &step.sound {
            Sound::Silence => None,
            Sound::Sum(f) => Some(f.iter().map(|f| index(*f)).collect::<Vec<_>>()),
            Sound::Modulated { carrier_hz, by_hz } => {
                Some(vec![index(*carrier_hz - *by_hz), index(*carrier_hz), index(*carrier_hz + *by_hz)])
            }
        };
        let set = set.map(|mut s| {
            s.sort_unstable();
            match sets.iter().position(|have| *have == s) {
                Some(i) => i,
                None => {
                    sets.push(s);
                    sets.len() - 1
                }
            }
        });
        all.push((set, step.lasts.map(|d| d.as_millis() as u32)));
    }
    all
}
