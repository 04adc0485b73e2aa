//! Why credentials cannot be used. Nothing here ever holds a byte of a secret.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why credentials cannot be used.
///
/// No error quotes a secret, not even in part: it names the form in which the secret was written
/// and what that form lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthError {
    /// The key could be read but does not sign.
    CannotSign,
    /// The wall clock is wrong by decades.
    ClockBefore1970,
    /// The name of the key cannot be one. It is not quoted, because what is mistaken for a name
    /// is often the secret.
    KeyName {
        /// What was expected of it.
        expected: &'static str,
    },
    /// The key file can be read by others than its owner, and so can the money behind the key.
    KeyFileExposed {
        /// The file.
        path: PathBuf,
        /// Its permissions, such as `0o644`.
        mode: u32,
    },
    /// The key file is not what the venue hands out.
    KeyFileForm {
        /// The file.
        path: PathBuf,
        /// What was expected of it.
        expected: &'static str,
    },
    /// What looks like a secret was given as the path of a key file. It is not quoted.
    KeyFilePath,
    /// The key file cannot be read.
    KeyFileUnreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        kind: io::ErrorKind,
    },
    /// The secret cannot be used.
    Secret {
        /// The form in which it is written, as far as it was recognised.
        form: SecretForm,
        /// What was expected of that form.
        expected: &'static str,
    },
    /// An environment variable is not set, or is no text.
    Variable {
        /// Its name.
        name: &'static str,
    },
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CannotSign => f.write_str("expected a key that signs, but it cannot"),
            Self::ClockBefore1970 => f.write_str("expected a wall clock after 1970"),
            Self::KeyName { expected } => write!(f, "the name of the key: expected {expected}"),
            Self::KeyFileExposed { path, mode } => write!(
                f,
                "the key file {}: expected one that only its owner can read (mode 600), got mode \
                 {mode:o}",
                path.display()
            ),
            Self::KeyFileForm { path, expected } => {
                write!(f, "the key file {}: expected {expected}", path.display())
            }
            Self::KeyFilePath => {
                f.write_str("expected the path of a key file, got what looks like a secret")
            }
            Self::KeyFileUnreadable { path, kind } => {
                write!(f, "the key file {} cannot be read: {kind}", path.display())
            }
            Self::Secret { form, expected } => {
                write!(f, "the secret is {form}: expected {expected}")
            }
            Self::Variable { name } => {
                write!(f, "expected text in the environment variable {name}, got none")
            }
        }
    }
}

impl std::error::Error for AuthError {}

/// The form in which a secret is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SecretForm {
    /// Base64 without a frame around it: an Ed25519 key, as the venue issues it.
    Base64,
    /// `-----BEGIN EC PRIVATE KEY-----` (SEC1): an elliptic-curve key, as the venue issues it.
    EcPem,
    /// Nothing.
    Empty,
    /// A private key that is locked with a password.
    EncryptedPem,
    /// `-----BEGIN OPENSSH PRIVATE KEY-----`.
    OpensshPem,
    /// Another thing in PEM.
    OtherPem,
    /// `-----BEGIN PRIVATE KEY-----`: a key of any kind in PKCS#8.
    Pkcs8Pem,
    /// A public key or a certificate in PEM.
    PublicPem,
    /// `-----BEGIN RSA PRIVATE KEY-----`.
    RsaPem,
    /// Neither PEM nor base64.
    Unknown,
}

impl fmt::Display for SecretForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Base64 => "base64",
            Self::EcPem => "PEM of an elliptic-curve private key (SEC1)",
            Self::Empty => "empty",
            Self::EncryptedPem => "PEM of a private key that is locked with a password",
            Self::OpensshPem => "PEM of an OpenSSH private key",
            Self::OtherPem => "PEM of something else",
            Self::Pkcs8Pem => "PEM of a private key (PKCS#8)",
            Self::PublicPem => "PEM of a public key or a certificate",
            Self::RsaPem => "PEM of an RSA private key",
            Self::Unknown => "neither PEM nor base64",
        })
    }
}
