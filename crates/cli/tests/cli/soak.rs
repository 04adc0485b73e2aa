//! `level2 soak`, run for seconds instead of hours.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::*;

fn soak(arguments: &[&str]) -> Command {
    let mut command = level2(&["soak"]);
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Seven seconds of faults, with a rest before and after.
#[test]
fn faults_are_healed_and_every_bbo_is_true() {
    let output = soak(&["--hours", "0.002", "--seed", "3", "--json"]).output().unwrap();
    let lines: Vec<&str> = printed(&output).lines().collect();
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
    // It listens for signals before it prints its first line.
    let mut first = String::new();
    stdout.read_line(&mut first).unwrap();
    assert!(first.contains("seed 1"), "{first}");
    interrupt(&child);
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(rest.contains("bbos checked") && rest.contains("descriptors"), "{rest}");
}

#[test]
fn hours_without_meaning_are_rejected() {
    for hours in ["0", "-1", "1h", "nan", "9999"] {
        let output = soak(&[&format!("--hours={hours}")]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{hours}");
        let stderr = text(&output.stderr);
        assert!(stderr.contains("expected hours"), "{stderr}");
    }
}
