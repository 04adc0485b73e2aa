//! Requests as JSON text.

use super::product::ProductId;
use super::venue;

/// A request to the venue: one channel, any number of products.
///
/// The venue takes one channel a message and answers each with an acknowledgement that lists
/// everything subscribed to at that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// Whether to begin or to end.
    pub action: Action,
    /// What to begin or end.
    pub channel: RequestChannel,
    /// For which products; empty for heartbeats, which belong to the connection.
    pub products: Vec<ProductId>,
    /// Whether the sender should give it a token, if it has credentials.
    pub wants_token: bool,
}

impl Request {
    /// Returns a request.
    #[must_use]
    pub const fn new(action: Action, channel: RequestChannel, products: Vec<ProductId>) -> Self {
        Self { action, channel, products, wants_token: false }
    }

    /// Writes the request as the venue reads it, with a token (JWT) if there is one.
    ///
    /// A token lives two minutes and serves one message: make a fresh one for each.
    ///
    /// ```
    /// use level2::wire::{Action, Request, RequestChannel};
    ///
    /// let products = vec!["BTC-USD".parse()?, "ETH-USD".parse()?];
    /// let request = Request::new(Action::Subscribe, RequestChannel::Level2, products);
    /// assert_eq!(
    ///     request.encode(None),
    ///     r#"{"type":"subscribe","product_ids":["BTC-USD","ETH-USD"],"channel":"level2"}"#
    /// );
    /// # Ok::<(), level2::wire::ProductIdError>(())
    /// ```
    #[must_use]
    pub fn encode(&self, token: Option<&str>) -> String {
        let mut json = String::from("{\"type\":");
        push_string(&mut json, self.action.as_str());
        if !self.products.is_empty() {
            json.push_str(",\"product_ids\":[");
            for (index, product) in self.products.iter().enumerate() {
                if index > 0 {
                    json.push(',');
                }
                push_string(&mut json, product.as_str());
            }
            json.push(']');
        }
        json.push_str(",\"channel\":");
        push_string(&mut json, self.channel.as_str());
        if let Some(token) = token {
            json.push_str(",\"jwt\":");
            push_string(&mut json, token);
        }
        json.push('}');
        json
    }
}

/// Whether a request begins or ends a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums)] // The venue knows these two.
pub enum Action {
    /// Begin: the venue answers with a snapshot and then updates.
    Subscribe,
    /// End.
    Unsubscribe,
}

impl Action {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe",
            Self::Unsubscribe => "unsubscribe",
        }
    }
}

/// The channels this library asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestChannel {
    /// One frame each second, which keeps a quiet connection open and shows that it lives.
    Heartbeats,
    /// Order books; the answers come on the channel `l2_data`.
    Level2,
}

impl RequestChannel {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Heartbeats => venue::HEARTBEATS,
            Self::Level2 => venue::LEVEL2,
        }
    }
}

/// Appends a JSON string.
fn push_string(json: &mut String, text: &str) {
    use std::fmt::Write as _;

    json.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            // Neither names of products nor tokens hold any; a caller's token might.
            '\0'..='\x1f' => {
                let _ = write!(json, "\\u{:04x}", u32::from(character));
            }
            _ => json.push(character),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heartbeats_need_no_products() {
        let request = Request::new(Action::Subscribe, RequestChannel::Heartbeats, Vec::new());
        assert_eq!(request.encode(None), r#"{"type":"subscribe","channel":"heartbeats"}"#);
    }

    #[test]
    fn a_token_cannot_break_out_of_its_string() {
        let product = ProductId::new("BTC-USD").unwrap();
        let request = Request::new(Action::Unsubscribe, RequestChannel::Level2, vec![product]);
        let json = request.encode(Some("a\"\\\n\u{e9}"));
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["jwt"], "a\"\\\n\u{e9}");
        assert_eq!(value["type"], "unsubscribe");
        assert_eq!(value["product_ids"][0], "BTC-USD");
    }
}
