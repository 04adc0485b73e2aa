//! `level2` with an API key: it prints a token, and never a byte of the secret.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::json;

use crate::keys::*;
use crate::support::*;

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
    assert_eq!(text(&output.stderr), "");
    let token = printed(output).strip_suffix('\n').unwrap();
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
        cases.push((vec!["token", "--key-file", &exposed], "(mode 644)"));
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
