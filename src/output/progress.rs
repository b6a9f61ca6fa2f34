//! What the call is doing, on a terminal's last line.

use crate::call::Stage;
use crate::clock::Time;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write;

pub struct Progress {
    bar: ProgressBar,
    stage: Option<Stage>,
    shown_s: u64,
}

impl Progress {
    /// A spinner that draws nothing when `on` is false.
    pub fn new(on: bool) -> Progress {
        let bar = if on { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        Progress { bar, stage: None, shown_s: u64::MAX }
    }

    pub fn stage(&mut self, now: Time, stage: Stage) {
        let second = now.as_ms() / 1000;
        if self.stage != Some(stage) || self.shown_s != second {
            self.stage = Some(stage);
            self.shown_s = second;
            self.bar.set_message(format!("{} ({second} s)", stage.name()));
        }
        self.bar.tick();
    }

    /// A line above the spinner.
    pub fn line(&self, text: &str) {
        // who closed our stderr still has a call on the line: losing the words must not lose the line
        self.bar.suspend(|| drop(writeln!(std::io::stderr(), "{text}")));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
