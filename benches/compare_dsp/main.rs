//! The same audio through tipring and through its peers: `scripts/compare-dsp`, or `cargo bench --bench compare_dsp -- [PART…]`.
//!
//! Everything is generated from seeds, or read from Debian's packages of recorded speech and music. Prints Markdown.

mod caller_id;
mod concealment;
mod corpus;
mod dtmf;
mod echo;
mod fax;
mod peers;
mod report;
mod tones;
mod waiting;

use report::Report;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let quick = std::env::args().any(|a| a == "--quick");
    let wants = |part: &str| wanted.is_empty() || wanted.iter().any(|w| w == part);
    let mut report = Report::new();
    if wants("dtmf") {
        dtmf::hits(&mut report, if quick { 6 } else { 25 });
        dtmf::rejected(&mut report);
        dtmf::latency(&mut report);
    }
    if wants("talk-off") {
        let limit = if quick { 1.0 } else { 30.0 };
        let (speech, music) = (corpus::speech(limit), corpus::music(limit));
        report.table("False digits", &["in", "heard", "tipring", "spandsp", "multimon-ng"]);
        let hours = corpus::hours(&speech);
        dtmf::talk_off(
            &mut report,
            &format!("speech ({hours:.1} h recorded, varied)"),
            &speech,
            if quick { 1 } else { 3 },
        );
        dtmf::talk_off(&mut report, "music", &music, 1);
    }
    if wants("tones") {
        tones::progress(&mut report, if quick { 1 } else { 3 });
        tones::others(&mut report, 1);
        tones::busy_or_reorder(&mut report);
    }
    if wants("false-tones") {
        let limit = if quick { 0.5 } else { 4.0 };
        report.table(
            "False tones per hour",
            &["in", "heard (five countries)", "tipring", "spandsp", "tipring: single tones, described"],
        );
        tones::false_tones(&mut report, "speech", "≤ 0.5", &corpus::speech(limit));
        tones::false_tones(&mut report, "music", "≤ 5", &corpus::music(limit));
    }
    if wants("waiting") {
        let limit = if quick { 1.0 } else { 30.0 };
        let title = "Somebody waits, and nobody does: false alerts (CAS) and call-waiting tones per hour";
        report.table(
            title,
            &["in", "heard", "alerts: tipring", "spandsp", "for the tones", "call-waiting tones: tipring"],
        );
        let (speeds, hours) = if quick { (1, 2.0) } else { (3, 40.0) };
        waiting::false_ones(&mut report, "speech", &corpus::speech(limit), speeds, hours);
        waiting::false_ones(&mut report, "music", &corpus::music(limit), speeds, hours / 4.0);
    }
    if wants("answer") {
        tones::answers(&mut report, &corpus::speech(0.5), if quick { 3 } else { 12 });
    }
    if wants("fax") {
        fax::hits(&mut report, if quick { 20 } else { 100 });
        fax::modems(&mut report, if quick { 10 } else { 50 });
    }
    if wants("caller-id") {
        caller_id::hits(&mut report, if quick { 6 } else { 40 }, if quick { 1 } else { 3 });
        caller_id::wrong_sums(&mut report, if quick { 20 } else { 100 });
    }
    if wants("echo") {
        echo::cancelling(&mut report);
        if !quick {
            echo::conditions(&mut report);
        }
        report.table("Speed of echo cancelling: times real time on one core", &["what", "tipring", "peer", "aim"]);
        echo::speed(&mut report);
    }
    if wants("loss") {
        concealment::losses(&mut report, &corpus::speech(if quick { 0.1 } else { 0.5 }));
    }
    if wants("speed") {
        report.table(
            &format!("Speed: times real time on one core, processor time, best (median) of {ROUNDS} rounds by turns"),
            &["what", "tipring", "peers", "aim"],
        );
        dtmf::speed(&mut report);
        caller_id::speed(&mut report);
        tones::speed(&mut report, &corpus::speech(0.2));
    }
    report.print();
}

/// How many times each is measured, by turns: others use this machine too, and what they take varies from second to second.
const ROUNDS: usize = 15;

/// Somebody's processor time for the same audio.
type Measured<'a> = (&'a str, &'a mut dyn FnMut() -> f64);

/// Ours first. The best of all rounds is what the code needs; the median says how busy the machine was.
fn speed_row(report: &mut Report, name: &str, aim: &str, seconds: f64, runners: &mut [Measured]) {
    let mut took: Vec<Vec<f64>> = vec![Vec::new(); runners.len()];
    for _ in 0..ROUNDS {
        for ((_, run), took) in runners.iter_mut().zip(&mut took) {
            took.push(run());
        }
    }
    took.iter_mut().for_each(|t| t.sort_by(f64::total_cmp));
    let times = |cpu: f64| format!("{:.0}×", seconds / cpu.max(1e-9));
    let cell = |took: &[f64]| format!("{} ({})", times(took[0]), times(took[took.len() / 2]));
    let others: Vec<String> =
        runners.iter().zip(&took).skip(1).map(|((name, _), took)| format!("{name} {}", cell(took))).collect();
    let best = took.iter().skip(1).map(|t| t[0]).fold(f64::INFINITY, f64::min);
    report.row(&[name.into(), cell(&took[0]), others.join(", "), aim.into()]);
    let peer = if best.is_finite() { times(best) } else { "–".into() };
    report.figure(&format!("speed: {name}"), aim, &times(took[0][0]), &peer);
}
