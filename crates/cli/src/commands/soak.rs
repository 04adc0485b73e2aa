//! `level2 soak`: hours of the whole path under faults, with all that it promises checked.
//!
//! One process holds a simulated exchange on a loopback socket and three groups of books: one
//! heals by new connections, one by subscribing again, one has standbys. Phases of faults, drawn
//! from the seed, follow each other. Every best bid and ask that is published, and a share of
//! those that reading threads are shown, is looked up in the exchange's truth at its number. Every
//! so often the faults pause and the markets stand still: within `MAX_HEAL` all books have
//! to be live, and equal to the exchange's level by level.

use std::time::Duration;

use clap::Args;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::failure::{Failure, print};
use crate::soak::run::{Run, Standing};
use crate::stop::{Listen, Stop};

/// How often what was published is looked up.
const TICK: Duration = Duration::from_millis(10);

/// How often a line is printed.
const LINE_PERIOD: Duration = Duration::from_secs(60);

/// The longest that can be asked for: a year.
const MAX_HOURS: f64 = 365.0 * 24.0;

const SECONDS_PER_HOUR: f64 = 3_600.0;

/// What the soak is told.
#[derive(Args, Debug)]
pub(crate) struct SoakArgs {
    /// How many hours faults strike, such as 12 or 0.5; all books then heal once more
    #[arg(long, value_name = "H", default_value = "1", value_parser = parse_hours)]
    hours: Duration,
    /// Decides every market and the faults of every phase
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// Runs until the time is over, the user ends it, or something is not as promised.
pub(crate) fn run(args: &SoakArgs, listen: Listen<'_>) -> Result<(), Failure> {
    crate::run_async(soak(args, listen))
}

async fn soak(args: &SoakArgs, listen: Listen<'_>) -> Result<(), Failure> {
    let mut stop = Stop::listen(listen)?;
    let mut run = Run::start(args.seed, args.hours).await?;
    if !args.json {
        print(&format!("{}\n", title(args)))?;
    }
    let outcome = watch(&mut run, &mut stop, args.json).await?;
    let report = run.report();
    print(&if args.json { report.json("soak") } else { report.table() })?;
    let broken =
        |what: String| Failure::new(format!("not as promised: {what} (seed {})", args.seed));
    outcome.map_err(broken)?;
    run.close().await.map_err(broken)
}

fn title(args: &SoakArgs) -> String {
    format!(
        "level2 soak: {:.0?} of faults between books and a simulated exchange, seed {}; Ctrl-C \
         ends it early",
        args.hours, args.seed
    )
}

/// Goes on until the end; what is not as promised is the inner error.
async fn watch(
    run: &mut Run,
    stop: &mut Stop,
    is_json: bool,
) -> Result<Result<(), String>, Failure> {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next_line = Instant::now() + LINE_PERIOD;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.requested() => return Ok(Ok(())),
        }
        match run.step() {
            Ok(Standing::Running) => {}
            Ok(Standing::Over) => return Ok(run.judge_usage()),
            Err(breach) => return Ok(Err(breach)),
        }
        if Instant::now() >= next_line {
            next_line += LINE_PERIOD;
            let report = run.report();
            print(&if is_json { report.json("minute") } else { report.line() })?;
        }
    }
}

fn parse_hours(text: &str) -> Result<Duration, String> {
    let hours: Option<f64> = text.parse().ok().filter(|hours| *hours > 0.0 && *hours <= MAX_HOURS);
    let hours = hours.ok_or("expected hours, more than none and at most a year, such as 0.5")?;
    Ok(Duration::from_secs_f64(hours * SECONDS_PER_HOUR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_may_be_parts_of_hours() {
        assert_eq!(parse_hours("0.5"), Ok(Duration::from_secs(1_800)));
        assert_eq!(parse_hours("24"), Ok(Duration::from_secs(86_400)));
        for text in ["", "0", "-1", "nan", "inf", "8761", "1h"] {
            assert!(parse_hours(text).is_err(), "{text:?} was taken");
        }
    }
}
