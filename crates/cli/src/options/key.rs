//! The options that name an API key. A key itself is never an argument: other users can see those.

use std::path::PathBuf;

use clap::Args;
use level2::auth::Credentials;

use crate::failure::Failure;
use crate::format::text::printable;

/// Where the API key of a command is.
#[derive(Args, Debug)]
#[group(skip)]
pub(crate) struct KeyArgs {
    /// Sign requests with the API key in this file, as downloaded from the venue
    // Users paste a secret here by mistake. It begins with dashes, and must not be quoted as an
    // unknown option.
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    key_file: Option<PathBuf>,
    /// Accept a key file that other users can read
    #[arg(long, requires = "key_file")]
    key_file_readable_by_others: bool,
    /// Sign requests with the API key in COINBASE_API_KEY and COINBASE_API_SECRET
    #[arg(long, conflicts_with = "key_file")]
    env: bool,
}

impl KeyArgs {
    /// Reads the key, or returns `None` if no option names one.
    pub(crate) fn credentials(&self) -> Result<Option<Credentials>, Failure> {
        let read = match &self.key_file {
            Some(path) if self.key_file_readable_by_others => {
                Credentials::from_key_file_readable_by_others(path)
            }
            Some(path) => Credentials::from_key_file(path),
            None if self.env => Credentials::from_env(),
            None => return Ok(None),
        };
        read.map(Some).map_err(|error| Failure::new(printable(&error.to_string())))
    }
}
