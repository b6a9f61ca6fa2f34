//! One opened channel: its descriptor, and the commands that go to it at once.
//!
//! Commands are requests on the shared descriptor, made by whoever holds the port; the kernel serialises them. What they
//! leave to be done later (a hook that is still busy, a loop to be closed again, writing once the digits are out) stands in
//! [`State`], and the card's thread does it when its time comes.

use super::ioctl;
use super::signal::{KernelEvent, Sense, Signalling, alarm};
use crate::clock::Time;
use crate::driver::{PortError, PortKind};
use crate::event::{Command, DialMethod};
use crate::number::{DialStep, DialString};
use nix::errno::Errno;
use nix::sys::eventfd::EventFd;
use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// An FXS port that hung up in a call opens the loop for 500 ms and debounces for 300 ms (`DAHDI_KEWLTIME`,
/// `DAHDI_AFTERKEWLTIME`); an FXO port debounces for 600 ms after off-hook. The kernel answers EBUSY for that long.
const BUSY_AT_MOST: Duration = Duration::from_millis(1000);
/// The kernel's own open loop, and the longest there is.
const KEWL: Duration = Duration::from_millis(500);
/// What the kernel finds missing just after its write queue was emptied by a hook or a dial is not a gap in the audio.
const FORGIVEN: Duration = Duration::from_millis(120);
/// The longest flash: beyond this it is a hang-up everywhere.
const MAX_FLASH: Duration = Duration::from_secs(5);

pub(super) struct Channel {
    pub number: u32,
    pub span: u32,
    pub kind: PortKind,
    pub signalling: Signalling,
    pub file: File,
    /// Names the channel to who looks for its holder in `/proc`: the descriptor above is of a node that all channels share.
    pub _marker: Option<OwnedFd>,
    pub origin: Instant,
    pub port_wake: EventFd,
    card_wake: OnceLock<Arc<EventFd>>,
    pub counters: Counters,
    /// The port was dropped.
    pub closed: AtomicBool,
    /// The thread has let go of the channel.
    pub dead: AtomicBool,
    pub realtime: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub frames_read: AtomicU64,
    pub frames_written: AtomicU64,
    pub silent_samples: AtomicU64,
    pub read_overruns: AtomicU64,
    pub write_underruns: AtomicU64,
    pub frames_not_read: AtomicU64,
    pub frames_not_written: AtomicU64,
    pub events: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HookState {
    OnHook,
    OffHook,
    Ringing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deferred {
    OffHook,
    Flash,
    Ring,
}

#[derive(Debug)]
pub(super) struct State {
    pub hook: HookState,
    /// The kernel sends digits: a `write` would cut them off.
    pub dialling: bool,
    /// The kernel's write queue was emptied, and is to be filled to its usual depth.
    pub refill: bool,
    pub forgive_underruns: Time,
    /// What the kernel was too busy for, and until when it is tried again.
    pub deferred: Option<(Deferred, Time)>,
    /// When the open loop is to be closed.
    pub close_loop: Option<Time>,
    /// What no kernel event says.
    pub said: VecDeque<KernelEvent>,
    /// The timers that a flash changed, to be put back.
    flash_timers: Option<(i32, i32)>,
}

impl Channel {
    pub fn new(
        number: u32,
        span: u32,
        kind: PortKind,
        signalling: Signalling,
        file: File,
        marker: Option<OwnedFd>,
        port_wake: EventFd,
    ) -> Channel {
        Channel {
            number,
            span,
            kind,
            signalling,
            file,
            _marker: marker,
            origin: Instant::now(),
            port_wake,
            card_wake: OnceLock::new(),
            counters: Counters::default(),
            closed: AtomicBool::new(false),
            dead: AtomicBool::new(false),
            realtime: AtomicBool::new(false),
            state: Mutex::new(State {
                hook: HookState::OnHook,
                dialling: false,
                refill: true,
                forgive_underruns: Time::ZERO,
                deferred: None,
                close_loop: None,
                said: VecDeque::new(),
                flash_timers: None,
            }),
        }
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    pub fn now(&self) -> Time {
        Time::us(u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// The state; a panic elsewhere leaves it as good as it was.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn name(&self) -> String {
        format!("dahdi/{}", self.number)
    }

    pub fn failed(&self, what: &str, errno: Errno) -> PortError {
        explain_errno(&self.name(), what, errno)
    }

    fn cannot(&self, what: impl Into<String>) -> PortError {
        PortError::Unsupported { port: self.name(), what: what.into() }
    }

    fn only(&self, kind: PortKind, what: &str) -> Result<(), PortError> {
        if self.kind == kind { Ok(()) } else { Err(self.cannot(format!("{what}: it is an {} port", self.kind))) }
    }

    pub fn command(&self, command: Command) -> Result<(), PortError> {
        let now = self.now();
        let mut s = self.state();
        let done = match command {
            Command::OffHook => self.off_hook(&mut s, now),
            Command::OnHook => self.on_hook(&mut s, now),
            Command::Flash(d) => self.flash(&mut s, now, d),
            Command::Dial(digits, method) => self.dial(&mut s, now, &digits, method),
            Command::StopDialling => self.stop_dialling(&mut s, now),
            Command::Ring(cadence) => self.ring(&mut s, now, &cadence),
            Command::RingOff => self.ring_off(&mut s, now),
            Command::Reverse(reversed) => {
                self.only(PortKind::Fxs, "reverse the polarity")?;
                ioctl::setpolarity(self.fd(), i32::from(reversed)).map_err(|e| self.failed("reverse the polarity", e))
            }
            Command::OpenLoop(d) => self.open_loop(&mut s, now, d),
            Command::OnHookTransmission(d) => {
                self.only(PortKind::Fxs, "send sound to an on-hook telephone")?;
                ioctl::onhooktransfer(self.fd(), millis(d))
                    .map_err(|e| self.failed("send sound to an on-hook telephone", e))
            }
        };
        drop(s);
        // the thread may have deadlines to look at now
        self.wake_card();
        done
    }

    pub fn wake_card(&self) {
        if let Some(wake) = self.card_wake.get() {
            // fails only when the counter is full, and then the thread is awake
            let _ = wake.write(1);
        }
    }

    /// Which thread serves it; the first one stays.
    pub fn set_card_wake(&self, wake: Arc<EventFd>) {
        let _ = self.card_wake.set(wake);
    }

    /// A hook request; `Ok(false)` when the kernel is still busy with the last one.
    fn hook(&self, what: &str, hook: i32) -> Result<bool, PortError> {
        match ioctl::hook(self.fd(), hook) {
            Ok(()) => Ok(true),
            // asked not to wait: it has begun, and HOOKCOMPLETE says when it is done
            Err(Errno::EINPROGRESS) => Ok(true),
            Err(Errno::EBUSY) => Ok(false),
            Err(e) => Err(self.failed(what, e)),
        }
    }

    /// Any hook request stops the kernel's dialling without a word.
    fn dialling_ends(&self, s: &mut State, now: Time) {
        if std::mem::take(&mut s.dialling) {
            s.refill = true;
            s.forgive_underruns = now + FORGIVEN;
        }
    }

    fn off_hook(&self, s: &mut State, now: Time) -> Result<(), PortError> {
        let params = ioctl::get_params(self.fd()).map_err(|e| self.failed("go off-hook", e))?;
        if let Some(alarm @ crate::event::Alarm::Red) = alarm(params.chan_alarms) {
            return Err(PortError::InAlarm { port: self.name(), alarm });
        }
        s.deferred = None;
        s.close_loop = None;
        self.dialling_ends(s, now);
        if self.hook("go off-hook", ioctl::OFFHOOK)? {
            self.is_off_hook(s);
        } else {
            s.deferred = Some((Deferred::OffHook, now + BUSY_AT_MOST));
        }
        Ok(())
    }

    fn is_off_hook(&self, s: &mut State) {
        if std::mem::replace(&mut s.hook, HookState::OffHook) == HookState::Ringing {
            s.said.push_back(KernelEvent::RingerOff);
        }
    }

    fn on_hook(&self, s: &mut State, now: Time) -> Result<(), PortError> {
        s.deferred = None;
        s.close_loop = None;
        self.dialling_ends(s, now);
        let done = self.hook("go on-hook", ioctl::ONHOOK);
        // an interrupted flash never completes
        self.restore_flash_timers(s);
        // the kernel empties the buffers of a channel that hangs up
        s.refill = true;
        s.forgive_underruns = now + FORGIVEN;
        if std::mem::replace(&mut s.hook, HookState::OnHook) == HookState::Ringing {
            s.said.push_back(KernelEvent::RingerOff);
        }
        done.map(drop)
    }

    fn flash(&self, s: &mut State, now: Time, d: Duration) -> Result<(), PortError> {
        self.only(PortKind::Fxo, "flash")?;
        if d.is_zero() || d > MAX_FLASH {
            return Err(PortError::BadOption(format!("a flash lasts from 1 to 5000 ms, not {} ms", d.as_millis())));
        }
        if s.hook != HookState::OffHook {
            return Err(self.cannot("flash while it is on-hook"));
        }
        self.dialling_ends(s, now);
        let mut p = ioctl::get_params(self.fd()).map_err(|e| self.failed("flash", e))?;
        s.flash_timers.get_or_insert((p.flashtime, p.preflashtime));
        p.flashtime = millis(d);
        // the loop opens when told, not 50 ms later; 0 would never end
        p.preflashtime = 1;
        ioctl::set_params(self.fd(), &mut p).map_err(|e| self.failed("set the flash time", e))?;
        if !self.hook("flash", ioctl::FLASH)? {
            s.deferred = Some((Deferred::Flash, now + BUSY_AT_MOST));
        }
        Ok(())
    }

    /// The kernel reads its timers as it goes, so they are put back when the flash is over.
    pub fn restore_flash_timers(&self, s: &mut State) {
        let Some((flashtime, preflashtime)) = s.flash_timers.take() else { return };
        if let Ok(mut p) = ioctl::get_params(self.fd()) {
            p.flashtime = flashtime;
            p.preflashtime = preflashtime;
            // a channel that is gone has no timers to put back
            let _ = ioctl::set_params(self.fd(), &mut p);
        }
    }

    fn dial(&self, s: &mut State, now: Time, digits: &DialString, method: DialMethod) -> Result<(), PortError> {
        if self.kind == PortKind::Fxo && s.hook != HookState::OffHook {
            return Err(self.cannot("dial while it is on-hook"));
        }
        if method == DialMethod::Pulse {
            self.only(PortKind::Fxo, "dial in pulses")?;
            if digits.digits().any(|d| d.pulses().is_none()) {
                return Err(self.cannot("dial *, #, A, B, C or D in pulses"));
            }
        }
        let mut op = ioctl::DialOperation {
            op: ioctl::DIAL_OP_REPLACE,
            dialstr: ioctl::chars(&kernel_dial_string(digits, method)),
        };
        let before = std::mem::replace(&mut s.dialling, true);
        if let Err(e) = ioctl::dial(self.fd(), &mut op) {
            s.dialling = before;
            return Err(self.failed("dial", e));
        }
        s.forgive_underruns = now + FORGIVEN;
        Ok(())
    }

    fn stop_dialling(&self, s: &mut State, now: Time) -> Result<(), PortError> {
        let mut op = ioctl::DialOperation { op: ioctl::DIAL_OP_CANCEL, dialstr: [0; ioctl::MAX_DTMF_BUF] };
        ioctl::dial(self.fd(), &mut op).map_err(|e| self.failed("dial", e))?;
        self.dialling_ends(s, now);
        Ok(())
    }

    /// The kernel's dialling is over by itself.
    pub fn dialled(&self, s: &mut State, now: Time) {
        self.dialling_ends(s, now);
    }

    fn ring(&self, s: &mut State, now: Time, cadence: &[Duration]) -> Result<(), PortError> {
        self.only(PortKind::Fxs, "ring")?;
        let fits = |d: &Duration| (1..=60_000).contains(&d.as_millis());
        if cadence.is_empty()
            || !cadence.len().is_multiple_of(2)
            || cadence.len() > ioctl::MAX_CADENCE
            || !cadence.iter().all(fits)
        {
            return Err(PortError::BadOption(
                "a ringing cadence is 1 to 8 pairs of on and off, each 1 to 60000 ms".into(),
            ));
        }
        if s.hook == HookState::OffHook {
            return Err(self.cannot("ring while the line is in use"));
        }
        let mut kernel = ioctl::RingCadence::default();
        for (to, from) in kernel.ringcadence.iter_mut().zip(cadence) {
            *to = millis(*from);
        }
        ioctl::setcadence(self.fd(), &mut kernel).map_err(|e| self.failed("set the ringing cadence", e))?;
        if self.hook("ring", ioctl::RING)? {
            self.is_ringing(s);
        } else {
            s.deferred = Some((Deferred::Ring, now + BUSY_AT_MOST));
        }
        Ok(())
    }

    fn is_ringing(&self, s: &mut State) {
        s.hook = HookState::Ringing;
        // the kernel tells of every burst but the first
        s.said.push_back(KernelEvent::RingerOn);
    }

    fn ring_off(&self, s: &mut State, _now: Time) -> Result<(), PortError> {
        self.only(PortKind::Fxs, "ring")?;
        if matches!(s.deferred, Some((Deferred::Ring, _))) {
            s.deferred = None;
        }
        if s.hook != HookState::Ringing {
            return Ok(());
        }
        self.hook("stop ringing", ioctl::RINGOFF)?;
        s.hook = HookState::OnHook;
        s.said.push_back(KernelEvent::RingerOff);
        Ok(())
    }

    fn open_loop(&self, s: &mut State, now: Time, d: Duration) -> Result<(), PortError> {
        self.only(PortKind::Fxs, "open the loop")?;
        if self.signalling != Signalling::FxoKewlStart {
            return Err(PortError::Signalling {
                port: self.name(),
                found: self.signalling.name().into(),
                wanted: format!("`{}`", Signalling::line_for(PortKind::Fxs, self.number)),
            });
        }
        if d.is_zero() || d > KEWL {
            return Err(self.cannot(format!("open the loop for {} ms: the kernel does 500 ms at most", d.as_millis())));
        }
        let p = ioctl::get_params(self.fd()).map_err(|e| self.failed("open the loop", e))?;
        // without loop current there is nothing to interrupt, and the kernel does not
        if s.hook != HookState::OffHook || Sense::from_rxhooksig(p.rxhooksig) != Sense::Closed {
            return Err(self.cannot("open the loop outside of a call"));
        }
        self.on_hook(s, now)?;
        if d < KEWL {
            s.close_loop = Some(now + d);
        }
        Ok(())
    }

    /// The thread's part: what a command left for later. Gives the next time to look.
    pub fn do_deferred(&self, now: Time, retry: Duration) -> Option<Time> {
        let mut s = self.state();
        if s.close_loop.is_some_and(|at| at <= now) {
            s.close_loop = None;
            // ends the kernel's open loop before its time, and battery is back
            let _ = ioctl::hook(self.fd(), ioctl::RINGOFF);
            s.said.push_back(KernelEvent::HookComplete);
        }
        if let Some((what, until)) = s.deferred {
            let request = match what {
                Deferred::OffHook => ioctl::OFFHOOK,
                Deferred::Flash => ioctl::FLASH,
                Deferred::Ring => ioctl::RING,
            };
            match self.hook("try again", request) {
                Ok(true) => {
                    s.deferred = None;
                    match what {
                        Deferred::OffHook => self.is_off_hook(&mut s),
                        Deferred::Ring => self.is_ringing(&mut s),
                        Deferred::Flash => {}
                    }
                }
                Ok(false) if now < until => {}
                Ok(false) | Err(_) => {
                    tracing::warn!(port = %self.name(), ?what, "the kernel stayed busy");
                    s.deferred = None;
                    self.restore_flash_timers(&mut s);
                }
            }
        }
        let retry = s.deferred.map(|_| now + retry);
        [retry, s.close_loop].into_iter().flatten().min()
    }

    /// The telephone answers: no port may ring into an off-hook telephone, and nobody above is quick enough to stop it.
    pub fn ring_trip(&self) {
        let mut s = self.state();
        if s.hook == HookState::Ringing && self.hook("stop ringing", ioctl::OFFHOOK) == Ok(true) {
            self.is_off_hook(&mut s);
        }
        s.deferred = s.deferred.filter(|(what, _)| *what != Deferred::Ring);
    }
}

/// `T` tones, `P` pulses; `W` waits half a second.
fn kernel_dial_string(digits: &DialString, method: DialMethod) -> String {
    let mut s = String::from(match method {
        DialMethod::Tone => "T",
        DialMethod::Pulse => "P",
    });
    for step in digits.steps() {
        match step {
            DialStep::Digit(d) => s.push(d.as_char()),
            DialStep::Pause => s.push_str("WW"),
        }
    }
    s
}

fn millis(d: Duration) -> i32 {
    i32::try_from(d.as_millis()).unwrap_or(i32::MAX)
}

pub(super) fn explain_errno(port: &str, what: &str, errno: Errno) -> PortError {
    let port = port.to_string();
    match errno {
        Errno::ENODEV | Errno::ENXIO => PortError::Removed { port },
        // what the core does not know it asks the card's driver; and that says EINVAL of what its hardware has not
        Errno::ENOTTY | Errno::ENOSYS | Errno::EOPNOTSUPP => {
            PortError::Unsupported { port, what: format!("{what}: its driver does not offer it") }
        }
        Errno::ENODATA => PortError::NoToneZone { port },
        e => PortError::Io { port, what: what.to_string(), errno: e.desc().to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_waits_a_second_and_no_dial_string_outgrows_the_kernels_buffer() {
        let digits: DialString = "1,23#".parse().unwrap();
        assert_eq!(kernel_dial_string(&digits, DialMethod::Tone), "T1WW23#");
        assert_eq!(kernel_dial_string(&"45".parse().unwrap(), DialMethod::Pulse), "P45");
        let longest = format!("1{}", ",".repeat(DialString::MAX - 1)).parse().unwrap();
        assert!(kernel_dial_string(&longest, DialMethod::Tone).len() < ioctl::MAX_DTMF_BUF);
    }

    #[test]
    fn each_errno_of_the_kernel_is_its_own_error() {
        let e = |errno| explain_errno("dahdi/3", "ring", errno);
        assert_eq!(e(Errno::ENODEV), PortError::Removed { port: "dahdi/3".into() });
        assert_eq!(e(Errno::ENODATA), PortError::NoToneZone { port: "dahdi/3".into() });
        assert!(matches!(e(Errno::ENOTTY), PortError::Unsupported { .. }));
        assert!(matches!(e(Errno::EINVAL), PortError::Io { .. }));
        assert!(e(Errno::ENODATA).explain("dahdi/3").next.contains("loadzone="));
    }
}
