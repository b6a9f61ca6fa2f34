//! The programs beside which we are measured: none of them ours.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// What a peer said of each clip, and how long its detector took.
pub struct Said {
    pub clips: Vec<String>,
    pub cpu_s: f64,
}

/// Compiles one of the peers that are libraries.
fn built(source: &str, name: &str, libraries: &[&str]) -> PathBuf {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/compare_dsp").join(source);
    let built = Command::new("cc").args(["-O2", "-o"]).arg(&program).arg(&source).args(libraries).output();
    let built = built.expect("cc");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    program
}

/// What an echo canceller makes of these lines (sent, received), and how long it took. `plc`: see there.
pub fn echo(program: &str, taps: usize, lines: &[(&[i16], &[i16])]) -> (Vec<Vec<i16>>, f64) {
    static PROGRAM: LazyLock<PathBuf> =
        LazyLock::new(|| built("echo_peer.c", "compare-echo-peer", &["-lspeexdsp", "-lspandsp", "-lm"]));
    let mut input = Vec::new();
    for (sent, received) in lines {
        input.extend((sent.len() as u32).to_le_bytes());
        input.extend(sent.iter().chain(*received).flat_map(|s| s.to_le_bytes()));
    }
    let output = run(&PROGRAM, &[program, &taps.to_string()], input);
    let (samples, seconds) = output.split_at(output.len() - 8);
    let mut samples = samples.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]]));
    let outs = lines.iter().map(|(sent, _)| samples.by_ref().take(sent.len()).collect()).collect();
    (outs, f64::from_le_bytes(seconds.try_into().expect("eight bytes")))
}

pub fn spandsp(arguments: &[&str], clips: &[Vec<i16>]) -> Said {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| built("peer.c", "compare-dsp-peer", &["-lspandsp", "-lm"]));
    let mut input = Vec::new();
    for clip in clips {
        input.extend((clip.len() as u32).to_le_bytes());
        input.extend(clip.iter().flat_map(|s| s.to_le_bytes()));
    }
    let output = run(&PROGRAM, arguments, input);
    let text = String::from_utf8_lossy(&output);
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    let cpu = lines.pop().unwrap_or_default();
    assert_eq!(lines.len(), clips.len(), "spandsp said {cpu}");
    Said { clips: lines, cpu_s: cpu.trim_start_matches("cpu ").parse().unwrap_or(f64::NAN) }
}

/// multimon-ng wants 22,050 Hz; the digits of each clip.
pub fn multimon(clips: &[Vec<i16>]) -> Said {
    let mut said = Said { clips: Vec::new(), cpu_s: 0.0 };
    for clip in clips {
        let bytes: Vec<u8> = clip.iter().flat_map(|s| s.to_le_bytes()).collect();
        let raw = ["-q", "-D", "-t", "raw", "-e", "signed", "-b", "16", "-c", "1", "-r", "8000", "-"];
        let to = ["-t", "raw", "-e", "signed", "-b", "16", "-c", "1", "-r", "22050", "-"];
        let samples = run(Path::new("sox"), &[&raw[..], &to[..]].concat(), bytes);
        let before = children_cpu_s();
        let heard = run(Path::new("multimon-ng"), &["-q", "-t", "raw", "-a", "DTMF", "-"], samples);
        said.cpu_s += children_cpu_s() - before;
        let heard = String::from_utf8_lossy(&heard);
        said.clips
            .push(heard.lines().filter_map(|l| l.strip_prefix("DTMF: ")).flat_map(|d| d.trim().chars()).collect());
    }
    said
}

/// The bytes that minimodem reads, clip by clip.
pub fn minimodem(marks: &[&str], clips: &[Vec<i16>]) -> (Vec<Vec<u8>>, f64) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("compare-{}.wav", std::process::id()));
    let mut all = Vec::new();
    let mut cpu_s = 0.0;
    for clip in clips {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 8000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&path, spec).expect("a WAV file");
        clip.iter().for_each(|s| writer.write_sample(*s).expect("written"));
        writer.finalize().expect("finished");
        let before = children_cpu_s();
        let arguments = [&["--rx", "-q", "-8"], marks, &["1200", "-f"], &[path.to_str().expect("a name")]].concat();
        all.push(run(Path::new("minimodem"), &arguments, Vec::new()));
        cpu_s += children_cpu_s() - before;
    }
    let _ = std::fs::remove_file(&path);
    (all, cpu_s)
}

fn run(program: &Path, arguments: &[&str], input: Vec<u8>) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|e| panic!("{}: {e}: run scripts/compare-dsp, which installs it", program.display()));
    let mut stdin = child.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("written");
    output.stdout
}

/// What this thread has had of a processor, to the nanosecond: `getrusage` counts ticks of 4 ms.
pub fn own_cpu_s() -> f64 {
    let clock = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID;
    let spent = nix::time::clock_gettime(clock).expect("the clock of this thread");
    spent.tv_sec() as f64 + spent.tv_nsec() as f64 * 1e-9
}

/// For programs that run for seconds.
fn children_cpu_s() -> f64 {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN).expect("getrusage");
    let seconds = |t: nix::sys::time::TimeVal| t.tv_sec() as f64 + t.tv_usec() as f64 * 1e-6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}
