//! `level2 watch`: live books of the venue.

use clap::Args;

use crate::failure::Failure;
use crate::options::venue::VenueArgs;
use crate::runtime::block_on;
use crate::stop::Listen;
use crate::view::View;
use crate::view::choice::watch_view;
use crate::view::json::JsonView;
use crate::view::show::show;

/// The most levels a side that are shown.
const MAX_DEPTH: u64 = 1_000;

/// The arguments of `level2 watch`.
#[derive(Args, Debug)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    venue: VenueArgs,
    /// Levels to show on each side; --json always prints the BBO alone
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u64).range(1..=MAX_DEPTH))]
    depth: u64,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// Watches until the duration is over, the user ends it, or the venue cannot be reached.
pub(crate) fn run(args: &WatchArgs, listen: Listen<'_>) -> Result<(), Failure> {
    let feed = args.venue.feed()?;
    let url = args.venue.printable_url();
    let depth = usize::try_from(args.depth).expect("MAX_DEPTH fits every usize");
    block_on(async {
        let mut view: Box<dyn View> = if args.json {
            Box::new(JsonView::default())
        } else {
            watch_view(&format!("level2 watch: live order books of {url}"), depth)?
        };
        show(feed, &url, args.venue.duration, view.as_mut(), listen).await
    })
}
