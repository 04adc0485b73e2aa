//! Where a command gets its key from. A key is never an argument: others can see those.

use std::path::PathBuf;

use clap::Args;
use level2::auth::Credentials;

use crate::failure::Failure;
use crate::format::text::printable;

/// The key that a command signs with, if it is given one.
#[derive(Args, Debug)]
#[group(skip)]
pub(crate) struct KeyArgs {
    /// Sign with the key in this file, as the venue hands it out
    // A secret in this place begins with dashes, and must not be quoted as an unknown option.
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    key_file: Option<PathBuf>,
    /// Take the key file although others than its owner can read it
    #[arg(long, requires = "key_file")]
    key_file_readable_by_others: bool,
    /// Sign with the key in COINBASE_API_KEY and COINBASE_API_SECRET
    #[arg(long, conflicts_with = "key_file")]
    env: bool,
}

impl KeyArgs {
    /// Reads the key. Returns `None` where none was named.
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
