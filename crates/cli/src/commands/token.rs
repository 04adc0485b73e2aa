//! `level2 token`: prints a token for use elsewhere.

use std::time::SystemTime;

use clap::{ArgGroup, Args};
use level2::auth::{AuthError, NONCE_LEN};

use crate::failure::Failure;
use crate::options::key::KeyArgs;
use crate::stdio::print;

/// The arguments of `level2 token`. One of the two options for the key is required.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("key").required(true).args(["key_file", "env"]))]
pub(crate) struct TokenArgs {
    #[command(flatten)]
    key: KeyArgs,
}

/// Prints a token that is valid for two minutes, and nothing else.
pub(crate) fn run(args: &TokenArgs) -> Result<(), Failure> {
    let failed = |error: AuthError| Failure::new(error.to_string());
    let credentials = args.key.credentials()?.expect("clap requires an option that names a key");
    let mut nonce = [0; NONCE_LEN];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| failed(AuthError::CannotSign))?;
    let token = credentials.token(SystemTime::now(), nonce).map_err(failed)?;
    print(&format!("{}\n", token.as_str()))
}
