//! What fuzzing runs, run as tests: the inputs that are kept, changes of them, and random ones.
//!
//! The bodies of the fuzz targets are those of the package `fuzz`, which libFuzzer drives for hours
//! (`fuzz/run.sh`). Here any toolchain runs them, and a seed decides what is random:
//! `FUZZ_RUNS=100000` runs so many changed inputs of each target, `FUZZ_SECONDS=20` as many as so
//! many seconds allow, and `FUZZ_SEED=7` starts at that one.

// A library there, whose doors are public; a part of this test here.
#[expect(unreachable_pub)]
#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use fastrand::Rng;

/// The longest random input.
const MAX_RANDOM_LEN: usize = 600;

/// The longest changed input: longer ones only take longer.
const MAX_CHANGED_LEN: usize = 4_096;

/// The most changes of one input.
const MAX_CHANGES: usize = 8;

/// How many changed inputs each target is run with unless `FUZZ_RUNS` says otherwise.
const RUNS_DEFAULT: u64 = 1_000;

/// Prints which input was at work when a check failed, and how to run it again.
struct Told<'a>(&'a str, &'a [u8]);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the input is {}: \"{}\"", self.0, self.1.escape_ascii());
        }
    }
}

/// Hands every input that is kept for a target to its body, and then changed ones.
fn run_corpus(target: &str, mut body: impl FnMut(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "nothing is kept for {target}");
    let mut kept = Vec::new();
    for path in paths {
        let input = fs::read(&path).unwrap();
        let _told = Told(&path.display().to_string(), &input);
        body(&input);
        kept.push(input.clone());
    }
    let first = number("FUZZ_SEED").unwrap_or(0);
    let (is_over, mut runs) = (stopwatch(), 0);
    while !is_over(runs) {
        let seed = first + runs;
        let input = changed(&kept, &mut Rng::with_seed(seed));
        let _told = Told(&format!("that of {target} with FUZZ_SEED={seed} FUZZ_RUNS=1"), &input);
        body(&input);
        runs += 1;
    }
    println!("{target}: {runs} changed inputs");
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Returns what says, after so many runs, whether they are enough.
fn stopwatch() -> impl Fn(u64) -> bool {
    let runs = number("FUZZ_RUNS").unwrap_or(RUNS_DEFAULT);
    let ends = number("FUZZ_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
    move |done| ends.map_or(done >= runs, |ends| Instant::now() >= ends)
}

/// Makes an input of one that is kept, and of pieces of the others.
fn changed(kept: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = rng.choice(kept).expect("something is kept").clone();
    for _ in 0..rng.usize(1..=MAX_CHANGES) {
        let piece = some_range(bytes.len(), rng);
        let at = piece.start;
        match rng.u8(..8) {
            0..=1 if at < bytes.len() => bytes[at] = rng.u8(..),
            2 if at < bytes.len() => bytes[at] ^= 1 << rng.u8(..8),
            3 if at < bytes.len() => {
                bytes[at] = bytes[at].wrapping_add(rng.u8(..5)).wrapping_sub(2)
            }
            4 => drop(bytes.drain(piece)),
            5 => {
                let repeated = bytes[piece].to_vec();
                bytes.splice(at..at, repeated);
            }
            6 => {
                let other = rng.choice(kept).expect("something is kept");
                let theirs = some_range(other.len(), rng);
                bytes.splice(piece, other[theirs].iter().copied());
            }
            _ => bytes.insert(at, rng.u8(..)),
        }
    }
    bytes.truncate(MAX_CHANGED_LEN);
    bytes
}

/// Returns a range of so many bytes, more often a short one.
fn some_range(len: usize, rng: &mut Rng) -> std::ops::Range<usize> {
    let start = rng.usize(..=len);
    let longest = (len - start) >> rng.u32(..8);
    start..start + rng.usize(..=longest)
}

/// Hands random inputs to a body, each of its own seed.
fn run_random(runs: u64, mut body: impl FnMut(&[u8])) {
    let mut bytes = Vec::new();
    for seed in 0..runs {
        let mut rng = Rng::with_seed(seed);
        bytes.resize(rng.usize(0..=MAX_RANDOM_LEN), 0);
        rng.fill(&mut bytes);
        let _told = Told(&format!("random, of seed {seed}"), &bytes);
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
