//! Encodes requests, with a token if the request wants one and there is a key.

#[cfg(feature = "auth")]
use std::time::SystemTime;

use super::error::FeedError;
#[cfg(feature = "auth")]
use crate::auth::{AuthError, Credentials, NONCE_LEN, Token};
use crate::wire::Request;

/// The key to sign requests with, if there is one.
#[derive(Clone, Debug)]
pub(super) struct Signer {
    #[cfg(feature = "auth")]
    pub(super) credentials: Option<Credentials>,
}

impl Signer {
    /// Returns whether there is a key.
    pub(super) const fn has_key(&self) -> bool {
        #[cfg(feature = "auth")]
        return self.credentials.is_some();
        #[cfg(not(feature = "auth"))]
        return false;
    }

    /// Encodes a request that is about to be sent. Its token is made now, because it is valid for
    /// two minutes only.
    ///
    /// # Errors
    /// [`FeedError`] if the request cannot be signed.
    pub(super) fn encode(&self, request: &Request) -> Result<String, FeedError> {
        #[cfg(feature = "auth")]
        if let Some(credentials) = self.credentials.as_ref().filter(|_| request.wants_token) {
            let token = fresh_token(credentials).map_err(FeedError::Auth)?;
            return Ok(request.encode(Some(token.as_str())));
        }
        Ok(request.encode(None))
    }
}

#[cfg(feature = "auth")]
fn fresh_token(credentials: &Credentials) -> Result<Token, AuthError> {
    let mut nonce = [0; NONCE_LEN];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| AuthError::CannotSign)?;
    credentials.token(SystemTime::now(), nonce)
}
