//! The name of a product, checked once.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use smol_str::SmolStr;

/// The longest name of a product, in bytes. The longest seen has 15.
pub const MAX_PRODUCT_ID_LEN: usize = 64;

/// The venue's name of a product, such as `BTC-USD` or `BIP-20DEC30-CDE`.
///
/// Holds ASCII letters, digits, `-`, `_`, `.` and `/` only, so that it never needs escaping.
/// Cloning one copies 24 bytes.
///
/// ```
/// use level2::ProductId;
///
/// let product: ProductId = "BTC-USD".parse()?;
/// assert_eq!(product.as_str(), "BTC-USD");
/// assert!("BTC USD".parse::<ProductId>().is_err());
/// # Ok::<(), level2::wire::ProductIdError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProductId(SmolStr);

impl ProductId {
    /// Checks the name of a product.
    ///
    /// # Errors
    /// [`ProductIdError`] when the name is empty, longer than [`MAX_PRODUCT_ID_LEN`], or holds
    /// another character.
    pub fn new(name: &str) -> Result<Self, ProductIdError> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
        let is_sound = !name.is_empty() && name.len() <= MAX_PRODUCT_ID_LEN;
        if is_sound && name.bytes().all(is_allowed) {
            Ok(Self(name.into()))
        } else {
            Err(ProductIdError { name: name.chars().take(MAX_PRODUCT_ID_LEN).collect() })
        }
    }

    /// Returns the name as the venue writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the key of the name, if it is short enough to have one.
    pub(crate) fn key(&self) -> Option<ProductKey> {
        let mut name = [0; 16];
        name.get_mut(..self.0.len())?.copy_from_slice(self.0.as_bytes());
        Some(ProductKey::new(name))
    }
}

/// A name of at most sixteen bytes as one number, which is compared and hashed in a few steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ProductKey(u128);

impl ProductKey {
    /// Returns the key of a name that is followed by zeros.
    #[inline]
    pub(super) const fn new(name: [u8; 16]) -> Self {
        Self(u128::from_le_bytes(name))
    }
}

impl FromStr for ProductId {
    type Err = ProductIdError;

    fn from_str(name: &str) -> Result<Self, ProductIdError> {
        Self::new(name)
    }
}

impl TryFrom<&str> for ProductId {
    type Error = ProductIdError;

    fn try_from(name: &str) -> Result<Self, ProductIdError> {
        Self::new(name)
    }
}

impl AsRef<str> for ProductId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ProductId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0.as_str(), f)
    }
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// As its name; reading one checks it.
#[cfg(feature = "serde")]
impl serde::Serialize for ProductId {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for ProductId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<str>::deserialize(from)?;
        Self::new(&name).map_err(serde::de::Error::custom)
    }
}

/// The text is no name of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductIdError {
    name: Box<str>,
}

impl fmt::Display for ProductIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expected the name of a product such as BTC-USD (1 to {MAX_PRODUCT_ID_LEN} letters, \
             digits, '-', '_', '.', '/'), got {:?}",
            self.name
        )
    }
}

impl std::error::Error for ProductIdError {}
