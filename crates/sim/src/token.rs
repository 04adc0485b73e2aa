//! What the simulated exchange requires of tokens, as the venue documents it.
//!
//! Only public keys are needed here. The venue gives the same answer to every bad token, so a
//! [`TokenFault`] is for tests alone.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// The most nonces that are remembered; beyond them some are forgotten early. A client at the limit
/// of 8 requests a second uses a thousand in the two minutes that a token lives.
const MAX_NONCES: usize = 65_536;

const LIFETIME_S: u64 = 120;
const MIN_NONCE_DIGITS: usize = 32;

/// Which tokens an [`Exchange`](crate::Exchange) accepts.
///
/// ```
/// use level2_sim::{ExchangeConfig, PublicKey, TokenRules};
///
/// # let point = vec![4; 65];
/// let rules = TokenRules::new().accept("organizations/o/apiKeys/k", PublicKey::P256(point));
/// let config = ExchangeConfig { tokens: Some(rules.required(true)), ..Default::default() };
/// ```
#[derive(Clone, Debug, Default)]
pub struct TokenRules {
    keys: BTreeMap<String, PublicKey>,
    is_required: bool,
}

impl TokenRules {
    /// Returns rules without a key, which let requests without a token pass.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Accepts tokens of this key as well. Of two keys with one name the later counts.
    #[must_use]
    pub fn accept(mut self, key_name: impl Into<String>, key: PublicKey) -> Self {
        self.keys.insert(key_name.into(), key);
        self
    }

    /// Sets whether a request without a token is refused. The venue's public host accepts it.
    #[must_use]
    pub const fn required(mut self, is_required: bool) -> Self {
        self.is_required = is_required;
        self
    }
}

/// A key to verify tokens with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// The 32 bytes of an Ed25519 public key, for tokens by EdDSA.
    Ed25519(Vec<u8>),
    /// An uncompressed point on the curve P-256 (65 bytes), for tokens by ES256.
    P256(Vec<u8>),
}

impl PublicKey {
    const fn algorithm(&self) -> &'static str {
        match self {
            Self::Ed25519(_) => "EdDSA",
            Self::P256(_) => "ES256",
        }
    }

    fn verifies(&self, message: &str, signature: &[u8]) -> bool {
        let message = message.as_bytes();
        let verified = match self {
            Self::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
            Self::P256(key) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(message, signature)
            }
        };
        verified.is_ok()
    }
}

/// Why a request was refused for its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenFault {
    /// There is no token.
    Absent,
    /// `alg` is not the algorithm of the key.
    Algorithm,
    /// `exp` has passed.
    Expired,
    /// `iss` is not `cdp`.
    Issuer,
    /// `kid` names no known key.
    KeyName,
    /// `exp` is not 120 s after `nbf`.
    Lifetime,
    /// It is not three parts of base64 with JSON in the first two.
    Malformed,
    /// `nonce` is not hexadecimal, or has less than 16 bytes.
    Nonce,
    /// `nonce` was used before.
    NonceReused,
    /// `nbf` is in the future.
    NotYetValid,
    /// The signature is not of this key and message.
    Signature,
    /// `sub` is not the name of the key.
    Subject,
    /// `typ` is not `JWT`.
    Type,
    /// There is a `uri` or `uris`, as in tokens for REST requests.
    Uri,
}

impl fmt::Display for TokenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Absent => "there is no token",
            Self::Algorithm => "alg is not the algorithm of the key",
            Self::Expired => "exp has passed",
            Self::Issuer => "iss is not cdp",
            Self::KeyName => "kid names no known key",
            Self::Lifetime => "exp is not 120 s after nbf",
            Self::Malformed => "it is not a token",
            Self::Nonce => "nonce is not 16 bytes or more in hexadecimal",
            Self::NonceReused => "nonce was used before",
            Self::NotYetValid => "nbf is in the future",
            Self::Signature => "the signature is not of this key and message",
            Self::Subject => "sub is not the name of the key",
            Self::Type => "typ is not JWT",
            Self::Uri => "there is a uri",
        })
    }
}

/// Checks tokens by rules, and remembers their nonces.
#[derive(Debug)]
pub(super) struct TokenDesk {
    rules: TokenRules,
    /// Each nonce seen, with when its token expires.
    nonces: BTreeMap<String, u64>,
}

impl TokenDesk {
    pub(super) const fn new(rules: TokenRules) -> Self {
        Self { rules, nonces: BTreeMap::new() }
    }

    /// Checks the token of a request at a time in seconds since the UNIX epoch. Returns whether
    /// there was one.
    pub(super) fn check(&mut self, now_s: u64, token: Option<&str>) -> Result<bool, TokenFault> {
        let Some(token) = token else {
            return if self.rules.is_required { Err(TokenFault::Absent) } else { Ok(false) };
        };
        let token = Parts::parse(token).ok_or(TokenFault::Malformed)?;
        let (header, claims) = (&token.header, &token.claims);
        let name = header["kid"].as_str().unwrap_or_default();
        let key = self.rules.keys.get(name).ok_or(TokenFault::KeyName)?;
        require(header["alg"] == key.algorithm(), TokenFault::Algorithm)?;
        require(key.verifies(token.message, &token.signature), TokenFault::Signature)?;
        require(header["typ"] == "JWT", TokenFault::Type)?;
        require(claims["sub"] == name, TokenFault::Subject)?;
        require(claims["iss"] == "cdp", TokenFault::Issuer)?;
        let has_uri = ["uri", "uris"].iter().any(|field| claims.get(field).is_some());
        require(!has_uri, TokenFault::Uri)?;
        let not_before = claims["nbf"].as_u64().ok_or(TokenFault::Lifetime)?;
        let expires = claims["exp"].as_u64().ok_or(TokenFault::Lifetime)?;
        require(expires.checked_sub(not_before) == Some(LIFETIME_S), TokenFault::Lifetime)?;
        require(not_before <= now_s, TokenFault::NotYetValid)?;
        require(expires > now_s, TokenFault::Expired)?;
        let nonce = header["nonce"].as_str().unwrap_or_default();
        let is_nonce =
            nonce.len() >= MIN_NONCE_DIGITS && nonce.bytes().all(|digit| digit.is_ascii_hexdigit());
        require(is_nonce, TokenFault::Nonce)?;
        self.nonces.retain(|_, expires| *expires > now_s);
        if self.nonces.len() >= MAX_NONCES {
            self.nonces.pop_first();
        }
        let is_new = self.nonces.insert(nonce.to_owned(), expires).is_none();
        require(is_new, TokenFault::NonceReused)?;
        Ok(true)
    }
}

/// A token taken apart.
struct Parts<'a> {
    /// What is signed: the first two parts as they stand.
    message: &'a str,
    header: Value,
    claims: Value,
    signature: Vec<u8>,
}

impl<'a> Parts<'a> {
    fn parse(token: &'a str) -> Option<Self> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let object = |part: &str| {
            let value: Value = serde_json::from_slice(&decode(part)?).ok()?;
            value.is_object().then_some(value)
        };
        Some(Self {
            message,
            header: object(header)?,
            claims: object(claims)?,
            signature: decode(signature)?,
        })
    }
}

fn require(is_so: bool, fault: TokenFault) -> Result<(), TokenFault> {
    if is_so { Ok(()) } else { Err(fault) }
}
