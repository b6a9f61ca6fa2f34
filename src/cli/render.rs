//! Reports as JSON documents and as lines for people.

use crate::call::release::Ending;
use crate::call::{Step, describe_caller};
use crate::event::CallerId;
use crate::owner::CallReport;
use serde_json::{Value, json};

/// What `dial` and `answer` have in common.
pub fn call(schema: &str, line: &str, report: &CallReport) -> Value {
    let mut document = json!({
        "schema": schema,
        "line": line,
        "outcome": report.ending.name(),
        "exit": report.ending.exit().code(),
        "meaning": report.ending.exit().meaning(),
        "q850": report.ending.q850(),
        "seconds": report.lasted.as_ms() as f64 / 1000.0,
        "answered_at": report.answered_at.map(|t| t.as_ms() as f64 / 1000.0),
    });
    if let Some(id) = &report.caller {
        document["caller"] = caller(id);
    }
    if let Some(transfer) = &report.transfer {
        document["transfer"] = json!({
            "result": transfer.result,
            "target": transfer.target,
            "warm": transfer.warm,
            "proof": transfer.proof,
        });
        if let Some(assumes) = &transfer.assumes {
            document["transfer"]["assumes"] = assumes.as_str().into();
        }
    }
    document["steps"] = json!(report.steps);
    document
}

pub fn caller(id: &CallerId) -> Value {
    json!({
        "number": id.number.as_ref().map(|n| n.reveal()),
        "name": id.name,
        "absent": id.absent,
        "format": id.format,
        "date": id.date.map(|d| format!("{:02}-{:02} {:02}:{:02}", d[0], d[1], d[2], d[3])),
    })
}

/// The last lines: what came of it, and the proof.
pub fn lines(line: &str, report: &CallReport) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(id) = &report.caller {
        lines.push(describe_caller(id));
    }
    if let Some(transfer) = &report.transfer {
        let target = transfer.target.as_deref().map(|t| format!(" to {t}")).unwrap_or_default();
        let proof = if transfer.proof.is_empty() { String::new() } else { format!(": {}", transfer.proof.join(", ")) };
        // who was back with us is not any more: this is said when the call is over
        let over = match report.ending {
            Ending::TransferFailed => "; the call is over".to_string(),
            // what came of the transfer is not why it ended
            Ending::Interrupted | Ending::TimedOut => format!("; the call is over: {}", report.ending),
            _ => String::new(),
        };
        lines.push(format!("{line}: {}{target}{proof}{over}", transfer.result));
        if let Some(assumes) = &transfer.assumes {
            lines.push(format!("assumed: {assumes}"));
        }
    } else {
        lines.push(format!("{line}: {}", report.ending));
    }
    lines
}

/// Steps of a transfer that another process carried out.
pub fn steps(steps: &[Step]) -> Vec<String> {
    steps.iter().map(|s| format!("{:>9}  {s}", s.at)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Time;
    use crate::control::TransferReport;

    #[test]
    fn a_transfer_that_was_cut_short_says_so_in_its_last_line() {
        let line = |ending: Ending| {
            let transfer = TransferReport {
                result: "transfer-failed".into(),
                exit: ending.exit().code(),
                warm: true,
                target: None,
                proof: vec!["caller is back: speech".into()],
                assumes: None,
                steps: Vec::new(),
            };
            let report = CallReport {
                ending,
                caller: None,
                answered_at: None,
                transfer: Some(transfer),
                steps: Vec::new(),
                lasted: Time::ms(1),
            };
            lines("office", &report).pop().unwrap()
        };
        let back = "office: transfer-failed: caller is back: speech; the call is over";
        assert_eq!(line(Ending::TransferFailed), back);
        assert_eq!(line(Ending::Interrupted), format!("{back}: interrupted"));
        assert_eq!(line(Ending::TimedOut), format!("{back}: {}", Ending::TimedOut));
    }
}
