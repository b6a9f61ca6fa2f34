//! One thing that was found, as a line for people and as JSON.

use serde_json::{Map, Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It goes on; only who listens live is told.
    Began,
    Whole,
}

/// GR-30 leaves a telephone 100 ms; some take longer, and are answered all the same.
const ACKNOWLEDGED_WITHIN_S: f64 = 0.3;

#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Seconds from the beginning of the recording.
    pub t: f64,
    /// `None`: not known, or not over.
    pub dur: Option<f64>,
    pub channel: usize,
    pub event: &'static str,
    pub value: String,
    pub level_dbm0: Option<f32>,
    /// 0 to 1.
    pub confidence: f32,
    pub state: State,
    /// Countries in whose plan it is that.
    pub countries: Vec<String>,
    /// What else there is to say of it.
    pub more: Map<String, Value>,
}

impl Found {
    pub fn new(t: f64, event: &'static str, value: impl Into<String>) -> Found {
        Found {
            t,
            dur: None,
            channel: 0,
            event,
            value: value.into(),
            level_dbm0: None,
            confidence: 0.5,
            state: State::Whole,
            countries: Vec::new(),
            more: Map::new(),
        }
    }

    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Found {
        self.more.insert(key.into(), value.into());
        self
    }

    pub fn lasting(mut self, seconds: f64) -> Found {
        self.dur = Some(seconds.max(0.0));
        self
    }

    pub fn sure(mut self, confidence: f32) -> Found {
        self.confidence = confidence;
        self
    }

    /// Names what this digit answers, if it is what a telephone says to an alert: somebody waits, and who it is may come.
    pub fn acknowledging(&mut self, alert_over_s: f64) {
        let is_answer = self.event == "dtmf" && matches!(&*self.value, "D" | "A");
        if is_answer && (-0.02..ACKNOWLEDGED_WITHIN_S).contains(&(self.t - alert_over_s)) {
            self.more.insert(Self::ACKNOWLEDGES.into(), "cas".into());
        }
    }

    const ACKNOWLEDGES: &str = "acknowledges";

    pub fn end(&self) -> f64 {
        self.t + self.dur.unwrap_or(0.0)
    }

    pub fn json(&self) -> Value {
        let thousandths = |v: f64| (v * 1000.0).round() / 1000.0;
        let tenths = |v: f32| (f64::from(v) * 10.0).round() / 10.0;
        let mut out = Map::new();
        out.insert("schema".into(), json!("tipring.found/1"));
        out.insert("t".into(), json!(thousandths(self.t)));
        out.insert("dur".into(), self.dur.map_or(Value::Null, |d| json!(thousandths(d))));
        out.insert("channel".into(), json!(self.channel));
        out.insert("event".into(), json!(self.event));
        out.insert("value".into(), json!(self.value));
        out.insert("level_dbm0".into(), self.level_dbm0.map_or(Value::Null, |l| json!(tenths(l))));
        out.insert("confidence".into(), json!((f64::from(self.confidence) * 100.0).round() / 100.0));
        if self.state == State::Began {
            out.insert("state".into(), json!("began"));
        }
        if !self.countries.is_empty() {
            out.insert("countries".into(), json!(self.countries));
        }
        for (key, value) in &self.more {
            out.insert(key.clone(), value.clone());
        }
        Value::Object(out)
    }

    /// As `tipring watch` prints: when, on which side, what.
    pub fn line(&self, channels: usize) -> String {
        let side = match (channels, self.channel) {
            (1, _) => "heard".to_string(),
            (2, 0) => "left".to_string(),
            (2, 1) => "right".to_string(),
            (_, n) => format!("ch{n}"),
        };
        let mut text = self.event.to_string();
        if !self.value.is_empty() {
            text = format!("{text} {}", self.value);
        }
        if self.more.contains_key(Self::ACKNOWLEDGES) {
            text += " (answers the alert)";
        }
        match (self.dur, self.state) {
            (Some(d), _) if d < 1.0 => text += &format!(" {:.0}ms", d * 1000.0),
            (Some(d), _) => text += &format!(" {d:.2}s"),
            (None, State::Began) => text += " began",
            (None, State::Whole) => {}
        }
        if let Some(level) = self.level_dbm0 {
            text += &format!(" {level:.0}dBm0");
        }
        if !self.countries.is_empty() {
            let shown = 8;
            let more = self.countries.len().saturating_sub(shown);
            let list = self.countries.iter().take(shown).cloned().collect::<Vec<_>>().join(",");
            text += &format!(" ({list}{})", if more > 0 { format!(" and {more} more") } else { String::new() });
        }
        if self.confidence < 0.6 {
            text += " ?";
        }
        format!("{:9.3}  {side:<8}  {text}", self.t)
    }
}

/// In the order in which it happened.
pub fn sort(found: &mut [Found]) {
    found.sort_by(|a, b| a.t.total_cmp(&b.t).then(a.channel.cmp(&b.channel)).then(a.event.cmp(b.event)));
}
