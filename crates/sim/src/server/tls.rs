//! TLS for the connections that the server accepts.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// The certificate of a [`Server`](crate::Server), which then speaks `wss://`.
///
/// This crate makes no certificates: the caller brings one for the host name `localhost`, as tests
/// make them with `rcgen`.
#[derive(Clone, Debug)]
pub struct ServerTls {
    config: Arc<rustls::ServerConfig>,
}

impl ServerTls {
    /// Returns the settings for a chain of certificates, the server's own first, and its private
    /// key, both as PEM. TLS 1.2 and 1.3 are spoken.
    ///
    /// # Errors
    /// If one of them cannot be read, or the key is not that of the certificate.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, ServerTlsError> {
        let chain: Result<Vec<CertificateDer<'static>>, _> =
            CertificateDer::pem_slice_iter(certificates).collect();
        let chain = chain.map_err(|error| ServerTlsError::Certificates(error.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(key);
        let key = key.map_err(|error| ServerTlsError::Key(error.to_string()))?;
        // The default provider of the process is not used: rustls panics when there are two.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| ServerTlsError::Pair(error.to_string()))?;
        Ok(Self::from(Arc::new(config)))
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

/// Takes settings as rustls 0.23 holds them.
impl From<Arc<rustls::ServerConfig>> for ServerTls {
    fn from(config: Arc<rustls::ServerConfig>) -> Self {
        Self { config }
    }
}

/// Why a [`ServerTls`] cannot be made. No key is quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerTlsError {
    /// The certificates cannot be read.
    Certificates(String),
    /// The private key cannot be read.
    Key(String),
    /// The key is not that of the certificate.
    Pair(String),
}

impl fmt::Display for ServerTlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificates(error) => {
                write!(f, "the certificates cannot be read as PEM: {error}")
            }
            Self::Key(error) => write!(f, "the private key cannot be read as PEM: {error}"),
            Self::Pair(error) => {
                write!(f, "the private key is not that of the certificate: {error}")
            }
        }
    }
}

impl std::error::Error for ServerTlsError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_pair_is_refused_by_its_part_and_not_quoted() {
        let pair = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (one, other) = (pair(), pair());
        let (certificate, key) = (one.cert.pem(), one.signing_key.serialize_pem());
        assert!(ServerTls::from_pem(certificate.as_bytes(), key.as_bytes()).is_ok());
        let refusal = |certificates: &str, key: &str| {
            ServerTls::from_pem(certificates.as_bytes(), key.as_bytes()).unwrap_err()
        };
        let torn = certificate.replace("-----END", "");
        assert!(matches!(refusal(&torn, &key), ServerTlsError::Certificates(_)));
        assert!(matches!(refusal(&certificate, ""), ServerTlsError::Key(_)));
        assert!(matches!(refusal("", &key), ServerTlsError::Pair(_)));
        let stranger = other.signing_key.serialize_pem();
        let error = refusal(&certificate, &stranger);
        assert!(matches!(error, ServerTlsError::Pair(_)), "{error:?}");
        let secret = stranger.lines().nth(1).unwrap();
        assert!(!format!("{error} {error:?}").contains(secret));
    }
}
