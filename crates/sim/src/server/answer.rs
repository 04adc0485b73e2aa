//! Answers to the request for a WebSocket.

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

const SWITCHING_PROTOCOLS: u16 = 101;

/// An answer to a client that asks for a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    has_right_key: bool,
}

impl Answer {
    /// Returns the correct answer, which opens the WebSocket.
    #[must_use]
    pub const fn upgrade() -> Self {
        Self::status(SWITCHING_PROTOCOLS)
    }

    /// Returns an answer with an HTTP status and no header. 101 is an [`upgrade`](Self::upgrade).
    #[must_use]
    pub const fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), has_right_key: true }
    }

    /// Adds a header, which is not checked.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Answers with a `Sec-WebSocket-Accept` that does not follow from the client's key, so that no
    /// client may open the WebSocket.
    #[must_use]
    pub const fn wrong_key(mut self) -> Self {
        self.has_right_key = false;
        self
    }

    /// Returns whether the WebSocket is open for a client that follows the standard.
    pub(super) const fn opens(&self) -> bool {
        self.status == SWITCHING_PROTOCOLS && self.has_right_key
    }

    /// Returns the bytes of the answer to a request.
    pub(super) fn encode(&self, request: &str) -> Vec<u8> {
        let mut text = format!("HTTP/1.1 {} As Scripted\r\n", self.status);
        if self.status == SWITCHING_PROTOCOLS {
            let key = if self.has_right_key { key_of(request) } else { "another" };
            let accept = derive_accept_key(key.as_bytes());
            text.push_str("Connection: Upgrade\r\nUpgrade: websocket\r\n");
            text.push_str(&format!("Sec-WebSocket-Accept: {accept}\r\n"));
        }
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.into_bytes()
    }
}

/// Returns the key of a request; empty if it has none.
fn key_of(request: &str) -> &str {
    let headers = request.lines().filter_map(|line| line.split_once(':'));
    let mut keys = headers.filter(|(name, _)| name.eq_ignore_ascii_case("Sec-WebSocket-Key"));
    keys.next().map_or("", |(_, key)| key.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The request and the answer that the standard gives as an example.
    const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: example.com\r\n\
         sec-websocket-key:  dGhlIHNhbXBsZSBub25jZQ== \r\n\r\n";
    const ACCEPT: &str = "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

    #[test]
    fn answers_are_what_the_script_says() {
        let correct = String::from_utf8(Answer::upgrade().encode(REQUEST)).unwrap();
        assert!(correct.starts_with("HTTP/1.1 101 ") && correct.contains(ACCEPT), "{correct}");
        let wrong = String::from_utf8(Answer::upgrade().wrong_key().encode(REQUEST)).unwrap();
        assert!(wrong.contains("Sec-WebSocket-Accept: ") && !wrong.contains(ACCEPT), "{wrong}");
        let busy = Answer::status(429).header("Retry-After", "7").encode(REQUEST);
        assert_eq!(busy, b"HTTP/1.1 429 As Scripted\r\nRetry-After: 7\r\n\r\n");
        assert!(Answer::upgrade().opens() && Answer::status(101).opens());
        assert!(!Answer::status(200).opens() && !Answer::upgrade().wrong_key().opens());
    }
}
