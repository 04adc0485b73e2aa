//! `tickvault`: the recorder's reading of this venue's frames, its check of their numbers and its
//! book. Its session around them also writes an archive and is left out.

use std::collections::HashMap;
use std::hint::black_box;
use std::ops::Range;
use std::sync::Arc;

use tickvault::book::{BookDelta, BookSnapshot, L2Book, LevelChange};
use tickvault::sequence::SeqState;
use tickvault::transport::http::CannedFetch;
use tickvault::venue::coinbase::Coinbase;
use tickvault::venue::{FeedEvent, RawFrame, Venue};
use tickvault::{Fixed, ManualClock, Side, Stamp, Symbol, Timestamps, VenueId};

use crate::contest::{Books, Contestant, PeerBook, Verdict, judge_books};
use crate::feed::{Best, Change, Event, Feed, Held, Ladders, Product};

/// How many digits after the point its numbers count.
const SCALE: u32 = tickvault::fixed::SCALE;

/// Price and size as it states them.
type Stated = (Fixed, Fixed);

/// Every frame is received at one moment, as in the other stacks.
const STAMP: Stamp = Stamp { mono_nanos: 0, wall_nanos: 0 };

struct WholePath<'a> {
    feed: &'a Feed,
    venue: Coinbase,
    sequence: SeqState,
    /// Owned bytes, as its transport hands them over.
    frames: Vec<RawFrame>,
    books: HashMap<Symbol, L2Book>,
}

pub(super) fn whole_path(feed: &Feed) -> Box<dyn Contestant + '_> {
    let symbols: Vec<Symbol> = feed.products.iter().map(symbol).collect();
    let clock = Arc::new(ManualClock::new(0, 0));
    let venue = Coinbase::new(CannedFetch::new().shared(), clock).with_symbols(&symbols);
    let texts = feed.stream.frames().iter();
    let frames = texts.map(|text| RawFrame::new(VenueId::Coinbase, text.as_bytes(), STAMP));
    let sequence = SeqState::counter(1, 0);
    Box::new(WholePath { feed, venue, sequence, frames: frames.collect(), books: HashMap::new() })
}

fn symbol(product: &Product) -> Symbol {
    Symbol::parse(&product.name).expect("products are named base, dash, quote")
}

impl WholePath<'_> {
    fn take_event(&mut self, event: &FeedEvent) {
        let Some(symbol) = event.symbol() else {
            let nothing = L2Book::new(Symbol::new("", ""));
            self.venue.validate_sequence(&mut self.sequence, event, &nothing);
            return;
        };
        if !self.books.contains_key(symbol) {
            self.books.insert(symbol.clone(), L2Book::new(symbol.clone()));
        }
        let book = self.books.get_mut(symbol).expect("it was put in");
        if !self.venue.validate_sequence(&mut self.sequence, event, book).should_apply() {
            return;
        }
        match event {
            FeedEvent::Snapshot(snapshot) => black_box(book.reset_from_snapshot(snapshot)),
            FeedEvent::Delta(delta) => black_box(book.apply_delta(delta)),
            FeedEvent::Order(_) | FeedEvent::Control(_) => return,
        };
        black_box((book.best_bid(), book.best_ask()));
    }
}

impl Contestant for WholePath<'_> {
    fn restart(&mut self) {
        self.sequence.reset();
        self.books.clear();
    }

    fn take(&mut self, frames: Range<usize>) {
        for index in frames {
            // What is refused leaves the book as it is, which the judging finds.
            let events = self.venue.parse_delta(&self.frames[index]).unwrap_or_default();
            for event in &events {
                self.take_event(event);
            }
        }
    }

    fn judge(&mut self, feed: &Feed) -> Verdict {
        judge_books(self, feed)
    }
}

impl Books for WholePath<'_> {
    fn best(&self, product: usize) -> Best {
        let product = &self.feed.products[product];
        let book = self.books.get(&symbol(product));
        book.map_or(Best { bid: None, ask: None }, |book| best(book, product))
    }

    fn ladders(&self, product: usize) -> Ladders {
        let product = &self.feed.products[product];
        let book = self.books.get(&symbol(product));
        book.map_or_else(Ladders::default, |book| ladders(book, product))
    }
}

pub(crate) struct Tickvault(L2Book);

pub(crate) enum Levels {
    Snapshot(BookSnapshot),
    Delta(BookDelta),
}

impl PeerBook for Tickvault {
    type Input = Levels;
    type Touch = (Option<Stated>, Option<Stated>);

    fn new(product: &Product) -> Self {
        Self(L2Book::new(symbol(product)))
    }

    fn input(product: &Product, event: &Event, number: u64) -> Levels {
        let (symbol, seq, checksum) = (symbol(product), Some(number), None);
        let stamps = Timestamps::recv_only(STAMP);
        let stated = |change: &Change| stated(change.held, product);
        if event.is_snapshot {
            let (bids, asks): (Vec<&Change>, Vec<&Change>) =
                event.changes.iter().partition(|change| change.is_bid());
            let [bids, asks] =
                [bids, asks].map(|side| side.into_iter().filter_map(stated).collect());
            return Levels::Snapshot(BookSnapshot { symbol, bids, asks, seq, checksum, stamps });
        }
        let changes = event.changes.iter().filter_map(|change| {
            let (price, size) = stated(change)?;
            let side = if change.is_bid() { Side::Bid } else { Side::Ask };
            Some(LevelChange::new(side, price, size))
        });
        let changes = changes.collect();
        let (prev_seq, first_seq) = (None, None);
        Levels::Delta(BookDelta { symbol, changes, seq, checksum, stamps, prev_seq, first_seq })
    }

    fn apply(&mut self, input: &Levels) {
        match input {
            Levels::Snapshot(snapshot) => black_box(self.0.reset_from_snapshot(snapshot)),
            Levels::Delta(delta) => black_box(self.0.apply_delta(delta)),
        };
    }

    fn touch(&self) -> Self::Touch {
        (self.0.best_bid(), self.0.best_ask())
    }

    fn best(&self, product: &Product) -> Best {
        best(&self.0, product)
    }

    fn ladders(&self, product: &Product) -> Ladders {
        ladders(&self.0, product)
    }
}

/// Returns the level as it states it, or `None` if its numbers do not hold it.
fn stated(held: Held, product: &Product) -> Option<Stated> {
    let fixed = |whole: i64, scale: u8| {
        let factor = 10_i64.checked_pow(SCALE.checked_sub(scale.into())?)?;
        whole.checked_mul(factor).map(Fixed::from_mantissa)
    };
    let price = fixed(held.ticks, product.price_scale)?;
    Some((price, fixed(held.units, product.size_scale)?))
}

fn held((price, size): Stated, product: &Product) -> Held {
    let whole = |fixed: Fixed, scale: u8| fixed.mantissa() / 10_i64.pow(SCALE - u32::from(scale));
    Held { ticks: whole(price, product.price_scale), units: whole(size, product.size_scale) }
}

fn best(book: &L2Book, product: &Product) -> Best {
    let held = |stated| held(stated, product);
    Best { bid: book.best_bid().map(held), ask: book.best_ask().map(held) }
}

fn ladders(book: &L2Book, product: &Product) -> Ladders {
    // It reserves nothing for the number that it is asked for.
    let side = |side| book.top(side, usize::MAX).into_iter().map(|stated| held(stated, product));
    Ladders::of(side(Side::Bid), side(Side::Ask))
}
