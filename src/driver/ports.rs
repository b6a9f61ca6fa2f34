//! Every port of this machine, whatever drives it, as `tipring lines` shows them.

use super::{Capabilities, PortKind, Selector};

/// One port that was found.
#[derive(Clone, Debug)]
pub struct Found {
    pub selector: Selector,
    pub kind: Option<PortKind>,
    /// `idle`, `in use`, `alarm`, `no access`.
    pub state: String,
    /// May be opened now.
    pub usable: bool,
    pub battery_mv: Option<i32>,
    pub capabilities: Option<Capabilities>,
    pub holder: Option<String>,
    pub detail: Option<String>,
    pub help: Option<String>,
}

pub fn all() -> Vec<Found> {
    Vec::new()
}
