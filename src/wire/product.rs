//! The name of a product, checked once.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use smol_str::SmolStr;

use super::venue::QUOTE_CURRENCIES;

/// The longest name of a product, in bytes. The longest seen has 15.
pub const MAX_PRODUCT_ID_LEN: usize = 64;

/// The venue's name of a product, such as `BTC-USD`, `00-USD`, `BIP-20DEC30-CDE` or
/// `BTC-PERP-INTX`.
///
/// Two parts or more, joined by `-`, each of upper-case ASCII letters and digits. That holds for
/// every name in recordings and in lists of the venue's products (2023 to 2026), and needs no
/// escaping anywhere. Cloning one copies 24 bytes.
///
/// ```
/// use level2::ProductId;
///
/// let product: ProductId = "BTC-USD".parse()?;
/// assert_eq!(product.as_str(), "BTC-USD");
///
/// let error = "btc/usd".parse::<ProductId>().unwrap_err();
/// assert_eq!(error.suggestion(), Some(&product));
/// # Ok::<(), level2::wire::ProductIdError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProductId(SmolStr);

impl ProductId {
    /// Checks the name of a product.
    ///
    /// # Errors
    /// [`ProductIdError`] when no product can have that name: it is longer than
    /// [`MAX_PRODUCT_ID_LEN`], or not two parts or more of upper-case letters and digits, joined
    /// by `-`. Where another spelling of it can be a product, the error
    /// [suggests](ProductIdError::suggestion) that.
    pub fn new(name: &str) -> Result<Self, ProductIdError> {
        match problem_of(name) {
            None => Ok(Self(name.into())),
            Some(problem) => Err(ProductIdError::new(name, problem)),
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

/// Writes the name as a string.
#[cfg(feature = "serde")]
impl serde::Serialize for ProductId {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

/// Reads a string, and checks it as [`ProductId::new`] does.
#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for ProductId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<str>::deserialize(from)?;
        Self::new(&name).map_err(serde::de::Error::custom)
    }
}

/// No product can have this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductIdError {
    /// The start of the name, as long as a name may be.
    name: Box<str>,
    problem: Problem,
    suggestion: Option<ProductId>,
}

impl ProductIdError {
    #[cold]
    fn new(name: &str, problem: Problem) -> Self {
        Self {
            name: name.chars().take(MAX_PRODUCT_ID_LEN).collect(),
            problem,
            suggestion: suggestion_for(name),
        }
    }

    /// Returns the name that was probably meant, if there is one: `btc-usd`, `BTC/USD` and
    /// `BTCUSD` suggest `BTC-USD`. The venue need not have that product.
    #[must_use]
    pub const fn suggestion(&self) -> Option<&ProductId> {
        self.suggestion.as_ref()
    }
}

impl fmt::Display for ProductIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, problem, suggestion } = self;
        write!(f, "{name:?} is not the name of a product: {problem}; ")?;
        match suggestion {
            Some(product) => write!(f, "did you mean {product}?"),
            None => f.write_str("names look like BTC-USD"),
        }
    }
}

impl std::error::Error for ProductIdError {}

/// Why no product can have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    Character(char),
    Empty,
    EmptyPart,
    OnePart,
    TooLong { len: usize },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Character(character) => {
                write!(f, "{character:?} is no upper-case letter, digit or '-'")
            }
            Self::Empty => f.write_str("it is empty"),
            Self::EmptyPart => f.write_str("one of its parts is empty"),
            Self::OnePart => f.write_str("it has no '-'"),
            Self::TooLong { len } => {
                write!(f, "it has {len} bytes, and at most {MAX_PRODUCT_ID_LEN} are allowed")
            }
        }
    }
}

fn problem_of(name: &str) -> Option<Problem> {
    let is_allowed = |character: char| {
        character.is_ascii_uppercase() || character.is_ascii_digit() || character == '-'
    };
    if name.is_empty() {
        return Some(Problem::Empty);
    }
    if name.len() > MAX_PRODUCT_ID_LEN {
        return Some(Problem::TooLong { len: name.len() });
    }
    if let Some(character) = name.chars().find(|character| !is_allowed(*character)) {
        return Some(Problem::Character(character));
    }
    if !name.contains('-') {
        return Some(Problem::OnePart);
    }
    name.split('-').any(str::is_empty).then_some(Problem::EmptyPart)
}

/// Returns the name that another spelling of it probably means.
fn suggestion_for(name: &str) -> Option<ProductId> {
    let name = name.trim();
    if name.len() > MAX_PRODUCT_ID_LEN {
        return None;
    }
    let has_dash = name.contains('-');
    let separators = |character: char| match character {
        '-' | '/' | '_' | ' ' | ':' | '\u{2013}' | '\u{2014}' => true,
        '.' => !has_dash,
        _ => false,
    };
    let parts = name.split(separators).filter(|part| !part.is_empty());
    let name = parts.collect::<Vec<_>>().join("-").to_ascii_uppercase();
    let sound = |name: String| problem_of(&name).is_none().then(|| ProductId(name.into()));
    let with_dash = |currency: &&str| {
        let base = name.strip_suffix(currency)?;
        sound(format!("{base}-{currency}"))
    };
    sound(name.clone()).or_else(|| QUOTE_CURRENCIES.iter().find_map(with_dash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_venue_are_taken() {
        for name in [
            "BTC-USD",
            "00-USD",
            "1INCH-BTC",
            "ZETACHAIN-USD",
            "USDT-USDC",
            "BIP-20DEC30-CDE",
            "ETP-20DEC30-CDE",
            "BTC-PERP-INTX",
            "1000BONK-PERP-INTX",
        ] {
            assert_eq!(ProductId::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn other_spellings_are_refused_and_suggest_the_right_one() {
        for (name, suggestion) in [
            ("btc-usd", "BTC-USD"),
            ("Btc-Usd", "BTC-USD"),
            ("BTCUSD", "BTC-USD"),
            ("btcusdc", "BTC-USDC"),
            ("BTC.USD", "BTC-USD"),
            ("BTC:USD", "BTC-USD"),
            ("BTC\u{2013}USD", "BTC-USD"),
            ("BTCUSDT", "BTC-USDT"),
            ("BTCEURC", "BTC-EURC"),
            ("ethbtc", "ETH-BTC"),
            ("USDTUSD", "USDT-USD"),
            ("BTC/USD", "BTC-USD"),
            ("BTC_USD", "BTC-USD"),
            ("BTC USD", "BTC-USD"),
            (" BTC-USD ", "BTC-USD"),
            ("BTC-USD\n", "BTC-USD"),
            ("BTC--USD", "BTC-USD"),
            ("-BTC-USD", "BTC-USD"),
            ("BTC - USD", "BTC-USD"),
            ("bip-20dec30-cde", "BIP-20DEC30-CDE"),
        ] {
            let error = ProductId::new(name).unwrap_err();
            assert_eq!(error.suggestion().map(ProductId::as_str), Some(suggestion), "{name:?}");
            let text = error.to_string();
            assert!(text.starts_with(&format!("{name:?} is not ")), "{text}");
            assert!(text.ends_with(&format!("did you mean {suggestion}?")), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_even_where_nothing_can_be_suggested() {
        let long = format!("{}-USD", "A".repeat(61));
        let longer = "\u{e9}".repeat(1_000);
        for (name, problem) in [
            ("", "it is empty"),
            ("-", "one of its parts is empty"),
            ("USD", "it has no '-'"),
            ("BTC", "it has no '-'"),
            ("BTC-U.S.D", "'.' is no upper-case letter, digit or '-'"),
            ("BTC-\u{20ac}", "'\u{20ac}' is no upper-case letter, digit or '-'"),
            ("BTC-\"USD", "'\"' is no upper-case letter, digit or '-'"),
            (&long, "it has 65 bytes, and at most 64 are allowed"),
            (&longer, "it has 2000 bytes, and at most 64 are allowed"),
        ] {
            let error = ProductId::new(name).unwrap_err();
            assert_eq!(error.suggestion(), None, "{name:?}");
            let text = error.to_string();
            assert!(text.ends_with(&format!(": {problem}; names look like BTC-USD")), "{text}");
            assert!(text.chars().count() < 200, "a long name is cut: {text}");
        }
        assert!(ProductId::new(&long[1..]).is_ok(), "as long as a name may be");
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_product_is_stored_as_its_name_and_checked_when_it_is_read() {
        let product = ProductId::new("BTC-USD").unwrap();
        let json = serde_json::to_string(&product).unwrap();
        assert_eq!(json, "\"BTC-USD\"");
        assert_eq!(serde_json::from_str::<ProductId>(&json).unwrap(), product);
        let escaped = serde_json::from_str::<ProductId>("\"BTC\\u002dUSD\"").unwrap();
        assert_eq!(escaped, product);
        let error = serde_json::from_str::<ProductId>("\"btc-usd\"").unwrap_err().to_string();
        assert!(error.contains("did you mean BTC-USD?"), "{error}");
        assert!(serde_json::from_str::<ProductId>("7").is_err());
    }
}
