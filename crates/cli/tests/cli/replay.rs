//! `level2 replay`: books from recordings of the simulated exchange.

use std::io::Write as _;
use std::process::Output;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::support::*;

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn json_has_a_summary_of_each_product_and_the_counters() {
    let output = run_on(&["replay", "-", "--json"], &recording());
    assert!(output.status.success());
    assert_eq!(text(&output.stderr), "");
    let lines: Vec<&str> = text(&output.stdout).lines().collect();
    let [btc, eth, stats] = lines[..] else { panic!("expected three lines, got {lines:?}") };
    for (line, product) in [(btc, "BTC-USD"), (eth, "ETH-USD")] {
        assert_keys(line, &SUMMARY_KEYS);
        let summary: Value = serde_json::from_str(line).unwrap();
        assert_eq!(summary["product_id"], product);
        assert_eq!(summary["status"], "live");
        assert_eq!(summary["checksum"].as_str().unwrap().len(), 8);
        assert!(summary["bids"].as_u64().unwrap() > 0);
        assert!(summary["best_bid"].as_array().unwrap().iter().all(Value::is_string));
    }
    assert_keys(stats, &STATS_KEYS);
    let stats: Value = serde_json::from_str(stats).unwrap();
    assert_eq!((&stats["frames"], &stats["gaps"]), (&60.into(), &0.into()));
}

#[test]
fn the_table_shows_the_same() {
    let recording = recording();
    let json = run_on(&["replay", "-", "--json"], &recording);
    let table = run_on(&["replay", "-"], &recording);
    assert!(table.status.success());
    let table = text(&table.stdout);
    for line in text(&json.stdout).lines().take(2) {
        let summary: Value = serde_json::from_str(line).unwrap();
        let product = summary["product_id"].as_str().unwrap();
        let row = table.lines().find(|row| row.contains(product)).expect(table);
        let bid = &summary["best_bid"];
        let bid = format!("{} x {}", bid[0].as_str().unwrap(), bid[1].as_str().unwrap());
        for cell in [&bid, summary["checksum"].as_str().unwrap(), "live"] {
            assert!(row.contains(cell), "{row} lacks {cell}");
        }
    }
    assert!(table.lines().last().unwrap().starts_with("frames 60  updates "), "{table}");
}

#[test]
fn compression_and_line_ends_make_no_difference() {
    let recording = recording();
    let expected = run_on(&["replay", "-", "--json"], &recording).stdout;
    let (start, end) = recording.split_at(recording.len() / 2);
    let members = [gzip(start), gzip(end)].concat();
    let zstd = zstd::encode_all(&recording[..], 1).unwrap();
    let blank_and_crlf = text(&recording).replace('\n', "\r\n  \r\n\n");
    let variants: [(&str, &[u8]); 8] = [
        ("plain.jsonl", &recording),
        ("packed.jsonl.gz", &gzip(&recording)),
        ("members.jsonl.gz", &members),
        ("packed.jsonl.zst", &zstd),
        ("gzip-by-its-magic", &gzip(&recording)),
        ("zstd-by-its-magic", &zstd),
        ("blank-and-crlf.jsonl", blank_and_crlf.as_bytes()),
        ("no-last-newline.jsonl", recording.trim_ascii_end()),
    ];
    for (name, content) in variants {
        let path = file(name, content);
        for output in
            [run(&["replay", &path, "--json"]), run_on(&["replay", "-", "--json"], content)]
        {
            assert!(output.status.success(), "{name}: {}", text(&output.stderr));
            assert_eq!(text(&output.stdout), text(&expected), "{name}");
        }
    }
}

#[test]
fn a_bad_line_is_reported_and_loses_the_books_until_a_snapshot() {
    let recording = recording();
    let mut lines: Vec<&str> = text(&recording).lines().collect();
    lines[39] = "{\"channel\":\"l2_data\",\u{1b}[31m";
    let lost = run_on(&["replay", "-", "--json"], lines.join("\n").as_bytes());
    assert!(lost.status.success());
    let complaints = text(&lost.stderr);
    assert!(complaints.starts_with("level2: line 40: expected "), "{complaints}");
    assert_eq!(complaints.lines().count(), 1);
    assert!(!complaints.contains('\u{1b}'), "{complaints:?}");
    for line in text(&lost.stdout).lines().take(2) {
        let summary: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&summary["status"], &summary["cause"]), (&"lost".into(), &"decode".into()));
        assert_eq!((&summary["checksum"], &summary["bids"]), (&Value::Null, &0.into()));
    }
    assert!(text(&lost.stdout).contains("\"undecodable\":1"));

    // The same connection once more begins with snapshots.
    let twice = [lines.join("\n").as_bytes(), b"\n", &recording].concat();
    let healed = run_on(&["replay", "-", "--json"], &twice);
    assert!(healed.status.success());
    let whole = run_on(&["replay", "-", "--json"], &recording);
    let books = |output: &Output| {
        text(&output.stdout).lines().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(books(&healed), books(&whole));
    assert!(text(&healed.stdout).contains("\"resyncs\":2"));
}

#[test]
fn what_cannot_be_read_ends_in_a_message() {
    let cut = gzip(&recording());
    let cut = file("cut.jsonl.gz", &cut[..cut.len() - 20]);
    let empty = file("empty.jsonl.gz", b"");
    let folder = env!("CARGO_TARGET_TMPDIR");
    // The end of the cut file is missing. Of the others nothing can be read.
    for (path, status) in [("no-such-recording.jsonl", 2), (folder, 2), (&cut, 1), (&empty, 2)] {
        let output = run(&["replay", path]);
        assert_eq!(output.status.code(), Some(status), "{path}");
        assert_eq!(text(&output.stdout), "", "{path}");
        let complaint = text(&output.stderr);
        assert!(complaint.starts_with(&format!("level2: cannot read {path}")), "{complaint}");
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
    }
}

#[test]
fn a_line_without_end_is_not_read_into_memory() {
    let endless = vec![b'x'; 64 * 1024 * 1024 + 1];
    for (start, status) in [(&b""[..], 2), (&recording(), 1)] {
        let output = run_on(&["replay", "-"], &[start, &endless].concat());
        assert_eq!(output.status.code(), Some(status));
        let line = start.split(|byte| *byte == b'\n').count();
        let expected = format!("line {line} of standard input is longer than 67108864");
        assert!(text(&output.stderr).contains(&expected), "{}", text(&output.stderr));
    }
}

#[test]
fn a_file_without_frames_is_not_readable() {
    let output = run_on(&["replay", "-", "--json"], b"not a frame\n{\"also\": \n");
    assert_eq!(output.status.code(), Some(2));
    assert_keys(text(&output.stdout).trim_end(), &STATS_KEYS);
    let complaint = text(&output.stderr).lines().last().unwrap();
    let expected = "level2: standard input has no readable frame in 2 lines: expected one frame";
    assert!(complaint.starts_with(expected), "{complaint}");
}

#[test]
fn an_empty_recording_has_nothing_readable() {
    let output = run_on(&["replay", "-", "--json"], b"");
    assert_eq!(output.status.code(), Some(2));
    assert_keys(text(&output.stdout).trim_end(), &STATS_KEYS);
    assert!(text(&output.stderr).contains("no readable frame in 0 lines"), "{output:?}");
}
