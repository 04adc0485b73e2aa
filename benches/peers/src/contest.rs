//! What every contestant does, how its answers are judged and how its time is taken.

use std::hint::black_box;
use std::ops::{Range, RangeInclusive};
use std::time::{Duration, Instant};

use crate::feed::{Best, Event, Feed, Ladders, Product};
use crate::support::rounds::{interleaved, median};

/// How much of the way from the text of a frame to the best bid and ask is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Measure {
    /// From the text to the best bid and ask.
    WholePath,
    /// From levels in the peer's own types to the best bid and ask.
    ApplyOnly,
    /// From the text to levels.
    DecodeOnly,
}

impl Measure {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::WholePath => "whole path",
            Self::ApplyOnly => "apply only",
            Self::DecodeOnly => "decode only",
        }
    }
}

/// Something that takes the frames of a feed.
pub(crate) trait Contestant {
    /// Forgets all frames.
    fn restart(&mut self);

    /// Takes frames by their indices and asks for the best bid and ask after each.
    fn take(&mut self, frames: Range<usize>);

    /// Runs over the whole feed and counts what comes out wrong.
    fn judge(&mut self, feed: &Feed) -> Verdict;
}

/// What came out wrong.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// How many frames of levels there are, and after how many the answer was wrong.
    pub(crate) frames: usize,
    pub(crate) wrong_frames: usize,
    /// How many levels of all books differ at the end, `None` if there is no book.
    pub(crate) wrong_levels: Option<usize>,
    /// How many more are missing because the book does not hold their prices.
    pub(crate) out_of_range: usize,
    /// What the figures do not tell.
    pub(crate) note: Option<String>,
}

/// A contestant that can be asked for what it holds.
pub(crate) trait Books: Contestant {
    fn best(&self, product: usize) -> Best;

    fn ladders(&self, product: usize) -> Ladders;

    /// The prices, in ticks, that the book holds at all.
    fn range(&self, _product: usize) -> RangeInclusive<i64> {
        i64::MIN..=i64::MAX
    }
}

/// Compares the best bid and ask after every frame of levels, and all levels at the end.
pub(crate) fn judge_books(books: &mut impl Books, feed: &Feed) -> Verdict {
    books.restart();
    let (mut frames, mut wrong_frames) = (0, 0);
    for (index, event) in feed.events.iter().enumerate() {
        books.take(index..index + 1);
        let Some(event) = event else { continue };
        frames += 1;
        if Some(books.best(event.product)) != feed.answers[index] {
            wrong_frames += 1;
        }
    }
    let (mut wrong_levels, mut out_of_range) = (0, 0);
    for (product, right) in feed.ladders.iter().enumerate() {
        let (inside, outside) = right.clone().split(&books.range(product));
        wrong_levels += books.ladders(product).differences_to(&inside);
        out_of_range += outside;
    }
    let wrong_levels = Some(wrong_levels);
    Verdict { frames, wrong_frames, wrong_levels, out_of_range, note: None }
}

/// A peer's book of one product, which takes levels in the peer's own types.
pub(crate) trait PeerBook: 'static {
    /// The levels of one frame, made before the time runs.
    type Input;

    /// The best bid and ask as the peer states them.
    type Touch;

    fn new(product: &Product) -> Self;

    /// Makes the input of a frame; `number` grows from frame to frame.
    fn input(product: &Product, event: &Event, number: u64) -> Self::Input;

    fn apply(&mut self, input: &Self::Input);

    fn touch(&self) -> Self::Touch;

    fn best(&self, product: &Product) -> Best;

    fn ladders(&self, product: &Product) -> Ladders;

    /// The prices, in ticks, that the book holds at all.
    fn range(&self) -> RangeInclusive<i64> {
        i64::MIN..=i64::MAX
    }
}

/// The books of a peer, each with its frames at hand.
struct Applied<'a, B: PeerBook> {
    feed: &'a Feed,
    books: Vec<B>,
    /// Index of the product and input of every frame of levels.
    inputs: Vec<Option<(usize, B::Input)>>,
}

/// Returns the contestant that applies a feed's levels to the books of a peer.
pub(crate) fn applied<B: PeerBook>(feed: &Feed) -> Box<dyn Contestant + '_> {
    let inputs = feed.events.iter().zip(1..).map(|(event, number)| {
        let event = event.as_ref()?;
        Some((event.product, B::input(&feed.products[event.product], event, number)))
    });
    Box::new(Applied::<B> { feed, books: vec![], inputs: inputs.collect() })
}

impl<B: PeerBook> Contestant for Applied<'_, B> {
    fn restart(&mut self) {
        self.books.clear();
        self.books.extend(self.feed.products.iter().map(B::new));
    }

    fn take(&mut self, frames: Range<usize>) {
        for (product, input) in self.inputs[frames].iter().flatten() {
            let book = &mut self.books[*product];
            book.apply(input);
            black_box(book.touch());
        }
    }

    fn judge(&mut self, feed: &Feed) -> Verdict {
        judge_books(self, feed)
    }
}

impl<B: PeerBook> Books for Applied<'_, B> {
    fn best(&self, product: usize) -> Best {
        self.books[product].best(&self.feed.products[product])
    }

    fn ladders(&self, product: usize) -> Ladders {
        self.books[product].ladders(&self.feed.products[product])
    }

    fn range(&self, product: usize) -> RangeInclusive<i64> {
        self.books[product].range()
    }
}

/// Takes the time of all updates in interleaved rounds, each from nothing and on warm books, and
/// returns the medians.
pub(crate) fn measure(
    contestants: &mut [Box<dyn Contestant + '_>],
    feed: &Feed,
    rounds: usize,
) -> Vec<Duration> {
    let times = interleaved(contestants.len(), rounds, |index| {
        let contestant = &mut contestants[index];
        contestant.restart();
        contestant.take(feed.before_updates());
        let start = Instant::now();
        contestant.take(feed.updates());
        start.elapsed()
    });
    times.into_iter().map(median).collect()
}
