//! Every example runs to its end, and each checks what it shows.

use std::process::Command;

/// Runs an example as a reader of it would, with the features that this test was built with.
fn run(name: &str, arguments: &[&str]) {
    let output = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["run", "--quiet", "--all-features", "--example", name, "--"])
        .args(arguments)
        .output()
        .expect("cargo runs, or this test would not");
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
