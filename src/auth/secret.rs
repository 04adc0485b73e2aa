//! Parses secrets in every form that the venue issues, with the escapes that copying adds.
//!
//! Every buffer that holds a part of a secret is wiped when it is dropped. No such buffer may grow,
//! because that frees the old memory unwiped: each is allocated as large as its content can become.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jsonwebtoken::{Algorithm, EncodingKey};
use zeroize::Zeroizing;

use super::error::{AuthError, SecretForm};

/// The length of an Ed25519 seed, and of its public key.
const ED25519_LEN: usize = 32;

/// The object identifiers of algorithms and curves, in DER.
const OID_EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const OID_P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const OID_ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// The length of the beginning of PKCS#8 that contains the identifiers, before the key itself.
const OID_REGION: usize = 32;

/// Base64 as the venue writes it. Padding is optional, as it gets lost when keys are copied.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A private key in PKCS#8, and its algorithm. The key is wiped when this is dropped.
pub(super) struct SigningKey {
    pub(super) key: EncodingKey,
    pub(super) algorithm: Algorithm,
}

impl SigningKey {
    /// Parses a secret.
    pub(super) fn parse(secret: &str) -> Result<Self, AuthError> {
        let text = unescape(secret);
        let text = trim(&text);
        if text.is_empty() {
            return Err(wrong(SecretForm::Empty, "a private key"));
        }
        if let Some(framed) = Framed::find(text)? {
            let der = decode(framed.body)
                .ok_or_else(|| wrong(framed.form, "base64 between its lines"))?;
            return match framed.form {
                SecretForm::EcPem => Self::from_ec(&der, framed.form),
                _ => Self::from_pkcs8(&der),
            };
        }
        let bytes = decode(text).ok_or_else(|| wrong(SecretForm::Unknown, USABLE_FORMS))?;
        Self::from_ed25519_bytes(&bytes)
    }

    /// Parses SEC1 or PKCS#8 of an elliptic-curve key.
    fn from_ec(der: &[u8], form: SecretForm) -> Result<Self, AuthError> {
        let wrong = || wrong(form, "a whole key on the curve P-256");
        let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
            .map_err(|_| wrong())?;
        let pkcs8 = pair.to_pkcs8v1().map_err(|_| wrong())?;
        Ok(Self { key: EncodingKey::from_ec_der(pkcs8.as_ref()), algorithm: Algorithm::ES256 })
    }

    /// Parses PKCS#8, which names the algorithm of its key.
    fn from_pkcs8(der: &[u8]) -> Result<Self, AuthError> {
        let form = SecretForm::Pkcs8Pem;
        let names = &der[..der.len().min(OID_REGION)];
        let holds = |oid: &[u8]| names.windows(oid.len()).any(|window| window == oid);
        if holds(OID_EC) {
            if !holds(OID_P256) {
                return Err(wrong(form, "a key on the curve P-256, not on another curve"));
            }
            return Self::from_ec(der, form);
        }
        if holds(OID_ED25519) {
            let pair = Ed25519KeyPair::from_pkcs8(der);
            return Self::from_ed25519_pair(pair.ok(), form, "a whole Ed25519 key");
        }
        Err(wrong(form, "a P-256 or an Ed25519 key, not one of another kind"))
    }

    /// Parses an Ed25519 seed, alone or followed by its public key.
    fn from_ed25519_bytes(bytes: &[u8]) -> Result<Self, AuthError> {
        let form = SecretForm::Base64;
        match bytes.split_at_checked(ED25519_LEN) {
            Some((seed, [])) => {
                let pair = Ed25519KeyPair::from_seed_unchecked(seed);
                Self::from_ed25519_pair(pair.ok(), form, "an Ed25519 seed")
            }
            Some((seed, public)) if public.len() == ED25519_LEN => {
                let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public);
                let expected = "an Ed25519 seed and the public key that belongs to it";
                Self::from_ed25519_pair(pair.ok(), form, expected)
            }
            _ => Err(wrong(form, "32 bytes (an Ed25519 seed) or 64 (with its public key) of it")),
        }
    }

    fn from_ed25519_pair(
        pair: Option<Ed25519KeyPair>,
        form: SecretForm,
        expected: &'static str,
    ) -> Result<Self, AuthError> {
        let pkcs8 =
            pair.and_then(|pair| pair.to_pkcs8v1().ok()).ok_or_else(|| wrong(form, expected))?;
        Ok(Self { key: EncodingKey::from_ed_der(pkcs8.as_ref()), algorithm: Algorithm::EdDSA })
    }
}

/// Returns whether a text is more likely a secret than a name or a path.
pub(super) fn looks_like_a_secret(text: &str) -> bool {
    text.contains(BEGIN.trim_end())
        || decode(text).is_some_and(|bytes| [ED25519_LEN, 2 * ED25519_LEN].contains(&bytes.len()))
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

const USABLE_FORMS: &str = "PEM that begins with -----BEGIN EC PRIVATE KEY----- or -----BEGIN \
                            PRIVATE KEY-----, or the base64 of an Ed25519 key";

/// The labels of PEM and the forms that they stand for.
const LABELS: [(&str, SecretForm); 8] = [
    ("CERTIFICATE", SecretForm::PublicPem),
    ("EC PRIVATE KEY", SecretForm::EcPem),
    ("ENCRYPTED PRIVATE KEY", SecretForm::EncryptedPem),
    ("OPENSSH PRIVATE KEY", SecretForm::OpensshPem),
    ("PRIVATE KEY", SecretForm::Pkcs8Pem),
    ("PUBLIC KEY", SecretForm::PublicPem),
    ("RSA PRIVATE KEY", SecretForm::RsaPem),
    ("RSA PUBLIC KEY", SecretForm::PublicPem),
];

/// The private key of a PEM text: the base64 between its first and last line.
struct Framed<'a> {
    form: SecretForm,
    body: &'a str,
}

impl<'a> Framed<'a> {
    /// Finds the private key in a text. Other blocks may precede it: OpenSSL writes the parameters
    /// of a curve in one. Returns `None` if the text is not PEM.
    fn find(text: &'a str) -> Result<Option<Self>, AuthError> {
        let mut rest = text;
        let mut other = None;
        while let Some((_, block)) = rest.split_once(BEGIN) {
            let (label, block) = block
                .split_once(DASHES)
                .ok_or_else(|| wrong(SecretForm::OtherPem, "a whole first line"))?;
            let form = LABELS.iter().find(|(known, _)| *known == label);
            let form = form.map_or(SecretForm::OtherPem, |(_, form)| *form);
            let (body, after) = block
                .split_once(END)
                .ok_or_else(|| wrong(form, "its whole text, down to the line -----END ...-----"))?;
            if matches!(form, SecretForm::EcPem | SecretForm::Pkcs8Pem) {
                let end = after.split_once(DASHES).map(|(end, _)| end);
                if end != Some(label) {
                    return Err(wrong(form, "the same label in its last line as in its first"));
                }
                if body.contains("ENCRYPTED") {
                    return Err(wrong(SecretForm::EncryptedPem, "a key without a password"));
                }
                return Ok(Some(Self { form, body }));
            }
            other.get_or_insert(form);
            rest = after;
        }
        match other {
            Some(SecretForm::EncryptedPem) => {
                Err(wrong(SecretForm::EncryptedPem, "a key without a password"))
            }
            Some(form) => Err(wrong(form, USABLE_FORMS)),
            None if text.contains(DASHES) => Err(wrong(SecretForm::Unknown, USABLE_FORMS)),
            None => Ok(None),
        }
    }
}

const fn wrong(form: SecretForm, expected: &'static str) -> AuthError {
    AuthError::Secret { form, expected }
}

/// Trims whitespace and quotes off both ends.
fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '\u{feff}'))
}

/// Replaces the escapes that a secret picks up in environment files and JSON.
fn unescape(secret: &str) -> Zeroizing<String> {
    // An escape is never shorter than what it stands for.
    let mut text = Zeroizing::new(String::with_capacity(secret.len()));
    let mut rest = secret;
    while let Some((before, escape)) = rest.split_once('\\') {
        text.push_str(before);
        // Each program that passed it on may have escaped it again.
        let escape = escape.trim_start_matches('\\');
        let mut characters = escape.chars();
        rest = match characters.next() {
            Some('n' | 'r' | 't') => {
                text.push('\n');
                characters.as_str()
            }
            Some('u') => match characters.as_str().split_at_checked(4) {
                Some((digits, after)) => {
                    let character = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
                    // Keys are ASCII. Any other character becomes one that no key contains.
                    text.push(character.filter(char::is_ascii).unwrap_or('\u{1a}'));
                    after
                }
                None => characters.as_str(),
            },
            // A quote, a slash, or an escape without a meaning.
            _ => escape,
        };
    }
    text.push_str(rest);
    text
}

/// Decodes base64 that may be broken into lines.
fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut joined = Zeroizing::new(Vec::with_capacity(text.len()));
    joined.extend(text.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(joined.len())]);
    let len = BASE64.decode_slice(joined.as_slice(), &mut bytes).ok()?;
    // Truncating does not move the buffer.
    bytes.truncate(len);
    Some(bytes)
}
