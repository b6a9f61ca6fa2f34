//! What tokio's `AsyncFd` does on a channel's descriptor: the measurement behind the choice of a thread in `poll`.

use crate::rig::*;
use crate::tests;
use nix::errno::Errno;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;
use tipring::driver::dahdi::ioctl;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::timeout;

tests! {
    Wire: async_fd_on_a_channel;
}

/// What one way of waiting gave in two seconds, of 100 blocks and the events of two flashes.
#[derive(Debug, Default)]
struct Got {
    blocks: usize,
    events: usize,
    wakings: usize,
    idle: usize,
    hung: bool,
}

fn async_fd_on_a_channel(lab: &Lab) {
    for (name, interest, take_all) in [
        ("readable|priority, drained", Interest::READABLE | Interest::PRIORITY, true),
        ("readable|writable|priority, drained", Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY, true),
        ("priority alone, audio unread", Interest::PRIORITY, false),
        ("readable alone", Interest::READABLE, true),
    ] {
        let got = one_way(lab, interest, take_all);
        println!("   {name}: {got:?}");
    }
}

fn one_way(lab: &Lab, interest: Interest, take_all: bool) -> Got {
    let fxo = Raw::open(lab.fxo);
    let fxs = Raw::open(lab.fxs);
    fxs.audio();
    sleep(ms(1100));
    // the other side: off-hook, two flashes of 300 ms
    let far = std::thread::spawn(move || {
        fxo.hook(ioctl::OFFHOOK);
        sleep(ms(700));
        let mut p = ioctl::get_params(fxo.fd()).unwrap();
        p.flashtime = 300;
        ioctl::set_params(fxo.fd(), &mut p).unwrap();
        for _ in 0..2 {
            fxo.hook(ioctl::FLASH);
            sleep(ms(600));
        }
        sleep(ms(600));
    });
    ioctl::flush(fxs.fd(), ioctl::FLUSH_ALL).unwrap();
    let mut got = Got::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // its successor is `unsafe`, and this program has that in one module only; the descriptor lives in `fd`
        #[allow(deprecated)]
        let fd = AsyncFd::with_interest(fxs.0, interest).unwrap();
        let mut block = [0u8; 320];
        let end = tokio::time::Instant::now() + Duration::from_millis(2000);
        while let Some(left) = end.checked_duration_since(tokio::time::Instant::now()) {
            let Ok(guard) = timeout(left.min(ms(500)), fd.ready(interest)).await else {
                got.hung |= take_all && left > ms(500);
                continue;
            };
            let mut guard = guard.unwrap();
            got.wakings += 1;
            let mut did = 0;
            while let Ok(e) = ioctl::getevent(fd.get_ref().as_fd()) {
                if e == 0 {
                    break;
                }
                got.events += 1;
                did += 1;
            }
            if take_all {
                loop {
                    match fd.get_ref().read(&mut block) {
                        Ok(_) => {
                            got.blocks += 1;
                            did += 1;
                            if interest.is_writable() {
                                let _ = fd.get_ref().write(&block);
                            }
                        }
                        Err(e) if e.raw_os_error() == Some(ioctl::ELAST) => {
                            let _: Result<i32, Errno> =
                                ioctl::getevent(fd.get_ref().as_fd()).inspect(|_| got.events += 1);
                        }
                        Err(_) => break,
                    }
                }
            }
            got.idle += usize::from(did == 0);
            guard.clear_ready();
        }
    });
    far.join().unwrap();
    got
}
