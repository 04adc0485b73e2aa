//! `level2 token`: one token for use elsewhere.

use std::time::SystemTime;

use clap::{ArgGroup, Args};
use level2::auth::{AuthError, NONCE_LEN};

use crate::failure::{Failure, print};
use crate::options::key::KeyArgs;

/// What the token is signed with.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("key").required(true).args(["key_file", "env"]))]
pub(crate) struct TokenArgs {
    #[command(flatten)]
    key: KeyArgs,
}

/// Prints one token that is valid for two minutes, and nothing else.
pub(crate) fn run(args: &TokenArgs) -> Result<(), Failure> {
    let failed = |error: AuthError| Failure::new(error.to_string());
    let key = args.key.credentials()?;
    let key = key.ok_or_else(|| Failure::new("expected --key-file or --env, got neither"))?;
    let mut nonce = [0; NONCE_LEN];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| failed(AuthError::CannotSign))?;
    let token = key.token(SystemTime::now(), nonce).map_err(failed)?;
    print(&format!("{}\n", token.as_str()))
}
