//! The command `level2`, run as its users run it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

const STATS_KEYS: [&str; 9] = [
    "type",
    "frames",
    "updates",
    "gaps",
    "duplicates",
    "undecodable",
    "orphan_deletes",
    "resyncs",
    "reconnects",
];

const SUMMARY_KEYS: [&str; 9] = [
    "type",
    "product_id",
    "status",
    "sequence",
    "bids",
    "asks",
    "best_bid",
    "best_ask",
    "checksum",
];

fn level2(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_level2"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    level2(arguments).output().unwrap()
}

fn run_on(arguments: &[&str], input: &[u8]) -> Output {
    let mut command = level2(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that has seen enough stops reading.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Returns a small recording of two products.
fn recording() -> Vec<u8> {
    let output = run(&["sim", "--frames", "60", "--levels", "20", "--products", "BTC-USD,ETH-USD"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).lines().count(), 60);
    output.stdout
}

/// Writes a file that only this run of the tests knows.
fn file(name: &str, content: &[u8]) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Asserts that the keys of an object of JSON are these, in this order.
fn assert_keys(line: &str, keys: &[&str]) {
    let object: Value = serde_json::from_str(line).unwrap();
    assert_eq!(object.as_object().unwrap().len(), keys.len(), "{line}");
    let places = keys.iter().map(|key| line.find(&format!("\"{key}\":")).expect(line));
    assert!(places.is_sorted(), "{line}");
}

#[test]
fn a_mood_decides_what_the_markets_do() {
    let moods = ["measured", "calm", "busy", "crash", "illiquid", "changing"];
    let recordings = moods.map(|mood| {
        let output = run(&["sim", "--frames", "40", "--levels", "20", "--mood", mood]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout).lines().count(), 40);
        output.stdout
    });
    for (index, recording) in recordings.iter().enumerate() {
        assert!(!recordings[..index].contains(recording), "{}", moods[index]);
    }
}

/// A simulated exchange that runs until it is dropped.
struct Exchange {
    child: Child,
    stdout: BufReader<ChildStdout>,
    url: String,
}

impl Exchange {
    fn start(arguments: &[&str]) -> Self {
        let mut child = level2(&["sim"]).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let url = line.split(' ').find(|word| word.starts_with("ws://")).expect(&line).to_owned();
        Self { child, stdout, url }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn replay_sums_up_each_product_and_the_counters() {
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
fn replay_prints_a_table_of_the_same() {
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
fn a_recording_may_be_packed_and_end_its_lines_in_any_way() {
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
    for path in ["no-such-recording.jsonl", env!("CARGO_TARGET_TMPDIR"), &cut, &empty] {
        let output = run(&["replay", path]);
        assert_eq!(output.status.code(), Some(1), "{path}");
        assert_eq!(text(&output.stdout), "", "{path}");
        let complaint = text(&output.stderr);
        assert!(complaint.starts_with(&format!("level2: cannot read {path}")), "{complaint}");
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
    }
    let endless = vec![b'x'; 64 * 1024 * 1024 + 1];
    let output = run_on(&["replay", "-"], &endless);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("line 1 of standard input is longer than 67108864"));
}

#[test]
fn an_empty_recording_has_no_products() {
    let output = run_on(&["replay", "-", "--json"], b"");
    assert!(output.status.success());
    assert_keys(text(&output.stdout).trim_end(), &STATS_KEYS);
}

#[test]
fn bad_arguments_end_in_status_2() {
    for arguments in [
        &["watch"][..],
        &["watch", "BTC USD"],
        &["watch", "BTC-USD", "--duration", "ten"],
        &["watch", "BTC-USD", "--depth", "0"],
        &["demo", "--duration", "0s"],
        &["replay"],
        &["sim", "--drop-ppm", "1000001"],
        &["sim", "--mood", "happy"],
        &["no-such-command"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).starts_with("error: "), "{arguments:?}");
    }
    let output = run(&["watch", "BTC-USD", "--url", "http://localhost"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("wss://"));
}

#[test]
fn a_dead_url_ends_in_a_message() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("ws://127.0.0.1:{port}");
    for is_json in [false, true] {
        let json: &[&str] = if is_json { &["--json"] } else { &[] };
        let output = level2(&["watch", "BTC-USD", "--url", &url]).args(json).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let complaint = text(&output.stderr);
        assert!(complaint.starts_with(&format!("level2: {url}: gave up")), "{complaint}");
        assert!(complaint.contains("could not connect"), "{complaint}");
        assert_eq!(complaint.lines().count(), 1);
    }
}

#[test]
fn the_demo_prints_plain_lines_where_there_is_no_terminal() {
    let output = run(&["demo", "--duration", "3s"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[0].contains("simulated exchange"), "{printed}");
    for product in ["BTC-USD", "ETH-USD", "SOL-USD"] {
        let is_of_product = |line: &&&str| line.contains(product) && line.contains(" spread ");
        assert!(lines.iter().filter(is_of_product).count() >= 2, "{printed}");
        assert!(printed.contains(&format!("{product} live from frame ")), "{printed}");
    }
    assert!(lines.iter().any(|line| line.starts_with("frames ")), "{printed}");
    assert!(lines.last().unwrap().contains("true book"), "{printed}");
    assert!(!printed.contains('\u{1b}'), "escape sequences among plain lines");
}

#[test]
fn watch_says_in_json_what_happens_and_nothing_of_a_book_that_is_not_live() {
    let exchange = Exchange::start(&["--products", "BTC-USD,ETH-USD", "--drop-ppm", "20000"]);
    let url = exchange.url.as_str();
    let asked = ["BTC-USD", "ETH-USDC"];
    let output = run(&["watch", asked[0], asked[1], "--json", "--duration", "4s", "--url", url]);
    assert!(output.status.success(), "{}", text(&output.stderr));

    let mut status: BTreeMap<String, String> = BTreeMap::new();
    let mut best: BTreeMap<String, Value> = BTreeMap::new();
    let (mut summaries, mut stats) = (Vec::new(), 0);
    for line in text(&output.stdout).lines() {
        let object: Value = serde_json::from_str(line).unwrap();
        let product = object["product_id"].as_str().unwrap_or_default().to_owned();
        match object["type"].as_str().unwrap() {
            "status" => {
                let now = object["status"].as_str().unwrap().to_owned();
                assert_eq!(object.get("cause").is_some(), now == "lost", "{line}");
                let shown = format!("{now} {}", object["cause"]);
                assert_ne!(status.get(&product), Some(&shown), "no change: {line}");
                status.insert(product.clone(), shown);
                best.remove(&product);
            }
            "bbo" => {
                assert_keys(line, &["type", "product_id", "sequence", "bid", "ask"]);
                assert_eq!(status[&product], "live null", "{line}");
                let pair = serde_json::json!([object["bid"], object["ask"]]);
                assert_ne!(best.insert(product, pair.clone()), Some(pair), "no change: {line}");
            }
            "summary" => summaries.push(product),
            "stats" => {
                assert_keys(line, &STATS_KEYS);
                stats += 1;
            }
            other => panic!("unknown type {other}"),
        }
        assert!(summaries.is_empty() || !line.contains("\"bbo\""), "after the end: {line}");
    }
    assert!(text(&output.stdout).contains(r#""status":"lost","cause":"gap"}"#));
    assert_eq!(summaries, asked);
    assert_eq!(stats, 1);
    assert!(status.keys().map(String::as_str).eq(asked));
}

#[test]
fn what_is_recorded_replays_to_live_books() {
    let exchange = Exchange::start(&["--products", "BTC-USD,ETH-USD", "--levels", "20"]);
    for name in ["recorded.jsonl", "recorded.jsonl.gz", "recorded.jsonl.zst", "-"] {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_file(&path);
        let file = if name == "-" { name } else { path.to_str().unwrap() };
        let url = exchange.url.as_str();
        let arguments =
            ["record", "BTC-USD", "ETH-USD", "-o", file, "--url", url, "--duration", "1s"];
        let output = run(&arguments);
        let said = text(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("BTC-USD is live") && said.contains(" 0 gaps"), "{said}");

        let replayed = run_on(&["replay", file, "--json"], &output.stdout);
        let lines: Vec<Value> = text(&replayed.stdout)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .filter(|line: &Value| line["type"] == "summary" || line["type"] == "stats")
            .collect();
        let [btc, eth, stats] = &lines[..] else { panic!("{name}: {lines:?}") };
        for (product, summary) in [("BTC-USD", btc), ("ETH-USD", eth)] {
            assert_eq!(summary["product_id"], product);
            assert_eq!(summary["status"], "live", "{name}");
        }
        assert_eq!(stats["gaps"], 0);
        let frames = stats["frames"].as_u64().unwrap();
        assert!(frames > 20 && said.contains(&format!("recorded {frames} frames")), "{said}");

        if name != "-" {
            let again = run(&arguments);
            assert_eq!(again.status.code(), Some(1), "what is there is not written over");
            assert!(text(&again.stderr).contains("cannot write"), "{}", text(&again.stderr));
        }
    }
}

#[test]
fn a_product_that_is_not_listed_is_reported() {
    let exchange = Exchange::start(&["--products", "BTC-USD"]);
    let arguments = ["watch", "NO-SUCH", "--json", "--duration", "1s", "--url", &exchange.url];
    let output = run(&arguments);
    assert!(output.status.success());
    assert!(text(&output.stderr).contains("the venue does not list NO-SUCH"));
    assert!(text(&output.stdout).contains(r#""status":"lost","cause":"refused"}"#));
}

#[test]
fn a_reader_that_leaves_ends_the_command_quietly() {
    let mut command = level2(&["sim", "--frames", "100000000", "--levels", "5"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("{\"channel\":\"l2_data\""), "{line}");
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(text(&output.stderr), "");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_simulated_exchange() {
    let mut exchange = Exchange::start(&[]);
    let id = exchange.child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    assert!(exchange.child.wait().unwrap().success());
    let mut rest = String::new();
    exchange.stdout.read_to_string(&mut rest).unwrap();
    assert!(rest.starts_with("served 0 connections"), "{rest}");
}

#[test]
fn the_simulated_exchange_lives_in_the_present_unless_its_date_is_asked_for() {
    let date = |arguments: &[&str]| {
        let exchange = Exchange::start(arguments);
        let address = exchange.url.trim_start_matches("ws://");
        let mut stream = TcpStream::connect(address).unwrap();
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
        lines.find(|line| line.to_ascii_lowercase().starts_with("date: ")).unwrap()
    };
    assert!(date(&["--seed-date"]).contains("Mon, 02 Nov 2026 00:0"));
    assert!(!date(&[]).contains("02 Nov 2026 00:0"));
}

#[cfg(unix)]
#[test]
fn a_proxy_that_is_no_text_is_not_gone_around() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let proxy = OsStr::from_bytes(b"http://\xff");
    let output = level2(&["watch", "BTC-USD"]).env("HTTPS_PROXY", proxy).output().unwrap();
    assert!(!output.status.success());
    let stderr = text(&output.stderr);
    assert!(stderr.contains("the proxy in HTTPS_PROXY cannot be used"), "{stderr}");
}
