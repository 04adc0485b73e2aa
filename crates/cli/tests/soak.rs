//! `level2 soak`, run for seconds instead of hours.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use serde_json::Value;

fn soak(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_level2"));
    command.arg("soak").args(arguments).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Seven seconds of faults, with a rest before and after.
#[test]
fn faults_of_seconds_are_healed_and_everything_shown_is_true() {
    let output = soak(&["--hours", "0.002", "--seed", "3", "--json"]).output().unwrap();
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{stderr}\n{stdout}");
    let lines: Vec<&str> = stdout.lines().collect();
    let [line] = lines[..] else { panic!("expected one line, got {lines:?}") };
    let report: Value = serde_json::from_str(line).unwrap();
    let figure = |name: &str| report[name].as_u64().unwrap_or_else(|| panic!("{name} in {line}"));
    assert_eq!((&report["type"], figure("seed")), (&"soak".into(), 3));
    assert_eq!((figure("products"), figure("live")), (18, 18));
    assert_eq!((figure("rests"), figure("books_compared")), (2, 36));
    for name in ["frames", "faults", "resyncs", "bbos_checked", "reader_samples_checked", "held_kb"]
    {
        assert!(figure(name) > 0, "{name} in {line}");
    }
    assert!(report["uptime_s"].as_f64().unwrap() >= 7.2);
    assert!(report["heal_p50_ms"].is_number() && report["latency_p99_us"].is_number());
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_early_with_the_report() {
    let mut child = soak(&["--hours", "1"]).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    // It listens to signals before it does anything, and this test to the first sign of life.
    let mut first = String::new();
    stdout.read_line(&mut first).unwrap();
    assert!(first.contains("seed 1"), "{first}");
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(rest.contains("bbos checked") && rest.contains("descriptors"), "{rest}");
}

#[test]
fn hours_that_make_no_sense_are_refused() {
    for hours in ["0", "-1", "1h", "nan", "9999"] {
        let output = soak(&[&format!("--hours={hours}")]).output().unwrap();
        assert!(!output.status.success(), "{hours}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("expected hours"), "{stderr}");
    }
}
