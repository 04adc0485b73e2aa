//! The options of the commands that connect to a venue.

use std::time::Duration;

use clap::Args;
use level2::ProductId;
use level2::feed::{COINBASE_URL, ConfigError, Feed, FeedConfig};

use super::duration;
use super::key::KeyArgs;
use crate::failure::Failure;
use crate::format::text::printable;

/// The products, the venue, the API key, and how long to run.
#[derive(Args, Debug)]
pub(crate) struct VenueArgs {
    /// Products, such as BTC-USD
    #[arg(required = true, value_name = "PRODUCT")]
    products: Vec<ProductId>,
    /// WebSocket address of the venue
    #[arg(long, default_value = COINBASE_URL)]
    pub(crate) url: String,
    /// Accept an unencrypted ws:// address of another host: anyone on the way can change prices
    #[arg(long)]
    allow_plaintext: bool,
    #[command(flatten)]
    key: KeyArgs,
    /// End after this time, such as 10s or 2m [default: run until Ctrl-C]
    #[arg(long, value_parser = duration::parse)]
    pub(crate) duration: Option<Duration>,
}

impl VenueArgs {
    /// Reads the key and returns a feed that is not connected yet.
    pub(crate) fn feed(&self) -> Result<Feed, Failure> {
        let mut config = FeedConfig::new(self.products.iter().cloned());
        config.url.clone_from(&self.url);
        config.allow_plaintext = self.allow_plaintext;
        config.credentials = self.key.credentials()?;
        Feed::new(config).map_err(|error| {
            let message = match error {
                // The library names its setting, and here it is an option.
                ConfigError::Plaintext { host } => format!(
                    "ws:// to {host} would not be encrypted: use wss://, or give --allow-plaintext"
                ),
                error => error.to_string(),
            };
            Failure::usage(printable(&message))
        })
    }

    /// Returns the address, fit for a terminal.
    pub(crate) fn printable_url(&self) -> String {
        printable(&self.url)
    }
}
