//! `ninjabook`: ordered maps by tick, in floats. It has no parser for any venue's frames.
//!
//! Its wrong answers come from how it finds a price's tick: it multiplies by the inverse of the
//! tick size in floats and cuts off the rest, so that 152.39 falls on the tick of 152.38.

use ninjabook::event::Event as NinjaEvent;
use ninjabook::level::Level;
use ninjabook::orderbook::Orderbook;

use crate::contest::PeerBook;
use crate::feed::{Best, Event, Held, Ladders, Product};

pub(crate) struct Ninjabook {
    book: Orderbook,
    tick_size: f64,
}

pub(crate) struct Events {
    is_snapshot: bool,
    events: Vec<NinjaEvent>,
}

impl PeerBook for Ninjabook {
    type Input = Events;
    type Touch = (Option<Level>, Option<Level>);

    fn new(product: &Product) -> Self {
        Self { book: Orderbook::new(product.tick_size), tick_size: product.tick_size }
    }

    fn input(_product: &Product, event: &Event, number: u64) -> Events {
        let events = event.changes.iter().map(|change| {
            let (price, size) = change.floats();
            NinjaEvent {
                timestamp: number,
                seq: number,
                is_trade: false,
                is_buy: change.is_bid(),
                price,
                size,
            }
        });
        Events { is_snapshot: event.is_snapshot, events: events.collect() }
    }

    fn apply(&mut self, input: &Events) {
        if input.is_snapshot {
            // There is no other way to clear it.
            self.book = Orderbook::new(self.tick_size);
        }
        for event in &input.events {
            self.book.process(*event);
        }
    }

    fn touch(&self) -> Self::Touch {
        (self.book.best_bid(), self.book.best_ask())
    }

    fn best(&self, product: &Product) -> Best {
        let held = |level: Level| product.held_near(level.price, level.size);
        Best { bid: self.book.best_bid().map(held), ask: self.book.best_ask().map(held) }
    }

    fn ladders(&self, product: &Product) -> Ladders {
        let held = |level: &Level| -> Held { product.held_near(level.price, level.size) };
        let (bids, asks) = (self.book.top_bids(usize::MAX), self.book.top_asks(usize::MAX));
        Ladders::of(bids.iter().map(held), asks.iter().map(held))
    }
}
