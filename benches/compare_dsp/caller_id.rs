//! Who calls: every field right, and nothing accepted of which the checksum is wrong.

use crate::corpus::{self, Dice, add_hum, add_noise, add_sine, compand};
use crate::peers;
use crate::report::{Report, percent};
use tipring::dsp::caller_id::{Layout, Receiver, Sender};
use tipring::dsp::fsk::Standard;
use tipring::dsp::g711::Law;
use tipring::dsp::render;
use tipring::event::{CallerId, Event};
use tipring::number::{Digit, PartyNumber};

const NAMES: [&str; 6] = ["DOE JANE", "WIRELESS CALLER", "O'NEIL", "ACME INC", "J SMITH & SONS", "KAPPELMEISTER"];

struct Condition {
    name: &'static str,
    level_dbm0: (f32, f32),
    digits: bool,
    spoil: fn(&mut Vec<i16>, &mut Dice, f32),
}

const CONDITIONS: [Condition; 10] = [
    Condition { name: "−13.5 dBm0, clean", level_dbm0: (-13.5, -13.5), digits: true, spoil: |_, _, _| {} },
    Condition {
        name: "−36…−6 dBm0, noise 20 dB below",
        level_dbm0: (-36.0, -6.0),
        digits: true,
        spoil: |s, d, l| add_noise(s, d.seed(), l - 20.0),
    },
    Condition {
        name: "−35 dBm0, noise 12 dB below",
        level_dbm0: (-35.0, -35.0),
        digits: true,
        spoil: |s, d, l| add_noise(s, d.seed(), l - 12.0),
    },
    Condition {
        name: "noise 12 dB below, companded",
        level_dbm0: (-30.0, -10.0),
        digits: true,
        spoil: |s, d, l| {
            add_noise(s, d.seed(), l - 12.0);
            compand(s, Law::Mu)
        },
    },
    Condition {
        name: "twist 10 dB (cable), 20 dB SNR",
        level_dbm0: (-25.0, -12.0),
        digits: true,
        spoil: |s, d, l| {
            corpus::tilt(s, 14.0);
            add_noise(s, d.seed(), l - 20.0)
        },
    },
    Condition {
        name: "twist 10 dB, 15 dB SNR, −30 dBm0",
        level_dbm0: (-30.0, -30.0),
        digits: true,
        spoil: |s, d, l| {
            corpus::tilt(s, 14.0);
            add_noise(s, d.seed(), l - 15.0)
        },
    },
    Condition {
        name: "twist the other way, 20 dB SNR",
        level_dbm0: (-25.0, -12.0),
        digits: false,
        spoil: |s, d, l| {
            rise(s);
            add_noise(s, d.seed(), l - 20.0)
        },
    },
    Condition {
        name: "hum at −25 dBm0",
        level_dbm0: (-25.0, -12.0),
        digits: true,
        spoil: |s, d, _| {
            add_hum(s, -25.0);
            add_noise(s, d.seed(), -55.0)
        },
    },
    Condition {
        name: "ringing clipped the beginning",
        level_dbm0: (-20.0, -12.0),
        digits: false,
        spoil: |s, d, _| {
            let n = 4000 + 1200 + d.below(600);
            s[..n].fill(0);
            add_sine(&mut s[..n], 20.0, 0.0, 0.0);
            add_noise(s, d.seed(), -50.0)
        },
    },
    Condition {
        name: "clocks off by 1 %, companded",
        level_dbm0: (-25.0, -12.0),
        digits: true,
        spoil: |s, d, _| {
            *s = corpus::at_speed(s, if d.below(2) == 0 { 1.01 } else { 0.99 });
            compand(s, Law::A)
        },
    },
];

/// The high end is the louder one: some equalisers do that.
fn rise(samples: &mut [i16]) {
    let mut before = 0.0;
    for s in samples.iter_mut() {
        let x = f32::from(*s);
        *s = ((x - 0.75 * before) * 0.75) as i16;
        before = x;
    }
}

fn layouts() -> [(&'static str, Layout, &'static str); 5] {
    let digit = |c| Digit::new(c).expect("a digit");
    [
        ("MDMF, Bell 202", Layout::Mdmf(Standard::Bell202), "class"),
        ("SDMF, Bell 202", Layout::Sdmf(Standard::Bell202), "class"),
        ("MDMF, V.23", Layout::Mdmf(Standard::V23), "clip"),
        ("SDMF, V.23", Layout::Sdmf(Standard::V23), "clip"),
        ("digits, A…C", Layout::Dtmf { start: digit('A'), end: digit('C') }, "dtmf"),
    ]
}

fn caller(dice: &mut Dice) -> CallerId {
    let number: String = (0..7 + dice.below(5)).map(|_| char::from(b'0' + dice.below(10) as u8)).collect();
    CallerId {
        number: PartyNumber::from_network(number.as_bytes()),
        name: Some(NAMES[dice.below(NAMES.len())].into()),
        date: Some([1 + dice.below(12) as u8, 1 + dice.below(28) as u8, dice.below(24) as u8, dice.below(60) as u8]),
        ..CallerId::default()
    }
}

fn line(source: &mut Sender) -> Vec<i16> {
    let mut samples = vec![0i16; 4000];
    samples.extend(render(source, usize::MAX));
    samples.extend([0; 4000]);
    samples
}

fn hex(text: &str) -> String {
    text.bytes().map(|b| format!("{b:02x}")).collect()
}

/// What of a caller this layout carries, as text.
fn fields(id: &CallerId, layout: Layout) -> Vec<String> {
    let number = id.number.as_ref().map(|n| n.reveal().to_string()).unwrap_or_default();
    let date = id.date.map(|d| d.map(|v| format!("{v:02}")).concat()).unwrap_or_default();
    match layout {
        Layout::Mdmf(_) => vec![number, date, id.name.clone().unwrap_or_default()],
        Layout::Sdmf(_) => vec![number, date],
        Layout::Dtmf { .. } => vec![number],
    }
}

fn ours(samples: &[i16]) -> Vec<Event> {
    let mut out = Vec::new();
    let mut receiver = Receiver::new();
    receiver.feed(samples, &mut out);
    receiver.feed(&[0; 8000], &mut out);
    out
}

fn is_right(heard: &[Event], id: &CallerId, layout: Layout) -> bool {
    let [Event::CallerId(heard)] = heard else { return false };
    let named = !matches!(layout, Layout::Mdmf(_)) || heard.name == id.name;
    let dated = matches!(layout, Layout::Dtmf { .. }) || heard.date == id.date;
    heard.number == id.number && named && dated
}

fn marks(standard: &str) -> &'static [&'static str] {
    if standard == "clip" { &["-M", "1300", "-S", "2100"] } else { &[] }
}

pub fn hits(report: &mut Report, times: usize, with_minimodem: usize) {
    let mut dice = Dice::new(31);
    report.table("Caller ID: every field right", &["line", "calls", "tipring", "spandsp", "minimodem"]);
    let mut sums = [(0usize, 0usize); 3];
    for condition in &CONDITIONS {
        let mut here = [(0usize, 0usize); 3];
        for (_, layout, standard) in layouts() {
            // what is cut off of digits is lost, and they may not be as crooked as data
            if standard == "dtmf" && !condition.digits {
                continue;
            }
            let calls: Vec<(CallerId, Vec<i16>)> = (0..times)
                .map(|_| {
                    let id = caller(&mut dice);
                    let level = dice.between(condition.level_dbm0.0, condition.level_dbm0.1);
                    let mut samples = line(&mut Sender::with_layout(&id, layout, level));
                    (condition.spoil)(&mut samples, &mut dice, level);
                    (id, samples)
                })
                .collect();
            for (id, samples) in &calls {
                let heard = ours(samples);
                let good = is_right(&heard, id, layout);
                if !good {
                    eprintln!("  {} {layout:?}: {heard:?}", condition.name);
                }
                here[0] = (here[0].0 + usize::from(good), here[0].1 + 1);
            }
            let audio: Vec<Vec<i16>> = calls.iter().map(|c| c.1.clone()).collect();
            for ((id, _), said) in calls.iter().zip(peers::spandsp(&["cid", standard], &audio).clips) {
                let good = fields(id, layout).iter().all(|f| said.contains(&hex(f)));
                here[1] = (here[1].0 + usize::from(good), here[1].1 + 1);
            }
            if standard != "dtmf" {
                let few = &audio[..with_minimodem.min(audio.len())];
                for ((id, _), said) in calls.iter().zip(peers::minimodem(marks(standard), few).0) {
                    let good = fields(id, layout).iter().all(|f| said.windows(f.len()).any(|w| w == f.as_bytes()));
                    here[2] = (here[2].0 + usize::from(good), here[2].1 + 1);
                }
            }
        }
        let cell = |i: usize| percent(here[i].0, here[i].1);
        report.row(&[condition.name.into(), here[0].1.to_string(), cell(0), cell(1), cell(2)]);
        for (sum, h) in sums.iter_mut().zip(here) {
            *sum = (sum.0 + h.0, sum.1 + h.1);
        }
    }
    let cell = |i: usize| percent(sums[i].0, sums[i].1);
    report.row(&["**all**".into(), sums[0].1.to_string(), cell(0), cell(1), cell(2)]);
    // minimodem reads bytes: it was given the messages of data, and what it reads has no checksum that it would look at
    report.figure("caller ID, every field right", "≥ 99 %", &cell(0), &format!("{} (minimodem {})", cell(1), cell(2)));
}

/// One bit of the message wrong, or two: whose receiver says a number all the same?
pub fn wrong_sums(report: &mut Report, times: usize) {
    let mut dice = Dice::new(32);
    let mut clips = Vec::new();
    for _ in 0..times {
        let id = caller(&mut dice);
        let number = id.number.as_ref().map(|n| n.reveal().to_string()).unwrap_or_default();
        let mut message = vec![0x80, 0, 0x02, number.len() as u8];
        message.extend(number.bytes());
        message[1] = message.len() as u8 - 2;
        let sum = message.iter().fold(0u8, |s, b| s.wrapping_add(*b)).wrapping_neg();
        message.push(sum);
        let at = 4 + dice.below(number.len());
        message[at] ^= 1 << dice.below(3);
        clips.push(line(&mut Sender::raw(message, Standard::Bell202, -15.0)));
    }
    let mine = clips.iter().filter(|c| ours(c).iter().any(|e| matches!(e, Event::CallerId(_)))).count();
    let told = clips.iter().filter(|c| ours(c).iter().any(|e| matches!(e, Event::CallerIdGarbled(_)))).count();
    let spandsp = peers::spandsp(&["cid", "class"], &clips).clips.iter().filter(|s| s.contains("02=")).count();
    let minimodem = peers::minimodem(&[], &clips).0.iter().filter(|b| b.windows(1).any(|w| w[0] == 0x02)).count();
    report.table("Messages with a wrong checksum, accepted", &["of", "tipring", "spandsp", "minimodem"]);
    report.row(&[
        times.to_string(),
        format!("{mine} ({told} reported as garbled, with their bytes)"),
        spandsp.to_string(),
        minimodem.to_string(),
    ]);
    report.figure_low(
        "bad checksums accepted",
        "0",
        &mine.to_string(),
        &format!("{spandsp} (minimodem {minimodem} of {times})"),
    );
}

pub fn speed(report: &mut Report) {
    let mut dice = Dice::new(33);
    let clips: Vec<Vec<i16>> = (0..100)
        .map(|_| {
            let mut s = line(&mut Sender::with_layout(&caller(&mut dice), Layout::Mdmf(Standard::Bell202), -15.0));
            add_noise(&mut s, dice.seed(), -45.0);
            s
        })
        .collect();
    let seconds = clips.iter().map(Vec::len).sum::<usize>() as f64 / 8000.0;
    let mut mine = || {
        let before = peers::own_cpu_s();
        for c in &clips {
            // what the peers get, and no second of silence more
            Receiver::new().feed(c, &mut Vec::new());
        }
        peers::own_cpu_s() - before
    };
    crate::speed_row(
        report,
        "caller ID, messages all the time (ours: FSK and digits)",
        "8,600×",
        seconds,
        &mut [
            ("tipring", &mut mine),
            ("spandsp", &mut || peers::spandsp(&["cid", "class"], &clips).cpu_s),
            ("minimodem", &mut || peers::minimodem(&[], &clips[..20]).1 * 5.0),
        ],
    );
}
