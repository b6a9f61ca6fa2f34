//! The programs that the tests talk to, none of them ours.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

const INSTALL: &str =
    "apt-get install gcc libc6-dev libspandsp-dev multimon-ng minimodem sox asterisk-core-sounds-en-wav";

/// Runs a program with samples or bytes on its standard input, and gives back what it writes.
pub fn run(program: impl AsRef<Path>, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let program = program.as_ref();
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|e| panic!("{}: {e}\n help: {INSTALL}", program.display()));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // a program that has heard enough closes its ears
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "{} {arguments:?}: {}", program.display(), output.status);
    output.stdout
}

/// spandsp, behind a small program that is compiled for the tests.
pub fn spandsp(arguments: &[&str], samples: &[i16]) -> Vec<u8> {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let program = directory.join(format!("spandsp-peer-{}", std::process::id()));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dsp_peers/spandsp_peer.c");
        let built = Command::new("cc")
            .args(["-O1", "-o"])
            .arg(&program)
            .args([source, "-lspandsp", "-lm"])
            .output()
            .unwrap_or_else(|e| panic!("cc: {e}\n help: {INSTALL}"));
        let errors = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "cannot build the spandsp peer: {errors}\n help: {INSTALL}");
        // under its own name in one step: another run of the tests may be using it
        let finished = directory.join("spandsp-peer");
        std::fs::rename(&program, &finished).unwrap();
        finished
    });
    run(&*PROGRAM, arguments, &to_bytes(samples))
}

/// What spandsp says, as samples.
pub fn spandsp_says(arguments: &[&str]) -> Vec<i16> {
    to_samples(&spandsp(arguments, &[]))
}

/// What sox makes of a description of sound.
pub fn sox_says(effects: &[&str]) -> Vec<i16> {
    let mut arguments = vec!["-q", "-D", "-n", "-r", "8000", "-t", "raw", "-e", "signed", "-b", "16", "-c", "1", "-"];
    arguments.extend(effects);
    to_samples(&run("sox", &arguments, &[]))
}

/// The same sound at another rate.
pub fn resampled(samples: &[i16], rate: &str) -> Vec<u8> {
    let raw = ["-q", "-D", "-t", "raw", "-e", "signed", "-b", "16", "-c", "1"];
    let mut arguments = raw.to_vec();
    arguments.extend(["-r", "8000", "-"]);
    arguments.extend(&raw[2..]);
    arguments.extend(["-r", rate, "-"]);
    run("sox", &arguments, &to_bytes(samples))
}

/// A WAV file for programs that read nothing else. Named after the test, which is the only one to write it.
pub fn wav(test: &str, samples: &[i16]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{}.wav", std::process::id()));
    let file = path.to_str().unwrap();
    run(
        "sox",
        &["-q", "-t", "raw", "-e", "signed", "-b", "16", "-c", "1", "-r", "8000", "-", file],
        &to_bytes(samples),
    );
    path
}

pub fn to_bytes(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|s| s.to_le_bytes()).collect()
}

pub fn to_samples(bytes: &[u8]) -> Vec<i16> {
    bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
}

/// Somebody really speaking: the prompts of an answering service, recorded for Asterisk.
pub fn recorded_speech() -> Vec<(String, Vec<i16>)> {
    let directory = Path::new("/usr/share/asterisk/sounds/en_US_f_Allison");
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap_or_else(|e| panic!("{}: {e}\n help: {INSTALL}", directory.display()))
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "wav"))
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let mut reader = hound::WavReader::open(&path).unwrap();
            assert_eq!(reader.spec().sample_rate, 8000, "{name}");
            (name, reader.samples::<i16>().map(Result::unwrap).collect())
        })
        .filter(|(name, _)| !name.contains("beep"))
        .collect()
}
