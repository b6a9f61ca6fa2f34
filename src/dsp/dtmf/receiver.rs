//! The receiver: looks of 10 ms, five of which must agree.

use super::bank::{Bank, NOMINAL, WINDOW};
use super::doubt::Doubt;
use crate::clock::Time;
use crate::dsp::filter::{self, Biquad, Cascade, Memory};
use crate::dsp::wide::{Wide, wide};
use crate::event::Heard;
use crate::number::Digit;
use std::sync::LazyLock;
use std::time::Duration;

/// Hears digits.
///
/// Feed it any amount of audio at a time; a [`Heard::Digit`] is pushed when the digit has ended.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// When sample 0 of this receiver was on the line.
    start: Time,
    /// Samples heard since then, all blocks.
    heard: u64,
    /// Samples that wait for a whole hop.
    waiting: [i16; HOP],
    filled: usize,
    reject_dial_tone: Memory,
    /// The last two hops of filtered samples.
    window: [f32; WINDOW],
    /// Of the hop before, as it came and filtered.
    raw_before: f32,
    power_before: f32,
    /// The last of them, in a ring.
    hops: [Hop; RING],
    /// Hops so far.
    count: u64,
    held: Option<Held>,
    /// The beginning of a digit that broke off too soon.
    piece: Option<Piece>,
}

/// Samples between two looks: 5 ms.
const HOP: usize = 40;
/// Looks that are remembered: 240 ms.
const HISTORY: usize = 48;
/// The next power of two: places are found without a division.
const RING: usize = 64;
/// Looks that must agree: they span 30 ms, which a digit of 40 ms always has and one of 23 ms never.
const AGREE: usize = 5;
/// So many are enough for a piece of a digit that a lost packet has broken in two.
const AGREE_PIECE: usize = 3;
/// Between two such pieces: Q.24 wants breaks of 10 ms ignored, and of 20 in Denmark.
const BREAK: Duration = Duration::from_millis(22);
/// What the pieces must last together.
const MIN_PIECES: Duration = Duration::from_millis(36);
/// Looks without the digit that end it: Q.24 wants breaks of 10 ms (20 in Denmark) ignored and pauses of 30 ms heard.
const GONE: u32 = 5;
/// Off the nominal frequency by more than this is no digit: between ±1.8 %, which must be accepted, and ±3 %.
const MAX_DEVIATION: f32 = 0.024;
/// Peak of each tone, at least: −42 dBm0.
const MIN_AMPLITUDE: f32 = 180.8;
/// Sum of squares of a hop that need not be looked at, nor filtered: half of the softest digit's.
const FAINT: f32 = MIN_AMPLITUDE * MIN_AMPLITUDE / 2.0 * HOP as f32;
/// Share of the power above the dial tone that the two tones must have: 12 dB of signal to noise leaves 0.94.
const MIN_SHARE: f32 = 0.84;
/// More than this below 600 Hz, in proportion to the digit, must be explained: −6 dB. Noise leaves −20.
const MAX_BELOW: f32 = 0.25;
/// The high tone may be so much louder or softer than the low one: Q.24's widest is ±10 (Australia), North America's +4/−8.
/// Here −10.5 to +6.5 dB, as a ratio of amplitudes.
const TWIST: std::ops::RangeInclusive<f32> = 0.298_538..=2.113_489;
/// A digit is at least so long: between 25 ms, which Australia wants rejected, and 40, which all want accepted.
const MIN_ON: Duration = Duration::from_micros(32_500);
/// A digit that is so old in the middle of the last look, and fills that, is longer than any that must be rejected.
const CERTAIN: Duration = Duration::from_micros(22_000);

#[derive(Clone, Copy, Debug, Default)]
struct Hop {
    /// Of the eight frequencies, low group first: the windowed sums.
    re: [f32; 8],
    im: [f32; 8],
    /// Their squares.
    squares: [f32; 8],
    /// By how much each has turned since the look before, as a complex number.
    turn_re: [f32; 8],
    turn_im: [f32; 8],
    /// Mean square above the dial tone, in the window.
    power: f32,
    /// Mean square of what the dial tone filter took, in this hop.
    below: f32,
}

/// A digit that is on the line.
#[derive(Clone, Copy, Debug)]
struct Held {
    found: Found,
    since: Time,
    /// Where it was last seen to end.
    until: Time,
    /// Looks without it, in a row.
    gone: u32,
    /// Looks that would have found it anew.
    agreed: u32,
    /// It came in pieces: it agrees with itself over shorter stretches.
    broken: bool,
    /// Between the pieces, where no look can agree.
    missing: Duration,
    doubt: Doubt,
}

/// Too short to be a digit, unless what follows is the rest of it.
#[derive(Clone, Copy, Debug)]
struct Piece {
    found: Found,
    since: Time,
    until: Time,
    looks: u32,
    doubt: Doubt,
}

impl Receiver {
    pub fn new(start: Time) -> Receiver {
        Receiver {
            start,
            heard: 0,
            waiting: [0; HOP],
            filled: 0,
            reject_dial_tone: Memory::default(),
            window: [0.0; WINDOW],
            raw_before: 0.0,
            power_before: 0.0,
            hops: [Hop::default(); RING],
            count: 0,
            held: None,
            piece: None,
        }
    }

    /// Listens; pushes a [`Heard::Digit`] for each digit that ended.
    pub fn feed(&mut self, samples: &[i16], out: &mut Vec<Heard>) {
        wide(Listen { receiver: self, samples, out });
    }

    #[inline(always)]
    fn listen<const FUSED: bool>(&mut self, samples: &[i16], out: &mut Vec<Heard>) {
        let mut rest = samples;
        while !rest.is_empty() {
            let whole: [i16; HOP];
            match rest.split_first_chunk() {
                Some((hop, later)) if self.filled == 0 => (whole, rest) = (*hop, later),
                _ => {
                    let (now, later) = rest.split_at(rest.len().min(HOP - self.filled));
                    self.waiting[self.filled..self.filled + now.len()].copy_from_slice(now);
                    self.filled += now.len();
                    rest = later;
                    if self.filled < HOP {
                        break;
                    }
                    (self.filled, whole) = (0, self.waiting);
                }
            }
            self.look::<FUSED>(&whole, out);
        }
    }

    /// The digit that is on the line and since when, as soon as it is certain: about 30 ms after it began. It is told as
    /// [`Heard::Digit`] when it has ended; this is for those who stop speaking when somebody presses a key.
    pub fn sounding(&self) -> Option<(Digit, Time)> {
        let held = self.held.as_ref().filter(|h| h.gone == 0)?;
        let lasted = self.time_of(0.0).since(held.since);
        (lasted >= CERTAIN && self.share(&held.found, 0) >= 0.93).then_some((held.found.digit, held.since))
    }

    /// This much was not heard: whatever was on the line is forgotten.
    pub fn skip(&mut self, samples: u64) {
        self.reset();
        self.heard += samples;
    }

    /// Forgets what it heard; time goes on.
    pub fn reset(&mut self) {
        let (start, heard) = (self.start, self.heard + self.filled as u64);
        *self = Receiver { heard, ..Receiver::new(start) };
    }

    /// A hop is full.
    #[inline(always)]
    fn look<const FUSED: bool>(&mut self, samples: &[i16; HOP], out: &mut Vec<Heard>) {
        self.window.copy_within(HOP.., 0);
        let newest = &mut self.window[HOP..];
        newest.iter_mut().zip(samples).for_each(|(slot, &s)| *slot = f32::from(s));
        let raw = filter::power(newest);
        let mut hop = Hop::default();
        let mut power = 0.0;
        if raw.max(self.raw_before) > FAINT {
            REJECT_DIAL_TONE.pass::<FUSED>(&mut self.reject_dial_tone, newest);
            power = filter::power(newest);
            hop.below = ((raw - power) / HOP as f32).max(0.0);
        } else {
            newest.fill(0.0);
            self.reject_dial_tone = Memory::default();
        }
        // nothing as soft as this can be a digit: most of what a line carries is not worth a look
        if power.max(self.power_before) > FAINT {
            let sines = Bank::get().look::<FUSED>(&self.window);
            (hop.re, hop.im, hop.power) = (sines.re, sines.im, sines.power);
            let old = self.hop(0);
            for i in 0..8 {
                hop.squares[i] = hop.re[i] * hop.re[i] + hop.im[i] * hop.im[i];
                hop.turn_re[i] = hop.re[i] * old.re[i] + hop.im[i] * old.im[i];
                hop.turn_im[i] = hop.im[i] * old.re[i] - hop.re[i] * old.im[i];
            }
        }
        (self.raw_before, self.power_before) = (raw, power);
        self.hops[self.count as usize % RING] = hop;
        self.count += 1;
        self.heard += HOP as u64;
        self.decide(out);
    }

    /// The look that is `ago` hops old.
    #[inline(always)]
    fn hop(&self, ago: usize) -> &Hop {
        &self.hops[(self.count as usize + RING - 1 - ago) % RING]
    }

    /// The middle of the window of the look `ago` hops old, and a fraction of a hop before it.
    fn time_of(&self, ago: f32) -> Time {
        let us = (HOP as f32 * (1.0 + ago) * 125.0) as u64;
        (self.start + Duration::from_micros(self.heard * 125)) - Duration::from_micros(us)
    }

    #[inline(always)]
    fn decide(&mut self, out: &mut Vec<Heard>) {
        let found = self.find(AGREE);
        if let Some(mut held) = self.held.take() {
            let now = self.share(&held.found, 0);
            if now >= 0.5 {
                held.gone = 0;
                let again = if held.broken { found.or_else(|| self.find(AGREE_PIECE)) } else { found };
                if let Some(again) = again.filter(|f| f.digit == held.found.digit) {
                    held.agreed += 1;
                    held.doubt.add(again.share, again.below);
                }
            } else {
                held.gone += 1;
                if held.gone == 1 {
                    // where the amplitude crossed one half, between the two looks
                    let before = self.share(&held.found, 1);
                    let fraction = ((0.5 - now) / (before - now).max(1e-3)).clamp(0.0, 1.0);
                    held.until = self.time_of(fraction);
                }
            }
            let another = held.gone > 0 && found.is_some_and(|f| f.digit != held.found.digit);
            if held.gone < GONE && !another {
                self.held = Some(held);
                return;
            }
            let (digit, since, lasted) = (held.found.digit, held.since, held.until.since(held.since));
            // a voice that glides through a digit agrees with it for a moment only
            let sounding = lasted.saturating_sub(held.missing);
            let looks = (sounding.as_millis() as u32 / 5 + 2).saturating_sub(AGREE as u32);
            let believed = lasted >= MIN_ON && held.agreed * 2 + 1 >= looks && {
                let after = (0..GONE as usize).map(|ago| self.hop(ago).power).fold(f32::MAX, f32::min);
                held.doubt.is_digit(after / held.found.power(), held.agreed as f32 / looks.max(1) as f32)
            };
            if believed {
                out.push(Heard::Digit { digit, since, lasted });
            }
        }
        if let Some(found) = found {
            let begun = self.begun(&found, AGREE);
            let since = self.time_of(begun);
            let whole = Held {
                found,
                since,
                until: since,
                gone: 0,
                agreed: 1,
                broken: false,
                missing: Duration::ZERO,
                doubt: self.doubt(&found, begun),
            };
            // a piece of it may have come before
            self.held = Some(match self.piece.take().filter(|piece| piece.goes_on_in(&found, since)) {
                Some(piece) => Held {
                    since: piece.since,
                    agreed: piece.looks + 1,
                    broken: true,
                    missing: since.since(piece.until),
                    doubt: piece.doubt,
                    ..whole
                },
                None => whole,
            });
        } else if self.piece.is_some() || self.hop(0).power > MIN_AMPLITUDE * MIN_AMPLITUDE {
            self.held = self.listen_for_pieces();
        }
    }

    /// What a digit begins with that began so many hops ago: what was on the line before it.
    fn doubt(&self, found: &Found, begun: f32) -> Doubt {
        let from = begun as usize + 2;
        let before = (from..from + 6).filter(|&ago| ago < HISTORY).map(|ago| self.hop(ago).power);
        let before = before.fold(f32::MAX, f32::min).min(found.power()) / found.power();
        Doubt::new(before, found.share, found.below)
    }

    /// A packet that is lost in the middle of a short digit leaves two pieces, neither of which would do.
    fn listen_for_pieces(&mut self) -> Option<Held> {
        let Some(found) = self.find(AGREE_PIECE) else {
            self.piece =
                self.piece.filter(|piece| self.time_of(0.0).since(piece.until) <= BREAK + Duration::from_millis(15));
            return None;
        };
        let begun = self.begun(&found, AGREE_PIECE);
        let since = self.time_of(begun);
        let doubt = self.doubt(&found, begun);
        let now = self.time_of(0.0);
        match &mut self.piece {
            Some(piece) if piece.found.digit == found.digit && since <= piece.until => {
                piece.until = now;
                piece.looks += 1;
                piece.doubt.add(found.share, found.below);
                None
            }
            Some(piece) if piece.goes_on_in(&found, since) => {
                let on = piece.until.since(piece.since) + now.since(since);
                let missing = since.since(piece.until);
                let (since, agreed, doubt) = (piece.since, piece.looks + 1, piece.doubt);
                let whole = Held { found, since, until: now, gone: 0, agreed, broken: true, missing, doubt };
                (on >= MIN_PIECES).then_some(whole)
            }
            _ => {
                self.piece = Some(Piece { found, since, until: now, looks: 1, doubt });
                None
            }
        }
    }

    /// What is left of a digit's amplitude, of the weaker tone: one half where a Hann window is half filled.
    #[inline(always)]
    fn share(&self, of: &Found, ago: usize) -> f32 {
        let hop = self.hop(ago);
        let square = |i: usize| hop.squares[of.pair[i]] / (of.amplitude[i] * of.amplitude[i]);
        square(0).min(square(1)).sqrt()
    }

    /// How many hops ago the digit began that the last looks agree upon.
    fn begun(&self, found: &Found, agree: usize) -> f32 {
        let share = |ago| self.share(found, ago);
        let mut ago = agree - 1;
        while ago + 1 < HISTORY && share(ago + 1) >= 0.5 {
            ago += 1;
        }
        if ago + 1 == HISTORY {
            return ago as f32;
        }
        let (on, off) = (share(ago), share(ago + 1));
        ago as f32 + ((on - 0.5) / (on - off).max(1e-3)).clamp(0.0, 1.0)
    }

    /// The digit that the last so many looks agree upon.
    #[inline(always)]
    fn find(&self, agree: usize) -> Option<Found> {
        if self.count < agree as u64 {
            return None;
        }
        let power = (0..agree).map(|ago| self.hop(ago).power).sum::<f32>() / agree as f32;
        if power < MIN_AMPLITUDE * MIN_AMPLITUDE {
            return None;
        }
        let mut sums = [0f32; 8];
        for ago in 0..agree {
            sums.iter_mut().zip(&self.hop(ago).squares).for_each(|(sum, square)| *sum += square);
        }
        let loudest = |group| (group + 1..group + 4).fold(group, |best, i| if sums[i] > sums[best] { i } else { best });
        let (low, high) = (loudest(0), loudest(4));
        // in phase they are at most what they are in power: speech and noise need no closer look
        if sums[low] + sums[high] < 2.0 * MIN_SHARE * power * agree as f32 {
            return None;
        }
        let (low, high) = (self.line(low, agree)?, self.line(high, agree)?);
        let heard = (low.amplitude * low.amplitude + high.amplitude * high.amplitude) / 2.0;
        if !TWIST.contains(&(high.amplitude / low.amplitude)) || heard < MIN_SHARE * power {
            return None;
        }
        // a voice has much of its power below 600 Hz, and it changes; so has a dial tone, and it does not
        let below = (0..agree - 1).map(|ago| self.hop(ago).below).sum::<f32>() / (agree - 1) as f32;
        let steady = below > 0.07 * heard && self.steady_below(below);
        if below > MAX_BELOW * heard && !steady {
            return None;
        }
        Some(Found {
            digit: Digit::at(low.index, high.index - 4),
            pair: [low.index, high.index],
            amplitude: [low.amplitude, high.amplitude],
            share: heard / power,
            below: if steady { 0.0 } else { below / heard },
        })
    }

    /// There was as much below 600 Hz for a while before: a dial tone, or hum. Averages of 40 ms: the tones of a dial tone
    /// may beat, at 25 Hz in the slowest.
    fn steady_below(&self, now: f32) -> bool {
        let average = |from: usize| (from..from + 8).map(|ago| self.hop(ago).below).sum::<f32>() / 8.0;
        let before = (AGREE + 2..HISTORY - 8).step_by(4).map(average);
        let (least, most) = before.fold((f32::MAX, now / 1.8), |(least, most), p| (least.min(p), most.max(p)));
        self.count >= HISTORY as u64 && most < 1.8 * least
    }

    /// The loudest tone of a group, if it is steady and near enough to its place.
    #[inline(always)]
    fn line(&self, index: usize, agree: usize) -> Option<Line> {
        // the turn of the phase from look to look tells how far off the frequency is
        let (mut re, mut im) = (0.0f32, 0.0f32);
        for ago in 0..agree - 1 {
            let hop = self.hop(ago);
            (re, im) = (re + hop.turn_re[index], im + hop.turn_im[index]);
        }
        let place = &PLACES[index];
        let (along, aside) = (re * place.turn_re + im * place.turn_im, im * place.turn_re - re * place.turn_im);
        // within its limits it is the nearest: what the angle is need not be known
        let index = if aside.abs() <= along * place.steepest { index } else { nearest(index, along, aside)? };
        // added up in phase at the frequency that was found
        let size = (re * re + im * im).sqrt().max(f32::MIN_POSITIVE);
        let (cos, sin) = (re / size, im / size);
        let (mut re, mut im, mut least) = (0.0f32, 0.0f32, f32::MAX);
        for ago in (0..agree).rev() {
            let hop = self.hop(ago);
            (re, im) = (re * cos - im * sin + hop.re[index], im * cos + re * sin + hop.im[index]);
            least = if hop.squares[index] < least { hop.squares[index] } else { least };
        }
        let square = (re * re + im * im) / (agree * agree) as f32;
        let steady = square >= MIN_AMPLITUDE * MIN_AMPLITUDE && least >= 0.36 * square;
        steady.then(|| Line { index, amplitude: square.sqrt() })
    }
}

struct Listen<'a> {
    receiver: &'a mut Receiver,
    samples: &'a [i16],
    out: &'a mut Vec<Heard>,
}

impl Wide for Listen<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        self.receiver.listen::<FUSED>(self.samples, self.out);
    }
}

#[derive(Clone, Copy, Debug)]
struct Found {
    digit: Digit,
    pair: [usize; 2],
    amplitude: [f32; 2],
    /// Of the power above the dial tone.
    share: f32,
    /// What is below 600 Hz in proportion to it, and was not there before.
    below: f32,
}

impl Found {
    fn power(&self) -> f32 {
        (self.amplitude[0] * self.amplitude[0] + self.amplitude[1] * self.amplitude[1]) / 2.0
    }
}

impl Piece {
    /// The same digit, as loud as before, after a break that is no pause.
    fn goes_on_in(&self, found: &Found, since: Time) -> bool {
        let alike = |i: usize| (0.6..1.67).contains(&(self.found.amplitude[i] / found.amplitude[i]));
        self.found.digit == found.digit && since.since(self.until) <= BREAK && alike(0) && alike(1)
    }
}

struct Line {
    index: usize,
    amplitude: f32,
}

/// Elliptic high-pass, fourth order: passes 684 Hz (697 − 1.8 %) to 0.2 dB, stops 300 to 440 Hz by 32 dB and 480 by 21.
static REJECT_DIAL_TONE: LazyLock<Cascade> = LazyLock::new(|| {
    Cascade::of([
        Biquad::new([0.562_184_8, -1.111_916_9, 0.562_184_8], [-1.126_881_2, 0.398_079_9]),
        Biquad::new([1.0, -1.895_498_1, 1.0], [-1.658_079, 0.872_417_3]),
    ])
});

struct Place {
    /// How the phase of this frequency turns in one hop.
    turn_re: f32,
    turn_im: f32,
    /// The tangent of what it may turn more or less.
    steepest: f32,
}

static PLACES: LazyLock<[Place; 8]> = LazyLock::new(|| {
    std::array::from_fn(|i| {
        let turn = f64::from(NOMINAL[i]) * HOP as f64 / 8000.0 * std::f64::consts::TAU;
        let steepest = (turn * f64::from(MAX_DEVIATION)).tan() as f32;
        Place { turn_re: turn.cos() as f32, turn_im: turn.sin() as f32, steepest }
    })
});

/// The tone whose phase turned by so much less or more than this one's should: the next tone of the group may be the nearer
/// one.
fn nearest(index: usize, along: f32, aside: f32) -> Option<usize> {
    let hz = NOMINAL[index] + angle(along, aside) * (8000.0 / HOP as f32 / std::f32::consts::TAU);
    let away = |i: usize| (NOMINAL[i] - hz).abs();
    let group = index / 4 * 4;
    let index = (group + 1..group + 4).fold(group, |best, i| if away(i) < away(best) { i } else { best });
    (away(index) <= MAX_DEVIATION * NOMINAL[index]).then_some(index)
}

/// The angle of a complex number, to 0.00002: a polynomial, because `atan2` is a call that takes longer than all else here.
#[inline(always)]
fn angle(re: f32, im: f32) -> f32 {
    let (x, y) = (re.abs(), im.abs());
    let t = x.min(y) / x.max(y).max(f32::MIN_POSITIVE);
    let u = t * t;
    let first = t * (0.999_866 + u * (-0.330_299_5 + u * (0.180_141 + u * (-0.085_133 + u * 0.020_835_1))));
    let quarter = if y > x { std::f32::consts::FRAC_PI_2 - first } else { first };
    let half = if re < 0.0 { std::f32::consts::PI - quarter } else { quarter };
    half.copysign(im)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_angle_is_that_of_the_library() {
        for i in -3000..3000 {
            let turn = i as f32 / 3000.0 * std::f32::consts::PI;
            let (im, re) = turn.sin_cos();
            assert!((angle(1e6 * re, 1e6 * im) - (1e6 * im).atan2(1e6 * re)).abs() < 3e-5, "{turn}");
        }
        assert_eq!(angle(0.0, 0.0), 0.0);
    }
}
