//! A port in another port's time: for a second line that is opened in the middle of a call.

use super::{Capabilities, Port, PortError, PortKind, Selector};
use crate::clock::Time;
use crate::dsp::Frame;
use crate::dsp::g711::Law;
use crate::event::{Command, Signal};
use crate::record::Record;
use std::time::Duration;

/// Its clock runs beside the first one's from the moment it was opened.
pub struct Shifted {
    port: Box<dyn Port>,
    by: Duration,
}

impl Shifted {
    /// From here on `port` says `now` for what it would have said itself.
    pub fn to(now: Time, port: Box<dyn Port>) -> Shifted {
        let by = now.since(port.now());
        Shifted { port, by }
    }

    fn own(&self, at: Time) -> Time {
        at - self.by
    }
}

impl Port for Shifted {
    fn selector(&self) -> &Selector {
        self.port.selector()
    }

    fn kind(&self) -> PortKind {
        self.port.kind()
    }

    fn capabilities(&self) -> Capabilities {
        self.port.capabilities()
    }

    fn now(&self) -> Time {
        self.port.now() + self.by
    }

    fn wait(&mut self, until: Time) -> Result<(), PortError> {
        self.port.wait(self.own(until))
    }

    fn command(&mut self, command: Command) -> Result<(), PortError> {
        self.port.command(command)
    }

    fn next_signal(&mut self) -> Result<Option<(Time, Signal)>, PortError> {
        Ok(self.port.next_signal()?.map(|(at, signal)| (at + self.by, signal)))
    }

    fn read(&mut self, frame: &mut Frame) -> Result<bool, PortError> {
        self.port.read(frame)
    }

    fn write(&mut self, frame: &Frame) -> Result<(), PortError> {
        self.port.write(frame)
    }

    fn law(&self) -> Option<Law> {
        self.port.law()
    }

    fn line_millivolts(&mut self) -> Option<i32> {
        self.port.line_millivolts()
    }

    fn hang_up_connects(&self) -> Option<bool> {
        self.port.hang_up_connects()
    }

    fn take_trace(&mut self) -> Vec<Record> {
        let mut trace = self.port.take_trace();
        for record in &mut trace {
            record.at += self.by;
        }
        trace
    }
}
