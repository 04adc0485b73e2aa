//! The rival stacks: a parser through serde, a sequence check, ordered maps, a published best.
//!
//! (a) is what the author of a bot writes first: `serde_json`, owned structs, decimals, a
//! `BTreeMap` of them. (a2) is the same with text that is borrowed from the frame. (b) is what an
//! expert writes: a SIMD parser, borrowed text, numbers read by hand into integers, buffers kept
//! from frame to frame. (c), the floor, only finds the quotes of the text: no parser that looks at
//! every byte of it can do less.

use std::collections::HashMap;

use memchr::memchr_iter;
use rust_decimal::Decimal;
use simd_json::Buffers;

use super::first_draft::FirstDraft;
use super::frame_text::FrameText;
use super::rival_book::{Number, RivalBook};
use super::stack::{Books, Contender, Stack};

pub(crate) const SERDE_JSON: Contender =
    Contender { name: "a_serde_json_decimal", start: || Box::new(FirstDraft::new()) };

pub(crate) const SERDE_JSON_BORROWED: Contender = Contender {
    name: "a2_serde_json_borrowed_decimal",
    start: || Box::new(Rival::<_, Decimal>::new(SerdeJson)),
};

pub(crate) const SONIC_RS: Contender =
    Contender { name: "b1_sonic_rs_ticks", start: || Box::new(Rival::<_, i64>::new(SonicRs)) };

pub(crate) const SIMD_JSON: Contender = Contender {
    name: "b2_simd_json_ticks",
    start: || Box::new(Rival::<_, i64>::new(SimdJson::default())),
};

pub(crate) const FLOOR: Contender =
    Contender { name: "c_memchr_quotes", start: || Box::new(Quotes { count: 0 }) };

/// A parser of frames, with whatever it keeps between them.
trait Reader {
    fn read<'a>(&'a mut self, text: &'a str) -> FrameText<'a>;
}

struct SerdeJson;

impl Reader for SerdeJson {
    #[inline]
    fn read<'a>(&'a mut self, text: &'a str) -> FrameText<'a> {
        serde_json::from_str(text).expect("the stream holds frames")
    }
}

struct SonicRs;

impl Reader for SonicRs {
    #[inline]
    fn read<'a>(&'a mut self, text: &'a str) -> FrameText<'a> {
        sonic_rs::from_str(text).expect("the stream holds frames")
    }
}

#[derive(Default)]
struct SimdJson {
    /// The parser writes into its text, so it gets a copy.
    text: Vec<u8>,
    buffers: Buffers,
}

impl Reader for SimdJson {
    #[inline]
    fn read<'a>(&'a mut self, text: &'a str) -> FrameText<'a> {
        self.text.clear();
        self.text.extend_from_slice(text.as_bytes());
        simd_json::serde::from_slice_with_buffers(&mut self.text, &mut self.buffers)
            .expect("the stream holds frames")
    }
}

struct Rival<R, N> {
    reader: R,
    last_sequence: Option<u64>,
    books: HashMap<String, RivalBook<N>>,
}

impl<R: Reader, N: Number> Rival<R, N> {
    fn new(reader: R) -> Self {
        Self { reader, last_sequence: None, books: HashMap::new() }
    }

    #[inline]
    fn take_one(&mut self, text: &str) {
        let frame = self.reader.read(text);
        let sequence = frame.sequence_num;
        if let Some(last) = self.last_sequence.replace(sequence) {
            assert_eq!(sequence, last + 1, "the stream must have no gap");
        }
        if !frame.is_level2() {
            return;
        }
        for event in &frame.events {
            let levels = event.updates.iter().map(|level| {
                (level.is_bid(), N::read(level.price_level), N::read(level.new_quantity))
            });
            match self.books.get_mut(event.product()) {
                Some(book) => book.apply(event.is_snapshot(), levels),
                None => {
                    let mut book = RivalBook::new();
                    book.apply(event.is_snapshot(), levels);
                    self.books.insert(event.product().to_owned(), book);
                }
            }
        }
    }
}

impl<R: Reader, N: Number> Stack for Rival<R, N> {
    fn take(&mut self, frames: &[String]) {
        for frame in frames {
            self.take_one(frame);
        }
    }

    fn books(&self) -> Option<Books> {
        let books = self.books.iter();
        Some(books.map(|(name, book)| (name.clone(), book.final_book())).collect())
    }
}

struct Quotes {
    count: usize,
}

impl Stack for Quotes {
    fn take(&mut self, frames: &[String]) {
        let quotes = |frame: &String| memchr_iter(b'"', frame.as_bytes()).count();
        self.count += frames.iter().map(quotes).sum::<usize>();
        // Also keeps the count from being optimised away.
        assert!(self.count >= frames.len(), "every frame holds quotes");
    }

    fn books(&self) -> Option<Books> {
        None
    }
}
