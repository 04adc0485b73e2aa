//! What a token says, what is refused and how, and what is never shown.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
};
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use static_assertions::{assert_impl_all, assert_not_impl_any};

use super::*;

const KEY_NAME: &str = "organizations/one/apiKeys/two";

// A comparison, a text or a serialised form of a secret would be one more way for it to get out.
assert_not_impl_any!(Credentials: PartialEq, Eq, std::hash::Hash, fmt::Display, Default);
assert_not_impl_any!(Credentials: AsRef<str>, AsRef<[u8]>);
assert_not_impl_any!(Credentials: serde::Serialize, serde::de::DeserializeOwned);
assert_not_impl_any!(SigningKey: Clone);
assert_not_impl_any!(Token: Clone, PartialEq, Eq, std::hash::Hash, serde::Serialize);
assert_not_impl_any!(Token: fmt::Display);
assert_impl_all!(Credentials: Clone, Send, Sync, fmt::Debug);
assert_impl_all!(Token: Send, Sync, fmt::Debug);

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn new_secret() -> String {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    pem("EC PRIVATE KEY", pair.private_key().as_der().unwrap().as_ref())
}

fn part(token: &Token, index: usize) -> Value {
    let text = token.as_str().split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

fn at(milliseconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(milliseconds)
}

#[test]
fn a_token_says_what_the_venue_asks_for_and_nothing_else() {
    let credentials = Credentials::new(&format!(" {KEY_NAME}\n"), &new_secret()).unwrap();
    let token = credentials.token(at(1_790_735_993_900), [0xab; NONCE_LEN]).unwrap();
    assert_eq!(
        part(&token, 0),
        json!({"typ": "JWT", "alg": "ES256", "kid": KEY_NAME, "nonce": "ab".repeat(NONCE_LEN)})
    );
    assert_eq!(
        part(&token, 1),
        json!({"sub": KEY_NAME, "iss": "cdp", "nbf": 1_790_735_988, "exp": 1_790_736_108})
    );
    assert_eq!(token.as_str().split('.').count(), 3);
}

#[test]
fn tokens_are_dated_back_by_the_clock_skew_which_is_bounded() {
    for (skew, expected) in [(0, 1_000), (7, 993), (60, 940), (3_600, 940)] {
        let credentials = Credentials::new(KEY_NAME, &new_secret()).unwrap();
        let credentials = credentials.with_clock_skew(Duration::from_secs(skew));
        let claims = part(&credentials.token(at(1_000_000), [0; NONCE_LEN]).unwrap(), 1);
        assert_eq!((&claims["nbf"], &claims["exp"]), (&json!(expected), &json!(expected + 120)));
    }
    let credentials = Credentials::new(KEY_NAME, &new_secret()).unwrap();
    let before = UNIX_EPOCH - Duration::from_secs(1);
    assert_eq!(credentials.token(before, [0; NONCE_LEN]).unwrap_err(), AuthError::ClockBefore1970);
}

#[test]
fn what_is_no_key_is_refused_by_the_form_that_it_has() {
    let p384 = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let p384_sec1 = pem("EC PRIVATE KEY", p384.private_key().as_der().unwrap().as_ref());
    let p384_pkcs8 = pem("PRIVATE KEY", p384.to_pkcs8v1().unwrap().as_ref());
    let whole = new_secret();
    let other_half = [[1; 32], [2; 32]].concat();
    for (secret, form) in [
        (String::new(), SecretForm::Empty),
        (" \"\" \\n ".to_owned(), SecretForm::Empty),
        ("hunter2!".to_owned(), SecretForm::Unknown),
        ("-----hunter2-----".to_owned(), SecretForm::Unknown),
        (STANDARD.encode("hunter2"), SecretForm::Base64),
        (STANDARD.encode(&other_half), SecretForm::Base64),
        (STANDARD.encode([7; 48]), SecretForm::Base64),
        (whole[..whole.len() / 2].to_owned(), SecretForm::EcPem),
        (whole.replace("END EC", "END"), SecretForm::EcPem),
        (pem("EC PRIVATE KEY", b"hunter2"), SecretForm::EcPem),
        (pem("EC PRIVATE KEY", b"").replace("\n\n", "\nhunter2!\n"), SecretForm::EcPem),
        (p384_sec1, SecretForm::EcPem),
        (p384_pkcs8, SecretForm::Pkcs8Pem),
        (pem("PRIVATE KEY", b"0000000000000000"), SecretForm::Pkcs8Pem),
        (pem("ENCRYPTED PRIVATE KEY", b"hunter2"), SecretForm::EncryptedPem),
        (
            whole.replace("KEY-----\n", "KEY-----\nProc-Type: 4,ENCRYPTED\n"),
            SecretForm::EncryptedPem,
        ),
        (pem("OPENSSH PRIVATE KEY", b"hunter2"), SecretForm::OpensshPem),
        (pem("RSA PRIVATE KEY", b"hunter2"), SecretForm::RsaPem),
        (pem("PUBLIC KEY", b"hunter2"), SecretForm::PublicPem),
        (pem("HUNTER2", b"hunter2"), SecretForm::OtherPem),
    ] {
        let error = Credentials::new(KEY_NAME, &secret).expect_err(&secret);
        let AuthError::Secret { form: got, expected } = &error else { panic!("{error:?}") };
        assert_eq!(*got, form, "{secret}");
        assert!(!expected.is_empty());
        assert!(!format!("{error} {error:?}").to_lowercase().contains("hunter2"), "{error}");
    }
}

#[test]
fn a_name_that_cannot_be_one_is_refused_without_being_quoted() {
    let secret = new_secret();
    let seed = STANDARD.encode([7; 32]);
    let long = "x".repeat(600);
    for name in ["", " \" ", "two words", "na\u{ef}ve", &long, &secret, &seed] {
        let error = Credentials::new(name, &secret).expect_err(name);
        assert!(matches!(error, AuthError::KeyName { .. }), "{error:?}");
        let shown = format!("{error} {error:?}");
        assert!(name.len() < 5 || !shown.contains(name), "{shown}");
    }
    // A bare identifier is what the venue issues by now.
    let credentials = Credentials::new("'f0e1d2c3-0000-4000-8000-0123456789ab'", &secret).unwrap();
    assert_eq!(credentials.key_name(), "f0e1d2c3-0000-4000-8000-0123456789ab");
}

#[test]
fn clones_share_one_copy_of_the_secret() {
    let credentials = Credentials::new(KEY_NAME, &new_secret()).unwrap();
    let clone = credentials.clone().with_clock_skew(Duration::ZERO);
    assert!(Arc::ptr_eq(&credentials.key, &clone.key));
    assert_eq!((clone.key_name(), clone.clock_skew), (KEY_NAME, Duration::ZERO));
    assert_eq!(credentials.clock_skew, DEFAULT_CLOCK_SKEW);
    let key = Arc::downgrade(&credentials.key);
    drop(credentials);
    clone.token(at(1_000), [0; NONCE_LEN]).unwrap();
    drop(clone);
    assert_eq!(key.strong_count(), 0, "wiped with the last of them");
}

#[test]
fn debug_shows_the_name_and_neither_secret_nor_token() {
    let secret = new_secret();
    let credentials = Credentials::new(KEY_NAME, &secret).unwrap();
    let token = credentials.token(at(1_000), [1; NONCE_LEN]).unwrap();
    let shown = format!("{credentials:?} {credentials:#?} {token:?}");
    assert!(shown.contains(KEY_NAME) && shown.contains("[redacted]"));
    assert!(!secret.lines().any(|line| shown.contains(line)));
    assert!(!token.as_str().split('.').any(|part| shown.contains(part)));
}
