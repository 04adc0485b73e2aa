//! Credentials of the venue, and one short-lived token (JWT) for each message.
//!
//! Tokens are optional for market data; the venue recommends them "for the most reliable
//! connection". A token lives two minutes and is signed when its message is sent; it is never
//! stored. The clock and the random number come in as arguments.
//!
//! The secret is an elliptic-curve key in PEM, as the venue issues it
//! (`-----BEGIN EC PRIVATE KEY-----`) or in PKCS#8 (`-----BEGIN PRIVATE KEY-----`).

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use zeroize::Zeroizing;

/// How long a token is valid, as the venue prescribes.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(120);

/// How many random bytes go into a token, so that no two are the same.
pub const NONCE_LEN: usize = 16;

/// A key of the venue's developer platform.
///
/// The secret is wiped when this is dropped, and never shown.
///
/// ```
/// use level2::auth::{AuthError, Credentials};
///
/// let refused = Credentials::new("organizations/o/apiKeys/k", "not a key");
/// assert_eq!(refused.err(), Some(AuthError::NotPem));
/// ```
pub struct Credentials {
    key_name: String,
    key: EncodingKey,
}

impl Credentials {
    /// Reads a key: its name (`organizations/.../apiKeys/...`, or a bare identifier) and its
    /// secret. The secret may have its line breaks written as `\n`, as environment files do.
    ///
    /// # Errors
    /// [`AuthError`] when the name or the secret cannot be used. It never quotes the secret.
    pub fn new(key_name: &str, secret: &str) -> Result<Self, AuthError> {
        let key_name = key_name.trim();
        if key_name.is_empty() {
            return Err(AuthError::NoKeyName);
        }
        let der = decode_pem(secret)?;
        // Reads both forms; the signer below takes only the second.
        let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &der)
            .map_err(|_| AuthError::NotP256)?;
        let pkcs8 = pair.to_pkcs8v1().map_err(|_| AuthError::NotP256)?;
        let key = EncodingKey::from_ec_der(pkcs8.as_ref());
        let credentials = Self { key_name: key_name.to_owned(), key };
        // A key that cannot sign is found out here, before there is a connection.
        credentials.token(UNIX_EPOCH, [0; NONCE_LEN])?;
        Ok(credentials)
    }

    /// Returns the name of the key.
    #[must_use]
    pub fn key_name(&self) -> &str {
        &self.key_name
    }

    /// Signs a token for one message, valid from `now` for [`TOKEN_LIFETIME`].
    ///
    /// The nonce must be random, and another one for each token.
    ///
    /// # Errors
    /// [`AuthError`] when `now` lies before 1970, or the key cannot sign.
    pub fn token(&self, now: SystemTime, nonce: [u8; NONCE_LEN]) -> Result<String, AuthError> {
        let since_epoch = now.duration_since(UNIX_EPOCH).map_err(|_| AuthError::ClockBefore1970)?;
        let not_before = since_epoch.as_secs();
        let mut header = Header::new(Algorithm::ES256);
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
        let mut token = URL_SAFE_NO_PAD.encode(header);
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(claims.to_string()));
        // The provider is named here: the crate's own default panics when the caller's program
        // has switched on two of them.
        let signer = (DEFAULT_PROVIDER.signer_factory)(&Algorithm::ES256, &self.key)
            .map_err(|_| AuthError::CannotSign)?;
        let signature = signer.try_sign(token.as_bytes()).map_err(|_| AuthError::CannotSign)?;
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Ok(token)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("key_name", &self.key_name)
            .field("secret", &"[redacted]")
            .finish()
    }
}

/// Why credentials cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthError {
    /// The key could be read but does not sign.
    CannotSign,
    /// The wall clock is wrong by decades.
    ClockBefore1970,
    /// The name of the key is empty.
    NoKeyName,
    /// The secret is PEM, but not of an elliptic-curve key on P-256.
    NotP256,
    /// The secret is not PEM of a private key.
    NotPem,
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CannotSign => "expected a key that signs, but it cannot",
            Self::ClockBefore1970 => "expected a wall clock after 1970",
            Self::NoKeyName => "expected the name of a key, got none",
            Self::NotP256 => "expected a P-256 private key inside the PEM, got something else",
            Self::NotPem => {
                "expected a secret that begins with -----BEGIN EC PRIVATE KEY----- or \
                 -----BEGIN PRIVATE KEY-----, got something else"
            }
        })
    }
}

impl std::error::Error for AuthError {}

/// Returns what a PEM text of a private key wraps.
fn decode_pem(secret: &str) -> Result<Zeroizing<Vec<u8>>, AuthError> {
    let unescaped = Zeroizing::new(secret.replace("\\n", "\n"));
    let text = unescaped.trim_matches(|c: char| c.is_whitespace() || c == '"' || c == '\'');
    let body = ["EC PRIVATE KEY", "PRIVATE KEY"].into_iter().find_map(|label| {
        let body = text.strip_prefix("-----BEGIN ")?.strip_prefix(label)?.strip_prefix("-----")?;
        body.strip_suffix("-----")?.strip_suffix(label)?.strip_suffix("-----END ")
    });
    let body = body.ok_or(AuthError::NotPem)?;
    let base64: Zeroizing<String> =
        Zeroizing::new(body.chars().filter(|c| !c.is_whitespace()).collect());
    STANDARD.decode(base64.as_bytes()).map(Zeroizing::new).map_err(|_| AuthError::NotPem)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsDer as _;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, KeyPair as _, UnparsedPublicKey};

    use super::*;

    const KEY_NAME: &str = "organizations/one/apiKeys/two";

    fn pem(label: &str, der: &[u8]) -> String {
        let base64 = STANDARD.encode(der);
        let lines: Vec<&str> =
            base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
    }

    fn new_pair() -> EcdsaKeyPair {
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
    }

    fn json(part: &str) -> serde_json::Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn every_written_form_of_a_key_signs_tokens_that_its_public_key_verifies() {
        let pair = new_pair();
        let sec1 = pem("EC PRIVATE KEY", pair.private_key().as_der().unwrap().as_ref());
        let pkcs8 = pem("PRIVATE KEY", pair.to_pkcs8v1().unwrap().as_ref());
        let escaped = format!("\"{}\"", sec1.replace('\n', "\\n"));
        for secret in [sec1.clone(), pkcs8, escaped, format!("  {sec1}\r\n")] {
            let credentials = Credentials::new(KEY_NAME, &secret).unwrap();
            let now = UNIX_EPOCH + Duration::from_millis(1_790_735_993_900);
            let token = credentials.token(now, [0xab; NONCE_LEN]).unwrap();
            let (message, signature) = token.rsplit_once('.').unwrap();
            let public = pair.public_key().as_ref();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public)
                .verify(message.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
                .unwrap();
            let (header, claims) = message.split_once('.').unwrap();
            assert_eq!(
                json(header),
                serde_json::json!({
                    "typ": "JWT", "alg": "ES256", "kid": KEY_NAME, "nonce": "ab".repeat(NONCE_LEN),
                })
            );
            assert_eq!(
                json(claims),
                serde_json::json!({
                    "sub": KEY_NAME, "iss": "cdp", "nbf": 1_790_735_993, "exp": 1_790_736_113,
                })
            );
        }
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_quoted() {
        let other_curve = pem("PRIVATE KEY", b"0000000000000000");
        let truncated = &pem("EC PRIVATE KEY", b"123")[..40];
        for (secret, expected) in [
            ("", AuthError::NotPem),
            ("hunter2", AuthError::NotPem),
            (truncated, AuthError::NotPem),
            (
                "-----BEGIN EC PRIVATE KEY-----hunter2!-----END EC PRIVATE KEY-----",
                AuthError::NotPem,
            ),
            (other_curve.as_str(), AuthError::NotP256),
        ] {
            let error = Credentials::new(KEY_NAME, secret).expect_err(secret);
            assert_eq!(error, expected);
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
        assert_eq!(Credentials::new(" ", "").err(), Some(AuthError::NoKeyName));
    }

    #[test]
    fn debug_shows_the_name_and_not_the_secret() {
        let secret = pem("PRIVATE KEY", new_pair().to_pkcs8v1().unwrap().as_ref());
        let credentials = Credentials::new(KEY_NAME, &secret).unwrap();
        let shown = format!("{credentials:?}");
        assert!(shown.contains(KEY_NAME) && shown.contains("[redacted]"));
        assert!(!secret.lines().any(|line| shown.contains(line)));
    }
}
