//! What is to be played: a WAV file, or text that a speech program on this machine speaks.

use crate::config::Config;
use crate::error::{Error, Exit, printable};
use crate::output::wav;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// The text is written to its standard input, and a WAV is read from its standard output.
const ESPEAK: [&str; 3] = ["espeak-ng", "--stdout", "--stdin"];
/// An hour of 48 kHz stereo would be more; nobody listens to that.
const SPOKEN_MAX_BYTES: u64 = 64 << 20;

/// A brief or a greeting: a file when it is the name of one, else the words themselves.
pub fn text_or_file(config: &Config, text: &str) -> Result<Arc<[i16]>, Error> {
    let path = Path::new(text);
    match path.exists() || path.extension().is_some_and(|e| e.eq_ignore_ascii_case("wav")) {
        true => wav::read(path),
        false => say(config, text),
    }
}

/// Text as sound, by `speech` of the configuration or by espeak-ng.
pub fn say(config: &Config, text: &str) -> Result<Arc<[i16]>, Error> {
    let command: Vec<&str> = match config.speech.as_slice() {
        [] => ESPEAK.to_vec(),
        own => own.iter().map(String::as_str).collect(),
    };
    let fail = |why: String| {
        let next = "apt install espeak-ng, name another program with `speech` in tipring.toml, or play a WAV file";
        Error::new(Exit::Failed, "cannot speak the text", why, next)
    };
    let program = printable(command[0]);
    if text.trim().is_empty() {
        return Err(Error::new(Exit::Usage, "cannot speak the text", "it is empty", "give words, or a WAV file"));
    }
    // the text is never an argument, let alone a shell's word
    let mut child = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| fail(format!("{program}: {e}")))?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let words = text.to_string();
    let writer = std::thread::spawn(move || {
        // a program that has heard enough closes its end
        stdin.map(|mut stdin| stdin.write_all(words.as_bytes()))
    });
    let mut spoken = Vec::new();
    if let Some(out) = stdout {
        out.take(SPOKEN_MAX_BYTES).read_to_end(&mut spoken).map_err(|e| fail(format!("{program}: {e}")))?;
    }
    let _ = writer.join();
    let status = child.wait().map_err(|e| fail(format!("{program}: {e}")))?;
    if !status.success() {
        return Err(fail(format!("{program} ended with {status}")));
    }
    wav::speech(&spoken).map_err(|e| fail(format!("{program}: {e}")))
}
