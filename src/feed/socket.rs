//! The WebSocket: its limits, and what its errors mean.

use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::dial::Transport;
use crate::session::Disconnect;

/// The most bytes of requests that are buffered while the venue does not read.
const MAX_WRITE_BUFFER_BYTES: usize = 1 << 20;

/// How many bytes are buffered before they are written: none, each request is sent at once.
const WRITE_BUFFER_BYTES: usize = 0;

/// An open WebSocket.
pub(super) type Socket = WebSocketStream<Box<dyn Transport>>;

/// Returns the limits of a socket.
pub(super) fn socket_config(max_message_bytes: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(max_message_bytes))
        .max_frame_size(Some(max_message_bytes))
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES)
}

/// Returns why an error of a socket ends its connection.
pub(super) fn reason_of(error: &tungstenite::Error, max_message_bytes: usize) -> Disconnect {
    match error {
        tungstenite::Error::Capacity(CapacityError::MessageTooLong { size, .. }) => {
            Disconnect::MessageTooLarge { size: *size, limit: max_message_bytes }
        }
        other => Disconnect::Transport(other.to_string().into()),
    }
}
