//! What a server does to one connection, step by step.

use std::time::Duration;

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::raw_frame::RawFrame;

/// What a [`Server`](super::Server) does on one connection, from the moment that TCP accepted it.
///
/// The steps are taken in order. Whatever a step needs and no step did before it is done soundly
/// first: a script that begins with [`Step::Serve`] answers the handshakes as any server. After
/// the last step the exchange serves the connection as if there were no script; where the script
/// sent a close frame or refused the WebSocket, the server ends its side instead.
///
/// A script is taken by one connection. The n-th of
/// [`ServerConfig::scripts`](super::ServerConfig::scripts) is for the n-th connection, and those
/// beyond the last script are served soundly, so that a client can heal.
///
/// ```
/// use std::time::Duration;
///
/// use level2_sim::{Answer, RawFrame, Script, Step};
///
/// // Ten frames, then silence.
/// let silent = Script::new([Step::Serve(10), Step::Hold]);
/// // The requests are read, then the connection is reset.
/// let reset = Script::new([Step::Requests(2), Step::Reset]);
/// // The handshake is refused.
/// let busy = Script::new([Step::Answer(Answer::status(429).header("Retry-After", "7"))]);
/// // Half of a frame, and the end.
/// let half = RawFrame::text(r#"{"channel":"l2_data"}"#).encode()[..10].to_vec();
/// let torn = Script::new([Step::Serve(3), Step::Bytes(half), Step::Fin]);
/// # let _ = [silent, reset, busy, torn];
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    pub(super) steps: Vec<Step>,
}

impl Script {
    /// Returns a script of these steps. Without any it is that of a sound server.
    #[must_use]
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect() }
    }
}

/// One step of a [`Script`].
///
/// Those that end the connection or hold it for ever are the last to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Reads the request for a WebSocket and answers it in any way, after the TLS handshake if
    /// there is one. A WebSocket that is open already stays as it is.
    Answer(Answer),
    /// Writes bytes as they are, over TLS if that was spoken: garbage in place of a handshake, or
    /// a part of a frame.
    Bytes(Vec<u8>),
    /// Ends the server's side of TCP and goes on reading until the client leaves. Over TLS
    /// nothing is said of it before, as by a server that dies.
    Fin,
    /// Writes a frame without end until the client leaves, whose bytes are read meanwhile.
    Flood(RawFrame),
    /// Sets the form that frames of the exchange have from here on.
    Form(Form),
    /// Writes a frame, sound or not.
    Frame(RawFrame),
    /// Writes several frames at once.
    Frames(Vec<RawFrame>),
    /// Says nothing more until the client leaves. Its bytes are read and thrown away, and neither
    /// a handshake nor a ping is answered.
    Hold,
    /// Lets time pass, in which nothing is read or written.
    Pause(Duration),
    /// Reads so many further requests and hands them to the exchange, and sends nothing.
    Requests(u64),
    /// Resets the connection, so that the client is told of it by its system.
    Reset,
    /// Serves the exchange until so many further frames of it have gone out.
    Serve(u64),
    /// Answers the TLS handshake. Without TLS this does nothing.
    Tls,
    /// Opens the WebSocket soundly.
    Upgrade,
    /// Sets how bytes are cut into writes from here on.
    Writes(Writes),
}

/// The WebSocket form of the exchange's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// Bytes instead of text.
    Binary,
    /// Text in so many fragments each.
    Fragments {
        /// How many; 0 counts as 1.
        count: usize,
    },
    /// Text, as the venue sends it.
    Text,
}

/// How bytes are cut into writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Writes {
    /// So many frames of the exchange leave together. Fewer wait until they are enough or another
    /// step is taken.
    Joined {
        /// How many; 0 counts as 1.
        frames: usize,
    },
    /// In pieces of any size up to a bound, between which a reader on the same thread runs.
    Pieces {
        /// What the sizes are drawn from.
        seed: u64,
        /// The largest piece in bytes; with 1 every byte is written alone. 0 counts as 1.
        bytes_max: usize,
    },
    /// Each frame in one write.
    Whole,
}

/// An answer to a client that asks for a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    has_right_key: bool,
}

impl Answer {
    /// Returns the sound answer, which opens the WebSocket.
    #[must_use]
    pub const fn upgrade() -> Self {
        Self::status(SWITCHING_PROTOCOLS)
    }

    /// Returns an answer with an HTTP status and no header. 101 is an [`upgrade`](Self::upgrade).
    #[must_use]
    pub const fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), has_right_key: true }
    }

    /// Adds a header, which nobody checks.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Opens the WebSocket with a `Sec-WebSocket-Accept` that does not follow from the client's
    /// key, so that it is not opened.
    #[must_use]
    pub const fn wrong_key(mut self) -> Self {
        self.has_right_key = false;
        self
    }

    /// Whether a client has to take the WebSocket for open.
    pub(super) const fn opens(&self) -> bool {
        self.status == SWITCHING_PROTOCOLS && self.has_right_key
    }

    /// Writes the answer to a request.
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

/// Finds what the client wants its answer to be derived from.
fn key_of(request: &str) -> &str {
    let headers = request.lines().filter_map(|line| line.split_once(':'));
    let mut keys = headers.filter(|(name, _)| name.eq_ignore_ascii_case("Sec-WebSocket-Key"));
    keys.next().map_or("", |(_, key)| key.trim())
}

const SWITCHING_PROTOCOLS: u16 = 101;

#[cfg(test)]
mod tests {
    use super::*;

    /// The request and the answer that the standard gives as an example.
    const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: example.com\r\n\
         sec-websocket-key:  dGhlIHNhbXBsZSBub25jZQ== \r\n\r\n";
    const ACCEPT: &str = "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

    #[test]
    fn answers_are_written_as_told() {
        let sound = String::from_utf8(Answer::upgrade().encode(REQUEST)).unwrap();
        assert!(sound.starts_with("HTTP/1.1 101 ") && sound.contains(ACCEPT), "{sound}");
        let wrong = String::from_utf8(Answer::upgrade().wrong_key().encode(REQUEST)).unwrap();
        assert!(wrong.contains("Sec-WebSocket-Accept: ") && !wrong.contains(ACCEPT), "{wrong}");
        let busy = Answer::status(429).header("Retry-After", "7").encode(REQUEST);
        assert_eq!(busy, b"HTTP/1.1 429 As Scripted\r\nRetry-After: 7\r\n\r\n");
        assert!(Answer::upgrade().opens() && Answer::status(101).opens());
        assert!(!Answer::status(200).opens() && !Answer::upgrade().wrong_key().opens());
    }
}
