//! `level2 watch`: the books of a live venue.

use clap::Args;

use crate::failure::Failure;
use crate::format::text::printable;
use crate::options::venue::VenueArgs;
use crate::stop::Listen;
use crate::view::json::JsonView;
use crate::view::show::{View, show, view_for_people};

/// The most levels a side that can be shown.
const MAX_DEPTH: u64 = 1_000;

/// What is to be watched.
#[derive(Args, Debug)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    venue: VenueArgs,
    /// Levels to show on each side; with --json it changes nothing
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u64).range(1..=MAX_DEPTH))]
    depth: u64,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// Watches until the duration is over, the user ends it, or the venue cannot be reached.
pub(crate) fn run(args: &WatchArgs, listen: Listen<'_>) -> Result<(), Failure> {
    let config = args.venue.feed_config()?;
    crate::run_async(async {
        let mut view: Box<dyn View> = if args.json {
            Box::new(JsonView::default())
        } else {
            let title = format!("level2 watch: live order books of {}", printable(&args.venue.url));
            view_for_people(&title, usize::try_from(args.depth).unwrap_or(usize::MAX))?
        };
        show(config, args.venue.duration, view.as_mut(), listen).await
    })
}
