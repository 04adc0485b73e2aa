//! The requests of clients, read.

use serde_json::Value;

use super::listings::Listings;

/// The longest request that is read; a longer one is malformed.
pub const MAX_REQUEST_BYTES: usize = 64 * 1024;

/// What the venue answers to a request that it cannot read.
pub(super) const MALFORMED: &str = "subscribe or unsubscribe required";
/// What the venue answers to an unknown channel and to a bad token.
pub(super) const REFUSED: &str = "authentication failure";
/// What the venue answers to more products than it serves on one connection.
pub(super) const TOO_MANY_STREAMS: &str = "too many L2 streams requested in a single session";

/// A request that was understood, with its products as indices of the listings.
pub(super) struct Request {
    pub(super) is_subscribe: bool,
    pub(super) channel: Channel,
    /// `None` when the request names no products.
    pub(super) products: Option<Vec<usize>>,
    #[cfg(feature = "tokens")]
    pub(super) token: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    Heartbeats,
    Level2,
}

/// Returns the JSON of a request, if it is JSON of a permitted length.
pub(super) fn parse(text: &str) -> Option<Value> {
    if text.len() > MAX_REQUEST_BYTES {
        return None;
    }
    serde_json::from_str(text).ok()
}

impl Request {
    /// Reads a request. An error is the message that the venue answers with.
    pub(super) fn read(value: &Value, listings: &Listings) -> Result<Self, &'static str> {
        let is_subscribe = match value["type"].as_str() {
            Some("subscribe") => true,
            Some("unsubscribe") => false,
            _ => return Err(MALFORMED),
        };
        let channel = match value["channel"].as_str() {
            Some("level2") => Channel::Level2,
            Some("heartbeats") => Channel::Heartbeats,
            // The venue gives an unknown channel the same answer as a bad token.
            Some(_) => return Err(REFUSED),
            None => return Err(MALFORMED),
        };
        let products = match &value["product_ids"] {
            Value::Null => None,
            Value::Array(ids) => {
                let ids: Option<Vec<&str>> = ids.iter().map(Value::as_str).collect();
                // Products that the exchange does not list are left out, here and in the ack.
                let ids = ids.ok_or(MALFORMED)?.into_iter();
                let known = ids.filter_map(|id| listings.resolve(id));
                Some(known.filter(|&product| listings.get(product).is_listed).collect())
            }
            _ => return Err(MALFORMED),
        };
        #[cfg(feature = "tokens")]
        let token = match &value["jwt"] {
            Value::Null => None,
            Value::String(token) => Some(token.clone()),
            _ => return Err(REFUSED),
        };
        Ok(Self {
            is_subscribe,
            channel,
            products,
            #[cfg(feature = "tokens")]
            token,
        })
    }
}
