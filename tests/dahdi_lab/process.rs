//! Two processes and one line, and a process that dies.

use crate::rig::*;
use crate::tests;
use nix::sys::signal::{Signal as Unix, kill};
use nix::unistd::{Gid, Pid, Uid, setgid, setgroups, setuid};
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command as Process, ExitCode, Stdio};
use std::time::{Duration, Instant};
use tipring::clock::Time;
use tipring::driver::dahdi::{DahdiPort, OpenOptions, ioctl};
use tipring::driver::{Port, PortError};
use tipring::event::{Command, Signal};

tests! {
    Wire:
        the_second_opener_is_told_who_holds_the_channel,
        a_holder_that_we_do_not_know_is_named_too,
        a_killed_process_leaves_the_line_on_hook,
        a_dropped_port_leaves_the_line_on_hook_and_free;
    Labline: a_card_that_is_taken_away_in_a_call_is_told_and_its_port_fails_cleanly;
}

pub fn me() -> Process {
    Process::new(std::env::current_exe().unwrap())
}

/// What this program does as a child: `hold N` (off-hook until killed), `raw N` (as some other program would), `as-nobody N`.
pub fn child(args: &[String]) -> ExitCode {
    let channel: u32 = args[1].parse().unwrap();
    match args[0].as_str() {
        "hold" => {
            let mut port = DahdiPort::open(channel, &quiet()).unwrap();
            port.command(Command::OffHook).unwrap();
            println!("held");
            loop {
                port.wait(Time::NEVER).unwrap();
                while port.next_signal().unwrap().is_some() {}
                let mut frame = tipring::dsp::Frame::default();
                while port.read(&mut frame).unwrap() {}
            }
        }
        "talk" => {
            let mut port = DahdiPort::open(channel, &quiet()).unwrap();
            port.command(Command::OffHook).unwrap();
            println!("held");
            let sound = tone(1000.0, 8000.0, ms(1000));
            let (mut at, mut frame) = (0, tipring::dsp::Frame::default());
            loop {
                port.wait(Time::NEVER).unwrap();
                while let Some((_, s)) = port.next_signal().unwrap() {
                    println!("{s:?}");
                }
                while port.read(&mut frame).unwrap() {
                    frame.0.copy_from_slice(&sound[at..at + 160]);
                    at = (at + 160) % sound.len();
                    port.write(&frame).unwrap();
                }
            }
        }
        "raw" => {
            let raw = Raw::open(channel);
            raw.hook(ioctl::OFFHOOK);
            println!("held");
            loop {
                std::thread::park();
            }
        }
        _ => {
            setgroups(&[]).unwrap();
            setgid(Gid::from_raw(65534)).unwrap();
            setuid(Uid::from_raw(65534)).unwrap();
            match DahdiPort::open(channel, &OpenOptions::default()) {
                Ok(_) => println!("opened"),
                Err(e) => println!("{}", e.explain(&format!("dahdi/{channel}"))),
            }
        }
    }
    ExitCode::SUCCESS
}

/// A child that has the channel, ended when dropped.
struct Holder(Child);

impl Holder {
    fn new(how: &str, channel: u32) -> Holder {
        Holder::with_output(how, channel).0
    }

    fn with_output(how: &str, channel: u32) -> (Holder, BufReader<ChildStdout>) {
        let mut child = me().args(["--child", how, &channel.to_string()]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        (Holder(child), out)
    }

    fn kill(&mut self) {
        kill(Pid::from_raw(self.0.id() as i32), Unix::SIGKILL).unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A child that is off-hook, sends 1000 Hz and says what signals it gets.
pub struct Talker(Holder, BufReader<ChildStdout>);

impl Talker {
    pub fn new(channel: u32) -> Talker {
        let (holder, out) = Holder::with_output("talk", channel);
        Talker(holder, out)
    }

    fn send(&self, signal: Unix) {
        kill(Pid::from_raw(self.0.0.id() as i32), signal).unwrap();
    }

    pub fn stop_for(&mut self, how_long: Duration, meanwhile: impl FnOnce(Duration)) {
        self.send(Unix::SIGSTOP);
        meanwhile(how_long);
        self.send(Unix::SIGCONT);
    }

    pub fn end(mut self) -> Vec<String> {
        self.0.kill();
        self.1.lines().map(Result::unwrap).collect()
    }
}

fn holder_of(channel: u32) -> String {
    match DahdiPort::open(channel, &quiet()) {
        Err(PortError::InUse { holder, .. }) => holder,
        Err(e) => panic!("{e}"),
        Ok(_) => panic!("opened"),
    }
}

fn the_second_opener_is_told_who_holds_the_channel(lab: &Lab) {
    // two holders of two channels: each is told apart
    let (a, b) = (Holder::new("hold", lab.fxo), Holder::new("hold", lab.fxo + 1));
    let name = std::fs::read_to_string(format!("/proc/{}/comm", a.0.id())).unwrap();
    assert_eq!(holder_of(lab.fxo), format!("{} (process {})", name.trim(), a.0.id()));
    assert_eq!(holder_of(lab.fxo + 1), format!("{} (process {})", name.trim(), b.0.id()));
    let e = DahdiPort::open(lab.fxo, &quiet()).err().unwrap().explain("dahdi/5");
    assert_eq!(e.exit.code(), 5);
}

fn a_holder_that_we_do_not_know_is_named_too(lab: &Lab) {
    let ours = Holder::new("hold", lab.fxo + 1);
    let theirs = Holder::new("raw", lab.fxo);
    let holder = holder_of(lab.fxo);
    assert!(holder.contains(&format!("process {}", theirs.0.id())), "{holder}");
    assert!(!holder.contains(&format!("process {}", ours.0.id())), "{holder}");
}

fn a_killed_process_leaves_the_line_on_hook(lab: &Lab) {
    // the far side counts 150 ms on-hook as a hang-up, so that its event measures the kernel and not its patience
    let mut fxs = lab.fxs_with(&OpenOptions { longest_flash: Some(ms(150)), ..quiet() });
    run(&mut [&mut fxs], ms(1000));
    for how in ["hold", "raw"] {
        fxs.forget();
        let mut holder = Holder::new(how, lab.fxo);
        if !fxs.had(&Signal::OffHook) {
            expect(&mut [&mut fxs], Signal::OffHook, ms(1000));
        }
        run(&mut [&mut fxs], ms(500));
        let began = Instant::now();
        holder.kill();
        expect(&mut [&mut fxs], Signal::OnHook, ms(1000));
        println!("   killed, on-hook {} ms later (150 of them the far side's patience)", began.elapsed().as_millis());
        run(&mut [&mut fxs], ms(300));
    }
    // and the channel is free
    drop(lab.fxo());
}

fn a_dropped_port_leaves_the_line_on_hook_and_free(lab: &Lab) {
    let (fxo, mut fxs) = lab.call();
    drop(fxo);
    expect(&mut [&mut fxs], Signal::OnHook, ms(1500));
    let mut fxo = lab.fxo();
    run(&mut [&mut fxo, &mut fxs], ms(100));
    assert!(fxo.frames > 0);
}

fn a_card_that_is_taken_away_in_a_call_is_told_and_its_port_fails_cleanly(lab: &Lab) {
    let (mut fxo, mut fxs) = lab.call();
    let device = "/sys/bus/dahdi_devices/devices/labline:1";
    let conf = std::env::var("TIPRING_LAB_CONF").unwrap_or_else(|_| "/tmp/system.conf".into());
    std::fs::write(format!("{device}/unassign_span"), "1").unwrap();
    let found = run_until(&mut [&mut fxo, &mut fxs], ms(1000), |s| s[0].had(&Signal::Removed));
    let command = fxo.port.command(Command::OnHook);
    let names = fxo.names();
    drop(fxo);
    drop(fxs);
    std::fs::write(format!("{device}/auto_assign"), "1").unwrap();
    let cfg = Process::new("dahdi_cfg").args(["-c", &conf]).status();
    assert!(found, "{names}");
    assert_eq!(command, Err(PortError::Removed { port: format!("dahdi/{}", lab.fxo) }));
    assert!(cfg.is_ok_and(|s| s.success()));
    sleep(ms(2000));
    // plugged in again, it works again
    let (mut fxo, mut fxs) = lab.pair();
    fxo.ask(Command::OffHook);
    expect(&mut [&mut fxs, &mut fxo], Signal::OffHook, ms(300));
}
