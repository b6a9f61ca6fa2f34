//! DAHDI channels as ports: analog cards of Digium, Sangoma, OpenVox, Xorcom and the like, through the kernel's requests.
//!
//! ```text
//!  DahdiPort ── commands ──▶ channel ── ioctl ──▶ kernel
//!     ▲                         │ what is left for later
//!     └─ rings, eventfd ── card's thread ── poll, read, write ──▶ kernel
//! ```
//!
//! `ioctl` has the requests, `signal` what their events mean, `audio` blocks and frames, `channel` commands, `card` the
//! thread.
//!
//! **Why a thread in `poll`, and not `AsyncFd`.** tokio's issue 6632 tells of combined interests that hang on a kernel
//! module's descriptor. Measured here (tokio 1.54, DAHDI 2.11.1, Linux 6.1, `tests/dahdi_lab/measure.rs`): on a channel
//! `AsyncFd` works. In ten seconds with 13 events, `READABLE | PRIORITY` gave all 501 blocks and 13 events in 502 wakings,
//! none missed, none idle; so it does with one read a waking, and `PRIORITY` alone with audio left unread. `WRITABLE` in
//! the set adds an idle waking to every second block, since the kernel wakes one queue for all and there is always room.
//! A thread it is all the same: audio must not wait behind whatever else a runtime's worker is doing, a thread can have
//! real-time priority and a task cannot, the safe constructors of `AsyncFd` are deprecated as unsound, and a thread in
//! `poll` needs no runtime in the commands that have none.
//!
//! **What the kernel does with time.** An off-hook FXO port debounces for 600 ms, a flash in that time is EBUSY; an FXS
//! port that hangs up in a call opens the loop for 500 ms and is EBUSY for 800 ms. Such commands are taken and done by the
//! card's thread as soon as the kernel lets it. For 2 s after on-hook the kernel keeps ringing back; the tracker in
//! [`signal`] sees it in the channel's state. Closing the descriptor hangs up, so a process that dies leaves the line
//! on-hook; dropping the port does so explicitly.

mod audio;
mod card;
mod channel;
pub mod ioctl;
pub mod signal;

pub use audio::{Coding, gain_table};

use super::discover;
use super::{Capabilities, Port, PortError, PortKind, Selector};
use crate::clock::Time;
use crate::dsp::Frame;
use crate::dsp::g711::Law;
use crate::event::{Alarm, Command, Signal};
use channel::{Channel, explain_errno};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open as open_node};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::stat::Mode;
use nix::sys::time::TimeSpec;
use signal::{Sense, Signalling, Tracker};
use std::fs::{File, OpenOptions as FileOptions};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// When the kernel begins to send what was written (`txbufpolicy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BufferPolicy {
    #[default]
    Immediate,
    WhenFull,
    HalfFull,
}

/// The kernel's echo canceller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EchoCanceller {
    /// None: we cancel echo ourselves, or the far end does.
    Off,
    /// The one that `system.conf` attached to the channel, with its usual length, if there is one and it may run.
    #[default]
    Configured,
    /// This one (`mg2`, `oslec`, `kb1`, `jpah`, `hpec`, or a card's own), of so many taps: 8 to a millisecond.
    Named { name: String, taps: u32 },
}

/// `default`, `off`, `own` (off in the kernel: we do it), or a name and its taps: `mg2:128`.
impl std::str::FromStr for EchoCanceller {
    type Err = PortError;

    fn from_str(text: &str) -> Result<EchoCanceller, PortError> {
        match text {
            "default" => Ok(EchoCanceller::Configured),
            "off" | "own" => Ok(EchoCanceller::Off),
            named => {
                let known = KNOWN_CANCELLERS.contains(&named) || takes_the_kernel_down(named);
                // a name alone is one that there is; whose name we do not know is written with its taps
                let parts = named.split_once(':').or(known.then_some((named, "128")));
                let parts = parts.and_then(|(name, taps)| Some((name, taps.parse().ok()?)));
                let (name, taps) = parts.ok_or_else(|| {
                    PortError::BadOption(format!("echo canceller `{}`: write mg2:128", crate::error::printable(named)))
                })?;
                check_canceller(name, taps)?;
                Ok(EchoCanceller::Named { name: name.to_string(), taps })
            }
        }
    }
}

/// How a channel is opened.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenOptions {
    /// Refuse a port of the other kind.
    pub kind: Option<PortKind>,
    /// Samples the kernel hands over at once: 16 to 1024.
    pub block_samples: usize,
    /// Blocks the kernel keeps for each direction: 2 to 32. So late may this process be before audio is lost.
    pub buffers: usize,
    pub policy: BufferPolicy,
    /// Blocks kept waiting in the kernel to be sent: each adds its length to the delay, and as much to what a busy
    /// machine may be late without a gap on the line.
    pub queued_blocks: usize,
    pub coding: Coding,
    pub echo_canceller: EchoCanceller,
    /// Gains in the kernel's tables, in dB.
    pub receive_gain_db: f32,
    pub transmit_gain_db: f32,
    /// FXS: the longest time on-hook that is a flash and no hang-up; the kernel's own is 1250 ms.
    pub longest_flash: Option<Duration>,
}

impl Default for OpenOptions {
    fn default() -> OpenOptions {
        OpenOptions {
            kind: None,
            block_samples: 160,
            buffers: 8,
            policy: BufferPolicy::Immediate,
            queued_blocks: 3,
            coding: Coding::Linear,
            echo_canceller: EchoCanceller::Configured,
            receive_gain_db: 0.0,
            transmit_gain_db: 0.0,
            longest_flash: None,
        }
    }
}

impl OpenOptions {
    fn check(&self) -> Result<(), PortError> {
        let bad = |text: String| Err(PortError::BadOption(text));
        if !(16..=1024).contains(&self.block_samples) {
            return bad(format!("a block of {} samples: the kernel takes 16 to 1024", self.block_samples));
        }
        if !(2..=32).contains(&self.buffers) {
            return bad(format!("{} buffers: the kernel takes 2 to 32", self.buffers));
        }
        if self.queued_blocks == 0 || self.queued_blocks > self.buffers {
            return bad(format!("{} queued blocks: 1 to the number of buffers", self.queued_blocks));
        }
        for gain in [self.receive_gain_db, self.transmit_gain_db] {
            if !(-40.0..=40.0).contains(&gain) {
                return bad(format!("a gain of {gain} dB: -40 to 40"));
            }
        }
        if let Some(d) = self.longest_flash
            && !(100..=5000).contains(&d.as_millis())
        {
            return bad(format!("a longest flash of {} ms: 100 to 5000", d.as_millis()));
        }
        match &self.echo_canceller {
            EchoCanceller::Named { name, taps } => check_canceller(name, *taps),
            EchoCanceller::Off | EchoCanceller::Configured => Ok(()),
        }
    }

    /// Blocks in the write queue: the kernel sends nothing before its policy is met.
    fn depth(&self) -> usize {
        match self.policy {
            BufferPolicy::Immediate => self.queued_blocks,
            BufferPolicy::WhenFull => self.buffers,
            BufferPolicy::HalfFull => self.queued_blocks.max(self.buffers.div_ceil(2)),
        }
    }
}

/// The kernel takes these lengths and quietly puts 128 for others.
const TAPS: [u32; 6] = [32, 64, 128, 256, 512, 1024];

/// The kernel's own that may run (dahdi-linux, `dahdi_echocan_*`).
const KNOWN_CANCELLERS: [&str; 5] = ["mg2", "oslec", "kb1", "jpah", "hpec"];

fn takes_the_kernel_down(canceller: &str) -> bool {
    matches!(canceller.to_ascii_lowercase().as_str(), "sec" | "sec2")
}

/// The taps for the canceller that `system.conf` attached, if it attached one that may run.
fn taps_for_attached(canceller: Option<&str>) -> Option<u32> {
    canceller.filter(|name| !takes_the_kernel_down(name)).map(|_| 128)
}

fn check_canceller(name: &str, taps: u32) -> Result<(), PortError> {
    if takes_the_kernel_down(name) {
        return Err(PortError::BadOption(format!(
            "echo canceller {name}: it writes outside its memory and takes the kernel down within seconds; use mg2 or oslec"
        )));
    }
    if name.is_empty() || name.len() > 15 || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(PortError::BadOption("an echo canceller's name has 1 to 15 letters and digits".into()));
    }
    if !TAPS.contains(&taps) {
        return Err(PortError::BadOption(format!("{taps} taps: the kernel takes 32, 64, 128, 256, 512 or 1024")));
    }
    Ok(())
}

/// Counts since the port was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Statistics {
    pub frames_read: u64,
    /// Frames of ours that were sent.
    pub frames_written: u64,
    /// Samples of silence sent because nothing was written.
    pub silent_samples: u64,
    /// Times the kernel had to throw audio away that nobody read, and had nothing to send.
    pub read_overruns: u64,
    pub write_underruns: u64,
    /// Frames that the owner of the port did not take in time, and that found no room to be sent.
    pub frames_not_read: u64,
    pub frames_not_written: u64,
    pub events: u64,
}

/// The card's own counters and names (`DAHDI_SPANSTAT`).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SpanStatus {
    pub number: u32,
    pub name: String,
    pub description: String,
    /// `FXO`, `FXS`, or `ANALO`: the kernel has room for five letters of `ANALOG_MIXED`.
    pub kind: String,
    pub manufacturer: String,
    pub model: String,
    pub location: String,
    pub irq: i32,
    pub irq_misses: u32,
    pub channels: u32,
    pub alarm: Option<Alarm>,
}

/// Half a second of audio may wait for its reader, and a fifth for the line.
const FRAMES_TO_READ: usize = 25;
const FRAMES_TO_WRITE: usize = 10;
const SIGNALS: usize = 256;

/// A channel of a DAHDI card.
pub struct DahdiPort {
    selector: Selector,
    channel: Arc<Channel>,
    capabilities: Capabilities,
    law: Law,
    frames: rtrb::Consumer<Frame>,
    to_send: rtrb::Producer<Frame>,
    signals: rtrb::Consumer<(Time, Signal)>,
    gone: mpsc::Receiver<()>,
    hardware_gain: bool,
    removed: bool,
}

impl DahdiPort {
    /// Opens channel `number`, on-hook.
    pub fn open(number: u32, options: &OpenOptions) -> Result<DahdiPort, PortError> {
        options.check()?;
        let port = format!("dahdi/{number}");
        let root = Path::new("/");
        let file = open_channel(root, number, &port)?;
        let fd = file.as_fd();
        let failed = |what: &'static str| {
            let port = port.clone();
            move |e| explain_errno(&port, what, e)
        };
        let params = ioctl::get_params(fd).map_err(failed("read the parameters"))?;
        let signalling = Signalling::from_sigtype(params.sigtype);
        let kind = suitable(&port, number, signalling, params.sigcap, options.kind)?;
        let law = set_up(fd, &port, number, options, params)?;
        let cancels = set_canceller(root, fd, &port, number, &options.echo_canceller)?;

        let wake = EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)
            .map_err(failed("make an event descriptor"))?;
        let marker = marker(root, number);
        let span_number = u32::try_from(params.spanno).unwrap_or(0);
        let channel = Channel::new(number, span_number, kind, signalling, file, marker, wake);
        let channel = Arc::new(channel);
        let mut tracker = Tracker::new(kind);
        tracker.sense(Time::ZERO, Sense::from_rxhooksig(params.rxhooksig), params.chan_alarms);
        let (frames_in, frames) = rtrb::RingBuffer::new(FRAMES_TO_READ);
        let (to_send, frames_out) = rtrb::RingBuffer::new(FRAMES_TO_WRITE);
        let (signals_in, signals) = rtrb::RingBuffer::new(SIGNALS);
        let (gone_in, gone) = mpsc::channel();
        let blocks = card::Blocks {
            coding: options.coding,
            samples: options.block_samples,
            buffers: options.buffers,
            queued: options.depth(),
        };
        card::join(card::Line::new(channel.clone(), tracker, &blocks, frames_in, frames_out, signals_in, gone_in))
            .map_err(|e| PortError::Io {
                port: port.clone(),
                what: "start the card's thread".into(),
                errno: e.to_string(),
            })?;
        Ok(DahdiPort {
            selector: Selector::Dahdi(number),
            channel,
            capabilities: Capabilities {
                audio: true,
                flash: kind == PortKind::Fxo,
                dials: true,
                pulse: kind == PortKind::Fxo,
                battery: kind == PortKind::Fxo,
                // a digital channel, which could be either kind, carries hook and ringing and nothing of polarity
                reversal: kind == PortKind::Fxo && Signalling::hardware(params.sigcap).is_some(),
                echo_canceller: cancels,
                hears_digits: false,
            },
            law,
            frames,
            to_send,
            signals,
            gone,
            hardware_gain: false,
            removed: false,
        })
    }

    /// Becomes readable when there is something to take: for callers with descriptors of their own to wait for.
    pub fn wake_fd(&self) -> BorrowedFd<'_> {
        self.channel.port_wake.as_fd()
    }

    /// Whether the card's thread runs with real-time priority.
    pub fn realtime(&self) -> bool {
        self.channel.realtime.load(Ordering::Relaxed)
    }

    pub fn signalling(&self) -> Signalling {
        self.channel.signalling
    }

    pub fn statistics(&self) -> Statistics {
        let c = &self.channel.counters;
        Statistics {
            frames_read: c.frames_read.load(Ordering::Relaxed),
            frames_written: c.frames_written.load(Ordering::Relaxed),
            silent_samples: c.silent_samples.load(Ordering::Relaxed),
            read_overruns: c.read_overruns.load(Ordering::Relaxed),
            write_underruns: c.write_underruns.load(Ordering::Relaxed),
            frames_not_read: c.frames_not_read.load(Ordering::Relaxed),
            frames_not_written: c.frames_not_written.load(Ordering::Relaxed),
            events: c.events.load(Ordering::Relaxed),
        }
    }

    pub fn span_status(&self) -> Result<SpanStatus, PortError> {
        let s = ioctl::spanstat(self.channel.fd(), 0).map_err(|e| self.channel.failed("read the span's status", e))?;
        Ok(SpanStatus {
            number: u32::try_from(s.spanno).unwrap_or(0),
            name: ioctl::text(&{ s.name }),
            description: ioctl::text(&{ s.desc }),
            kind: ioctl::text(&{ s.spantype }),
            manufacturer: ioctl::text(&{ s.manufacturer }),
            model: ioctl::text(&{ s.devicetype }),
            location: ioctl::text(&{ s.location }),
            irq: s.irq,
            irq_misses: u32::try_from(s.irqmisses).unwrap_or(0),
            channels: u32::try_from(s.totalchans).unwrap_or(0),
            alarm: signal::alarm(u32::try_from(s.alarms).unwrap_or(0)),
        })
    }

    /// The channel's alarm now.
    pub fn alarm(&self) -> Result<Option<Alarm>, PortError> {
        let p = ioctl::get_params(self.channel.fd()).map_err(|e| self.channel.failed("read the parameters", e))?;
        Ok(signal::alarm(p.chan_alarms))
    }

    /// Gains in the kernel's tables, in dB: both directions at once, until the port is dropped.
    pub fn set_gains(&self, receive_db: f32, transmit_db: f32) -> Result<(), PortError> {
        let p = ioctl::get_params(self.channel.fd()).map_err(|e| self.channel.failed("read the parameters", e))?;
        set_gains(self.channel.fd(), law_of(p.curlaw), receive_db, transmit_db)
            .map_err(|e| self.channel.failed("set the gains", e))
    }

    /// The card's own analog gain in dB, where it has one.
    pub fn set_hardware_gain(&mut self, direction: Direction, gain_db: f32) -> Result<(), PortError> {
        let tx = u32::from(direction == Direction::Transmit);
        let mut gain = ioctl::HwGain { newgain: (gain_db * 10.0).round() as i32, tx };
        ioctl::set_hwgain(self.channel.fd(), &mut gain).map_err(|e| self.channel.failed("set the hardware gain", e))?;
        self.hardware_gain = true;
        Ok(())
    }

    /// Attaches and starts an echo canceller, or stops it.
    pub fn set_echo_canceller(&mut self, canceller: &EchoCanceller) -> Result<(), PortError> {
        if let EchoCanceller::Named { name, taps } = canceller {
            check_canceller(name, *taps)?;
        }
        let c = &self.channel;
        let on = set_canceller(Path::new("/"), c.fd(), &c.name(), c.number, canceller)?;
        self.capabilities.echo_canceller = on;
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Receive,
    Transmit,
}

impl Port for DahdiPort {
    fn selector(&self) -> &Selector {
        &self.selector
    }

    fn kind(&self) -> PortKind {
        self.channel.kind
    }

    /// Samples may be linear to us: the line is companded all the same.
    fn law(&self) -> Option<Law> {
        Some(self.law)
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn now(&self) -> Time {
        self.channel.now()
    }

    /// Also returns, with nothing to take, when a Unix signal came: the caller has its own reasons to look at that.
    fn wait(&mut self, until: Time) -> Result<(), PortError> {
        loop {
            if !self.signals.is_empty() || !self.frames.is_empty() {
                return Ok(());
            }
            if self.channel.dead.load(Ordering::Acquire) {
                return Err(PortError::Removed { port: self.channel.name() });
            }
            let now = self.now();
            if now >= until {
                return Ok(());
            }
            let mut fds = [PollFd::new(self.channel.port_wake.as_fd(), PollFlags::POLLIN)];
            let timeout = (until != Time::NEVER).then(|| TimeSpec::from(until.since(now)));
            match ppoll(&mut fds, timeout, None) {
                Ok(0) => return Ok(()),
                // emptied before the rings are looked at, so nothing pushed later is slept through
                Ok(_) => drop(self.channel.port_wake.read()),
                Err(Errno::EINTR) => return Ok(()),
                Err(e) => return Err(self.channel.failed("wait", e)),
            }
        }
    }

    fn command(&mut self, command: Command) -> Result<(), PortError> {
        if self.removed {
            return Err(PortError::Removed { port: self.channel.name() });
        }
        self.channel.command(command)
    }

    fn next_signal(&mut self) -> Result<Option<(Time, Signal)>, PortError> {
        match self.signals.pop() {
            Ok((at, signal)) => {
                self.removed |= signal == Signal::Removed;
                Ok(Some((at, signal)))
            }
            Err(_) => Ok(None),
        }
    }

    /// As wctdm and its kin measure it.
    fn line_millivolts(&mut self) -> Option<i32> {
        ioctl::wctdm_get_stats(self.channel.fd()).ok().map(|s| s.batvolt)
    }

    fn read(&mut self, frame: &mut Frame) -> Result<bool, PortError> {
        match self.frames.pop() {
            Ok(f) => {
                *frame = f;
                Ok(true)
            }
            Err(_) if self.removed => Err(PortError::Removed { port: self.channel.name() }),
            Err(_) => Ok(false),
        }
    }

    fn write(&mut self, frame: &Frame) -> Result<(), PortError> {
        if self.removed {
            return Err(PortError::Removed { port: self.channel.name() });
        }
        if self.to_send.push(*frame).is_err() {
            // more is written than read: what does not fit is lost and counted
            self.channel.counters.frames_not_written.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Drop for DahdiPort {
    /// On-hook, explicitly; and the descriptor is closed when this returns, so that the channel can be opened again.
    fn drop(&mut self) {
        // what has been removed cannot be put on-hook, nor need be
        let _ = self.channel.command(Command::OnHook);
        // the kernel keeps this with the channel, and the next program may not know such events
        let _ = ioctl::buffer_events(self.channel.fd(), 0);
        if self.hardware_gain {
            for tx in [0, 1] {
                // it would outlive the process
                let _ = ioctl::set_hwgain(self.channel.fd(), &mut ioctl::HwGain { newgain: 0, tx });
            }
        }
        self.channel.closed.store(true, Ordering::Release);
        self.channel.wake_card();
        // the thread drops its end; nothing is ever sent
        let _ = self.gone.recv_timeout(Duration::from_secs(1));
    }
}

fn open_channel(root: &Path, number: u32, port: &str) -> Result<File, PortError> {
    let shared = root.join(discover::CHANNEL_NODE);
    let mut options = FileOptions::new();
    // std adds O_CLOEXEC
    options.read(true).write(true).custom_flags(nix::libc::O_NONBLOCK);
    let refused = match options.open(&shared) {
        Ok(file) => {
            let n = i32::try_from(number).unwrap_or(i32::MAX);
            return match ioctl::specify(file.as_fd(), n) {
                Ok(()) => Ok(file),
                Err(e) => Err(not_opened(root, number, port, &shared, e)),
            };
        }
        Err(e) => e,
    };
    let own = own_nodes(root, number).into_iter().find(|n| n.exists());
    match own {
        Some(node) => options.open(&node).map_err(|e| match errno_of(&e) {
            // neither lets us in: the shared one is the one to talk about
            Errno::EACCES | Errno::EPERM => not_opened(root, number, port, &shared, errno_of(&refused)),
            errno => not_opened(root, number, port, &node, errno),
        }),
        None => Err(not_opened(root, number, port, &shared, errno_of(&refused))),
    }
}

fn errno_of(e: &std::io::Error) -> Errno {
    e.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

fn own_nodes(root: &Path, number: u32) -> Vec<PathBuf> {
    let all = discover::dahdi(root);
    match all.channel(number) {
        Some((span, c)) => discover::own_nodes(root, span, c),
        None => vec![root.join(format!("dev/dahdi/{number}"))],
    }
}

/// Each way not to get a channel is its own error.
fn not_opened(root: &Path, number: u32, port: &str, node: &Path, errno: Errno) -> PortError {
    let all = discover::dahdi(root);
    let known = all.channel(number);
    match (errno, known) {
        (Errno::EACCES | Errno::EPERM, _) => match discover::access(root, node) {
            Err(e) => e,
            // the node lets us in and the kernel does not: a container's device filter
            Ok(()) => PortError::NotPermitted {
                node: node.to_path_buf(),
                detail: "its mode would let you in: a container or a security module does not".into(),
            },
        },
        (Errno::EBUSY, Some((span, c))) => {
            PortError::InUse { port: port.to_string(), holder: discover::holder(root, span, c) }
        }
        (Errno::EBUSY, None) => PortError::InUse { port: port.to_string(), holder: "another process".into() },
        (Errno::ENOENT | Errno::ENODEV, None) => {
            all.problem.clone().unwrap_or_else(|| discover::missing_node(root, node))
        }
        (Errno::ENOENT, Some(_)) => discover::missing_node(root, node),
        (Errno::EINVAL | Errno::ENXIO, None) => match all.problem {
            Some(problem @ PortError::Missing { .. }) => problem,
            _ => PortError::Missing {
                node: PathBuf::from(format!("channel {number}")),
                help: format!("the channels here are {}; `tipring lines` shows them", all.numbers()),
            },
        },
        (Errno::ENXIO, Some((_, c))) => discover::not_analog(port, number, c.signalling, c.kind),
        (e, _) => explain_errno(port, "open it", e),
    }
}

/// The channel's own node, held without opening the device, for who looks for the holder.
fn marker(root: &Path, number: u32) -> Option<OwnedFd> {
    let path = OFlag::O_PATH | OFlag::O_CLOEXEC;
    own_nodes(root, number).iter().find_map(|n| open_node(n, path, Mode::empty()).ok())
}

/// An analog port, and of the kind that is wanted.
fn suitable(
    port: &str,
    number: u32,
    signalling: Signalling,
    sigcap: i32,
    wanted: Option<PortKind>,
) -> Result<PortKind, PortError> {
    let Some(kind) = signalling.port() else {
        return Err(discover::not_analog(port, number, signalling, Signalling::hardware(sigcap)));
    };
    match wanted {
        Some(w) if w != kind => Err(PortError::Unsupported {
            port: port.to_string(),
            what: format!("be an {w} port: it is an {kind} port ({} signalling)", signalling.name()),
        }),
        _ => Ok(kind),
    }
}

fn set_up(
    fd: BorrowedFd<'_>,
    port: &str,
    number: u32,
    options: &OpenOptions,
    mut params: ioctl::Params,
) -> Result<Law, PortError> {
    let failed = |what: &'static str| move |e| explain_errno(port, what, e);
    let mut buffers = ioctl::BufferInfo {
        txbufpolicy: match options.policy {
            BufferPolicy::Immediate => ioctl::POLICY_IMMEDIATE,
            BufferPolicy::WhenFull => ioctl::POLICY_WHEN_FULL,
            BufferPolicy::HalfFull => ioctl::POLICY_HALF_FULL,
        },
        rxbufpolicy: ioctl::POLICY_IMMEDIATE,
        numbufs: options.buffers as i32,
        bufsize: options.block_samples as i32,
        ..Default::default()
    };
    ioctl::set_bufinfo(fd, &mut buffers).map_err(failed("set the buffers"))?;
    let law = match options.coding {
        Coding::Linear => law_of(params.curlaw),
        Coding::Companded(law) => {
            let number = match law {
                Law::Mu => ioctl::LAW_MULAW,
                Law::A => ioctl::LAW_ALAW,
            };
            ioctl::setlaw(fd, number).map_err(failed("set the law"))?;
            law
        }
    };
    ioctl::setlinear(fd, i32::from(options.coding == Coding::Linear)).map_err(failed("set linear audio"))?;
    if options.receive_gain_db != 0.0 || options.transmit_gain_db != 0.0 {
        set_gains(fd, law, options.receive_gain_db, options.transmit_gain_db).map_err(failed("set the gains"))?;
    }
    if let Some(d) = options.longest_flash {
        params.rxflashtime = i32::try_from(d.as_millis()).unwrap_or(i32::MAX);
        ioctl::set_params(fd, &mut params).map_err(failed("set the flash time"))?;
    }
    // the state of the pair is read below, and events of before the opening are not ours
    ioctl::flush(fd, ioctl::FLUSH_ALL).map_err(failed("flush the buffers"))?;
    // tell of gaps: the driver's default is not to
    if let Err(e) = ioctl::buffer_events(fd, 1) {
        tracing::debug!(channel = number, error = %e, "this driver does not tell of gaps");
    }
    Ok(law)
}

fn law_of(curlaw: i32) -> Law {
    if curlaw == ioctl::LAW_ALAW { Law::A } else { Law::Mu }
}

fn set_gains(fd: BorrowedFd<'_>, law: Law, receive_db: f32, transmit_db: f32) -> Result<(), Errno> {
    let mut gains = ioctl::Gains { chan: 0, rxgain: gain_table(law, receive_db), txgain: gain_table(law, transmit_db) };
    ioctl::setgains(fd, &mut gains)
}

/// Gives whether a canceller runs.
fn set_canceller(
    root: &Path,
    fd: BorrowedFd<'_>,
    port: &str,
    number: u32,
    canceller: &EchoCanceller,
) -> Result<bool, PortError> {
    let failed = |what: &'static str| move |e| explain_errno(port, what, e);
    let taps = match canceller {
        EchoCanceller::Off => 0,
        // without one attached the request would succeed and do nothing
        EchoCanceller::Configured => {
            let dahdi = discover::dahdi(root);
            let attached = dahdi.channel(number).and_then(|(_, c)| c.echo_canceller.as_deref());
            taps_for_attached(attached).unwrap_or(0)
        }
        EchoCanceller::Named { name, taps } => {
            ioctl::echocancel(fd, 0).map_err(failed("stop the echo canceller"))?;
            let ctl = root.join("dev/dahdi/ctl");
            let file = FileOptions::new()
                .read(true)
                .write(true)
                .open(&ctl)
                .map_err(|e| not_opened(root, number, port, &ctl, errno_of(&e)))?;
            let mut attach =
                ioctl::AttachEchocan { chan: i32::try_from(number).unwrap_or(0), echocan: ioctl::chars(name) };
            ioctl::attach_echocan(file.as_fd(), &mut attach).map_err(|e| match e {
                Errno::EINVAL => PortError::Unsupported {
                    port: port.to_string(),
                    what: format!("use echo canceller {name}: load it with `modprobe dahdi_echocan_{name}`"),
                },
                e => explain_errno(port, "attach an echo canceller", e),
            })?;
            *taps
        }
    };
    ioctl::echocancel(fd, taps as i32).map_err(failed("start the echo canceller"))?;
    Ok(taps > 0)
}

#[cfg(test)]
mod tests;
