//! Credentials for the venue, and one short-lived token (JWT) for each request.
//!
//! Tokens are optional for market data; the venue recommends them "for the most reliable
//! connection". A token is valid for two minutes. It is signed when its request is sent, and never
//! stored. Time and randomness are arguments.
//!
//! # Secrets
//!
//! A secret is accepted in every form that the venue issues:
//!
//! | form | algorithm |
//! |---|---|
//! | PEM, `-----BEGIN EC PRIVATE KEY-----` (SEC1) on the curve P-256 | ES256 |
//! | PEM, `-----BEGIN PRIVATE KEY-----` (PKCS#8) of a P-256 or an Ed25519 key | ES256, EdDSA |
//! | base64 of an Ed25519 key: 64 bytes, or the seed's 32 | EdDSA |
//!
//! Line breaks may be written as `\n`; surrounding quotes and whitespace are ignored. A secret that
//! cannot be used is an [`AuthError`] before there is any connection. The error names the form that
//! was recognised and what it lacks, and never contains a byte of the secret.
//!
//! [`Credentials`] keep the private key only. Clones share one copy of it, which is wiped when the
//! last of them is dropped, as is every buffer that it passed through here. Credentials cannot be
//! serialised or compared, and their `Debug` output shows the name of the key and `[redacted]`.
//! A text that the caller read a secret from is the caller's to wipe; [`Credentials::from_env`] and
//! [`Credentials::from_key_file`] wipe theirs.

mod error;
mod key_file;
mod secret;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Header;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use zeroize::Zeroizing;

pub use self::error::{AuthError, SecretForm};
pub use self::key_file::MAX_KEY_FILE_BYTES;
use self::key_file::{KeyFile, Readers};
use self::secret::{SigningKey, looks_like_a_secret};

/// How long a token is valid: two minutes, as the venue requires.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(120);

/// How many random bytes a token contains, so that no two tokens are the same.
pub const NONCE_LEN: usize = 16;

/// How far this machine's clock may run ahead of the venue's by default.
///
/// The venue rejects a token that is not valid yet. One that is dated back only expires earlier.
pub const DEFAULT_CLOCK_SKEW: Duration = Duration::from_secs(5);

/// The bound of [`Credentials::with_clock_skew`]: half of [`TOKEN_LIFETIME`].
pub const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);

/// The environment variable with the name of the key.
pub const KEY_NAME_VARIABLE: &str = "COINBASE_API_KEY";

/// The environment variable with the secret.
pub const SECRET_VARIABLE: &str = "COINBASE_API_SECRET";

/// The longest name of a key. The venue's have less than 100 bytes.
const MAX_KEY_NAME_BYTES: usize = 512;

/// An API key of the venue: its name and its private key.
///
/// Clones share the private key, which is never shown and is wiped when the last clone is dropped.
///
/// ```
/// use level2::auth::{AuthError, Credentials};
///
/// let refused = Credentials::new("organizations/o/apiKeys/k", "not a key").unwrap_err();
/// assert!(matches!(refused, AuthError::Secret { .. }));
/// assert!(refused.to_string().starts_with("the secret is neither PEM nor base64: expected PEM"));
/// ```
#[derive(Clone)]
pub struct Credentials {
    key_name: String,
    /// Shared by all clones, so that there is one copy to wipe.
    key: Arc<SigningKey>,
    clock_skew: Duration,
}

impl Credentials {
    /// Reads a key: its name (`organizations/.../apiKeys/...`, or a bare identifier) and its
    /// secret, in any of the [forms](self#secrets).
    ///
    /// # Errors
    /// [`AuthError`] if the name or the secret cannot be used.
    pub fn new(key_name: &str, secret: &str) -> Result<Self, AuthError> {
        let key_name = checked_key_name(key_name)?.to_owned();
        let key = Arc::new(SigningKey::parse(secret)?);
        let credentials = Self { key_name, key, clock_skew: DEFAULT_CLOCK_SKEW };
        // A key that cannot sign shows here, before there is a connection.
        credentials.token(UNIX_EPOCH, [0; NONCE_LEN])?;
        Ok(credentials)
    }

    /// Reads a key from the environment: [`KEY_NAME_VARIABLE`] and [`SECRET_VARIABLE`].
    ///
    /// # Errors
    /// [`AuthError`] if one of them is not set, or cannot be used.
    pub fn from_env() -> Result<Self, AuthError> {
        let read = |name| {
            let text = std::env::var(name).map(Zeroizing::new);
            text.map_err(|_| AuthError::Variable { name })
        };
        Self::new(&read(KEY_NAME_VARIABLE)?, &read(SECRET_VARIABLE)?)
    }

    /// Reads a key file as the venue issues it: JSON with `name` (or `id`) and `privateKey`.
    ///
    /// On Unix, only the owner may have access to the file (`chmod 600`). If others have it on
    /// purpose, use [`Credentials::from_key_file_readable_by_others`].
    ///
    /// # Errors
    /// [`AuthError`] if the file cannot be read, is accessible to others, or cannot be used.
    pub fn from_key_file(path: impl AsRef<Path>) -> Result<Self, AuthError> {
        Self::from_file(path.as_ref(), Readers::OwnerOnly)
    }

    /// Reads a key file without checking who else may read it: for systems that pass secrets to
    /// processes that way, such as containers, and for those where permissions mean nothing.
    ///
    /// # Errors
    /// [`AuthError`] if the file cannot be read, or cannot be used.
    pub fn from_key_file_readable_by_others(path: impl AsRef<Path>) -> Result<Self, AuthError> {
        Self::from_file(path.as_ref(), Readers::Anyone)
    }

    fn from_file(path: &Path, readers: Readers) -> Result<Self, AuthError> {
        let file = KeyFile::read(path, readers)?;
        let (key_name, secret) = file.parts()?;
        Self::new(&key_name, secret)
    }

    /// Sets how far this machine's clock may run ahead of the venue's: tokens are dated back by
    /// `clock_skew`, or by [`MAX_CLOCK_SKEW`] if that is less. The default is
    /// [`DEFAULT_CLOCK_SKEW`].
    #[must_use]
    pub fn with_clock_skew(mut self, clock_skew: Duration) -> Self {
        self.clock_skew = clock_skew.min(MAX_CLOCK_SKEW);
        self
    }

    /// Returns the name of the key.
    #[must_use]
    pub fn key_name(&self) -> &str {
        &self.key_name
    }

    /// Signs a token for one request. It is valid for [`TOKEN_LIFETIME`], which starts the clock
    /// skew before `now`.
    ///
    /// The nonce must be random, and a new one for each token.
    ///
    /// # Errors
    /// [`AuthError`] if `now` is before 1970, or the key cannot sign.
    pub fn token(&self, now: SystemTime, nonce: [u8; NONCE_LEN]) -> Result<Token, AuthError> {
        let since_epoch = now.duration_since(UNIX_EPOCH).map_err(|_| AuthError::ClockBefore1970)?;
        let not_before = since_epoch.saturating_sub(self.clock_skew).as_secs();
        let mut header = Header::new(self.key.algorithm);
        header.kid = Some(self.key_name.clone());
        let nonce: String = nonce.iter().map(|byte| format!("{byte:02x}")).collect();
        header.extras.insert("nonce", nonce);
        let claims = serde_json::json!({
            "sub": self.key_name,
            "iss": "cdp",
            "nbf": not_before,
            "exp": not_before + TOKEN_LIFETIME.as_secs(),
        });
        let header = serde_json::to_vec(&header).map_err(|_| AuthError::CannotSign)?;
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        // The provider is named explicitly: the library's default panics in programs that enable
        // two of them.
        let signer = (DEFAULT_PROVIDER.signer_factory)(&self.key.algorithm, &self.key.key)
            .map_err(|_| AuthError::CannotSign)?;
        let signature = signer.try_sign(message.as_bytes()).map_err(|_| AuthError::CannotSign)?;
        let signature = Zeroizing::new(URL_SAFE_NO_PAD.encode(Zeroizing::new(signature)));
        // Of its final size, as a text that grows leaves unwiped copies behind. The message is not
        // secret: it is worthless without the signature.
        let mut text = Zeroizing::new(String::with_capacity(message.len() + 1 + signature.len()));
        text.push_str(&message);
        text.push('.');
        text.push_str(&signature);
        Ok(Token { text })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("key_name", &self.key_name)
            .field("secret", &"[redacted]")
            .field("clock_skew", &self.clock_skew)
            .finish()
    }
}

/// A signed token, to be sent with one request.
///
/// For two minutes its holder can make requests in the key's name. So its `Debug` output is
/// redacted, and it is wiped when it is dropped.
pub struct Token {
    text: Zeroizing<String>,
}

impl Token {
    /// Returns the text to send.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([redacted])")
    }
}

/// Trims whitespace and quotes off the name of a key, and rejects what cannot be one.
fn checked_key_name(name: &str) -> Result<&str, AuthError> {
    let wrong = |expected| Err(AuthError::KeyName { expected });
    let name = name.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\''));
    if name.is_empty() {
        wrong("organizations/.../apiKeys/... or an identifier, but it is empty")
    } else if looks_like_a_secret(name) {
        // Names are shown.
        wrong("a name, but it looks like a secret: were the two swapped?")
    } else if name.len() > MAX_KEY_NAME_BYTES || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        wrong("at most 512 printable ASCII characters without spaces")
    } else {
        Ok(name)
    }
}

#[cfg(test)]
mod tests;
