//! The program as its users meet it: whole processes, exit codes, JSON, messages.

mod answer;
mod bridge;
mod calls;
mod calls_journal;
mod completions;
mod dial;
mod errors;
mod examples;
mod manual;
mod owner;
mod parallel;
mod plans;

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A run with an environment of its own: no configuration of this machine, locks and sockets in a directory of the test.
pub struct Tipring {
    pub home: tempfile::TempDir,
}

impl Tipring {
    pub fn start() -> Tipring {
        Tipring { home: tempfile::tempdir().expect("a temporary directory") }
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tipring"));
        command
            .env_clear()
            .env("HOME", self.home.path())
            .env("TIPRING_RUNTIME_DIR", self.home.path().join("run"))
            .env("TIPRING_STATE_DIR", self.home.path().join("state"))
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .current_dir(self.home.path())
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Run {
        Run::of(self.command().args(args).output().expect("tipring runs"))
    }

    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).expect("a file in the test's directory");
        path.to_string_lossy().into_owned()
    }

    pub fn path(&self) -> &Path {
        self.home.path()
    }
}

pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn of(output: Output) -> Run {
        Run {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("one JSON document: {e}\n{}", self.all()))
    }

    pub fn all(&self) -> String {
        format!("exit {:?}\n-- stdout\n{}\n-- stderr\n{}", self.code, self.stdout, self.stderr)
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> Run {
        assert_eq!(self.code, Some(code), "{}", self.all());
        self
    }
}

pub const COUNTRIES: [&str; 10] = ["us", "gb", "de", "se", "tr", "cn", "no", "cz", "fr", "au"];
