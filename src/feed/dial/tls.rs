//! TLS with the venue: which roots to trust, and what a refused certificate means.

use std::io;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, OtherError, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::verifier::{SelfSigned, Verifier};
use crate::feed::error::{ConfigError, DialError};
use crate::feed::roots::Roots;
use crate::session::DialStage;

/// The settings of TLS, and the name that the server's certificate must be for.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    server_name: ServerName<'static>,
}

impl Tls {
    /// Loads the roots.
    pub(super) fn new(
        server_name: ServerName<'static>,
        roots: &Roots,
    ) -> Result<Self, ConfigError> {
        Ok(Self { config: client_config(roots)?, server_name })
    }

    /// Makes a stream an encrypted one, if its server can be trusted.
    pub(super) async fn connect(
        self,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, DialError> {
        let connector = TlsConnector::from(self.config);
        connector.connect(self.server_name, stream).await.map_err(|error| dial_error(&error))
    }
}

/// Names the provider of cryptography itself: rustls' process-wide default panics in programs that
/// enabled none, or two.
fn client_config(roots: &Roots) -> Result<Arc<ClientConfig>, ConfigError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Verifier::new(root_store(roots)?, &provider).map_err(ConfigError::Roots)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError::Roots(error.to_string()))?;
    // rustls calls every custom verifier dangerous. This one asks rustls' own for each verdict.
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    Ok(Arc::new(builder.with_no_client_auth()))
}

fn root_store(roots: &Roots) -> Result<Arc<RootCertStore>, ConfigError> {
    let mut store = RootCertStore::empty();
    match roots {
        Roots::Bundled => {}
        Roots::Custom(certificates) => {
            for certificate in certificates {
                let certificate = CertificateDer::from(certificate.clone());
                store.add(certificate).map_err(|error| ConfigError::Roots(error.to_string()))?;
            }
            if store.is_empty() {
                return Err(ConfigError::Roots("there are none".to_owned()));
            }
        }
        Roots::Platform | Roots::PlatformOnly => {
            // One malformed certificate must not make the others unusable.
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if store.is_empty() && matches!(roots, Roots::PlatformOnly) {
                return Err(ConfigError::Roots("the operating system has none".to_owned()));
            }
        }
    }
    if store.is_empty() {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    Ok(Arc::new(store))
}

/// Explains a refused certificate in terms of what to do about it.
fn dial_error(error: &io::Error) -> DialError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(fault)) = inner else {
        return DialError::new(DialStage::Tls, error);
    };
    let meaning = match fault {
        CertificateError::UnknownIssuer => "it is from an authority that is not among the roots",
        CertificateError::Other(OtherError(inner)) if inner.is::<SelfSigned>() => {
            "it is self-signed, and not itself among the roots"
        }
        CertificateError::BadSignature => {
            "its signature is wrong, or the server does not hold its key"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another host"
        }
        CertificateError::Revoked => "it was revoked",
        _ => "it was not accepted",
    };
    DialError::new(DialStage::Certificate, format!("{meaning} ({fault})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_of_ones_own_have_to_be_there_and_sound() {
        for roots in [Roots::Custom(vec![]), Roots::Custom(vec![b"no certificate".to_vec()])] {
            let name = ServerName::try_from("localhost").unwrap();
            assert!(matches!(Tls::new(name, &roots), Err(ConfigError::Roots(_))));
        }
    }
}
