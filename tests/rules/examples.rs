//! Every example runs to its end, and each checks what it shows.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

/// Builds the examples once, and returns where cargo says that each is.
///
/// As part of the workspace, so that a test of the whole workspace has built them already.
fn examples() -> &'static BTreeMap<String, PathBuf> {
    static PATHS: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();

    PATHS.get_or_init(|| {
        let output = Command::new(env!("CARGO"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["build", "--quiet", "--workspace", "--examples", "--message-format", "json"])
            .output()
            .expect("cargo runs, or this test would not");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let messages = String::from_utf8(output.stdout).expect("JSON is UTF-8");
        let messages = messages.lines().map(|line| serde_json::from_str(line).unwrap());
        let executables = messages.filter_map(|message: Value| {
            let name = message["target"]["name"].as_str()?.to_owned();
            Some((name, message["executable"].as_str()?.into()))
        });
        executables.collect()
    })
}

/// Runs an example as a reader of it would.
fn run(name: &str, arguments: &[&str]) {
    let output = Command::new(&examples()[name]).args(arguments).output().unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name} failed:\n{out}\n{err}");
    assert!(!out.trim().is_empty(), "{name} has nothing to say");
}

#[test]
fn arbitrage() {
    run("arbitrage", &[]);
}

#[test]
#[cfg(target_os = "linux")]
fn many_products() {
    run("many_products", &["20", "1", "1"]);
}

#[test]
fn market_maker() {
    run("market_maker", &[]);
}

#[test]
fn own_socket() {
    run("own_socket", &[]);
}

#[test]
fn plain_thread() {
    run("plain_thread", &[]);
}

#[test]
fn recorder() {
    run("recorder", &[]);
}

#[test]
fn scripted_exchange() {
    run("scripted_exchange", &[]);
}

#[test]
fn select_bot() {
    run("select_bot", &[]);
}
