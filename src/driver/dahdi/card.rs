//! One thread per card, waiting in `poll` over the channels of it that this process has open.
//!
//! ```text
//!            POLLIN  a block of audio ──▶ frames ──▶ ring ──▶ Port::read
//!   kernel   POLLPRI an event ─────────▶ Tracker ──▶ ring ──▶ Port::next_signal      eventfd wakes Port::wait
//!            write   one block for every block read ◀── ring ◀── Port::write
//! ```
//!
//! The card is the clock: every channel of a span gets its blocks in the same interrupt, so one thread serves them all in
//! one waking, and what is written is exactly as much as was read. A few blocks lie in the kernel's write queue
//! (`OpenOptions::queued_blocks`): they are how late this thread may be without a gap on the line. `POLLOUT` is not
//! waited for: it is always set while there is room, and room there is whenever a block was read.
//!
//! Why a thread and not tokio's `AsyncFd`: see [`super`].

use super::audio::{Coding, Incoming, Outgoing};
use super::channel::Channel;
use super::ioctl;
use super::signal::{KernelEvent, Sense, Tracker};
use crate::clock::Time;
use crate::driver::PortKind;
use crate::dsp::Frame;
use crate::event::Signal;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, mpsc};
use std::time::Duration;

/// Under `SCHED_FIFO`, above ordinary threads and below the kernel's own interrupt threads (50).
const PRIORITY: i32 = 20;
/// How soon a busy hook is tried again.
const RETRY: Duration = Duration::from_millis(20);
/// Frames that wait to be written: more than these are late, and silent ones among them are left out.
const LATE_FRAMES: usize = 3;
/// What is as good as silence when a late frame is left out.
const QUIET: i16 = 32;
/// Failing reads in a row after which a channel is given up: a descriptor that stays ready and fails would spin.
const MAX_FAILURES: u32 = 100;

/// What the thread holds of one port.
pub(super) struct Line {
    pub channel: Arc<Channel>,
    pub frames: rtrb::Producer<Frame>,
    pub to_send: rtrb::Consumer<Frame>,
    pub signals: rtrb::Producer<(Time, Signal)>,
    /// Dropped with the line: tells the port that its descriptor is free.
    pub _gone: mpsc::Sender<()>,
    tracker: Tracker,
    incoming: Incoming,
    outgoing: Outgoing,
    /// Blocks that are in the kernel's write queue, as far as we know; and how many there should be.
    queued: usize,
    target: usize,
    buffers: usize,
    reader_lags: bool,
    /// The port has something new to look at.
    news: bool,
    dialling_unseen: u32,
    failures: u32,
    removed: bool,
    buffer: Vec<u8>,
    block: Vec<u8>,
}

pub(super) struct Blocks {
    pub coding: Coding,
    pub samples: usize,
    pub buffers: usize,
    pub queued: usize,
}

impl Line {
    pub fn new(
        channel: Arc<Channel>,
        tracker: Tracker,
        blocks: &Blocks,
        frames: rtrb::Producer<Frame>,
        to_send: rtrb::Consumer<Frame>,
        signals: rtrb::Producer<(Time, Signal)>,
        gone: mpsc::Sender<()>,
    ) -> Line {
        let block_bytes = blocks.samples * blocks.coding.bytes_per_sample();
        Line {
            channel,
            frames,
            to_send,
            signals,
            _gone: gone,
            tracker,
            incoming: Incoming::new(blocks.coding),
            outgoing: Outgoing::new(blocks.coding, blocks.samples),
            queued: 0,
            target: blocks.queued,
            buffers: blocks.buffers,
            reader_lags: false,
            news: false,
            dialling_unseen: 0,
            failures: 0,
            removed: false,
            buffer: vec![0; block_bytes],
            block: Vec::with_capacity(block_bytes),
        }
    }

    /// One waking: events, audio both ways, state, what commands left to do. Gives the next time to look.
    fn serve(&mut self, ready: PollFlags) -> Option<Time> {
        if self.removed {
            return None;
        }
        let was_off_hook = self.tracker.off_hook();
        if ready.intersects(PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL) {
            self.is_removed();
        } else {
            if ready.contains(PollFlags::POLLPRI) {
                self.take_events();
            }
            if ready.contains(PollFlags::POLLIN) {
                self.exchange_audio();
            }
        }
        if self.channel.kind == PortKind::Fxs && self.tracker.off_hook() && !was_off_hook {
            self.channel.ring_trip();
        }
        let now = self.channel.now();
        let next = if self.removed { None } else { self.channel.do_deferred(now, RETRY) };
        let said = std::mem::take(&mut self.channel.state().said);
        for event in said {
            self.tracker.event(now, event, 0);
        }
        self.refill();
        self.tell(now);
        next
    }

    /// Fetches every queued event: `read` and `write` fail until then.
    fn take_events(&mut self) {
        // the kernel's queue holds 64
        for _ in 0..64 {
            let code = match ioctl::getevent(self.channel.fd()) {
                Ok(0) => return,
                Ok(code) => code,
                Err(_) => return self.is_removed(),
            };
            let event = KernelEvent::from_code(code);
            let now = self.channel.now();
            self.channel.counters.events.fetch_add(1, Ordering::Relaxed);
            tracing::trace!(port = self.channel.number, ?event, %now);
            match event {
                KernelEvent::Removed => return self.is_removed(),
                KernelEvent::DialComplete => self.channel.dialled(&mut self.channel.state(), now),
                KernelEvent::HookComplete => self.channel.restore_flash_timers(&mut self.channel.state()),
                KernelEvent::WriteUnderrun => {
                    self.queued = 0;
                    let mut s = self.channel.state();
                    s.refill = true;
                    if s.dialling || now < s.forgive_underruns {
                        continue;
                    }
                    self.channel.counters.write_underruns.fetch_add(1, Ordering::Relaxed);
                }
                KernelEvent::ReadOverrun => {
                    self.channel.counters.read_overruns.fetch_add(1, Ordering::Relaxed);
                }
                _ => {}
            }
            let alarms = match event {
                KernelEvent::Alarm => ioctl::get_params(self.channel.fd()).map_or(0, |p| p.chan_alarms),
                _ => 0,
            };
            self.tracker.event(now, event, alarms);
        }
    }

    /// Reads every block there is, and writes one for each.
    fn exchange_audio(&mut self) {
        for _ in 0..self.buffers + 2 {
            match (&self.channel.file).read(&mut self.buffer) {
                Ok(0) => break,
                Ok(n) => {
                    self.failures = 0;
                    self.hear(n);
                    self.speak();
                }
                Err(e) => match e.raw_os_error() {
                    Some(ioctl::ELAST) => self.take_events(),
                    Some(nix::libc::EAGAIN | nix::libc::EINTR) => break,
                    Some(nix::libc::ENODEV | nix::libc::ENXIO) => return self.is_removed(),
                    _ => {
                        self.failures += 1;
                        if self.failures > MAX_FAILURES {
                            tracing::warn!(port = self.channel.number, error = %e, "reading fails for good");
                            return self.is_removed();
                        }
                        break;
                    }
                },
            }
            if self.removed {
                return;
            }
        }
        match ioctl::get_params(self.channel.fd()) {
            Ok(p) => {
                let sense = Sense::from_rxhooksig(p.rxhooksig);
                self.tracker.sense(self.channel.now(), sense, p.chan_alarms);
            }
            Err(Errno::ENODEV) => self.is_removed(),
            Err(_) => {}
        }
    }

    fn hear(&mut self, n: usize) {
        let counters = &self.channel.counters;
        let (frames, lags, news) = (&mut self.frames, &mut self.reader_lags, &mut self.news);
        let mut overrun = false;
        self.incoming.feed(&self.buffer[..n], |frame| {
            counters.frames_read.fetch_add(1, Ordering::Relaxed);
            *news = true;
            let full = frames.push(*frame).is_err();
            if full {
                counters.frames_not_read.fetch_add(1, Ordering::Relaxed);
                overrun |= !*lags;
            }
            *lags = full;
        });
        if overrun {
            self.tracker.event(self.channel.now(), KernelEvent::ReadOverrun, 0);
        }
        self.queued = self.queued.saturating_sub(1);
    }

    /// The block that goes out for one that came in.
    fn speak(&mut self) {
        let dialling = self.channel.state().dialling;
        if dialling {
            self.mind_the_dialling();
            // what would have been said now is not said later
            self.outgoing.block(&mut self.block, || self.to_send.pop().ok());
            return;
        }
        while self.to_send.slots() > LATE_FRAMES && self.to_send.peek().is_ok_and(is_quiet) {
            let _ = self.to_send.pop();
        }
        let mut sent = 0;
        let silent = self.outgoing.block(&mut self.block, || {
            let frame = self.to_send.pop().ok();
            sent += u64::from(frame.is_some());
            frame
        });
        self.channel.counters.frames_written.fetch_add(sent, Ordering::Relaxed);
        self.channel.counters.silent_samples.fetch_add(silent as u64, Ordering::Relaxed);
        self.write_block();
    }

    /// The kernel stops dialling without a word when somebody else writes or hooks on the channel.
    fn mind_the_dialling(&mut self) {
        let over = ioctl::dialing(self.channel.fd()) == Ok(0);
        self.dialling_unseen = if over { self.dialling_unseen + 1 } else { 0 };
        if self.dialling_unseen > 5 {
            self.dialling_unseen = 0;
            let now = self.channel.now();
            self.channel.dialled(&mut self.channel.state(), now);
            self.tracker.event(now, KernelEvent::DialComplete, 0);
        }
    }

    fn write_block(&mut self) {
        // `write` fails with every queued event, and there may be several
        for _ in 0..8 {
            let written = {
                // under the lock: a `write` between a command to dial and its digits would cut them off
                let s = self.channel.state();
                if s.dialling {
                    return;
                }
                (&self.channel.file).write(&self.block)
            };
            match written {
                Ok(_) => {
                    self.queued += 1;
                    return;
                }
                Err(e) => match e.raw_os_error() {
                    Some(ioctl::ELAST) => {
                        self.take_events();
                        if self.removed {
                            return;
                        }
                    }
                    Some(nix::libc::EAGAIN) => {
                        // the queue is longer than we thought: this block would only add to the delay
                        self.queued = self.buffers;
                        return;
                    }
                    Some(nix::libc::ENODEV | nix::libc::ENXIO) => return self.is_removed(),
                    _ => return,
                },
            }
        }
    }

    /// Fills an emptied write queue with silence up to its usual depth.
    fn refill(&mut self) {
        {
            let mut s = self.channel.state();
            if self.removed || s.dialling || !s.refill {
                return;
            }
            s.refill = false;
            let now = self.channel.now();
            s.forgive_underruns = s.forgive_underruns.max(now + Duration::from_millis(5));
        }
        self.queued = 0;
        // what was half sent before the queue was emptied is old now
        self.outgoing.clear();
        self.outgoing.block(&mut self.block, || None);
        while self.queued < self.target {
            let before = self.queued;
            self.write_block();
            if self.queued == before || self.removed {
                return;
            }
        }
    }

    fn is_removed(&mut self) {
        if !std::mem::replace(&mut self.removed, true) {
            self.tracker.event(self.channel.now(), KernelEvent::Removed, 0);
        }
    }

    /// Hands over what is new and wakes the port.
    fn tell(&mut self, now: Time) {
        while let Some(signal) = self.tracker.poll_output() {
            // a port that let hundreds of signals lie has gone deaf; the newest are lost, and the count says so
            self.news = true;
            if self.signals.push((now, signal)).is_err() {
                tracing::warn!(port = self.channel.number, "nobody takes the signals");
            }
        }
        if std::mem::take(&mut self.news) {
            let _ = self.channel.port_wake.write(1);
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.channel.dead.store(true, Ordering::Release);
        let _ = self.channel.port_wake.write(1);
    }
}

fn is_quiet(frame: &Frame) -> bool {
    frame.0.iter().all(|s| s.unsigned_abs() < QUIET.unsigned_abs())
}

/// The cards that have a thread now, by span.
static CARDS: LazyLock<Mutex<HashMap<u32, Card>>> = LazyLock::new(Mutex::default);

struct Card {
    wake: Arc<EventFd>,
    inbox: mpsc::Sender<Line>,
    id: u64,
}

/// Hands the line to its card's thread, which is started if there is none.
pub(super) fn join(line: Line) -> std::io::Result<()> {
    static NEXT_ID: AtomicU64 = AtomicU64::new(0);
    let span = line.channel.span;
    let mut cards = CARDS.lock().unwrap_or_else(PoisonError::into_inner);
    let (line, wake) = match cards.get(&span) {
        None => {
            let wake = EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
            (line, Arc::new(wake))
        }
        Some(card) => {
            line.channel.set_card_wake(card.wake.clone());
            match card.inbox.send(line) {
                Ok(()) => {
                    let _ = card.wake.write(1);
                    return Ok(());
                }
                // its thread is gone, by a panic: begin another
                Err(mpsc::SendError(line)) => (line, card.wake.clone()),
            }
        }
    };
    let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    line.channel.set_card_wake(wake.clone());
    let (inbox, lines) = mpsc::channel();
    // it cannot fail: the receiver is at hand
    let _ = inbox.send(line);
    let thread_wake = wake.clone();
    std::thread::Builder::new()
        .name(format!("dahdi-span-{span}"))
        .spawn(move || run(span, id, &thread_wake, &lines))?;
    cards.insert(span, Card { wake, inbox, id });
    Ok(())
}

fn run(span: u32, id: u64, wake: &EventFd, inbox: &mpsc::Receiver<Line>) {
    let realtime = ioctl::realtime(PRIORITY);
    if let Err(e) = realtime {
        tracing::debug!(span, error = %e, "no real-time priority: a busy machine may cause gaps");
    }
    let mut lines: Vec<Line> = Vec::new();
    let mut flags: Vec<PollFlags> = Vec::new();
    loop {
        for line in inbox.try_iter() {
            line.channel.realtime.store(realtime.is_ok(), Ordering::Relaxed);
            lines.push(line);
        }
        lines.retain(|l| !l.channel.closed.load(Ordering::Acquire));
        if lines.is_empty() {
            // under the registry's lock nobody can join: either a line is in the inbox now, or this thread is not found again
            let mut cards = CARDS.lock().unwrap_or_else(PoisonError::into_inner);
            match inbox.try_recv() {
                Ok(line) => {
                    line.channel.realtime.store(realtime.is_ok(), Ordering::Relaxed);
                    lines.push(line);
                }
                Err(_) => {
                    if cards.get(&span).is_some_and(|c| c.id == id) {
                        cards.remove(&span);
                    }
                    return;
                }
            }
        }
        let mut next: Option<Duration> = None;
        flags.resize(lines.len(), PollFlags::empty());
        for (line, ready) in lines.iter_mut().zip(&flags) {
            if let Some(at) = line.serve(*ready) {
                let wait = at.since(line.channel.now());
                next = Some(next.map_or(wait, |n| n.min(wait)));
            }
        }
        wait(wake, &lines, next, &mut flags);
    }
}

/// Sleeps until a descriptor is ready or `until` has passed, and says which are.
fn wait(wake: &EventFd, lines: &[Line], until: Option<Duration>, flags: &mut Vec<PollFlags>) {
    let timeout = until.map_or(PollTimeout::NONE, |d| {
        // rounded up: a timer that is not yet due would spin
        PollTimeout::try_from(d + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX)
    });
    let mut fds = Vec::with_capacity(lines.len() + 1);
    fds.push(PollFd::new(wake.as_fd(), PollFlags::POLLIN));
    for line in lines {
        let wanted = if line.removed { PollFlags::empty() } else { PollFlags::POLLIN | PollFlags::POLLPRI };
        // a removed channel's descriptor is always "ready": its place is taken by one that is quiet
        let fd = if line.removed { wake.as_fd() } else { line.channel.fd() };
        fds.push(PollFd::new(fd, wanted));
    }
    // EINTR: nothing is ready, and the loop comes round
    let _ = poll(&mut fds, timeout);
    flags.clear();
    flags.extend(fds[1..].iter().map(|f| f.revents().unwrap_or(PollFlags::empty())));
    let woken = fds[0].revents().is_some_and(|r| r.contains(PollFlags::POLLIN));
    drop(fds);
    if woken {
        let _ = wake.read();
    }
}
