//! Keys in every form, from text, file and environment; their tokens verified by others' code.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use level2::auth::{AuthError, Credentials, NONCE_LEN, Token};
use proptest::prelude::*;
use serde_json::json;

use crate::keys::*;

fn token_of(credentials: &Credentials) -> Token {
    let mut nonce = [0; NONCE_LEN];
    aws_lc_rs::rand::fill(&mut nonce).unwrap();
    credentials.token(SystemTime::now(), nonce).unwrap()
}

/// A file of this test run, of which no other has the name.
fn path(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("auth_keys");
    fs::create_dir_all(&directory).unwrap();
    directory.join(name)
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;

    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) {}

#[test]
fn every_form_of_a_key_signs_tokens_that_its_public_key_verifies() {
    let other = [TestKey::new_ec(), TestKey::new_ed25519()];
    for (key, other) in [TestKey::new_ec(), TestKey::new_ed25519()].into_iter().zip(other) {
        for (form, secret) in key.forms() {
            let credentials = Credentials::new(KEY_NAME, &secret);
            let credentials = credentials.unwrap_or_else(|error| panic!("{form}: {error}"));
            let token = token_of(&credentials);
            assert!(key.verifies(token.as_str()), "{form}");
            assert!(!other.verifies(token.as_str()), "{form}");
            assert_eq!(token_part(token.as_str(), 0)["alg"], key.algorithm(), "{form}");
        }
    }
}

/// Runs a tool on an input. Returns `None`, and says so, where the tool is missing.
fn run(tool: &mut Command, input: &[u8]) -> Option<Output> {
    let tool = tool.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = tool.spawn() else {
        println!("skipped: {:?} is not installed", tool.get_program());
        return None;
    };
    child.stdin.take().unwrap().write_all(input).unwrap();
    Some(child.wait_with_output().unwrap())
}

/// Checks tokens with PyJWT as the venue would: signature, algorithm, times, issuer.
const VERIFY_WITH_PYJWT: &str = r#"
import json, sys
try:
    import jwt
    from jwt.algorithms import has_crypto
except ImportError:
    print("missing"); sys.exit()
if not has_crypto:
    print("missing"); sys.exit()
for row in json.load(sys.stdin):
    claims = jwt.decode(row["token"], row["public"], algorithms=[row["alg"]], issuer="cdp",
                        options={"require": ["exp", "nbf", "iss", "sub"]})
    header = jwt.get_unverified_header(row["token"])
    assert claims["sub"] == header["kid"] == row["name"], row["form"]
    assert claims["exp"] - claims["nbf"] == 120, row["form"]
    assert set(claims) == {"sub", "iss", "nbf", "exp"}, row["form"]
    assert len(bytes.fromhex(header["nonce"])) >= 16, row["form"]
    assert header["typ"] == "JWT", row["form"]
    print("verified", row["form"])
"#;

#[test]
fn pyjwt_verifies_the_tokens_of_every_form() {
    let mut rows = Vec::new();
    for key in [TestKey::new_ec(), TestKey::new_ed25519()] {
        for (form, secret) in key.forms() {
            let token = token_of(&Credentials::new(KEY_NAME, &secret).unwrap());
            rows.push(json!({
                "form": form, "token": token.as_str(), "public": key.public_pem(),
                "alg": key.algorithm(), "name": KEY_NAME,
            }));
        }
    }
    let python = std::env::var_os("LEVEL2_PYTHON").unwrap_or_else(|| "python3".into());
    let mut command = Command::new(python);
    let command = command.args(["-c", VERIFY_WITH_PYJWT]);
    let Some(output) = run(command, json!(rows).to_string().as_bytes()) else { return };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    if said.trim() == "missing" {
        println!("skipped: this Python has no PyJWT with its `crypto` extra");
        return;
    }
    assert_eq!(said.matches("verified").count(), rows.len(), "{said}");
}

/// Runs OpenSSL and returns what it wrote; `None` where it is missing.
fn openssl(arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let output = run(Command::new("openssl").args(arguments), input)?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments:?}: {said}");
    Some(output.stdout)
}

/// Writes the two numbers of an ECDSA signature as OpenSSL reads them.
fn der_signature(signature: &[u8]) -> Vec<u8> {
    let mut numbers = Vec::new();
    for number in signature.chunks(32) {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let digits = &number[zeros..];
        let sign = usize::from(digits[0] >= 0x80);
        numbers.extend([2, u8::try_from(digits.len() + sign).unwrap()]);
        numbers.extend(std::iter::repeat_n(0, sign).chain(digits.iter().copied()));
    }
    [vec![0x30, u8::try_from(numbers.len()).unwrap()], numbers].concat()
}

/// OpenSSL makes the keys, writes them in its own forms, and verifies what they sign.
#[test]
fn openssl_verifies_tokens_of_keys_that_it_made() {
    let makers: [(&str, &[&str]); 4] = [
        ("sec1_with_parameters", &["ecparam", "-name", "prime256v1", "-genkey"]),
        ("sec1", &["ecparam", "-name", "prime256v1", "-genkey", "-noout"]),
        ("pkcs8", &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
        ("ed25519", &["genpkey", "-algorithm", "ed25519"]),
    ];
    for (name, arguments) in makers {
        let Some(secret) = openssl(arguments, b"") else { return };
        let public = openssl(&["pkey", "-pubout"], &secret).unwrap();
        let secret = String::from_utf8(secret).unwrap();
        let token = token_of(&Credentials::new(KEY_NAME, &secret).unwrap());
        let (message, signature) = token.as_str().rsplit_once('.').unwrap();
        let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let is_ec = name != "ed25519";
        if is_ec {
            signature = der_signature(&signature);
        }
        let file = |part: &str, bytes: &[u8]| {
            let path = path(&format!("{name}.{part}"));
            fs::write(&path, bytes).unwrap();
            path.display().to_string()
        };
        let (public, signature) = (file("public", &public), file("signature", &signature));
        let message = file("message", message.as_bytes());
        let verified = if is_ec {
            openssl(
                &["dgst", "-sha256", "-verify", &public, "-signature", &signature, &message],
                b"",
            )
        } else {
            let arguments =
                ["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", &public, "-in", &message];
            openssl(&[&arguments[..], &["-sigfile", &signature]].concat(), b"")
        };
        let said = String::from_utf8(verified.unwrap()).unwrap();
        assert!(said.contains("Verified OK") || said.contains("Verified Successfully"), "{said}");
    }
}

#[test]
fn a_key_file_holds_a_name_and_a_secret() {
    let keys = [TestKey::new_ec(), TestKey::new_ed25519()];
    for (number, key) in keys.iter().enumerate() {
        for (form, secret) in key.forms() {
            for name in ["name", "id"] {
                let path = path(&format!("sound_{number}_{name}.json"));
                let text = json!({name: KEY_NAME, "privateKey": secret, "extra": {"a": [1, "b"]}});
                fs::write(&path, text.to_string()).unwrap();
                set_mode(&path, 0o600);
                let credentials = Credentials::from_key_file(&path);
                let credentials = credentials.unwrap_or_else(|error| panic!("{form}: {error}"));
                assert_eq!(credentials.key_name(), KEY_NAME);
                assert!(key.verifies(token_of(&credentials).as_str()), "{form}");
            }
        }
    }
}

#[test]
fn a_key_file_that_is_none_is_refused_by_its_name() {
    let secret = TestKey::new_ec().secret();
    let long = format!("{{\"name\": \"{}\"}}", " ".repeat(70_000));
    let wrong = path("wrong.json");
    for (text, expected) in [
        (String::new(), "a JSON object"),
        (secret.clone(), "a JSON object"),
        (json!(["name"]).to_string(), "a JSON object"),
        (json!({"privateKey": secret}).to_string(), "`name` or `id`"),
        (json!({"name": 7, "privateKey": secret}).to_string(), "`name` or `id`"),
        (json!({"name": KEY_NAME}).to_string(), "`privateKey`"),
        (json!({"name": KEY_NAME, "privateKey": {"a": secret}}).to_string(), "`privateKey`"),
        (json!({"name": KEY_NAME, "privateKey": "hunter2!"}).to_string(), "PEM"),
        (long, "64 KiB"),
    ] {
        fs::write(&wrong, &text).unwrap();
        set_mode(&wrong, 0o600);
        let error = Credentials::from_key_file(&wrong).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(error.to_string().contains(expected), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains(&secret[40..80]), "{shown}");
    }
    let missing = path("missing.json");
    let error = Credentials::from_key_file(&missing).unwrap_err();
    assert!(matches!(error, AuthError::KeyFileUnreadable { .. }), "{error:?}");
    assert!(error.to_string().contains("missing.json"), "{error}");
    for secret in [secret, TestKey::new_ed25519().secret()] {
        assert_eq!(Credentials::from_key_file(&secret).unwrap_err(), AuthError::KeyFilePath);
    }
}

#[cfg(unix)]
#[test]
fn a_key_file_that_others_can_read_is_refused_unless_that_is_asked_for() {
    let key = TestKey::new_ec();
    let file = path("exposed.json");
    let text = json!({"name": KEY_NAME, "privateKey": key.secret()}).to_string();
    fs::write(&file, text).unwrap();
    for mode in [0o640, 0o604, 0o644, 0o660, 0o444] {
        set_mode(&file, mode);
        let error = Credentials::from_key_file(&file).unwrap_err();
        assert_eq!(error, AuthError::KeyFileExposed { path: file.clone(), mode });
        assert!(error.to_string().contains(&format!("(mode {mode:o})")), "{error}");
        Credentials::from_key_file_readable_by_others(&file).unwrap();
    }
    for mode in [0o600, 0o400] {
        set_mode(&file, mode);
        Credentials::from_key_file(&file).unwrap();
    }
}

/// The environment belongs to a process, so a child reads it: this test, run once more.
#[test]
fn a_key_comes_from_the_environment() {
    const CHILD: &str = "LEVEL2_TEST_READS_ENVIRONMENT";

    if std::env::var_os(CHILD).is_some() {
        match Credentials::from_env() {
            Ok(credentials) => println!("read {}", credentials.key_name()),
            Err(error) => println!("refused: {error}"),
        }
        return;
    }
    let escaped = TestKey::new_ec().secret().replace('\n', "\\n");
    for (name, secret, expected) in [
        (Some(KEY_NAME), Some(escaped.as_str()), format!("read {KEY_NAME}")),
        (None, Some(escaped.as_str()), "variable COINBASE_API_KEY is not set".to_owned()),
        (Some(KEY_NAME), None, "variable COINBASE_API_SECRET is not set".to_owned()),
        (Some(KEY_NAME), Some("hunter2!"), "neither PEM nor base64".to_owned()),
    ] {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "auth_keys::a_key_comes_from_the_environment", "--nocapture"]);
        child.env(CHILD, "1");
        for (variable, value) in [("COINBASE_API_KEY", name), ("COINBASE_API_SECRET", secret)] {
            match value {
                Some(value) => child.env(variable, value),
                None => child.env_remove(variable),
            };
        }
        let output = run(&mut child, b"").unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains(&expected), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

/// How long a piece of a secret in an error would be a leak: less is chance.
const LEAK_LEN: usize = 8;

/// Checks that whatever becomes of a secret, nothing panics and no error quotes it.
fn read_without_leaking(secret: &str) {
    let Err(error) = Credentials::new(KEY_NAME, secret) else { return };
    let shown = format!("{error} {error:?}");
    // What stands between the frame's own words: those the message may name.
    for piece in secret.split(|c: char| !c.is_ascii_alphanumeric() && !"+/=".contains(c)) {
        for window in piece.as_bytes().windows(LEAK_LEN) {
            let Ok(window) = std::str::from_utf8(window) else { continue };
            assert!(!shown.contains(window), "{shown:?} holds {window:?} of its input");
        }
    }
}

proptest! {
    #[test]
    fn no_text_makes_a_key_panic_or_quote_it(secret in "\\PC{0,200}") {
        read_without_leaking(&secret);
    }

    #[test]
    fn no_frame_around_a_text_makes_a_key_panic_or_quote_it(
        label in "(EC PRIVATE KEY|PRIVATE KEY|EC PARAMETERS|[A-Z ]{0,20})",
        body in "[A-Za-z0-9+/=\\\\nu\" \n-]{0,300}",
    ) {
        read_without_leaking(&format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----"));
    }

    #[test]
    fn no_damage_to_a_key_makes_it_panic_or_quote_it(
        is_ec: bool,
        form in any::<prop::sample::Index>(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), "\\PC{0,3}"), 1..4),
    ) {
        let key = if is_ec { TestKey::new_ec() } else { TestKey::new_ed25519() };
        let mut secret: Vec<char> = form.get(&key.forms()).1.chars().collect();
        for (at, new) in cuts {
            let at = at.index(secret.len());
            secret.splice(at..=at, new.chars());
            if secret.is_empty() {
                break;
            }
        }
        read_without_leaking(&secret.into_iter().collect::<String>());
    }

    #[test]
    fn bytes_of_any_number_are_a_key_or_an_error(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let text = base64::engine::general_purpose::STANDARD.encode(&bytes);
        read_without_leaking(&text);
        read_without_leaking(&pem("EC PRIVATE KEY", &bytes));
        read_without_leaking(&pem("PRIVATE KEY", &bytes));
    }
}

#[test]
fn two_tokens_are_never_the_same() {
    let credentials = Credentials::new(KEY_NAME, &TestKey::new_ec().secret()).unwrap();
    let credentials = credentials.with_clock_skew(Duration::ZERO);
    let mut tokens: Vec<String> =
        (0..100).map(|_| token_of(&credentials).as_str().to_owned()).collect();
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 100);
}
