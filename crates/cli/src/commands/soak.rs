//! `level2 soak`: keeps books under faults for hours, and checks all that they promise.

use std::time::Duration;

use clap::Args;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::failure::Failure;
use crate::runtime::block_on;
use crate::soak::run::{Progress, Run};
use crate::stdio::print;
use crate::stop::{Listen, Stop};

/// The time between two steps of the run.
const TICK: Duration = Duration::from_millis(10);

/// The time between two lines of figures.
const LINE_PERIOD: Duration = Duration::from_secs(60);

/// The longest run: a year.
const MAX_HOURS: f64 = 365.0 * 24.0;

const SECONDS_PER_HOUR: f64 = 3_600.0;

/// The arguments of `level2 soak`.
#[derive(Args, Debug)]
pub(crate) struct SoakArgs {
    /// Hours of faults, such as 12 or 0.5; all books must heal after them
    #[arg(long, value_name = "H", default_value = "1", value_parser = parse_hours)]
    hours: Duration,
    /// Seed of the markets and the faults
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// Runs until the time is over, the user ends it, or a check fails.
pub(crate) fn run(args: &SoakArgs, listen: Listen<'_>) -> Result<(), Failure> {
    block_on(soak(args, listen))
}

async fn soak(args: &SoakArgs, listen: Listen<'_>) -> Result<(), Failure> {
    let mut stop = Stop::listen(listen)?;
    let mut run = Run::start(args.seed, args.hours).await?;
    if !args.json {
        print(&format!("{}\n", title(args)))?;
    }
    let outcome = drive(&mut run, &mut stop, args.json).await?;
    let report = run.report();
    print(&if args.json { report.json("soak") } else { report.table() })?;
    let failure =
        |violation: String| Failure::new(format!("check failed: {violation} (seed {})", args.seed));
    outcome.map_err(failure)?;
    run.close().await.map_err(failure)
}

fn title(args: &SoakArgs) -> String {
    format!(
        "level2 soak: {:.0?} of faults between books and a simulated exchange, seed {}; press \
         Ctrl-C to end it early",
        args.hours, args.seed
    )
}

/// Steps until the end. The inner error is the check that failed.
async fn drive(
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
            Ok(Progress::Running) => {}
            Ok(Progress::Over) => return Ok(run.check_growth()),
            Err(violation) => return Ok(Err(violation)),
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
    let hours =
        hours.ok_or("expected hours above zero and of a year (8760) at most, such as 0.5")?;
    Ok(Duration::from_secs_f64(hours * SECONDS_PER_HOUR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_may_be_fractions() {
        assert_eq!(parse_hours("0.5"), Ok(Duration::from_secs(1_800)));
        assert_eq!(parse_hours("24"), Ok(Duration::from_secs(86_400)));
        for text in ["", "0", "-1", "nan", "inf", "8761", "1h"] {
            assert!(parse_hours(text).is_err(), "{text:?} was accepted");
        }
    }
}
