//! Keys made for one test run, in every form in which the venue hands keys out.

#![allow(dead_code)] // Each test file uses its own part.

use std::fmt::Write as _;

use aws_lc_rs::encoding::{AsBigEndian as _, AsDer as _};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair as _, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

pub(crate) const KEY_NAME: &str = "organizations/0a1b/apiKeys/2c3d";

/// A key, and the secret that the venue would hand out for it.
pub(crate) enum TestKey {
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl TestKey {
    pub(crate) fn new_ec() -> Self {
        Self::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(crate) fn new_ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::generate().unwrap())
    }

    /// The secret as the venue itself writes it.
    pub(crate) fn secret(&self) -> String {
        self.forms().swap_remove(0).1
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Self::Ec(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    /// The public key: an uncompressed point, or 32 bytes.
    pub(crate) fn public(&self) -> Vec<u8> {
        match self {
            Self::Ec(pair) => pair.public_key().as_ref().to_vec(),
            Self::Ed25519(pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    /// The private number, or the seed.
    pub(crate) fn private(&self) -> Vec<u8> {
        match self {
            Self::Ec(pair) => pair.private_key().as_be_bytes().unwrap().as_ref().to_vec(),
            Self::Ed25519(pair) => pair.seed().unwrap().as_be_bytes().unwrap().as_ref().to_vec(),
        }
    }

    pub(crate) fn public_pem(&self) -> String {
        match self {
            Self::Ec(pair) => pem("PUBLIC KEY", pair.public_key().as_der().unwrap().as_ref()),
            Self::Ed25519(pair) => pem("PUBLIC KEY", pair.public_key().as_der().unwrap().as_ref()),
        }
    }

    pub(crate) fn verifies(&self, token: &str) -> bool {
        let (message, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let public = self.public();
        match self {
            Self::Ec(_) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public)
                .verify(message.as_bytes(), &signature)
                .is_ok(),
            Self::Ed25519(_) => UnparsedPublicKey::new(&ED25519, public)
                .verify(message.as_bytes(), &signature)
                .is_ok(),
        }
    }

    /// Every form of the secret that has to be understood, each with a name for messages.
    pub(crate) fn forms(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Ec(pair) => ec_forms(pair),
            Self::Ed25519(pair) => ed25519_forms(pair),
        }
    }
}

fn ec_forms(pair: &EcdsaKeyPair) -> Vec<(&'static str, String)> {
    let sec1 = pem("EC PRIVATE KEY", pair.private_key().as_der().unwrap().as_ref());
    let pkcs8 = pem("PRIVATE KEY", pair.to_pkcs8v1().unwrap().as_ref());
    let parameters = pem("EC PARAMETERS", &OBJECT_P256);
    vec![
        ("SEC1", sec1.clone()),
        ("SEC1 after its parameters", parameters + &sec1),
        ("SEC1 without its public key", pem("EC PRIVATE KEY", &bare_sec1(pair))),
        ("SEC1 with \\n", sec1.replace('\n', "\\n")),
        ("SEC1 with \\n, quoted", format!("\"{}\"", sec1.replace('\n', "\\n"))),
        (
            "SEC1 with \\\\n, in two pairs of quotes",
            format!("'\"{}\"'", sec1.replace('\n', "\\\\n")),
        ),
        ("SEC1 with \\r\\n", sec1.replace('\n', "\r\n")),
        ("SEC1 between blanks", format!("\u{feff}\n  {sec1}\r\n\t")),
        ("SEC1 on one line", sec1.replace('\n', " ")),
        (
            "SEC1 as careful JSON",
            sec1.replace('\n', "\\n").replace('/', "\\/").replace('+', "\\u002B"),
        ),
        ("PKCS#8", pkcs8.clone()),
        ("PKCS#8 with \\n", pkcs8.replace('\n', "\\n")),
        ("PKCS#8, quoted", format!("'{pkcs8}'")),
    ]
}

fn ed25519_forms(pair: &Ed25519KeyPair) -> Vec<(&'static str, String)> {
    let seed = pair.seed().unwrap().as_be_bytes().unwrap();
    let seed = seed.as_ref();
    let both = [seed, pair.public_key().as_ref()].concat();
    let pkcs8 = pem("PRIVATE KEY", pair.to_pkcs8v1().unwrap().as_ref());
    vec![
        ("64 bytes", STANDARD.encode(&both)),
        ("64 bytes, quoted", format!(" \"{}\"\n", STANDARD.encode(&both))),
        ("64 bytes without padding", STANDARD.encode(&both).trim_end_matches('=').to_owned()),
        ("32 bytes", STANDARD.encode(seed)),
        ("PKCS#8", pkcs8.clone()),
        ("PKCS#8 with \\n", pkcs8.replace('\n', "\\n")),
        ("PKCS#8 with its public key", pem("PRIVATE KEY", pair.to_pkcs8().unwrap().as_ref())),
    ]
}

/// The name of the curve P-256, as DER writes it.
const OBJECT_P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// SEC1 with the curve's name and without the public key, as some tools write it.
fn bare_sec1(pair: &EcdsaKeyPair) -> Vec<u8> {
    let private = pair.private_key().as_be_bytes().unwrap();
    let mut der = vec![0x30, 49, 0x02, 0x01, 0x01, 0x04, 32];
    der.extend_from_slice(private.as_ref());
    der.extend_from_slice(&[0xa0, 10]);
    der.extend_from_slice(&OBJECT_P256);
    der
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in STANDARD.encode(der).as_bytes().chunks(64) {
        writeln!(text, "{}", std::str::from_utf8(line).unwrap()).unwrap();
    }
    writeln!(text, "-----END {label}-----").unwrap();
    text
}

/// One part of a token as JSON: 0 is its header, 1 its claims.
pub(crate) fn token_part(token: &str, part: usize) -> serde_json::Value {
    let text = token.split('.').nth(part).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}
