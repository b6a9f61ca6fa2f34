//! A tone that was heard, as a record for a facts file of the user's own.

use super::Found;
use crate::error::printable;
use std::collections::BTreeMap;

/// The record: TOML as the tables have it, with where it comes from. `None`: nothing regular was heard that is in no plan.
pub fn record(found: &[Found], country: &str, from: &str) -> Option<String> {
    let unknown: Vec<&Found> = found.iter().filter(|f| f.event == "unknown-tone").collect();
    if unknown.is_empty() {
        return None;
    }
    let source = toml::Value::String(format!("learned from {}", printable(from)));
    let mut text = String::from(
        "# What each tone is (dial, ringback, busy, congestion, …) is a guess from its cadence: put it right, and name this\n\
         # file as `facts` in tipring.toml.\n",
    );
    text += &format!("[{country}.tones]\n");
    let mut kinds: BTreeMap<&str, Vec<&Found>> = BTreeMap::new();
    for tone in unknown {
        let same = kinds.entry(guess(tone)).or_default();
        if !same.iter().any(|t| t.more.get("notation") == tone.more.get("notation")) {
            same.push(tone);
        }
    }
    for (kind, tones) in kinds {
        text += &format!("{kind} = [\n");
        for tone in tones {
            let Some(notation) = tone.more.get("notation").and_then(|n| n.as_str()) else { continue };
            text += &format!("  # {}, at {:.1} s for {:.1} s\n", tone.value, tone.t, tone.dur.unwrap_or(0.0));
            text += &format!("  {{ notation = \"{notation}\", confidence = \"low\", source = {source} }},\n");
        }
        text += "]\n";
    }
    Some(text)
}

/// What its cadence makes it, most likely: the user knows better.
fn guess(tone: &Found) -> &'static str {
    let ms = |key: &str| tone.more.get(key).and_then(serde_json::Value::as_u64);
    match (ms("on_ms"), ms("off_ms")) {
        (Some(on), Some(off)) if on >= 600 && off >= 1500 => "ringback",
        (Some(on), Some(_)) if on < 300 => "congestion",
        (Some(_), Some(_)) => "busy",
        _ => "dial",
    }
}
