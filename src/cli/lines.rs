//! `tipring lines`: every port found.

use super::Global;
use crate::control::{lock, place::Places};
use crate::driver::ports::{self, Found};
use crate::error::{Error, Exit};
use clap::Args;
use serde_json::{Value, json};

/// Every port found, what each can do, who holds it - also those that may not be opened, and why
#[derive(Args, Debug)]
pub struct Lines {}

impl Lines {
    pub fn run(self, global: &Global) -> Result<Exit, Error> {
        let config = global.load_config()?;
        let mut rows: Vec<Value> = ports::all().iter().map(row).collect();
        for (name, line) in &config.lines {
            let port = line.port.to_string();
            match rows.iter_mut().find(|r| r["port"] == port.as_str()) {
                Some(row) => row["name"] = name.as_str().into(),
                None if matches!(line.port, crate::driver::Selector::Sim { .. }) => {
                    rows.push(simulated(Some(name), &port))
                }
                None => rows.push(json!({
                    "name": name, "port": port, "kind": null, "state": "missing", "usable": false,
                    "detail": "named in the configuration, not found on this machine",
                })),
            }
        }
        rows.push(simulated(None, "sim/us"));
        let places = Places::of_this_process();
        // simulated lines are as many as there are options: those that somebody holds are there
        for (line, _) in lock::all_held(&places) {
            if line.starts_with("sim/") && !rows.iter().any(|row| row["port"] == line.as_str()) {
                rows.push(simulated(None, &line));
            }
        }
        for row in &mut rows {
            let held = row["port"].as_str().and_then(|port| lock::holder(&places, port));
            row["holder"] = held.map_or(row["holder"].take(), |h| h.to_string().into());
            if !row["holder"].is_null() {
                row["state"] = "in use".into();
            }
        }
        let document = json!({ "schema": "tipring.lines/1", "lines": rows });
        super::read(global.style().answer(&document, || table(&rows)))?;
        Ok(Exit::Done)
    }
}

fn row(port: &Found) -> Value {
    json!({
        "port": port.selector.to_string(),
        "name": null,
        "kind": port.kind,
        "state": port.state,
        "usable": port.usable,
        "holder": port.holder,
        "detail": port.detail,
        "help": port.help,
    })
}

fn simulated(name: Option<&str>, port: &str) -> Value {
    let detail = "simulated exchange; any country: sim/gb, sim/de, …";
    json!({ "port": port, "name": name, "kind": "FXO", "state": "idle", "usable": true, "holder": null, "detail": detail })
}

fn table(rows: &[Value]) -> Vec<String> {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["LINE", "NAME", "KIND", "STATE", "BATTERY", "DETAIL"]);
    let text = |v: &Value| v.as_str().map_or_else(|| "-".to_string(), crate::error::printable);
    for row in rows {
        let battery =
            row["battery_mv"].as_i64().map_or_else(|| "-".to_string(), |mv| format!("{:.1} V", mv as f64 / 1000.0));
        let mut detail = text(&row["detail"]);
        for (key, word) in [("holder", "held by"), ("help", "help:")] {
            if let Some(more) = row[key].as_str() {
                let more = more.strip_prefix(word).unwrap_or(more).trim_start();
                detail = format!("{detail}; {word} {}", crate::error::printable(more));
            }
        }
        table.add_row([
            text(&row["port"]),
            text(&row["name"]),
            text(&row["kind"]),
            text(&row["state"]),
            battery,
            detail,
        ]);
    }
    table.lines().map(|l| l.trim_end().to_string()).collect()
}
