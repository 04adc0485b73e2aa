//! Every example runs to its end, and each checks what it shows.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Builds the examples once, and returns the folder that they are in.
///
/// As part of the workspace, so that a test of the whole workspace has built them already.
fn examples() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();

    FOLDER.get_or_init(|| {
        let output = Command::new(env!("CARGO"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["build", "--quiet", "--workspace", "--examples"])
            .output()
            .expect("cargo runs, or this test would not");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // This test is in `deps`, beside which cargo puts the examples.
        let test = std::env::current_exe().expect("this test is a file");
        let folder = test.parent().and_then(Path::parent).expect("cargo puts tests in `deps`");
        folder.join("examples")
    })
}

/// Runs an example as a reader of it would.
fn run(name: &str, arguments: &[&str]) {
    let output = Command::new(examples().join(name)).args(arguments).output().unwrap();
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
