//! Loop start: what a loss of battery means.
//!
//! ```text
//!  battery ████████▁▁▁▁▁████████        90 to 1500 ms, in a call: forward disconnect (CPC), the far side is gone
//!  battery ████████▁▁████████████       shorter: a dip, ignored (drivers debounce 64 ms themselves)
//!  battery ████████▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁      longer, or on-hook: the line is dead, cut or unplugged
//! ```
//!
//! Exchanges open the loop for 250 to 850 ms as a rule; DAHDI's FXS ports for 500 ms; the low end in use is 100 ms.

use crate::clock::{Time, Timers};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Battery {
    ForwardDisconnect { open: Duration },
    Lost,
    Back,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Timer {
    TooLongForADisconnect,
}

#[derive(Clone, Debug, Default)]
pub struct Loop {
    lost_at: Option<Time>,
    dead: bool,
    timers: Timers<Timer>,
}

const SHORTEST_DISCONNECT: Duration = Duration::from_millis(90);
const LONGEST_DISCONNECT: Duration = Duration::from_millis(1500);

impl Loop {
    pub fn lost(&mut self, now: Time) {
        if self.lost_at.is_none() && !self.dead {
            self.lost_at = Some(now);
            self.timers.set(Timer::TooLongForADisconnect, now + LONGEST_DISCONNECT);
        }
    }

    /// `in_call`: we were off-hook, so an opened loop is meant for us.
    pub fn back(&mut self, now: Time, in_call: bool) -> Option<Battery> {
        self.timers.stop_all();
        let lost_at = self.lost_at.take();
        if std::mem::take(&mut self.dead) {
            return Some(Battery::Back);
        }
        let open = now.since(lost_at?);
        (in_call && open >= SHORTEST_DISCONNECT).then_some(Battery::ForwardDisconnect { open })
    }

    pub fn handle_timeout(&mut self, now: Time) -> Option<Battery> {
        self.timers.expire(now)?;
        self.lost_at = None;
        self.dead = true;
        Some(Battery::Lost)
    }

    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_second_without_battery_in_a_call_is_a_forward_disconnect() {
        let mut b = Loop::default();
        b.lost(Time::ms(1000));
        let open = Duration::from_millis(500);
        assert_eq!(b.back(Time::ms(1500), true), Some(Battery::ForwardDisconnect { open }));
        assert_eq!(b.poll_timeout(), None);
    }

    #[test]
    fn a_dip_of_seventy_milliseconds_is_nothing() {
        let mut b = Loop::default();
        b.lost(Time::ms(1000));
        assert_eq!(b.back(Time::ms(1070), true), None);
    }

    #[test]
    fn battery_that_stays_away_is_a_dead_line_and_its_return_is_told() {
        let mut b = Loop::default();
        b.lost(Time::ms(1000));
        assert_eq!(b.handle_timeout(Time::ms(2499)), None);
        assert_eq!(b.handle_timeout(Time::ms(2500)), Some(Battery::Lost));
        assert_eq!(b.back(Time::secs(9), true), Some(Battery::Back));
    }

    #[test]
    fn on_hook_an_open_loop_disconnects_nobody() {
        let mut b = Loop::default();
        b.lost(Time::ms(1000));
        assert_eq!(b.back(Time::ms(1500), false), None);
    }
}
