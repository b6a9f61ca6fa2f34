//! Acting on a call that another process holds: the line owner's lock and its Unix socket.
//!
//! ```text
//!   flash, transfer, hangup, watch                      dial, answer: the owner of the line
//!   ┌────────────────┐   HTTP/JSON on a Unix socket   ┌───────────────┐  Ask    ┌─────────────┐
//!   │ client::ask    │ ─────────────────────────────▶ │ server thread │ ──────▶ │ line thread │
//!   │ client::events │ ◀───────────────────────────── │               │ ◀────── │             │
//!   └────────────────┘                                └───────────────┘ Answer, └─────────────┘
//!                                                                       WireEvent
//! ```
//!
//! A process that opens a line takes its [`lock::LineLock`] and answers HTTP/JSON on a socket beside it. `flash`,
//! `transfer`, `hangup` and `watch` of other processes go through that socket; the same [`Ask`]s are carried out
//! in-process when the line is our own.

pub mod client;
mod connections;
pub mod lock;
mod peer;
pub mod place;
pub mod request;
pub mod routes;
pub mod server;
pub mod sse;
pub mod uucp;

pub use lock::{Held, LineLock};
pub use place::Places;
pub use request::{Answer, Ask, CallStatus, OnFail, TargetAsk, TransferReport, WireEvent};
