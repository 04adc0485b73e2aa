//! Whether this run measures or only tests, and the harness set up for either.

use std::time::Duration;

use criterion::Criterion;

/// Returns whether every bench is to run once, as a test.
///
/// `cargo bench` hands over `--bench`; `cargo test --benches` does not. That is criterion's own
/// rule, and what is measured here without criterion has to follow it too.
pub(crate) fn is_test() -> bool {
    let mut is_bench = false;
    for argument in std::env::args() {
        match argument.as_str() {
            "--test" | "--list" => return true,
            "--bench" => is_bench = true,
            _ => {}
        }
    }
    !is_bench
}

/// Returns the harness, with times that suit benches which repeat themselves closely.
pub(crate) fn criterion() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(50)
        .configure_from_args()
}
