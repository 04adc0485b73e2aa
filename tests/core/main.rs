//! The core: its rules as scripts, its questions beside an oracle, its tokens beside other code.

#[cfg(feature = "auth")]
#[path = "../support/keys.rs"]
mod keys;
#[path = "../support/notation.rs"]
mod notation;

#[cfg(feature = "auth")]
mod auth_keys;
mod depth_oracle;
mod scenarios;
#[cfg(feature = "auth")]
mod token_checks;
