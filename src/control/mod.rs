//! Acting on a call that another process holds: the line owner's lock and its Unix socket.
//!
//! A process that opens a line takes its lock and answers HTTP/JSON on a socket beside it. `flash`, `transfer`, `hangup`
//! and `watch` of other processes go through that socket; the same [`Ask`]s are carried out in-process when the line is
//! our own.

pub mod client;
pub mod lock;
pub mod place;
pub mod request;
pub mod server;

pub use request::{Answer, Ask, CallStatus, TargetAsk, TransferReport};
