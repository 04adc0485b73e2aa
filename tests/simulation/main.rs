//! Sessions against the simulated exchange over a faulty network, in virtual time.
//!
//! No socket, no runtime, no waiting: a minute of traffic passes in a millisecond or two. A seed
//! decides everything: the products and how their markets move, which faults strike and how often,
//! the session's settings, when dials fail, when the machine sleeps and when the caller changes
//! its mind about products. Beside the session runs an [oracle](oracle) that sees every frame as
//! the exchange sent it; what can be read of the session is compared with it after every input.
//!
//! | command | what it does |
//! |---|---|
//! | `cargo test -p level2 --test simulation` | a few seeds |
//! | `SEEDS=10000 cargo test -p level2 --release --test simulation` | as many, on all cores |
//! | `FIRST=5000 SEEDS=1000 ..` | those from 5,000 on |
//! | `SEED=7 .. -- --nocapture` | one seed; should it fail, with its last moves |
//!
//! A seed that fails is appended to `tests/simulation/regressions.txt`, whose seeds always run.

mod oracle;
mod plan;
#[path = "../support/seeds.rs"]
mod seeds;
mod tally;
mod world;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use level2::session::Resync;

use self::plan::Plan;
use self::seeds::{Told, seeds};
use self::tally::Tally;
use self::world::{Run, simulate};

/// How many seeds run unless `SEEDS` says otherwise: as many as a build without optimisation does
/// in a few seconds.
const SEEDS_DEFAULT: u64 = 150;

#[test]
fn whatever_strikes_what_can_be_read_is_true_and_everything_heals() {
    let seeds = seeds(SEEDS_DEFAULT);
    let (tally, failed) = run_all(seeds.clone(), &simulate_seed);
    println!("seeds {} to {}: {tally}", seeds.start, seeds.end - 1);
    for seed in &failed {
        keep(*seed);
    }
    assert!(failed.is_empty(), "seeds that failed: {failed:?}; each runs alone with SEED=..");
    assert!(tally.looks > 0);
}

#[test]
fn seeds_that_once_failed_do_no_longer() {
    for line in fs::read_to_string(regressions()).unwrap().lines() {
        assert!(!line.contains(UNEXPLAINED), "expected what the seed showed, got {line:?}");
        if let Some(seed) = seed_of(line) {
            simulate_seed(seed.parse().unwrap());
        }
    }
}

#[test]
fn a_seed_tells_the_same_story_twice() {
    for seed in 0..12 {
        assert_eq!(simulate_seed(seed).story, simulate_seed(seed).story, "seed {seed}");
    }
    assert_ne!(simulate_seed(0).story, simulate_seed(1).story);
}

#[test]
fn seeds_differ_in_what_strikes() {
    let plans: Vec<Plan> = (0..400).map(Plan::draw).collect();
    let kinds = |plan: &Plan| plan.kinds_of_fault();
    assert!(plans.iter().any(|plan| kinds(plan) == 0), "some are quiet");
    assert!(plans.iter().any(|plan| kinds(plan) == 1), "some have one kind of fault alone");
    assert!(plans.iter().any(|plan| kinds(plan) > 8), "some have many");
    for policy in [Resync::Passive, Resync::Reconnect, Resync::Resubscribe] {
        assert!(plans.iter().any(|plan| plan.config.policy.resync == policy), "{policy:?}");
    }
}

#[test]
fn without_faults_nothing_is_ever_lost() {
    // A caller with a passive policy ends and begins subscriptions itself at the end.
    let is_quiet = |plan: Plan| plan.is_quiet() && plan.config.policy.resync != Resync::Passive;
    for seed in (0..).filter(|seed| is_quiet(Plan::draw(*seed))).take(8) {
        let stats = simulate_seed(seed).tally.stats;
        let losses = [stats.gaps, stats.resets, stats.duplicates, stats.undecodable, stats.crossed];
        assert_eq!(losses, [0; 5], "seed {seed}");
        assert_eq!((stats.reconnects, stats.late, stats.resyncs), (0, 0, 0), "seed {seed}");
    }
}

fn simulate_seed(seed: u64) -> Run {
    let plan = Plan::draw(seed);
    let _told = Told(seed, plan.config.policy.resync);
    simulate(seed, plan)
}

/// Runs the seeds on all cores. Returns what they did together, and those that failed.
fn run_all(seeds: Range<u64>, run: &(dyn Fn(u64) -> Run + Sync)) -> (Tally, Vec<u64>) {
    let started = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let (mut tally, mut failed) = (Tally::default(), Vec::new());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end || failed.len() >= FAILURES_MAX {
                return (tally, failed);
            }
            match catch_unwind(AssertUnwindSafe(|| run(seed))) {
                Ok(done) => tally.add(&done.tally),
                Err(_) => failed.push(seed),
            }
            if seed > seeds.start && seed.is_multiple_of(PROGRESS_EVERY) {
                eprintln!("seed {seed} after {:?}", started.elapsed());
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (mut tally, mut failed) = (Tally::default(), Vec::new());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let (more, more_failed) = worker.join().expect("a worker catches panics of its runs");
            tally.add(&more);
            failed.extend(more_failed);
        }
    });
    failed.sort_unstable();
    (tally, failed)
}

/// A worker that has seen so many seeds fail goes on with no other.
const FAILURES_MAX: usize = 5;

/// After how many seeds a long run says how far it is.
const PROGRESS_EVERY: u64 = 50_000;

/// Appends a seed to those that always run, unless it is one of them.
fn keep(seed: u64) {
    let kept = fs::read_to_string(regressions()).unwrap();
    if kept.lines().any(|line| seed_of(line) == Some(&seed.to_string())) {
        return;
    }
    let mut file = OpenOptions::new().append(true).open(regressions()).unwrap();
    writeln!(file, "{seed} # {UNEXPLAINED}").unwrap();
}

/// The seed of a line of the file, whose comments say what it showed.
fn seed_of(line: &str) -> Option<&str> {
    let (seed, _) = line.split_once('#').unwrap_or((line, ""));
    Some(seed.trim()).filter(|seed| !seed.is_empty())
}

/// What stands in the file until somebody has found out.
const UNEXPLAINED: &str = "say here what it showed";

fn regressions() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "simulation", "regressions.txt"].iter().collect()
}
