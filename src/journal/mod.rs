//! The journal of calls: what was done, what came of it, and what people wrote to it.
//!
//! ```text
//!   owner of a line                      one thread                     a file
//!   ┌─────────┐  intent ───────────────▶ ┌────────┐ commit, fsync ────▶ ┌────────────┐ ◀── calls list, show, export
//!   │ CallLog │ ◀─────────────── ack ─── │ writer │                     │ journal.db │
//!   └─────────┘  events, steps, end ───▶ └────────┘ in batches ───────▶ └────────────┘ ◀── calls note, tag
//! ```
//!
//! What is about to be done to a line (off-hook, flash, digits, the hang-up of a transfer) is on the disk **before** it is
//! done, what came of it after: whoever is killed in between leaves a call that the next look at the journal shows as
//! interrupted, with what was in flight. Notes and tags are on the disk when their command returns.
//!
//! A journal that is locked, full, damaged, read-only or of a newer version never stops a call: one warning, and the call
//! goes on. A damaged one is moved aside and a new one begun.
//!
//! Calls are kept for ever, or as long as `[journal] keep` says: then each call's end removes a few that are older, once
//! the line is on-hook and free ([`prune`]).
//!
//! The lines of the record are kept masked, like every log. The numbers of the parties are kept in the clear: the journal
//! is its owner's own list of calls, in a file that nobody else may read (0600; the machine's in `/var/lib/tipring` 0640,
//! for the group `tipring`).

pub mod call_log;
pub mod error;
pub mod export;
pub mod owner;
pub mod place;
pub mod prune;
pub mod query;
pub mod store;
pub mod when;
mod writer;

pub use call_log::{CallLog, Direction, NewCall};
pub use error::JournalError;
pub use store::Store;
