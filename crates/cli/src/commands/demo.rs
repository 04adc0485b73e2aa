//! `level2 demo`: a feed on a simulated exchange that loses frames, checked against its true books.

use std::time::{Duration, SystemTime};

use clap::Args;
use level2::ProductId;
use level2::feed::{Feed, FeedConfig};
use level2_sim::{ExchangeConfig, FaultPlan, ProductSpec, Server, ServerConfig};

use crate::failure::Failure;
use crate::format::text::counted;
use crate::options::duration;
use crate::runtime::block_on;
use crate::stdio::print;
use crate::stop::Listen;
use crate::view::checked::{CheckCounts, CheckedView};
use crate::view::choice::demo_view;
use crate::view::show::show;

/// How many frames of a million the exchange loses: of about 60 a second, one every 10 seconds.
const DROP_PPM: u32 = 1_700;

/// A seed whose first gap comes after about four seconds, and the next ten seconds later.
const DEFAULT_SEED: u64 = 9;

/// After this time a connection counts as healthy. Losses are so frequent here that with the
/// default, half a minute, the waits between dials would keep growing.
const HEALTHY_AFTER: Duration = Duration::from_secs(1);

const TITLE: &str = "level2 demo: the real feed on a simulated exchange that loses frames";

const INTRO: &str =
    "Each BBO (bid price x size | ask price x size) is checked against the true book.";

/// The arguments of `level2 demo`.
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// End after this time, such as 10s or 2m [default: run until Ctrl-C]
    #[arg(long, value_parser = duration::parse)]
    duration: Option<Duration>,
    /// Seed of the markets and the losses
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SEED)]
    seed: u64,
}

/// Runs the demonstration until the duration is over or the user ends it.
pub(crate) fn run(args: &DemoArgs, listen: Listen<'_>) -> Result<(), Failure> {
    block_on(demonstrate(args, listen))
}

async fn demonstrate(args: &DemoArgs, listen: Listen<'_>) -> Result<(), Failure> {
    let products = [ProductSpec::btc_usd(), ProductSpec::eth_usd(), ProductSpec::sol_usd()];
    let feed_products: Vec<ProductId> =
        products.iter().filter_map(|spec| spec.product_id().parse().ok()).collect();
    let server = Server::start(ServerConfig {
        exchange: ExchangeConfig {
            seed: args.seed,
            products: products.to_vec(),
            started_at: SystemTime::now(),
            ..ExchangeConfig::default()
        },
        faults: FaultPlan::drops(DROP_PPM).seed(args.seed),
        ..ServerConfig::default()
    })
    .await
    .map_err(|error| Failure::new(format!("cannot start the simulated exchange: {error}")))?;

    let mut config = FeedConfig::new(feed_products);
    config.url = server.url();
    config.seed = Some(args.seed);
    config.policy.healthy_after = HEALTHY_AFTER;
    let feed = Feed::new(config).map_err(|error| Failure::new(error.to_string()))?;
    let mut view = CheckedView::new(demo_view(TITLE, INTRO)?, &server);
    show(feed, &server.url(), args.duration, &mut view, listen).await?;
    let counts = view.counts();
    let faults = server.fault_counts();
    server.shutdown().await;
    print(&format!(
        "The exchange lost {} of {} on purpose.\n",
        faults.drops,
        counted(faults.frames, "frame")
    ))?;
    print(&verdict(counts)?)
}

/// Returns the last line of a demonstration. A wrong BBO is a failure, and so is that none came.
fn verdict(counts: CheckCounts) -> Result<String, Failure> {
    let CheckCounts { checked, wrong } = counts;
    if checked == 0 {
        return Err(Failure::new("no BBO came in this time; use a longer --duration, such as 8s"));
    }
    if wrong > 0 {
        return Err(Failure::new(format!(
            "{wrong} of {} differed from the exchange's true book",
            counted(checked, "BBO")
        )));
    }
    Ok(format!("Verdict: all {checked} BBOs were equal to the exchange's true book.\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_checked_and_equal_bbos_are_a_success() {
        let is_ok = |checked, wrong| verdict(CheckCounts { checked, wrong }).is_ok();
        assert!(is_ok(458, 0));
        assert!(!is_ok(458, 1));
        assert!(!is_ok(0, 0));
    }
}
