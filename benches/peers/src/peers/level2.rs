//! This library: its session over whole frames, its book alone and its decoder alone.

use std::hint::black_box;
use std::ops::Range;

use level2::Level;
use level2::book::{Applied, Book, Fixed, MAX_LEVELS_PER_SIDE, PackedLevel, Side, Snapshot};
use level2::wire::{Body, DecodeError, Decoder};

use crate::contest::{Books, Contestant, PeerBook, Verdict, judge_books};
use crate::feed::{Best, Event, Feed, Ladders, Product};
use crate::support::level2_stack::Level2;

struct WholePath<'a> {
    feed: &'a Feed,
    stack: Level2,
}

pub(super) fn whole_path(feed: &Feed) -> Box<dyn Contestant + '_> {
    Box::new(WholePath { feed, stack: Level2::new() })
}

impl WholePath<'_> {
    fn book(&self, product: usize) -> &Book {
        let book = self.stack.session().book(&self.feed.products[product].name);
        book.expect("no frame of the stream takes the book back")
    }
}

impl Contestant for WholePath<'_> {
    fn restart(&mut self) {
        self.stack = Level2::new();
    }

    fn take(&mut self, frames: Range<usize>) {
        for text in &self.feed.stream.frames()[frames] {
            // Publishes the best bid and ask before it returns.
            self.stack.take_one(text.as_bytes());
        }
    }

    fn judge(&mut self, feed: &Feed) -> Verdict {
        judge_books(self, feed)
    }
}

impl Books for WholePath<'_> {
    fn best(&self, product: usize) -> Best {
        self.feed.products[product].best(self.book(product))
    }

    fn ladders(&self, product: usize) -> Ladders {
        self.feed.products[product].ladders(self.book(product))
    }
}

pub(crate) struct Levels {
    is_snapshot: bool,
    levels: Vec<PackedLevel>,
}

impl PeerBook for Book {
    type Input = Levels;
    type Touch = (Option<Level>, Option<Level>);

    fn new(_product: &Product) -> Self {
        Self::new()
    }

    fn input(_product: &Product, event: &Event, _number: u64) -> Levels {
        let changes = event.changes.iter();
        let levels = changes.map(|change| PackedLevel::new(change.side, change.price, change.size));
        Levels { is_snapshot: event.is_snapshot, levels: levels.collect() }
    }

    fn apply(&mut self, input: &Levels) {
        if input.is_snapshot {
            let mut snapshot = Snapshot::new(MAX_LEVELS_PER_SIDE);
            snapshot.extend(&input.levels).expect("the book has room");
            self.replace(snapshot);
            return;
        }
        self.apply(&input.levels, &mut Applied::default()).expect("the book has room");
    }

    fn touch(&self) -> Self::Touch {
        (self.best_bid(), self.best_ask())
    }

    fn best(&self, product: &Product) -> Best {
        product.best(self)
    }

    fn ladders(&self, product: &Product) -> Ladders {
        product.ladders(self)
    }
}

struct DecodeOnly<'a> {
    feed: &'a Feed,
    decoder: Decoder,
}

pub(super) fn decode_only(feed: &Feed) -> Box<dyn Contestant + '_> {
    Box::new(DecodeOnly { feed, decoder: Decoder::new() })
}

impl DecodeOnly<'_> {
    /// Hands on every level of a frame.
    #[inline]
    fn each_level(
        &mut self,
        text: &str,
        mut take: impl FnMut(Side, Fixed, Fixed),
    ) -> Result<(), DecodeError> {
        let frame = self.decoder.decode(text.as_bytes())?;
        let Body::Level2 { updates, .. } = frame.body() else { return Ok(()) };
        for update in updates {
            update?.levels()?.try_take_each(|level| {
                take(level.side, level.price, level.size);
                Ok::<_, DecodeError>(())
            })?;
        }
        Ok(())
    }
}

impl Contestant for DecodeOnly<'_> {
    fn restart(&mut self) {
        self.decoder = Decoder::new();
    }

    fn take(&mut self, frames: Range<usize>) {
        let feed = self.feed;
        for text in &feed.stream.frames()[frames] {
            let end = self.each_level(text, |side, price, size| {
                black_box((side, price, size));
            });
            end.expect("the stream holds frames");
        }
    }

    fn judge(&mut self, feed: &Feed) -> Verdict {
        let (mut frames, mut wrong_frames) = (0, 0);
        for (text, event) in feed.stream.frames().iter().zip(&feed.events) {
            let Some(event) = event else { continue };
            let mut changes = event.changes.iter();
            let mut is_right = true;
            let end = self.each_level(text, |side, price, size| {
                let level = Some((side, price, size));
                is_right &=
                    level == changes.next().map(|right| (right.side, right.price, right.size));
            });
            frames += 1;
            wrong_frames += usize::from(end.is_err() || !is_right || changes.next().is_some());
        }
        Verdict { frames, wrong_frames, wrong_levels: None, out_of_range: 0, note: None }
    }
}
