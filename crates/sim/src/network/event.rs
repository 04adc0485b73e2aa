//! What a network reports to the client.

use crate::ended::Ended;

/// Names a frame of a connection: numbers repeat once the counter has begun again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// How often the counter had begun again.
    pub epoch: u64,
    /// The `sequence_num`.
    pub sequence: u64,
}

/// A message as it arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkMessage {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Which frame of the exchange it is, or was; `None` for those without a number.
    pub mark: Option<Mark>,
    /// Whether every byte is as it was sent.
    pub is_intact: bool,
}

/// What a socket would report to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkEvent {
    /// The dial succeeded.
    Opened,
    /// A message came.
    Message(NetworkMessage),
    /// The connection ended, or the dial failed.
    Closed(Ended),
}
