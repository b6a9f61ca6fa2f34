//! What tokio's `AsyncFd` does on a channel's descriptor: the measurement behind the choice of a thread in `poll`, kept
//! so that it can be made again. The numbers stand in `src/driver/dahdi/mod.rs`.

use crate::rig::*;
use crate::tests;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::process::Command as Process;
use std::time::{Duration, Instant};
use tipring::driver::dahdi::ioctl;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::timeout;

tests! {
    Wire: recordings_for_the_unit_tests, async_fd_gets_every_block_and_event_when_each_waking_takes_all;
    Labline: async_fd_when_the_card_is_taken_away;
}

/// What one way of waiting gave.
#[derive(Debug, Default)]
struct Got {
    blocks: usize,
    events: usize,
    wakings: usize,
    /// Wakings with nothing to take.
    idle: usize,
    /// Waits of half a second that nothing ended.
    hung: usize,
}

/// Prints what a program sees of a channel: events as they come, and the state of the pair whenever it changed, asked
/// every 20 ms as the card's thread does. `tests/data/dahdi/*.events` were made so.
fn recordings_for_the_unit_tests(lab: &Lab) {
    type Step = (u64, fn(&Raw, &Raw));
    fn cadence(fxs: &Raw, on_off: [i32; 2]) {
        let mut c = ioctl::RingCadence::default();
        c.ringcadence[..2].copy_from_slice(&on_off);
        ioctl::setcadence(fxs.fd(), &mut c).unwrap();
    }
    fn flash(fxo: &Raw, ms: i32) {
        let mut p = ioctl::get_params(fxo.fd()).unwrap();
        (p.flashtime, p.preflashtime) = (ms, 1);
        ioctl::set_params(fxo.fd(), &mut p).unwrap();
        fxo.hook(ioctl::FLASH);
    }
    let answered: &[Step] = &[
        (0, |_, fxs| {
            cadence(fxs, [1000, 2000]);
            fxs.hook(ioctl::RING);
        }),
        (3500, |fxo, _| fxo.hook(ioctl::OFFHOOK)),
        (20, |_, fxs| fxs.hook(ioctl::OFFHOOK)),
        (2000, |_, fxs| fxs.hook(ioctl::ONHOOK)),
        (1500, |fxo, _| fxo.hook(ioctl::ONHOOK)),
        (1500, |_, _| {}),
    ];
    let early_drop: &[Step] = &[
        (0, |fxo, _| fxo.hook(ioctl::OFFHOOK)),
        (50, |_, fxs| fxs.hook(ioctl::OFFHOOK)),
        (250, |_, fxs| fxs.hook(ioctl::ONHOOK)),
        (3000, |_, _| {}),
    ];
    let debounced_ring: &[Step] = &[
        (0, |fxo, _| fxo.hook(ioctl::OFFHOOK)),
        (700, |fxo, _| fxo.hook(ioctl::ONHOOK)),
        (1000, |_, fxs| {
            cadence(fxs, [400, 4000]);
            fxs.hook(ioctl::RING);
        }),
        (1000, |_, _| {}),
    ];
    let flashes: &[Step] = &[
        (0, |fxo, _| fxo.hook(ioctl::OFFHOOK)),
        (50, |_, fxs| fxs.hook(ioctl::OFFHOOK)),
        (1000, |fxo, _| flash(fxo, 100)),
        (1000, |fxo, _| flash(fxo, 600)),
        (1500, |fxo, _| flash(fxo, 1400)),
        (2500, |fxo, _| fxo.hook(ioctl::ONHOOK)),
        (1500, |_, _| {}),
    ];
    for (name, steps) in
        [("answered", answered), ("early-drop", early_drop), ("debounced-ring", debounced_ring), ("flashes", flashes)]
    {
        let (fxo, fxs) = (Raw::open(lab.fxo), Raw::open(lab.fxs));
        sleep(ms(2200));
        ioctl::flush(fxo.fd(), ioctl::FLUSH_EVENT).unwrap();
        ioctl::flush(fxs.fd(), ioctl::FLUSH_EVENT).unwrap();
        let began = Instant::now();
        let mut state = [(i32::MIN, 0), (i32::MIN, 0)];
        for (i, (after, step)) in steps.iter().enumerate() {
            let until = Instant::now() + ms(*after);
            while Instant::now() < until {
                for (side, (raw, who)) in [(&fxo, "fxo"), (&fxs, "fxs")].into_iter().enumerate() {
                    let now = began.elapsed().as_millis();
                    while let Some(e) = raw.event(Duration::ZERO) {
                        println!("   {name} {now} {who} event {e}");
                    }
                    let p = ioctl::get_params(raw.fd()).unwrap();
                    let new = (p.rxhooksig, p.chan_alarms as i32);
                    if std::mem::replace(&mut state[side], new) != new {
                        println!("   {name} {now} {who} sense {} {}", new.0, new.1);
                    }
                }
                sleep(ms(20));
            }
            println!("   {name} {} step {i}", began.elapsed().as_millis());
            step(&fxo, &fxs);
        }
        drop((fxo, fxs));
        sleep(ms(1000));
    }
}

const SECONDS: u64 = 10;
const FLASHES: usize = 12;

fn async_fd_gets_every_block_and_event_when_each_waking_takes_all(lab: &Lab) {
    let (readable, priority, writable) = (Interest::READABLE, Interest::PRIORITY, Interest::WRITABLE);
    for (name, interest, take) in [
        ("readable|priority, all taken", readable | priority, usize::MAX),
        ("readable|priority, one read a waking", readable | priority, 1),
        ("readable|writable|priority, all taken", readable | writable | priority, usize::MAX),
        ("priority alone, audio left unread", priority, 0),
        ("readable alone", readable, usize::MAX),
    ] {
        let got = one_way(lab, interest, take);
        println!("   {name}: {got:?}");
        assert_eq!((got.events, got.hung), (FLASHES + 1, 0), "{name}");
        if take > 0 {
            assert!(got.blocks.abs_diff(50 * SECONDS as usize) <= 8, "{name}: {got:?}");
        }
    }
}

fn one_way(lab: &Lab, interest: Interest, take: usize) -> Got {
    let (fxo, fxs) = (Raw::open(lab.fxo), Raw::open(lab.fxs));
    fxs.audio();
    sleep(ms(1100));
    // the other side: off-hook and flashes of 300 ms
    let far = std::thread::spawn(move || {
        fxo.hook(ioctl::OFFHOOK);
        sleep(ms(700));
        let mut p = ioctl::get_params(fxo.fd()).unwrap();
        p.flashtime = 300;
        ioctl::set_params(fxo.fd(), &mut p).unwrap();
        for _ in 0..FLASHES {
            fxo.hook(ioctl::FLASH);
            sleep(ms(600));
        }
        sleep(ms(SECONDS * 1000));
    });
    ioctl::flush(fxs.fd(), ioctl::FLUSH_ALL).unwrap();
    let got = wait_with_async_fd(&fxs, interest, take, ms(SECONDS * 1000));
    drop(fxs);
    far.join().unwrap();
    got
}

fn wait_with_async_fd(raw: &Raw, interest: Interest, take: usize, how_long: Duration) -> Got {
    let mut got = Got::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // its successor is `unsafe`, and this program has that in one module only; the descriptor outlives `fd`
        #[allow(deprecated)]
        let fd = AsyncFd::with_interest(raw.0.as_raw_fd(), interest).unwrap();
        let mut block = [0u8; 320];
        let end = Instant::now() + how_long;
        while Instant::now() < end && got.wakings < 5000 {
            let Ok(guard) = timeout(ms(500), fd.ready(interest)).await else {
                got.hung += usize::from(interest.is_readable());
                continue;
            };
            let mut guard = guard.unwrap();
            got.wakings += 1;
            let before = (got.blocks, got.events);
            let mut file = &raw.0;
            let take_events = |got: &mut Got| {
                while let Ok(e) = ioctl::getevent(file.as_fd())
                    && e != 0
                {
                    got.events += 1;
                }
            };
            take_events(&mut got);
            for _ in 0..take {
                match file.read(&mut block) {
                    Ok(_) => {
                        got.blocks += 1;
                        if interest.is_writable() {
                            let _ = file.write(&block);
                        }
                    }
                    Err(e) if e.raw_os_error() == Some(ioctl::ELAST) => take_events(&mut got),
                    Err(_) => break,
                }
            }
            got.idle += usize::from(before == (got.blocks, got.events));
            guard.clear_ready();
        }
    });
    got
}

fn async_fd_when_the_card_is_taken_away(lab: &Lab) {
    let fxo = Raw::open(lab.fxo);
    fxo.audio();
    let device = "/sys/bus/dahdi_devices/devices/labline:1";
    let taker = std::thread::spawn(move || {
        sleep(ms(500));
        std::fs::write(format!("{device}/unassign_span"), "1").unwrap();
    });
    let got = wait_with_async_fd(&fxo, Interest::READABLE | Interest::PRIORITY, usize::MAX, ms(3000));
    taker.join().unwrap();
    println!("   taken away after 500 ms of 3000: {got:?}");
    drop(fxo);
    std::fs::write(format!("{device}/auto_assign"), "1").unwrap();
    let conf = std::env::var("TIPRING_LAB_CONF").unwrap_or_else(|_| "/tmp/system.conf".into());
    assert!(Process::new("dahdi_cfg").args(["-c", &conf]).status().unwrap().success());
    sleep(ms(2000));
}
