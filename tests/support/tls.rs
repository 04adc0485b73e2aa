//! Certificates made for one test run, and TLS in front of a simulated exchange.

#![allow(dead_code)] // Each test file uses its own part.

use std::sync::{Arc, Mutex};

use level2_sim::Server;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// An authority that a client may trust or not.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// How long a certificate is valid.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Validity {
    Expired,
    Sound,
    Unborn,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        Self { issuer: CertifiedIssuer::self_signed(params, key).unwrap() }
    }

    /// What to trust.
    pub(crate) fn root(&self) -> Vec<u8> {
        self.issuer.der().to_vec()
    }

    /// The same as systems keep it.
    pub(crate) fn root_pem(&self) -> String {
        self.issuer.pem()
    }

    pub(crate) fn identity(&self, host: &str, validity: Validity) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = leaf(host, validity).signed_by(&key, &self.issuer).unwrap();
        Identity { certificate: certificate.der().clone(), certificate_pem: certificate.pem(), key }
    }
}

fn leaf(host: &str, validity: Validity) -> CertificateParams {
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    match validity {
        Validity::Expired => params.not_after = date_time_ymd(2001, 1, 1),
        Validity::Sound => {}
        Validity::Unborn => params.not_before = date_time_ymd(3999, 1, 1),
    }
    params
}

/// What a server proves itself with.
pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    certificate_pem: String,
    key: KeyPair,
}

impl Identity {
    pub(crate) fn self_signed(host: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = leaf(host, Validity::Sound).self_signed(&key).unwrap();
        Self { certificate: certificate.der().clone(), certificate_pem: certificate.pem(), key }
    }

    /// A server that shows this certificate without having its key.
    pub(crate) fn stolen(
        &self,
        thief: &Self,
        version: &'static SupportedProtocolVersion,
    ) -> TlsAcceptor {
        let key = PrivateKeyDer::try_from(thief.key.serialize_der()).unwrap();
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
        let shown = CertifiedKey::new(vec![self.certificate.clone()], key);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
        TlsAcceptor::from(Arc::new(config))
    }

    /// What a simulated exchange takes: its certificate and its key as PEM.
    pub(crate) fn pem(&self) -> (String, String) {
        (self.certificate_pem.clone(), self.key.serialize_pem())
    }

    pub(crate) fn acceptor(&self, versions: &[&'static SupportedProtocolVersion]) -> TlsAcceptor {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A port with TLS on it.
pub(crate) struct TlsPort {
    pub(crate) port: u16,
    /// The first byte of each connection that was made.
    pub(crate) first_bytes: Arc<Mutex<Vec<u8>>>,
}

impl TlsPort {
    /// Puts TLS in front of a simulated exchange.
    pub(crate) async fn serve(server: &Arc<Server>, acceptor: TlsAcceptor) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let first_bytes = Arc::new(Mutex::new(Vec::new()));
        let (server, seen) = (Arc::clone(server), Arc::clone(&first_bytes));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut first = [0];
                if !matches!(stream.peek(&mut first).await, Ok(1)) {
                    continue;
                }
                seen.lock().unwrap().push(first[0]);
                if let Ok(stream) = acceptor.accept(stream).await {
                    tokio::spawn(server.serve(stream));
                }
            }
        });
        Self { port, first_bytes }
    }

    pub(crate) fn url(&self) -> String {
        format!("wss://localhost:{}/", self.port)
    }
}
