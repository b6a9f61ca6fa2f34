//! Ringing current: bursts into "it rings", counted, and "it has stopped".
//!
//! ```text
//!  current  ▁█████▁▁▁▁▁▁▁▁▁▁█████▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁
//!  told     ▲ burst 1       ▲ burst 2             ▲ stopped: longer silence than any in the cadence
//! ```
//!
//! Where a cadence rings twice with a short gap (United Kingdom: 400/200/400/2000 ms) both halves are one burst.

use crate::clock::{Time, Timers};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ringing {
    Burst(u32),
    Stopped,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Timer {
    Overdue,
}

#[derive(Clone, Debug)]
pub struct Ring {
    longest_gap: Duration,
    bursts: u32,
    on: bool,
    ended: Option<Time>,
    timers: Timers<Timer>,
}

/// How late a burst may be: exchanges keep their cadence, but a call that is being forwarded can lose a beat.
const MARGIN: Duration = Duration::from_secs(2);
/// A gap shorter than this lies inside one double ring.
const DOUBLE_RING_GAP: Duration = Duration::from_millis(600);

impl Ring {
    /// `longest_gap`: the longest silence in the country's ringing cadence.
    pub fn new(longest_gap: Duration) -> Ring {
        Ring { longest_gap, bursts: 0, on: false, ended: None, timers: Timers::new() }
    }

    pub fn is_ringing(&self) -> bool {
        self.bursts > 0
    }

    /// Ringing current is on the line at this moment.
    pub fn in_burst(&self) -> bool {
        self.on
    }

    pub fn begin(&mut self, now: Time) -> Option<Ringing> {
        let inside_double = self.bursts > 0 && self.ended.is_some_and(|e| now.since(e) < DOUBLE_RING_GAP);
        let already_on = std::mem::replace(&mut self.on, true);
        self.timers.set(Timer::Overdue, now + self.longest_gap + MARGIN + Duration::from_secs(3));
        if already_on || inside_double {
            return None;
        }
        self.bursts += 1;
        Some(Ringing::Burst(self.bursts))
    }

    pub fn end(&mut self, now: Time) {
        if self.on {
            self.on = false;
            self.ended = Some(now);
            self.timers.set(Timer::Overdue, now + self.longest_gap + MARGIN);
        }
    }

    /// The call was answered, or the port went off-hook: what comes next is a new call.
    pub fn clear(&mut self) {
        self.bursts = 0;
        self.on = false;
        self.ended = None;
        self.timers.stop_all();
    }

    pub fn handle_timeout(&mut self, now: Time) -> Option<Ringing> {
        self.timers.expire(now)?;
        let was = self.is_ringing();
        self.clear();
        was.then_some(Ringing::Stopped)
    }

    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_are_counted_and_a_longer_silence_ends_the_call() {
        let mut r = Ring::new(Duration::from_secs(4));
        assert_eq!(r.begin(Time::secs(1)), Some(Ringing::Burst(1)));
        r.end(Time::secs(3));
        assert_eq!(r.begin(Time::secs(7)), Some(Ringing::Burst(2)));
        r.end(Time::secs(9));
        assert_eq!(r.handle_timeout(Time::ms(14_900)), None);
        assert_eq!(r.handle_timeout(Time::secs(15)), Some(Ringing::Stopped));
        assert_eq!(r.poll_timeout(), None);
        assert_eq!(r.begin(Time::secs(20)), Some(Ringing::Burst(1)));
    }

    #[test]
    fn both_halves_of_a_double_ring_are_one_burst() {
        let mut r = Ring::new(Duration::from_secs(2));
        assert_eq!(r.begin(Time::ms(0)), Some(Ringing::Burst(1)));
        r.end(Time::ms(400));
        assert_eq!(r.begin(Time::ms(600)), None);
        r.end(Time::ms(1000));
        assert_eq!(r.begin(Time::ms(3000)), Some(Ringing::Burst(2)));
    }
}
