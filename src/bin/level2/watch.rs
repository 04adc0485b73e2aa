//! `level2 watch`: the books of a live venue.

use std::time::Duration;

use clap::Args;
use level2::ProductId;
use level2::feed::{COINBASE_URL, FeedConfig};

use crate::failure::Failure;
use crate::json_view::JsonView;
use crate::key::KeyArgs;
use crate::live::{View, show, view_for_people};
use crate::text::printable;

/// The most levels a side that can be shown.
const MAX_DEPTH: u64 = 1_000;

/// What is to be watched.
#[derive(Args, Debug)]
pub(crate) struct WatchArgs {
    /// Products, such as BTC-USD
    #[arg(required = true, value_name = "PRODUCT")]
    products: Vec<ProductId>,
    /// Where to connect
    #[arg(long, default_value = COINBASE_URL)]
    url: String,
    /// Take ws:// at other hosts than this one: anyone on the way can change prices
    #[arg(long)]
    allow_plaintext: bool,
    #[command(flatten)]
    key: KeyArgs,
    /// Levels to show on each side; with --json it changes nothing
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u64).range(1..=MAX_DEPTH))]
    depth: u64,
    /// End after this long, such as 10s or 2m
    #[arg(long, value_parser = crate::duration::parse)]
    duration: Option<Duration>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// Watches until the duration is over, the user ends it, or the venue cannot be reached.
pub(crate) fn run(args: &WatchArgs) -> Result<(), Failure> {
    let mut config = FeedConfig::new(args.products.iter().cloned());
    config.url.clone_from(&args.url);
    config.allow_plaintext = args.allow_plaintext;
    config.credentials = args.key.credentials()?;
    crate::run_async(async {
        let mut view: Box<dyn View> = if args.json {
            Box::new(JsonView::default())
        } else {
            let title = format!("level2 watch: live order books of {}", printable(&args.url));
            view_for_people(&title, usize::try_from(args.depth).unwrap_or(usize::MAX))?
        };
        show(config, args.duration, view.as_mut()).await
    })
}
