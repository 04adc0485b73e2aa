//! What a server does to one connection, step by step.

use std::time::Duration;

use super::answer::Answer;
use super::raw_frame::RawFrame;

/// What a [`Server`](crate::Server) does on one connection, from the moment that it is accepted.
///
/// The steps are taken in order. A handshake that a step needs and no earlier step made is made
/// correctly first: a script that begins with [`Step::Serve`] answers as any server does. After
/// the last step the exchange serves the connection as if there were no script; if the script
/// sent a close frame or refused the WebSocket, the server ends its side instead.
///
/// A script is taken by one connection. The n-th of
/// [`ServerConfig::scripts`](crate::ServerConfig::scripts) is for the n-th connection, and those
/// beyond the last script are served without faults, so that a client can recover.
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    pub(super) steps: Vec<Step>,
}

impl Script {
    /// Returns a script of these steps. Without steps it is that of a server without faults.
    #[must_use]
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect() }
    }
}

/// One step of a [`Script`].
///
/// No step is taken after one that ends the connection or holds it until the client leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Reads the request for a WebSocket and answers it in any way, after the TLS handshake if
    /// there is one. A WebSocket that is open already stays as it is.
    Answer(Answer),
    /// Writes bytes as they are, over TLS if that was spoken: garbage in place of a handshake, or
    /// a part of a frame.
    Bytes(Vec<u8>),
    /// Ends the server's side of the stream and goes on reading until the client leaves. TLS is not
    /// closed before, as by a server that dies.
    Fin,
    /// Writes a frame again and again, and reads, until the client leaves.
    Flood(RawFrame),
    /// Sets the form that frames of the exchange have from here on.
    Form(Form),
    /// Writes a frame, valid or not.
    Frame(RawFrame),
    /// Writes several frames at once.
    Frames(Vec<RawFrame>),
    /// Sends nothing more until the client leaves. Its bytes are read and discarded, and neither a
    /// handshake nor a ping is answered.
    Hold,
    /// Lets time pass, in which nothing is read or written.
    Pause(Duration),
    /// Reads this many further requests and hands them to the exchange, and sends nothing.
    Requests(u64),
    /// Resets the connection, so that the client's system reports it. In memory the stream is
    /// dropped.
    Reset,
    /// Serves the exchange until this many further frames of it have gone out.
    Serve(u64),
    /// Answers the TLS handshake. Without TLS this does nothing.
    Tls,
    /// Answers the request for a WebSocket correctly.
    Upgrade,
    /// Sets how bytes are split into writes from here on.
    Writes(Writes),
}

/// The WebSocket form of the exchange's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// Bytes instead of text.
    Binary,
    /// Text, each frame in several fragments.
    Fragments {
        /// How many fragments; 0 counts as 1.
        count: usize,
    },
    /// Text, as the venue sends it.
    Text,
}

/// How bytes are split into writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Writes {
    /// Several frames of the exchange leave together. Fewer wait until they are enough or another
    /// step is taken.
    Joined {
        /// How many frames; 0 counts as 1.
        frames: usize,
    },
    /// In pieces of any size up to a bound, between which a reader on the same thread runs.
    Pieces {
        /// What the sizes are drawn from.
        seed: u64,
        /// The largest piece in bytes; with 1 every byte is written alone. 0 counts as 1.
        max_bytes: usize,
    },
    /// Each frame in one write.
    Whole,
}
