//! What every stack in the race does, and what it must end with.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

/// Price and size of a level.
pub(crate) type Pair = (Decimal, Decimal);

/// A way from the text of frames to published best bids and asks.
pub(crate) trait Stack {
    /// Takes frames in their order; after each one its best bid and ask are published.
    fn take(&mut self, frames: &[String]);

    /// Returns the books that came of the frames, or `None` if the stack keeps none.
    fn books(&self) -> Option<Books>;
}

/// The levels of every product at the end, best first, and what is published of them.
pub(crate) type Books = BTreeMap<String, FinalBook>;

#[derive(Debug, PartialEq)]
pub(crate) struct FinalBook {
    pub(crate) bids: Vec<Pair>,
    pub(crate) asks: Vec<Pair>,
    pub(crate) published: Option<(Option<Pair>, Option<Pair>)>,
}

/// A stack that can be begun anew for each round.
#[derive(Clone)]
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) start: fn() -> Box<dyn Stack>,
}

/// Runs every contender over all frames once and panics unless those that keep books agree on
/// each level and on what is published.
pub(crate) fn assert_equal_books(contenders: &[Contender], frames: &[String]) {
    let mut expected: Option<(&str, Books)> = None;
    for contender in contenders {
        let mut stack = (contender.start)();
        stack.take(frames);
        let Some(books) = stack.books() else { continue };
        assert!(!books.is_empty(), "{} keeps no book", contender.name);
        for (product, book) in &books {
            let tops = (book.bids.first().copied(), book.asks.first().copied());
            let name = contender.name;
            assert_eq!(book.published, Some(tops), "{name} published another best of {product}");
        }
        match &expected {
            None => expected = Some((contender.name, books)),
            // Printing two books of 45,000 levels would help nobody.
            Some((first, expected)) => {
                assert!(*expected == books, "{} and {first} end differently", contender.name);
            }
        }
    }
}
