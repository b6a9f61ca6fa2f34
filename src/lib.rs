//! Landlines from the shell.
//!
//! ```text
//!     METAL               SIGNALS            MEANING       DECISIONS
//!                   ┌──▶ dsp    audio ────┐
//!  driver::dahdi ───┤                     ├──▶ event ──▶ call
//!  driver::sim      └──▶ line   hook, ────┘                │
//!       ▲                       ring, battery              │
//!       └──────── commands: off-hook, flash, dial, ring ◀──┘
//! ```
//!
//! Samples and signals flow up, commands flow down, and nothing in the middle touches a descriptor or a clock: every
//! machine is fed (`handle`), woken (`handle_timeout`), asked when to wake it (`poll_timeout`) and drained
//! (`poll_output`). The shell around it (`cli`, `control`, `journal`, `doctor`) does all the
//! input and output.
#![deny(unsafe_code)]

pub mod clock;
pub mod duration;
pub mod error;
pub mod event;
pub mod facts;
pub mod input;
pub mod number;
pub mod record;

pub mod driver;

pub mod dsp;
pub mod line;

pub mod call;
pub mod journal;

pub mod decode;

pub mod cli;
pub mod config;
pub mod control;
pub mod doctor;
pub mod output;
pub mod owner;
