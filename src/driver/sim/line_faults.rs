//! What goes wrong with the line at a time of the scenario, whoever drives it: a simulated card or a real port.

use super::scenario::{Faults, Scenario};
use crate::clock::Time;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LineFault {
    /// For so long, or for good.
    BatteryFails(Option<Duration>),
    BatteryBack,
    Unplugged,
    PluggedIn,
    DeviceRemoved,
    /// Another telephone on the pair.
    ParallelLifted,
    ParallelHungUp,
}

/// The faults still to come, in their order.
#[derive(Debug)]
pub struct Schedule(Vec<(Time, LineFault)>);

impl Schedule {
    pub fn new(scenario: &Scenario) -> Schedule {
        let f: &Faults = &scenario.fault;
        let at = |s: &Option<super::scenario::Seconds>| s.map(|s| Time::ZERO + s.0);
        let lost = at(&f.battery_lost_at_s);
        let lasts = f.battery_lost_ms.map(|m| m.0);
        let unplugged = at(&f.unplugged_at_s);
        let lifted = at(&f.parallel_lifted_at_s);
        let after = |from: Option<Time>, d: Option<Duration>| Some(from? + d?);
        let mut all: Vec<(Time, LineFault)> = [
            (lost, LineFault::BatteryFails(lasts)),
            (after(lost, lasts), LineFault::BatteryBack),
            (unplugged, LineFault::Unplugged),
            (after(unplugged, f.plugged_in_after_s.map(|s| s.0)), LineFault::PluggedIn),
            (at(&f.device_removed_at_s), LineFault::DeviceRemoved),
            (lifted, LineFault::ParallelLifted),
            (after(lifted, f.parallel_hung_up_after_s.map(|s| s.0)), LineFault::ParallelHungUp),
        ]
        .into_iter()
        .filter_map(|(at, fault)| Some((at?, fault)))
        .collect();
        // the last of the list is the first to come
        all.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        Schedule(all)
    }

    /// The next fault that comes before this time.
    pub fn next(&mut self, before: Time) -> Option<(Time, LineFault)> {
        self.0.pop_if(|(at, _)| *at < before)
    }
}
