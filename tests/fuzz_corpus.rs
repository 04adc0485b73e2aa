//! What fuzzing runs, run as tests: the inputs that are kept, and some random ones.
//!
//! The bodies of the fuzz targets are those of the package `fuzz`, which libFuzzer drives for hours
//! (`fuzz/run.sh`). Here any toolchain runs them, and a seed decides what is random.

// A library there, whose doors are public; a part of this test here.
#[allow(unreachable_pub)]
#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::fs;
use std::path::Path;

use fastrand::Rng;

/// The longest random input.
const MAX_LEN: usize = 600;

/// Prints which input was at work when a check failed.
struct Told<'a>(&'a str);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the input is {}", self.0);
        }
    }
}

/// Hands every input that is kept for a target to its body.
fn run_corpus(target: &str, mut body: impl FnMut(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "nothing is kept for {target}");
    for path in paths {
        let _told = Told(&path.display().to_string());
        body(&fs::read(&path).unwrap());
    }
}

/// Hands random inputs to a body, each of its own seed.
fn run_random(runs: u64, mut body: impl FnMut(&[u8])) {
    let mut bytes = Vec::new();
    for seed in 0..runs {
        let _told = Told(&format!("random, of seed {seed}"));
        let mut rng = Rng::with_seed(seed);
        bytes.resize(rng.usize(0..=MAX_LEN), 0);
        rng.fill(&mut bytes);
        body(&bytes);
    }
}

#[test]
fn changes_of_a_book_do_what_they_do_to_a_naive_one() {
    run_corpus("book_ops", fuzz::book_ops);
    run_random(300, fuzz::book_ops);
}

#[test]
fn all_readers_of_a_frame_agree() {
    let mut taken = 0;
    run_corpus("decode_agree", |bytes| taken += u32::from(fuzz::decode_agree(bytes)));
    assert!(taken > 0, "nothing that is kept reaches the first tier");
    run_random(300, |bytes| {
        fuzz::decode_agree(bytes);
    });
    // After a byte of zero the rest are choices, which make frames close to the usual shape.
    let (runs, mut taken) = (3_000, 0);
    run_random(runs, |bytes| {
        taken += u64::from(fuzz::decode_agree(&[&[0], bytes].concat()));
    });
    assert!(taken > runs / 50, "only {taken} of {runs} frames reach the first tier");
}

#[cfg(feature = "auth")]
#[test]
fn secrets_are_read_or_refused_and_never_quoted() {
    run_corpus("key_text", fuzz::key_text);
    run_random(300, fuzz::key_text);
}

#[test]
fn recordings_show_nothing_that_is_not_known_to_be_right() {
    run_corpus("recording", fuzz::recording);
    run_random(100, fuzz::recording);
}

#[test]
fn sessions_show_nothing_that_is_not_known_to_be_right() {
    run_corpus("session", fuzz::session);
    run_random(300, fuzz::session);
}
