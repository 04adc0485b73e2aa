//! What all modules share: the command, recordings, files, and a simulated exchange.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::Value;

/// The keys of a `stats` line.
pub(crate) const STATS_KEYS: [&str; 9] = [
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

/// The keys of a `summary` line.
pub(crate) const SUMMARY_KEYS: [&str; 9] = [
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

/// Returns the command with these arguments, no input, and no key of the environment.
pub(crate) fn level2(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_level2"));
    command.args(arguments).stdin(Stdio::null());
    command.env_remove("COINBASE_API_KEY").env_remove("COINBASE_API_SECRET");
    command
}

pub(crate) fn run(arguments: &[&str]) -> Output {
    level2(arguments).output().unwrap()
}

pub(crate) fn run_on(arguments: &[&str], input: &[u8]) -> Output {
    let mut command = level2(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command may end before it has read all of its input.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// Asserts that the command is done, and returns what it printed.
pub(crate) fn printed(output: &Output) -> &str {
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{stderr}\n{stdout}");
    stdout
}

/// Sends Ctrl-C.
#[cfg(unix)]
pub(crate) fn interrupt(child: &Child) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Returns a small recording of two products.
pub(crate) fn recording() -> Vec<u8> {
    let output = run(&["sim", "--frames", "60", "--levels", "20", "--products", "BTC-USD,ETH-USD"]);
    assert_eq!(printed(&output).lines().count(), 60);
    output.stdout
}

/// Writes a file to the folder of these tests, and returns its path.
pub(crate) fn file(name: &str, content: &[u8]) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Asserts that the keys of an object of JSON are these, in this order.
pub(crate) fn assert_keys(line: &str, keys: &[&str]) {
    let object: Value = serde_json::from_str(line).unwrap();
    assert_eq!(object.as_object().unwrap().len(), keys.len(), "{line}");
    let places = keys.iter().map(|key| line.find(&format!("\"{key}\":")).expect(line));
    assert!(places.is_sorted(), "{line}");
}

/// A simulated exchange that runs until it is dropped.
pub(crate) struct Exchange {
    pub(crate) child: Child,
    pub(crate) stdout: BufReader<ChildStdout>,
    pub(crate) url: String,
}

impl Exchange {
    pub(crate) fn start(arguments: &[&str]) -> Self {
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
