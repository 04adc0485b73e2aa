//! Why credentials cannot be used. No error contains a byte of a secret.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why credentials cannot be used.
///
/// No error quotes any part of a secret. It names the form of the secret, and what it lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthError {
    /// The key could be read, but does not sign.
    CannotSign,
    /// The wall clock is before 1970.
    ClockBefore1970,
    /// The name of the key cannot be used. It is not quoted, because it may be the secret by
    /// mistake.
    KeyName {
        /// What was expected of it.
        expected: &'static str,
    },
    /// Others than its owner have access to the key file.
    KeyFileExposed {
        /// The file.
        path: PathBuf,
        /// Its permissions, such as `0o644`.
        mode: u32,
    },
    /// The key file does not have the form that the venue issues.
    KeyFileForm {
        /// The file.
        path: PathBuf,
        /// What was expected of it.
        expected: &'static str,
    },
    /// The path of the key file looks like a secret. It is not quoted.
    KeyFilePath,
    /// The key file cannot be read.
    KeyFileUnreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        kind: io::ErrorKind,
    },
    /// The secret cannot be used.
    Secret {
        /// The form that was recognised.
        form: SecretForm,
        /// What was expected instead.
        expected: &'static str,
    },
    /// An environment variable is not set, or is not UTF-8.
    Variable {
        /// Its name.
        name: &'static str,
    },
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CannotSign => f.write_str("the key cannot sign: create a new one"),
            Self::ClockBefore1970 => f.write_str("the wall clock is before 1970: set it"),
            Self::KeyName { expected } => {
                write!(f, "the name of the key cannot be used: expected {expected}")
            }
            Self::KeyFileExposed { path, mode } => write!(
                f,
                "others can access the key file {} (mode {mode:o}): set its mode to 600",
                path.display()
            ),
            Self::KeyFileForm { path, expected } => {
                write!(f, "the key file {} cannot be used: expected {expected}", path.display())
            }
            Self::KeyFilePath => f.write_str(
                "the path of the key file looks like a secret: expected the path of a file",
            ),
            Self::KeyFileUnreadable { path, kind } => {
                write!(f, "the key file {} cannot be read: {kind}", path.display())
            }
            Self::Secret { form, expected } => {
                write!(f, "the secret is {form}: expected {expected}")
            }
            Self::Variable { name } => {
                write!(f, "the environment variable {name} is not set, or is not UTF-8 text")
            }
        }
    }
}

impl std::error::Error for AuthError {}

/// The form of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SecretForm {
    /// Bare base64: an Ed25519 key, as the venue issues it.
    Base64,
    /// `-----BEGIN EC PRIVATE KEY-----` (SEC1): an elliptic-curve key, as the venue issues it.
    EcPem,
    /// An empty text.
    Empty,
    /// A private key that is encrypted with a password.
    EncryptedPem,
    /// `-----BEGIN OPENSSH PRIVATE KEY-----`.
    OpensshPem,
    /// PEM with another label.
    OtherPem,
    /// `-----BEGIN PRIVATE KEY-----`: a key of any algorithm, in PKCS#8.
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
            Self::EncryptedPem => "PEM of a private key that is encrypted with a password",
            Self::OpensshPem => "PEM of an OpenSSH private key",
            Self::OtherPem => "PEM of something else",
            Self::Pkcs8Pem => "PEM of a private key (PKCS#8)",
            Self::PublicPem => "PEM of a public key or a certificate",
            Self::RsaPem => "PEM of an RSA private key",
            Self::Unknown => "neither PEM nor base64",
        })
    }
}
