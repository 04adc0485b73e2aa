//! Which live venue a command connects to, for what, with which key, and for how long.

use std::time::Duration;

use clap::Args;
use level2::ProductId;
use level2::feed::{COINBASE_URL, FeedConfig};

use crate::failure::Failure;
use crate::options::key::KeyArgs;

/// What every command is told that connects to a venue.
#[derive(Args, Debug)]
pub(crate) struct VenueArgs {
    /// Products, such as BTC-USD
    #[arg(required = true, value_name = "PRODUCT")]
    products: Vec<ProductId>,
    /// Where to connect
    #[arg(long, default_value = COINBASE_URL)]
    pub(crate) url: String,
    /// Take ws:// at other hosts than this one: anyone on the way can change prices
    #[arg(long)]
    allow_plaintext: bool,
    #[command(flatten)]
    key: KeyArgs,
    /// End after this long, such as 10s or 2m
    #[arg(long, value_parser = crate::options::duration::parse)]
    pub(crate) duration: Option<Duration>,
}

impl VenueArgs {
    /// Returns the settings of the feed, and reads the key.
    pub(crate) fn feed_config(&self) -> Result<FeedConfig, Failure> {
        let mut config = FeedConfig::new(self.products.iter().cloned());
        config.url.clone_from(&self.url);
        config.allow_plaintext = self.allow_plaintext;
        config.credentials = self.key.credentials()?;
        Ok(config)
    }
}
