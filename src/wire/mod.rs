//! The dialect of Coinbase Advanced Trade's market-data WebSocket, in and out.
//!
//! This module knows bytes. It holds no state but scratch memory: what a frame means for a book,
//! and whether its number was expected, is [`session`](crate::session)'s business.
//!
//! # The dialect
//!
//! Taken from the venue's documentation (docs.cdp.coinbase.com, websocket overview, channels and
//! the AsyncAPI page of `level2`; read October 2026) and from captures of 2024 to 2026.
//!
//! 1. Every frame is one JSON object in one text message. All but error frames hold `channel`,
//!    `timestamp`, `sequence_num` and `events`, and may hold `client_id`.
//! 2. `sequence_num` counts the frames of a connection, whatever their channel: data,
//!    acknowledgements, heartbeats and channels unknown to this module. Error frames have none.
//! 3. One subscribes to `level2`; the data comes as `l2_data`. Each event names its product, says
//!    `snapshot` or `update`, and lists levels with `side` (`bid` or `offer`), `event_time`,
//!    `price_level` and `new_quantity`.
//! 4. `new_quantity` is the size that now rests at the price, not a difference. Zero, however it
//!    is written, removes the level.
//! 5. A snapshot is one event, of 45,000 levels and 5 MB for the largest products. It comes
//!    before the acknowledgement (`subscriptions`) of the request that caused it.
//! 6. `heartbeats` come each second; their counter was seen as a number and as a string.
//! 7. `{"type":"error","message":"..."}` answers a request that the venue refuses.
//!
//! # Reading
//!
//! [`Decoder::decode`] answers a [`Frame`] that borrows from the decoder's scratch memory and
//! reads its levels on demand, so a frame of 45,000 levels costs no list of them.
//!
//! ```
//! use level2::wire::{Body, Decoder};
//!
//! let mut decoder = Decoder::new();
//! let frame = decoder.decode(
//!     br#"{"channel":"l2_data","timestamp":"2026-11-02T00:00:00.05Z","sequence_num":4,
//!          "events":[{"type":"update","product_id":"BTC-USD","updates":[
//!          {"side":"offer","event_time":"2026-11-02T00:00:00Z","price_level":"83277.26",
//!           "new_quantity":"0"}]}]}"#,
//! )?;
//! assert_eq!(frame.sequence(), Some(4));
//! let Body::Level2 { updates, .. } = frame.body() else { panic!("expected levels") };
//! for update in updates {
//!     let update = update?;
//!     assert_eq!(update.product_id(), "BTC-USD");
//!     for level in update.levels()? {
//!         assert!(level?.size.is_zero());
//!     }
//! }
//! # Ok::<(), level2::wire::DecodeError>(())
//! ```
//!
//! Two tiers stand behind [`Decoder::decode`]: one pass over exactly the shape that the venue
//! sends, and a general one, which reads any sound JSON and has the last word.

mod encode;
mod error;
mod expected;
mod frame;
mod general;
mod level;
mod product;
mod time;
pub(crate) mod venue;

pub use self::encode::{Action, Request, RequestChannel};
pub use self::error::{DecodeError, DecodeErrorKind};
use self::expected::ExpectedHeartbeat;
pub use self::frame::{
    Body, Frame, LevelUpdates, SubscribedProducts, Subscriptions, Update, Updates,
};
pub use self::general::MAX_DEPTH;
pub use self::level::{LevelUpdate, UpdateKind};
pub(crate) use self::product::ProductKey;
pub use self::product::{MAX_PRODUCT_ID_LEN, ProductId, ProductIdError};
pub(crate) use self::time::TimeReader;
pub use self::time::WireTime;
pub use self::venue::{COINBASE_URL, RefusalKind};
pub use crate::units::{TimeError, UnixNanos};

/// Reads frames, one at a time, with memory that it keeps from one to the next.
///
/// Once it has seen a frame of some size, reading another of that size allocates nothing.
#[derive(Debug, Default)]
pub struct Decoder {
    expected: expected::Scratch,
    general: general::Scratch,
}

impl Decoder {
    /// Returns a decoder without any memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads one frame.
    ///
    /// The envelope is checked here: sound JSON, `sequence_num`, `channel`, `events`. Events and
    /// levels are checked as they are read from the frame.
    ///
    /// # Errors
    /// [`DecodeError`] when the text is no frame of this venue. Its sequence number is then
    /// unknown, and so is the product it was meant for.
    #[inline]
    pub fn decode<'a>(&'a mut self, text: &'a [u8]) -> Result<Frame<'a>, DecodeError> {
        match self.expected.decode(text) {
            Some(frame) => Ok(Frame::from_expected(frame)),
            None => read_unusual(&mut self.general, text),
        }
    }

    /// Reads one frame, and hands out what nearly all frames are without a name for it: an update
    /// or a snapshot of one book.
    ///
    /// The same as [`Decoder::decode`], for those who want most frames without asking each what it
    /// is.
    ///
    /// # Errors
    /// As [`Decoder::decode`].
    #[inline]
    pub(crate) fn read<'a>(&'a mut self, text: &'a [u8]) -> Result<Message<'a>, DecodeError> {
        match self.expected.decode(text) {
            Some(frame) => Ok(Message::Update {
                sequence: frame.sequence(),
                update: Update::from_expected(frame),
            }),
            None => read_unusual(&mut self.general, text).map(Message::Frame),
        }
    }

    /// Reads one frame by the general tier alone, whatever its shape is.
    ///
    /// Returns the same as [`Decoder::decode`], some five times slower where that has a choice.
    ///
    /// # Errors
    /// As [`Decoder::decode`].
    pub(crate) fn decode_general(&mut self, text: &[u8]) -> Result<Frame<'_>, DecodeError> {
        self.general.decode(text).map(Frame::from_general)
    }
}

/// What a message holds.
#[derive(Debug)]
pub(crate) enum Message<'a> {
    /// The one event of an order-book frame, and the number of the frame.
    Update { sequence: u64, update: Update<'a> },
    /// Any other frame.
    Frame(Frame<'a>),
}

#[inline(never)]
fn read_unusual<'a>(
    general: &'a mut general::Scratch,
    text: &'a [u8],
) -> Result<Frame<'a>, DecodeError> {
    match ExpectedHeartbeat::read(text) {
        Some(heartbeat) => Ok(Frame::from_heartbeat(heartbeat)),
        None => general.decode(text).map(Frame::from_general),
    }
}

#[cfg(test)]
mod tests;
