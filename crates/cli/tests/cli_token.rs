//! The command `level2` with a key: one token printed, and never a byte of the secret.

#[path = "../../../tests/support/keys.rs"]
mod keys;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::json;

use self::keys::*;

fn level2(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_level2"));
    command.args(arguments).stdin(Stdio::null());
    command.env_remove("COINBASE_API_KEY").env_remove("COINBASE_API_SECRET");
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn key_file(name: &str, secret: &str, mode: u32) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&path);
    fs::write(&path, json!({"name": KEY_NAME, "privateKey": secret}).to_string()).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    path.display().to_string()
}

fn assert_prints_a_token(output: &Output, key: &TestKey) {
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
    let token = text(&output.stdout).strip_suffix('\n').unwrap();
    assert!(key.verifies(token));
    assert_eq!(token_part(token, 0)["kid"], KEY_NAME);
}

#[test]
fn a_token_is_printed_alone() {
    let key = TestKey::new_ec();
    let sound = key_file("token_sound.json", &key.secret(), 0o600);
    assert_prints_a_token(&level2(&["token", "--key-file", &sound]).output().unwrap(), &key);
    let mut from_env = level2(&["token", "--env"]);
    from_env.env("COINBASE_API_KEY", KEY_NAME).env("COINBASE_API_SECRET", key.secret());
    assert_prints_a_token(&from_env.output().unwrap(), &key);
    let exposed = key_file("token_exposed.json", &key.secret(), 0o644);
    let arguments = ["token", "--key-file", &exposed, "--key-file-readable-by-others"];
    assert_prints_a_token(&level2(&arguments).output().unwrap(), &key);
}

#[test]
fn a_key_that_cannot_be_used_ends_in_a_message_without_it() {
    let secret = TestKey::new_ec().secret();
    let exposed = key_file("token_refused.json", &secret, 0o644);
    let broken = key_file("token_broken.json", &secret.replace("END", "DNE"), 0o600);
    let missing = format!("{broken}.none");
    let watch = |file| ["watch", "BTC-USD", "--url", "ws://127.0.0.1:9", "--key-file", file];
    let mut cases = vec![
        (vec!["token", "--key-file", &broken], "down to the line -----END"),
        (vec!["token", "--key-file", &missing], "cannot be read"),
        (vec!["token", "--key-file", &secret], "looks like a secret"),
        (vec!["token", "--env"], "COINBASE_API_KEY"),
        (watch(&broken).to_vec(), "down to the line -----END"),
    ];
    if cfg!(unix) {
        cases.push((vec!["token", "--key-file", &exposed], "got mode 644"));
    }
    for (arguments, expected) in cases {
        let output = level2(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
        let said = text(&output.stderr);
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert!(!secret.lines().filter(|line| !line.contains("---")).any(|l| said.contains(l)));
    }
    for arguments in [&["token"][..], &["token", "--env", "--key-file", &broken]] {
        assert_eq!(level2(arguments).output().unwrap().status.code(), Some(2), "{arguments:?}");
    }
}
