//! No memory that held a part of a secret is given back before it is wiped.
//!
//! The allocator of this test binary looks through every block that it gets back. Buffers that
//! grow count too: without a `realloc` of its own a block moves by being copied and given back.

#![cfg(feature = "auth")]
#![allow(unsafe_code)]

#[path = "support/keys.rs"]
mod keys;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use level2::auth::{Credentials, NONCE_LEN};
use serde_json::json;

use self::keys::*;

/// How many bytes of a secret in a row are a leak.
const PIECE_LEN: usize = 12;

thread_local! {
    /// What is looked for, and whether anything is.
    static PIECES: RefCell<Vec<[u8; PIECE_LEN]>> = const { RefCell::new(Vec::new()) };
    static IS_LOOKING: Cell<bool> = const { Cell::new(false) };
    static LEAKS: Cell<usize> = const { Cell::new(0) };
}

struct Looking;

impl Looking {
    fn look(block: &[u8]) {
        if !IS_LOOKING.try_with(Cell::get).unwrap_or(false) {
            return;
        }
        let _ = PIECES.try_with(|pieces| {
            let pieces = pieces.borrow();
            let leaks = block.windows(PIECE_LEN).any(|window| pieces.iter().any(|p| p == window));
            LEAKS.with(|count| count.set(count.get() + usize::from(leaks)));
        });
    }
}

// SAFETY: Every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Looking {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A block that is not written to must not show what an earlier owner left in it.
        // SAFETY: The caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: The caller gives back a block of this size, all of which `alloc` has written to.
        Self::look(unsafe { std::slice::from_raw_parts(memory, layout.size()) });
        // SAFETY: As above; the memory came from the same allocator.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static LOOKING: Looking = Looking;

/// Counts the blocks that are given back with a piece of these texts in them.
fn leaks_of(texts: &[&[u8]], work: impl FnOnce()) -> usize {
    let pieces: Vec<[u8; PIECE_LEN]> = texts
        .iter()
        .flat_map(|text| text.windows(PIECE_LEN))
        .map(|w| w.try_into().unwrap())
        .collect();
    PIECES.with(|slot| slot.replace(pieces));
    LEAKS.with(|count| count.set(0));
    IS_LOOKING.with(|is_looking| is_looking.set(true));
    work();
    IS_LOOKING.with(|is_looking| is_looking.set(false));
    PIECES.with(|slot| slot.replace(Vec::new()));
    LEAKS.with(Cell::get)
}

/// The lines of base64 of a form, and the secret itself.
fn secrets<'a>(private: &'a [u8], form: &'a str) -> Vec<&'a [u8]> {
    let pieces = form.split(|c: char| !c.is_ascii_alphanumeric() && !"+/=".contains(c));
    let pieces = pieces.filter(|piece| piece.len() >= 40).map(str::as_bytes);
    pieces.chain([private]).collect()
}

#[test]
fn the_allocator_sees_a_secret_that_is_not_wiped() {
    let secret = b"0123456789abcdef".as_slice();
    assert_eq!(leaks_of(&[secret], || drop(secret.to_vec())), 1);
    let grown = || {
        let mut buffer = secret.to_vec();
        buffer.extend([0; 1_000]);
        buffer[..secret.len()].fill(0);
    };
    assert_eq!(leaks_of(&[secret], grown), 1, "the smaller block was given back as it was");
    assert_eq!(leaks_of(&[secret], || drop(vec![0; 100])), 0);
}

#[test]
fn reading_signing_and_dropping_leave_nothing_of_a_key_behind() {
    for key in [TestKey::new_ec(), TestKey::new_ed25519()] {
        let private = key.private();
        for (form, secret) in key.forms() {
            let leaks = leaks_of(&secrets(&private, &secret), || {
                let credentials = Credentials::new(KEY_NAME, &secret).unwrap();
                let token = credentials.token(SystemTime::now(), [7; NONCE_LEN]).unwrap();
                drop((format!("{credentials:?}"), token));
                let clone = credentials.clone();
                drop(credentials);
                drop(clone.token(SystemTime::now(), [8; NONCE_LEN]).unwrap());
            });
            assert_eq!(leaks, 0, "{form}");
            let (head, tail) = secret.split_at(secret.len() / 2);
            let broken = format!("{head}!{tail}");
            let leaks = leaks_of(&secrets(&private, &secret), || {
                drop(Credentials::new(KEY_NAME, &broken));
                drop(Credentials::new(&secret, &secret));
            });
            assert_eq!(leaks, 0, "{form}, broken");
        }
    }
}

#[test]
fn a_key_file_leaves_nothing_behind() {
    let key = TestKey::new_ec();
    let private = key.private();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wiped.json");
    for (form, secret) in key.forms() {
        fs::write(&path, json!({"name": KEY_NAME, "privateKey": secret}).to_string()).unwrap();
        let leaks = leaks_of(&secrets(&private, &secret), || {
            drop(Credentials::from_key_file_readable_by_others(&path).unwrap());
        });
        assert_eq!(leaks, 0, "{form}");
    }
}

/// A token is worth something for two minutes only; it is wiped all the same.
#[test]
fn a_dropped_token_leaves_nothing_behind() {
    let credentials = Credentials::new(KEY_NAME, &TestKey::new_ed25519().secret()).unwrap();
    // EdDSA signs the same text alike, so the token is known beforehand.
    let now = SystemTime::now();
    let known = credentials.token(now, [7; NONCE_LEN]).unwrap();
    let signature = known.as_str().rsplit('.').next().unwrap();
    let leaks = leaks_of(&[signature.as_bytes()], || {
        drop(credentials.token(now, [7; NONCE_LEN]).unwrap());
    });
    assert_eq!(leaks, 0);
}
