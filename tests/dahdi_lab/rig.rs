//! A wire, a port at each end, and what comes out of them.

use crate::Needs;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::collections::VecDeque;
use std::f64::consts::TAU;
use std::fmt;
use std::fs::{File, OpenOptions as FileOptions};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};
use tipring::clock::Time;
use tipring::driver::dahdi::ioctl;
use tipring::driver::dahdi::{DahdiPort, EchoCanceller, OpenOptions};
use tipring::driver::discover;
use tipring::driver::{Port, PortKind};
use tipring::dsp::{FRAME_SAMPLES, Frame};
use tipring::event::{Command, Signal};

pub fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Which channels are wired to each other.
pub struct Lab {
    pub fxo: u32,
    pub fxs: u32,
    pub labline: bool,
}

impl fmt::Display for Lab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wire = if self.labline { "labline" } else { "dahdi_dynamic_loc" };
        write!(f, "{wire}, FXO port dahdi/{} facing FXS port dahdi/{}", self.fxo, self.fxs)
    }
}

impl Lab {
    pub fn find() -> Result<Lab, String> {
        let all = discover::dahdi(Path::new("/"));
        let first = |kind| all.channels().find(|(_, c)| c.kind == Some(kind)).map(|(s, c)| (s.name.clone(), c.number));
        let (Some((name, fxo)), Some((_, fxs))) = (first(PortKind::Fxo), first(PortKind::Fxs)) else {
            return Err(all.problem.map_or("no FXO and FXS channels".into(), |p| p.to_string()));
        };
        // a real card has no wire from one of its ports to another: nobody but the lab may take lines off-hook
        if !name.starts_with("LABFXO") && !name.starts_with("DYN/loc") && !name.contains("loc") {
            return Err(format!("span {name} is a real card"));
        }
        Ok(Lab { fxo, fxs, labline: name.starts_with("LABFXO") })
    }

    pub fn has(&self, needs: Needs) -> bool {
        match needs {
            Needs::Wire => true,
            Needs::Labline => self.labline,
            Needs::Loc => !self.labline,
        }
    }

    /// Cords in, no echo, lines idle: what the last test left behind.
    pub fn reset(&self) {
        if self.labline {
            for (name, value) in [("unplug", 0), ("echo_fxo", 0), ("echo_fxs", 0), ("strict_oht", 1)] {
                labline(name, value);
            }
        }
    }

    pub fn fxo(&self) -> Side {
        self.fxo_with(&quiet())
    }

    pub fn fxo_with(&self, options: &OpenOptions) -> Side {
        Side::open(self.fxo, options)
    }

    pub fn fxs(&self) -> Side {
        Side::open(self.fxs, &quiet())
    }

    pub fn fxs_with(&self, options: &OpenOptions) -> Side {
        Side::open(self.fxs, options)
    }

    /// Both ends open and idle.
    pub fn pair(&self) -> (Side, Side) {
        let (mut fxo, mut fxs) = (self.fxo(), self.fxs());
        // past the 800 ms in which an FXS port that hung up is busy
        run(&mut [&mut fxo, &mut fxs], ms(1000));
        fxo.forget();
        fxs.forget();
        (fxo, fxs)
    }

    /// Both ends off-hook and settled: a call.
    pub fn call(&self) -> (Side, Side) {
        let (mut fxo, mut fxs) = self.pair();
        fxo.ask(Command::OffHook);
        expect(&mut [&mut fxs, &mut fxo], Signal::OffHook, ms(500));
        fxs.ask(Command::OffHook);
        // past the 600 ms in which an off-hook port debounces
        run(&mut [&mut fxo, &mut fxs], ms(800));
        fxo.forget();
        fxs.forget();
        (fxo, fxs)
    }
}

/// The lab's own options: no echo canceller, so that audio comes through as it is.
pub fn quiet() -> OpenOptions {
    OpenOptions { echo_canceller: EchoCanceller::Off, ..OpenOptions::default() }
}

/// A parameter of the wire.
pub fn labline(name: &str, value: i32) {
    let file = format!("/sys/module/labline/parameters/{name}");
    std::fs::write(&file, value.to_string()).unwrap_or_else(|e| panic!("{file}: {e}"));
}

/// One end: the port, what it heard and what it has to say.
pub struct Side {
    pub port: DahdiPort,
    pub heard: Vec<i16>,
    pub say: VecDeque<i16>,
    pub signals: Vec<(Time, Signal)>,
    /// Frames read, also when nothing is kept.
    pub frames: usize,
}

impl Side {
    pub fn open(channel: u32, options: &OpenOptions) -> Side {
        let port =
            DahdiPort::open(channel, options).unwrap_or_else(|e| panic!("{}", e.explain(&format!("dahdi/{channel}"))));
        Side { port, heard: Vec::new(), say: VecDeque::new(), signals: Vec::new(), frames: 0 }
    }

    pub fn ask(&mut self, command: Command) {
        let shown = format!("{command:?}");
        self.port.command(command).unwrap_or_else(|e| panic!("{shown}: {e}"));
    }

    pub fn forget(&mut self) {
        self.heard.clear();
        self.signals.clear();
        self.say.clear();
        self.frames = 0;
    }

    pub fn had(&self, signal: &Signal) -> bool {
        self.signals.iter().any(|(_, s)| s == signal)
    }

    pub fn count(&self, signal: &Signal) -> usize {
        self.signals.iter().filter(|(_, s)| s == signal).count()
    }

    pub fn names(&self) -> String {
        let all: Vec<String> = self.signals.iter().map(|(t, s)| format!("{t} {s:?}")).collect();
        format!("[{}]", all.join(", "))
    }

    /// Takes all there is.
    fn take(&mut self) {
        while let Ok(Some(s)) = self.port.next_signal() {
            self.signals.push(s);
        }
        let mut frame = Frame::default();
        while let Ok(true) = self.port.read(&mut frame) {
            self.frames += 1;
            self.heard.extend_from_slice(&frame.0);
            let mut out = Frame::default();
            for s in out.0.iter_mut() {
                *s = self.say.pop_front().unwrap_or(0);
            }
            let _ = self.port.write(&out);
        }
    }
}

/// Lets the sides live for so long.
pub fn run(sides: &mut [&mut Side], how_long: Duration) {
    run_until(sides, how_long, |_| false);
}

/// The same, until something is so; whether it was.
pub fn run_until(sides: &mut [&mut Side], how_long: Duration, mut done: impl FnMut(&mut [&mut Side]) -> bool) -> bool {
    let end = Instant::now() + how_long;
    loop {
        for s in sides.iter_mut() {
            s.take();
        }
        if done(sides) {
            return true;
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        let mut fds: Vec<PollFd> = sides.iter().map(|s| PollFd::new(s.port.wake_fd(), PollFlags::POLLIN)).collect();
        poll(&mut fds, PollTimeout::try_from(left + ms(1)).unwrap_or(PollTimeout::MAX)).unwrap();
        let woken: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
        drop(fds);
        for (s, _) in sides.iter_mut().zip(woken).filter(|(_, woken)| *woken) {
            // empties its eventfd, which a wait that is over at once does not: it would wake us for ever
            let soon = s.port.now() + ms(1);
            s.port.wait(soon).ok();
        }
    }
}

/// Waits until the first side has the signal, and says how long that took. What it had before does not count.
pub fn expect(sides: &mut [&mut Side], signal: Signal, within: Duration) -> Duration {
    let before = sides[0].signals.len();
    let began = Instant::now();
    let found = run_until(sides, within, |s| s[0].signals[before..].iter().any(|(_, x)| *x == signal));
    assert!(found, "no {signal:?} within {within:?}: {}", sides[0].names());
    began.elapsed()
}

/// The kernel's side of things, without our driver.
pub struct Raw(pub File);

impl Raw {
    pub fn open(channel: u32) -> Raw {
        let file = FileOptions::new()
            .read(true)
            .write(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open("/dev/dahdi/channel")
            .unwrap();
        ioctl::specify(file.as_fd(), channel as i32).unwrap();
        // it stays with the channel when a process that had asked for it is killed
        ioctl::buffer_events(file.as_fd(), 0).unwrap();
        Raw(file)
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    pub fn audio(&self) {
        let mut b = ioctl::BufferInfo { numbufs: 8, bufsize: 160, ..Default::default() };
        ioctl::set_bufinfo(self.fd(), &mut b).unwrap();
        ioctl::setlinear(self.fd(), 1).unwrap();
    }

    /// The next event within so long.
    pub fn event(&self, within: Duration) -> Option<i32> {
        let end = Instant::now() + within;
        loop {
            match ioctl::getevent(self.fd()) {
                Ok(0) => {}
                Ok(e) => return Some(e),
                Err(e) => panic!("GETEVENT: {e}"),
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let mut fds = [PollFd::new(self.fd(), PollFlags::POLLPRI)];
            poll(&mut fds, PollTimeout::try_from(left + ms(1)).unwrap_or(PollTimeout::MAX)).unwrap();
        }
    }

    pub fn hook(&self, h: i32) {
        match ioctl::hook(self.fd(), h) {
            Ok(()) | Err(nix::errno::Errno::EINPROGRESS) => {}
            Err(e) => panic!("HOOK {h}: {e}"),
        }
    }
}

pub fn sleep(d: Duration) {
    std::thread::sleep(d);
}

pub fn tone(hz: f64, amplitude: f64, how_long: Duration) -> Vec<i16> {
    let n = how_long.as_millis() as usize * 8;
    (0..n).map(|i| (amplitude * (TAU * hz * i as f64 / 8000.0).sin()) as i16).collect()
}

/// Noise of a voice's spectrum, the same every time.
pub fn noise(how_long: Duration) -> Vec<i16> {
    let (mut seed, mut low) = (1u32, 0f64);
    (0..how_long.as_millis() * 8)
        .map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let white = f64::from(seed >> 16) / 4.0 - 8192.0;
            low = 0.7 * low + 0.3 * white;
            low as i16
        })
        .collect()
}

/// The amplitude of one frequency.
pub fn level(samples: &[i16], hz: f64) -> f64 {
    let c = 2.0 * (TAU * hz / 8000.0).cos();
    let (mut s1, mut s2) = (0.0, 0.0);
    for x in samples {
        let s0 = f64::from(*x) + c * s1 - s2;
        s2 = s1;
        s1 = s0;
    }
    (s1 * s1 + s2 * s2 - c * s1 * s2).max(0.0).sqrt() * 2.0 / samples.len().max(1) as f64
}

pub fn rms(samples: &[i16]) -> f64 {
    (samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len().max(1) as f64).sqrt()
}

/// The last part of what was heard.
pub fn last(samples: &[i16], how_long: Duration) -> &[i16] {
    let n = (how_long.as_millis() as usize * 8).min(samples.len());
    &samples[samples.len() - n..]
}

/// DTMF digits in the sound, by the loudest pair of each 20 ms.
pub fn digits(samples: &[i16]) -> String {
    const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
    const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
    let (mut out, mut current, mut run_length) = (String::new(), None, 0);
    for block in samples.chunks_exact(FRAME_SAMPLES) {
        let best = |hz: [f64; 4]| (0..4).map(|i| (level(block, hz[i]), i)).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        let ((r, row), (c, column)) = (best(ROWS), best(COLUMNS));
        // a pair is nearly as loud in both: less is a single tone and what the block's edges make of it
        let clean = r.min(c) > 200.0 && r.min(c) > 0.2 * r.max(c) && (r * r + c * c) / 2.0 > 0.7 * rms(block).powi(2);
        let digit = clean.then(|| char::from(b"123A456B789C*0#D"[row * 4 + column]));
        run_length = if digit == current { run_length + 1 } else { 1 };
        current = digit;
        if run_length == 2 {
            out.extend(digit);
        }
    }
    out
}

impl Side {
    /// Forgets the sound, and goes on saying what it has to say.
    pub fn forget_heard(&mut self) {
        self.heard.clear();
        self.frames = 0;
    }
}
