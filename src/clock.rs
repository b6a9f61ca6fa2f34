//! The only time the logic knows.
//!
//! Nothing below the shell reads a clock: a machine is told the time with every input, and says when it wants to be
//! woken. On a line with audio the time is the count of samples at 8 kHz, so a test in virtual time and a call on
//! copper run through the same code.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// Samples per second on every line: G.711's rate, and DAHDI's.
pub const SAMPLE_RATE_HZ: u32 = 8000;

/// An instant: microseconds since the line was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    pub const ZERO: Time = Time(0);
    /// Later than anything: "no deadline".
    pub const NEVER: Time = Time(u64::MAX);

    pub const fn us(us: u64) -> Time {
        Time(us)
    }

    pub const fn ms(ms: u64) -> Time {
        Time(ms * 1000)
    }

    pub const fn secs(s: u64) -> Time {
        Time(s * 1_000_000)
    }

    /// The instant of sample number `n` of a stream that began at zero.
    pub const fn samples(n: u64) -> Time {
        Time(n * 125)
    }

    pub const fn as_us(self) -> u64 {
        self.0
    }

    pub const fn as_ms(self) -> u64 {
        self.0 / 1000
    }

    /// How many whole samples lie before this instant.
    pub const fn as_samples(self) -> u64 {
        self.0 / 125
    }

    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// How long ago `earlier` was; zero when it is not earlier.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Time;
    fn add(self, d: Duration) -> Time {
        Time(self.0.saturating_add(u64::try_from(d.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl AddAssign<Duration> for Time {
    fn add_assign(&mut self, d: Duration) {
        *self = *self + d;
    }
}

impl Sub<Duration> for Time {
    type Output = Time;
    fn sub(self, d: Duration) -> Time {
        Time(self.0.saturating_sub(u64::try_from(d.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// Seconds with milliseconds, as in every journal line.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.as_ms();
        f.pad(&format!("{}.{:03}", ms / 1000, ms % 1000))
    }
}

/// A machine's timers: one enum per machine, each variant saying what happens when it fires.
#[derive(Clone, Debug)]
pub struct Timers<T> {
    armed: Vec<(T, Time)>,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Timers { armed: Vec::new() }
    }
}

impl<T: Copy + PartialEq> Timers<T> {
    pub fn new() -> Self {
        Self::default()
    }

    /// Arms `timer`, replacing an earlier deadline of the same timer.
    pub fn set(&mut self, timer: T, at: Time) {
        self.stop(timer);
        self.armed.push((timer, at));
    }

    pub fn stop(&mut self, timer: T) {
        self.armed.retain(|(t, _)| *t != timer);
    }

    pub fn stop_all(&mut self) {
        self.armed.clear();
    }

    pub fn is_armed(&self, timer: T) -> bool {
        self.armed.iter().any(|(t, _)| *t == timer)
    }

    /// The next deadline.
    pub fn next(&self) -> Option<Time> {
        self.armed.iter().map(|(_, at)| *at).min()
    }

    /// Takes the earliest timer that is due; call until `None`.
    pub fn expire(&mut self, now: Time) -> Option<T> {
        let due = self
            .armed
            .iter()
            .enumerate()
            .filter(|(_, (_, at))| *at <= now)
            .min_by_key(|(_, (_, at))| *at)
            .map(|(i, _)| i)?;
        Some(self.armed.remove(due).0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_in_order_of_their_deadlines_and_once() {
        let mut t = Timers::new();
        t.set('b', Time::ms(20));
        t.set('a', Time::ms(10));
        assert_eq!(t.next(), Some(Time::ms(10)));
        assert_eq!(t.expire(Time::ms(9)), None);
        assert_eq!(t.expire(Time::ms(30)), Some('a'));
        assert_eq!(t.expire(Time::ms(30)), Some('b'));
        assert_eq!(t.expire(Time::ms(30)), None);
        assert_eq!(t.next(), None);
    }

    #[test]
    fn setting_a_timer_again_moves_it() {
        let mut t = Timers::new();
        t.set('a', Time::ms(10));
        t.set('a', Time::ms(50));
        assert_eq!(t.expire(Time::ms(20)), None);
        assert_eq!(t.expire(Time::ms(50)), Some('a'));
    }

    #[test]
    fn time_prints_as_seconds_with_milliseconds() {
        assert_eq!(format!("{:>7}", Time::ms(9_050)), "  9.050");
        assert_eq!(Time::samples(8000), Time::secs(1));
    }
}
