//! Every port of this machine, whatever drives it, as `tipring lines` shows them.

use super::{PortKind, Selector, discover};
use std::path::Path;

/// One port that was found.
#[derive(Clone, Debug)]
pub struct Found {
    pub selector: Selector,
    pub kind: Option<PortKind>,
    /// `idle`, `in use`, `alarm`, `no access`.
    pub state: String,
    /// May be opened now.
    pub usable: bool,
    pub holder: Option<String>,
    pub detail: Option<String>,
    pub help: Option<String>,
}

/// All that this machine has. Nothing is opened to find out.
pub fn all() -> Vec<Found> {
    let dahdi = discover::dahdi(Path::new("/"));
    dahdi.channels().map(|(span, channel)| found(span, channel)).collect()
}

fn found(span: &discover::Span, channel: &discover::Channel) -> Found {
    let selector = Selector::Dahdi(channel.number);
    let explained = channel.problem.as_ref().map(|p| p.explain(&selector.to_string()));
    let alarm = channel.alarm.or(span.alarm);
    let state = match (&channel.problem, alarm) {
        _ if channel.in_use => "in use".to_string(),
        (Some(super::PortError::Signalling { .. }), _) => "not configured".to_string(),
        (Some(_), _) => "no access".to_string(),
        (None, Some(alarm)) => format!("{alarm:?} alarm").to_lowercase(),
        (None, None) => "idle".to_string(),
    };
    let mut detail = format!("{}, channel {}", span.description, channel.name);
    if span.irq_misses > 0 {
        detail.push_str(&format!(", {} interrupts missed", span.irq_misses));
    }
    if let Some(canceller) = &channel.echo_canceller {
        detail.push_str(&format!(", echo canceller {canceller}"));
    }
    if let (Some(e), false) = (&explained, channel.in_use) {
        detail.push_str(&format!("; {}", e.why));
    }
    Found {
        holder: match &channel.problem {
            Some(super::PortError::InUse { holder, .. }) => Some(holder.clone()),
            _ => None,
        },
        kind: channel.kind,
        usable: channel.problem.is_none(),
        help: explained.filter(|_| !channel.in_use).map(|e| e.next),
        detail: Some(detail),
        state,
        selector,
    }
}
