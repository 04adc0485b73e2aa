//! Decode errors: what the dialect promises, what came instead, and where.

use std::fmt;

/// How much of the offending text an error quotes, in bytes.
const MAX_EXCERPT_LEN: usize = 48;

/// What was expected, what came instead, and where.
///
/// The caller can do nothing to mend the frame: the book it was meant for can no longer be
/// trusted, and needs a new snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    kind: DecodeErrorKind,
    expected: &'static str,
    found: Box<str>,
    offset: usize,
}

impl DecodeError {
    #[cold]
    pub(super) fn new(
        kind: DecodeErrorKind,
        expected: &'static str,
        found: &str,
        offset: usize,
    ) -> Self {
        Self { kind, expected, found: excerpt(found), offset }
    }

    /// Returns which kind of promise was broken.
    #[must_use]
    pub const fn kind(&self) -> DecodeErrorKind {
        self.kind
    }

    /// Returns what the dialect promises at this place.
    #[must_use]
    pub const fn expected(&self) -> &'static str {
        self.expected
    }

    /// Returns what came instead, cut to a few dozen bytes.
    #[must_use]
    pub fn found(&self) -> &str {
        &self.found
    }

    /// Returns where: the offset in bytes from the start of the frame, or of the nearest text
    /// before it when what is missing has no place of its own.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, got {} at byte {}", self.expected, self.found, self.offset)
    }
}

impl std::error::Error for DecodeError {}

/// Which kind of promise a frame broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The text is not sound JSON, or nests too deeply.
    Json,
    /// A price or size is no decimal number, or one that would have to be rounded.
    Number,
    /// The JSON is sound, but a key is missing, twice there, or of another type than promised.
    Shape,
}

/// Quotes the start of a text, as one printable line.
fn excerpt(text: &str) -> Box<str> {
    let mut quoted = String::new();
    for character in text.chars() {
        if quoted.len() >= MAX_EXCERPT_LEN {
            quoted.push_str("..");
            break;
        }
        if character.is_control() {
            quoted.extend(character.escape_default());
        } else {
            quoted.push(character);
        }
    }
    quoted.into_boxed_str()
}
