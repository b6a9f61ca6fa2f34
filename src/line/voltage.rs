//! Loop start: what the voltage between tip and ring says while our own loop is open.
//!
//! ```text
//!  48 V ████████            nobody draws current: 40 to 56 V, less on long lines
//!       7 V    ▁▁▁▁▁▁▁▁     another telephone on the pair is off the hook: below 25 V
//!       0 V                 no battery: cut, unplugged, or a disconnect
//! ```
//!
//! The limits are those of Silicon Laboratories' AN93 for line-in-use detection: above 40 V nobody is there, below 25 V
//! another set is lifted. Only cards that measure tell: wctdm and its kin.

use crate::clock::Time;
use std::time::Duration;

/// Below this another telephone draws current, and above the lower one there is battery at all.
const LIFTED_BELOW_MV: u32 = 25_000;
const NO_BATTERY_BELOW_MV: u32 = 3_000;
/// Our own loop has been open for so long: the line's capacitance is charged again.
const CHARGED: Duration = Duration::from_millis(600);
const BETWEEN_MEASUREMENTS: Duration = Duration::from_millis(200);

/// Does this voltage, with our loop open, mean that another telephone is lifted?
pub fn is_in_use(millivolts: u32) -> bool {
    (NO_BATTERY_BELOW_MV..LIFTED_BELOW_MV).contains(&millivolts)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    Lifted,
    HungUp,
}

/// The other telephones on the pair, while ours is on-hook.
#[derive(Clone, Debug)]
pub struct OtherTelephones {
    next: Time,
    lifted: bool,
    /// One measurement that says otherwise may be a ring or a click: the second one counts.
    otherwise: bool,
}

impl OtherTelephones {
    pub fn new(now: Time) -> OtherTelephones {
        OtherTelephones { next: now, lifted: false, otherwise: false }
    }

    /// We have just hung up.
    pub fn hung_up_ourselves(&mut self, now: Time) {
        *self = OtherTelephones::new(now + CHARGED);
    }

    pub fn wants_measurement(&self, now: Time) -> bool {
        now >= self.next
    }

    pub fn measured(&mut self, now: Time, millivolts: u32) -> Option<Changed> {
        self.next = now + BETWEEN_MEASUREMENTS;
        let lifted = is_in_use(millivolts);
        if lifted == self.lifted || millivolts < NO_BATTERY_BELOW_MV {
            self.otherwise = false;
            return None;
        }
        if !std::mem::replace(&mut self.otherwise, true) {
            return None;
        }
        (self.lifted, self.otherwise) = (lifted, false);
        Some(if lifted { Changed::Lifted } else { Changed::HungUp })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_telephone_is_told_when_two_measurements_agree() {
        let mut others = OtherTelephones::new(Time::ZERO);
        let told: Vec<_> = [48_000, 7_000, 48_000, 7_000, 7_100, 7_000, 0, 0, 46_000, 48_000]
            .iter()
            .enumerate()
            .map(|(i, mv)| others.measured(Time::ms(200 * i as u64), *mv))
            .collect();
        let mut wanted = vec![None; 10];
        (wanted[4], wanted[9]) = (Some(Changed::Lifted), Some(Changed::HungUp));
        assert_eq!(told, wanted, "a lost battery is nobody's hand");
    }

    #[test]
    fn our_own_hang_up_is_given_time() {
        let mut others = OtherTelephones::new(Time::ZERO);
        others.hung_up_ourselves(Time::secs(5));
        assert!(!others.wants_measurement(Time::ms(5500)) && others.wants_measurement(Time::ms(5600)));
    }
}
