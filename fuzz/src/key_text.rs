//! Text that is to be a secret key: read or refused, and never quoted.

use level2::auth::Credentials;

/// How long a piece of a secret in an error would be a leak: less is chance.
const LEAK_LEN: usize = 8;

/// The labels of the blocks that keys come in.
const LABELS: [&str; 4] = ["EC PRIVATE KEY", "PRIVATE KEY", "EC PARAMETERS", "PUBLIC KEY"];

/// Takes bytes for a secret, as they are or, by their first one, in a block with a label.
///
/// # Panics
/// When an error quotes the secret.
pub fn key_text(data: &[u8]) {
    let (label, bytes) = match data.split_first() {
        Some((first, rest)) if *first < 4 => (Some(LABELS[usize::from(*first)]), rest),
        _ => (None, data),
    };
    let text = String::from_utf8_lossy(bytes);
    let secret = match label {
        Some(label) => format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n"),
        None => text.into_owned(),
    };
    let Err(error) = Credentials::new("organizations/0/apiKeys/1", &secret) else { return };
    let shown = format!("{error} {error:?}");
    // What stands between the block's own words: those the message may name.
    for piece in secret.split(|c: char| !c.is_ascii_alphanumeric() && !"+/=".contains(c)) {
        for window in piece.as_bytes().windows(LEAK_LEN) {
            // Words are the message's own; a key of nothing but letters of one case is none.
            if is_word(window) {
                continue;
            }
            let Ok(window) = std::str::from_utf8(window) else { continue };
            assert!(!shown.contains(window), "{shown:?} holds {window:?} of its input");
        }
    }
}

fn is_word(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_lowercase) || text.iter().all(u8::is_ascii_uppercase)
}
