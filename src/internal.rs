//! What this library's own tests, fuzz targets and benches need beside the public interface.
//!
//! Nothing here is promised to anyone: it may change with any version.

pub use crate::bbo::channel::{BboPublisher, FrameOrigin, bbo_channel};
use crate::book::Book;
pub use crate::book::tops::Tops;
pub use crate::sequence::{Arrival, MAX_OLDER_IN_A_ROW, SequenceTracker};
pub use crate::units::Epoch;
use crate::wire::{DecodeError, Decoder, Frame};

/// Reads one frame by the general tier of the parser alone, whatever its shape is.
///
/// # Errors
/// As [`Decoder::decode`].
pub fn decode_general<'a>(decoder: &'a mut Decoder, text: &[u8]) -> Result<Frame<'a>, DecodeError> {
    decoder.decode_general(text)
}

/// Returns whether the first tier of the parser took a frame of order books.
#[must_use]
pub const fn is_expected_shape(frame: &Frame<'_>) -> bool {
    frame.is_expected_shape()
}

/// Returns the best levels of a book as it holds them.
#[inline]
#[must_use]
pub fn tops(book: &Book) -> Tops {
    book.tops()
}
