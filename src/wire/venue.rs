//! What is known of the venue: its address, limits, names and words, each with its source.
//!
//! "The documentation" is docs.cdp.coinbase.com, read in October 2026. What it leaves open comes
//! from recordings and from what other clients of the venue report, with the date of the report.

/// The venue's market data.
///
/// Source: the documentation, "WebSocket Endpoints".
pub const COINBASE_URL: &str = "wss://advanced-trade-ws.coinbase.com";

/// How many connections the venue accepts in a second from one address.
///
/// Source: the documentation, "WebSocket Rate Limits". An older page says 750, and is still about.
pub(crate) const CONNECTIONS_PER_SECOND: usize = 8;

/// How many requests without a token the venue accepts in a second from one address.
///
/// Source: the documentation, "WebSocket Rate Limits". Of requests with a token it says nothing.
pub(crate) const REQUESTS_PER_SECOND: usize = 8;

/// The channel of order books, in requests and acknowledgements.
///
/// Source: the documentation, "WebSocket Channels".
pub(crate) const LEVEL2: &str = "level2";

/// The channel of order books, in frames of data.
///
/// Source: as for [`LEVEL2`].
pub(super) const LEVEL2_DATA: &str = "l2_data";

/// The channel of heartbeats, in requests, acknowledgements and frames.
///
/// Source: as for [`LEVEL2`].
pub(super) const HEARTBEATS: &str = "heartbeats";

/// The channel of acknowledgements.
///
/// Source: recordings of 2024 to 2026; the documentation only shows it.
pub(super) const SUBSCRIPTIONS: &str = "subscriptions";

/// Currencies that prices are in: a name that ends in one of them may lack its `-`. A currency
/// stands before those that end like it.
///
/// Source: names of products in recordings and in lists that clients keep, 2023 to 2026.
pub(super) const QUOTE_CURRENCIES: [&str; 10] =
    ["USDC", "USDT", "EURC", "USD", "EUR", "GBP", "SGD", "BTC", "ETH", "DAI"];

/// Products in USDC that are markets of their own.
///
/// Source: `EURC-USDC` and `USDT-USDC` from the documentation, "WebSocket Channels"; the others
/// from another client (2026).
const OWN_USDC_PRODUCTS: [&str; 5] =
    ["AUDD-USDC", "EURC-USDC", "TGBP-USDC", "USDT-USDC", "XSGD-USDC"];

/// Returns the name in USD under which the venue answers for a product in USDC, if it does.
///
/// Source: the documentation, "WebSocket Channels": all products in USDC but a few return the data
/// of the one in USD. Frames and acknowledgements then bear that name (other clients, 2024 to
/// September 2026).
pub(crate) fn usdc_alias(product: &str) -> Option<&str> {
    let canonical = product.strip_suffix('C').filter(|canonical| canonical.ends_with("-USD"))?;
    (!OWN_USDC_PRODUCTS.contains(&product)).then_some(canonical)
}

/// What the venue says to a token that is invalid or has expired, to a key of the wrong kind, and
/// to a channel that it does not know.
///
/// Source: issues 19, 64 and 92 of the venue's own coinbase-advanced-py (2024), and other clients
/// (2026).
const AUTHENTICATION_FAILURE: &str = "authentication failure";

/// How the venue begins when a connection asks for more products than it serves on one: "too many
/// L2 streams requested in a single session".
///
/// Source: other clients, since 26 August 2026. The bound is documented nowhere; 30 products were
/// accepted.
const TOO_MANY_STREAMS: &str = "too many L2 streams requested";

/// Which refusal an error frame is, by the words that the venue is known to use.
///
/// Case and blanks around do not matter, and nor does what follows the known words. The words are
/// the venue's to change: what they are taken for decides no more than what to ask next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum RefusalKind {
    /// The token is invalid or has expired, the key is of the wrong kind, or the channel is
    /// unknown.
    Authentication,
    /// Anything else.
    Other,
    /// The connection asks for more products than the venue serves on one.
    TooManyStreams,
}

impl RefusalKind {
    /// Returns the kind of a refusal in these words.
    pub(super) fn of(message: &str) -> Self {
        if begins_with(message, AUTHENTICATION_FAILURE) {
            Self::Authentication
        } else if begins_with(message, TOO_MANY_STREAMS) {
            Self::TooManyStreams
        } else {
            Self::Other
        }
    }
}

/// Returns whether a message begins with a phrase, and with the whole of its last word.
fn begins_with(message: &str, phrase: &str) -> bool {
    let message = message.trim_start();
    let Some((start, rest)) = message.split_at_checked(phrase.len()) else { return false };
    start.eq_ignore_ascii_case(phrase) && !rest.starts_with(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_known_by_their_first_words() {
        for (message, kind) in [
            ("authentication failure", RefusalKind::Authentication),
            (" Authentication Failure\n", RefusalKind::Authentication),
            ("authentication failure.", RefusalKind::Authentication),
            ("authentication failure: the token has expired", RefusalKind::Authentication),
            ("authentication failures", RefusalKind::Other),
            ("authentication  failure", RefusalKind::Other),
            ("authentication", RefusalKind::Other),
            ("no authentication failure", RefusalKind::Other),
            ("too many L2 streams requested in a single session", RefusalKind::TooManyStreams),
            ("Too many l2 streams requested: max 4", RefusalKind::TooManyStreams),
            ("too many L2 streams requested.", RefusalKind::TooManyStreams),
            ("too many L2 streams", RefusalKind::Other),
            ("subscribe or unsubscribe required", RefusalKind::Other),
            ("too many L2 streams requeste\u{e9}", RefusalKind::Other),
            ("", RefusalKind::Other),
        ] {
            assert_eq!(RefusalKind::of(message), kind, "{message:?}");
        }
    }

    #[test]
    fn products_in_usdc_are_answered_in_usd_but_for_markets_of_their_own() {
        for (product, canonical) in [
            ("BTC-USDC", Some("BTC-USD")),
            ("USDT-USDC", None),
            ("EURC-USDC", None),
            ("BTC-USD", None),
            ("USDC-USD", None),
            ("BTC-USDT", None),
            ("XUSDC", None),
        ] {
            assert_eq!(usdc_alias(product), canonical, "{product}");
        }
    }

    #[test]
    fn no_quote_currency_hides_behind_a_shorter_one() {
        for (index, currency) in QUOTE_CURRENCIES.iter().enumerate() {
            let earlier = &QUOTE_CURRENCIES[..index];
            assert!(earlier.iter().all(|earlier| !currency.ends_with(earlier)), "{currency}");
        }
    }
}
