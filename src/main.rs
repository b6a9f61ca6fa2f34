//! Arguments, one command, an exit code; nothing else.

use std::io::Write;
use std::process::ExitCode;
use tipring::error::Exit;

fn main() -> ExitCode {
    tipring::cli::hold_line::leave_session_when_detached();
    // a panic is our bug and says so; unwinding drops the port, which puts the line on-hook
    let exit = std::panic::catch_unwind(tipring::cli::main).unwrap_or_else(|_| {
        // not eprintln, which would panic once more when nobody takes our words
        let said =
            "error: tipring failed\ncause: this is a bug in it\n help: report what you did, with the lines above";
        let _ = writeln!(std::io::stderr(), "{said}");
        Exit::Bug
    });
    ExitCode::from(exit.code())
}
