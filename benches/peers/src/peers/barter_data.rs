//! `barter-data`: sorted vectors of decimals. Of this venue it reads trades only, so its book is
//! given levels.

use barter_data::books::{Level, OrderBook};
use barter_data::subscription::book::OrderBookEvent;

use crate::contest::PeerBook;
use crate::feed::{Best, Change, Event, Ladders, Product};

pub(crate) struct Barter(OrderBook);

impl PeerBook for Barter {
    type Input = OrderBookEvent;
    type Touch = (Option<Level>, Option<Level>);

    fn new(_product: &Product) -> Self {
        Self(OrderBook::default())
    }

    fn input(_product: &Product, event: &Event, number: u64) -> OrderBookEvent {
        let level = |change: &Change| Level::from(change.decimals());
        let (bids, asks): (Vec<&Change>, Vec<&Change>) =
            event.changes.iter().partition(|change| change.is_bid());
        let levels =
            OrderBook::new(number, None, bids.into_iter().map(level), asks.into_iter().map(level));
        if event.is_snapshot {
            OrderBookEvent::Snapshot(levels)
        } else {
            OrderBookEvent::Update(levels)
        }
    }

    fn apply(&mut self, input: &OrderBookEvent) {
        self.0.update(input);
    }

    fn touch(&self) -> Self::Touch {
        (self.0.bids().best().copied(), self.0.asks().best().copied())
    }

    fn best(&self, product: &Product) -> Best {
        let held = |level: Level| product.held(level.price, level.amount);
        let (bid, ask) = self.touch();
        Best { bid: bid.map(held), ask: ask.map(held) }
    }

    fn ladders(&self, product: &Product) -> Ladders {
        let held = |level: &Level| product.held(level.price, level.amount);
        Ladders::of(
            self.0.bids().levels().iter().map(held),
            self.0.asks().levels().iter().map(held),
        )
    }
}
