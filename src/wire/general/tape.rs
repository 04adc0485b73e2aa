//! JSON values, by simd-json's tape over memory that is used again.
//!
//! The text is copied once, because the tape is made in place and a WebSocket library lends its
//! messages read-only. Nothing else is copied: strings are borrowed from that copy.

use std::fmt;
use std::mem;

use simd_json::{Buffers, INPUT_PADDING, Node, StaticNode, Tape, fill_tape_padded};

use crate::wire::error::{DecodeError, DecodeErrorKind};

/// How deeply a frame may nest. The venue's nest five deep.
pub const MAX_DEPTH: usize = 16;

/// Frames up to this length, some 300 changes, leave their memory behind for the next. Larger ones
/// are rare, snapshots above all: of them it is returned, so that a hundred connections do not each
/// sit on six times the largest snapshot that ever came damaged.
const MAX_RETAINED_LEN: usize = 1 << 15;

/// The tape of a frame of [`MAX_RETAINED_LEN`] bytes in the venue's shape is shorter than this.
const MAX_RETAINED_NODES: usize = MAX_RETAINED_LEN / 8;

/// Memory that is used again for every frame.
pub(super) struct TapeMemory {
    input: Vec<u8>,
    buffers: Buffers,
    tape: Tape<'static>,
}

impl TapeMemory {
    /// Reads a text as JSON.
    pub(super) fn read(&mut self, text: &[u8]) -> Result<LentTape<'_>, DecodeError> {
        if self.input.capacity() > MAX_RETAINED_LEN + INPUT_PADDING
            && text.len() <= MAX_RETAINED_LEN
        {
            self.input = Vec::new();
            self.buffers = Buffers::with_max_depth(0, MAX_DEPTH);
        }
        self.input.clear();
        self.input.extend_from_slice(text);
        self.input.resize(text.len() + INPUT_PADDING, 0);

        let base = self.input.as_ptr().addr();
        let mut tape = LentTape::new(&mut self.tape, base);
        fill_tape_padded(&mut self.input, text.len(), &mut self.buffers, &mut tape.tape)
            .map_err(|error| unsound(&error, text))?;
        debug_assert_eq!(
            tape.root().node_count(),
            tape.tape.0.len(),
            "a text is one value and nothing else"
        );
        Ok(tape)
    }
}

impl Default for TapeMemory {
    fn default() -> Self {
        Self {
            input: Vec::new(),
            buffers: Buffers::with_max_depth(0, MAX_DEPTH),
            tape: Tape(Vec::new()),
        }
    }
}

impl fmt::Debug for TapeMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TapeMemory")
            .field("input_capacity", &self.input.capacity())
            .field("tape_capacity", &self.tape.0.capacity())
            .finish_non_exhaustive()
    }
}

/// A tape on loan: its memory returns to the [`TapeMemory`] when the frame is dropped.
#[derive(Debug)]
pub(super) struct LentTape<'a> {
    tape: Tape<'a>,
    /// The address of the frame's first byte, from which offsets in errors count.
    base: usize,
    home: &'a mut Tape<'static>,
}

impl<'a> LentTape<'a> {
    fn new(home: &'a mut Tape<'static>, base: usize) -> Self {
        let tape = mem::replace(home, Tape(Vec::new())).reset();
        Self { tape, base, home }
    }

    /// Returns the value that all others are in.
    pub(super) fn root(&self) -> Value<'_> {
        self.value(0)
    }

    /// Returns the value that starts at a node of this tape.
    pub(super) fn value(&self, node: usize) -> Value<'_> {
        Value { nodes: &self.tape.0[node..], base: self.base }
    }

    /// Returns the node that a value of this tape starts at.
    pub(super) fn node_of(&self, value: Value<'_>) -> usize {
        self.tape.0.len() - value.nodes.len()
    }

    /// Returns the text of a value of this tape, if it is a string. Unlike the value's own
    /// [`string`](Value::string) it does not borrow the tape.
    pub(super) fn string(&self, value: Value<'_>) -> Option<&'a str> {
        match self.tape.0.get(self.node_of(value))? {
            Node::String(text) => Some(text),
            _ => None,
        }
    }
}

impl Drop for LentTape<'_> {
    fn drop(&mut self) {
        if self.tape.0.capacity() <= MAX_RETAINED_NODES {
            *self.home = mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        }
    }
}

/// A JSON value: the nodes from its own to the end of the tape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'f> {
    nodes: &'f [Node<'f>],
    /// The address of the frame's first byte, from which offsets in errors count.
    base: usize,
}

impl<'f> Value<'f> {
    pub(super) fn string(self) -> Option<&'f str> {
        match self.nodes.first()? {
            Node::String(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn unsigned(self) -> Option<u64> {
        match *self.nodes.first()? {
            Node::Static(StaticNode::U64(number)) => Some(number),
            Node::Static(StaticNode::I64(number)) => u64::try_from(number).ok(),
            _ => None,
        }
    }

    /// Returns the elements of an array.
    pub(super) fn elements(self) -> Option<Elements<'f>> {
        match *self.nodes.first()? {
            Node::Array { len, .. } => Some(Elements { rest: self.tail(1), left: len }),
            _ => None,
        }
    }

    /// Returns the keys and values of an object.
    pub(super) fn entries(self) -> Option<Entries<'f>> {
        match *self.nodes.first()? {
            Node::Object { len, .. } => Some(Entries { rest: self.tail(1), left: len }),
            _ => None,
        }
    }

    /// Returns the error that something else was expected here. `fallback_offset` places values
    /// that are not text of their own: the offset of the nearest text before them.
    #[cold]
    pub(super) fn unexpected(
        self,
        kind: DecodeErrorKind,
        expected: &'static str,
        fallback_offset: usize,
    ) -> DecodeError {
        let offset = self.string().map_or(fallback_offset, |text| self.offset_of(text));
        let found = match self.nodes.first() {
            None => "nothing".to_owned(),
            Some(Node::String(text)) => format!("\"{text}\""),
            Some(Node::Object { .. }) => "an object".to_owned(),
            Some(Node::Array { .. }) => "an array".to_owned(),
            Some(Node::Static(value)) => value.to_string(),
        };
        DecodeError::new(kind, expected, &found, offset)
    }

    /// Returns the offset in the frame of a text of the same frame.
    pub(super) fn offset_of(self, text: &str) -> usize {
        let address = text.as_ptr().addr();
        debug_assert!(address >= self.base, "strings of a frame lie within it");
        address.saturating_sub(self.base)
    }

    /// Returns how many nodes the value takes.
    #[inline]
    fn node_count(self) -> usize {
        match self.nodes.first() {
            Some(Node::Object { count, .. } | Node::Array { count, .. }) => *count + 1,
            _ => 1,
        }
    }

    /// Returns what follows the first nodes of the value: simd-json counts them.
    #[inline]
    fn tail(self, node_count: usize) -> Self {
        Self { nodes: &self.nodes[node_count..], base: self.base }
    }
}

/// The elements of an array, in order.
#[derive(Clone, Debug)]
pub(super) struct Elements<'f> {
    rest: Value<'f>,
    left: usize,
}

impl<'f> Iterator for Elements<'f> {
    type Item = Value<'f>;

    #[inline]
    fn next(&mut self) -> Option<Value<'f>> {
        self.left = self.left.checked_sub(1)?;
        let element = self.rest;
        self.rest = element.tail(element.node_count());
        Some(element)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

/// The keys and values of an object, in order.
#[derive(Clone, Debug)]
pub(super) struct Entries<'f> {
    rest: Value<'f>,
    left: usize,
}

impl<'f> Iterator for Entries<'f> {
    type Item = (&'f str, Value<'f>);

    #[inline]
    fn next(&mut self) -> Option<(&'f str, Value<'f>)> {
        self.left = self.left.checked_sub(1)?;
        let key = self.rest.string().expect("a key of an object is a string");
        let value = self.rest.tail(1);
        self.rest = value.tail(value.node_count());
        Some((key, value))
    }
}

/// Returns the error that a text is no sound JSON.
#[cold]
fn unsound(error: &simd_json::Error, text: &[u8]) -> DecodeError {
    let offset = error.index().min(text.len());
    let rest = String::from_utf8_lossy(&text[offset..]);
    let found = if rest.is_empty() {
        format!("the end of the text ({:?})", error.error())
    } else {
        format!("{:?} before {}", error.error(), rest.chars().take(24).collect::<String>())
    };
    DecodeError::new(DecodeErrorKind::Json, "one JSON object", &found, offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame with an array of numbers and a text.
    fn frame(numbers: usize, text_len: usize) -> String {
        let (numbers, text) = (vec!["7"; numbers].join(","), "x".repeat(text_len));
        format!(r#"{{"channel":"new","sequence_num":1,"a":[{numbers}],"b":"{text}"}}"#)
    }

    #[test]
    fn memory_is_kept_from_frame_to_frame_but_not_that_of_large_ones() {
        let mut memory = TapeMemory::default();
        let mut read = |text: &str| {
            assert!(memory.read(text.as_bytes()).is_ok(), "{text}");
            (memory.input.capacity(), memory.tape.0.capacity())
        };
        let usual = frame(100, 10_000);
        let (input, tape) = read(&usual);
        assert!((usual.len()..4 * usual.len()).contains(&input), "{input}");
        assert!((100..1_000).contains(&tape), "{tape}");
        assert_eq!(read(&frame(0, 0)), (input, tape), "a shorter frame needs no other");

        // As large as a snapshot.
        let large = frame(20_000, 200_000);
        let (input, tape) = read(&large);
        assert!(input >= large.len(), "kept until the next frame");
        assert_eq!(tape, 0);
        assert_eq!(read(&large).0, input, "another large one uses it again");
        let (input, _) = read(&usual);
        assert!((usual.len()..4 * usual.len()).contains(&input), "{input}");
        let shown = format!("{memory:?}");
        assert!(shown.contains(&format!("input_capacity: {input}")), "{shown}");
    }
}
