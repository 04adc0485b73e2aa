//! The events of `Books`: who is told what, and what becomes of those who are slow.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use level2::book::Side;
use level2::books::{Books, Change, Delivery, Event, EventConfig, EventStream, Interest};
use level2::session::{Cause, LevelChange, SessionEvent};
use level2::{Level, ProductId};
use level2_sim::Server;
use rust_decimal::Decimal;

use crate::many::*;

async fn live_books(count: usize) -> (Arc<Server>, Books) {
    let server = serve(exchange(count)).await;
    let books = connect(config(names(count)), &Memory::new(&server)).await;
    soon(books.synced()).await.unwrap();
    (server, books)
}

async fn next_change(events: &mut EventStream) -> Change {
    loop {
        match soon(events.next()).await {
            Some(Event::Changed(change)) => return change,
            Some(Event::Connection { .. }) => {}
            other => panic!("no change but {other:?}"),
        }
    }
}

/// A book kept by hand from the events alone.
#[derive(Default)]
struct Copy {
    bids: BTreeMap<Decimal, Decimal>,
    asks: BTreeMap<Decimal, Decimal>,
}

impl Copy {
    fn of(books: &Books, product: &str) -> (Self, u64) {
        let copy = |book: &level2::Book, bbo: &level2::Bbo| {
            let pairs = |level: Level| (level.price, level.size);
            let (bids, asks) = (book.bids().map(pairs), book.asks().map(pairs));
            (Self { bids: bids.collect(), asks: asks.collect() }, bbo.sequence)
        };
        books.read_at(product, copy).unwrap()
    }

    fn apply(&mut self, levels: &[LevelChange]) {
        for level in levels {
            let side = match level.side {
                Side::Bid => &mut self.bids,
                Side::Ask => &mut self.asks,
            };
            match level.size {
                Some(size) => side.insert(level.price, size),
                None => side.remove(&level.price),
            };
        }
    }

    fn top(&self, count: usize) -> [Vec<(Decimal, Decimal)>; 2] {
        let pairs = |(price, size): (&Decimal, &Decimal)| (*price, *size);
        let bids = self.bids.iter().rev().map(pairs).take(count).collect();
        [bids, self.asks.iter().map(pairs).take(count).collect()]
    }
}

#[tokio::test(start_paused = true)]
async fn every_update_comes_with_the_levels_that_it_changed() {
    let (_server, books) = live_books(2).await;
    let mut config = EventConfig::new(Interest::Levels);
    config.products = Some([name(1)].into());
    let mut events = books.events(config);
    // The next frame is the first whose levels were gathered from its start.
    let first = next_change(&mut events).await;
    let (mut copy, sequence) = Copy::of(&books, "P001-USD");
    assert_eq!(sequence, first.bbo.sequence);
    for _ in 0..200 {
        let change = next_change(&mut events).await;
        assert_eq!(change.product, name(1));
        assert!(change.published >= change.bbo.received);
        copy.apply(change.levels.as_deref().unwrap());
        let best = |level: Option<Level>| level.map(|level| (level.price, level.size));
        let [bids, asks] = copy.top(1);
        assert_eq!(bids.first().copied(), best(change.bbo.bid));
        assert_eq!(asks.first().copied(), best(change.bbo.ask));
    }
    let (book, _) = Copy::of(&books, "P001-USD");
    assert_eq!(copy.top(usize::MAX), book.top(usize::MAX));
}

#[tokio::test(start_paused = true)]
async fn each_consumer_is_told_exactly_what_it_chose() {
    const TOP: usize = 3;

    let (_server, books) = live_books(1).await;
    let capacity = 100_000;
    let consumer = |interest| {
        let mut config = EventConfig::new(interest);
        config.delivery = Delivery::Queue { capacity };
        books.events(config)
    };
    let mut all = consumer(Interest::Levels);
    let mut top = consumer(Interest::Top(TOP));
    let mut best = consumer(Interest::Bbo);
    let mut status = consumer(Interest::Status);
    let first = next_change(&mut all).await;
    let (mut copy, sequence) = Copy::of(&books, "P000-USD");
    assert_eq!(sequence, first.bbo.sequence);
    tokio::time::sleep(Duration::from_secs(30)).await;

    let (mut top_expected, mut best_expected) = (Vec::new(), Vec::new());
    let mut total = 0;
    while let Some(Event::Changed(change)) = all.try_next() {
        let before = copy.top(TOP);
        copy.apply(change.levels.as_deref().unwrap());
        let after = copy.top(TOP);
        if before != after {
            top_expected.push(change.bbo.sequence);
        }
        if before.map(|side| side.first().copied()) != after.map(|side| side.first().copied()) {
            best_expected.push(change.bbo.sequence);
        }
        total += 1;
    }
    let told = |events: &mut EventStream| {
        let mut sequences = Vec::new();
        while let Some(event) = events.try_next() {
            let Event::Changed(change) = event else { panic!("{event:?}") };
            if change.bbo.sequence > sequence {
                sequences.push(change.bbo.sequence);
            }
        }
        sequences
    };
    assert_eq!(told(&mut top), top_expected);
    assert_eq!(told(&mut best), best_expected);
    assert_eq!(status.try_next(), None);
    assert!(best_expected.len() < top_expected.len() && top_expected.len() < total);
}

#[tokio::test(start_paused = true)]
async fn a_slow_consumer_is_told_exactly_how_many_it_missed() {
    let (server, books) = live_books(3).await;
    let consumer = |capacity| {
        let mut config = EventConfig::new(Interest::Levels);
        config.delivery = Delivery::Queue { capacity };
        books.events(config)
    };
    let (mut slow, mut patient) = (consumer(16), consumer(1_000_000));
    // It sleeps for a minute, and nobody else waits for it.
    let frames = books.stats().session.frames;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(books.stats().session.frames - frames > 3 * 60 * 15);
    server.with_exchange(|exchange| exchange.hold_markets(true));
    tokio::time::sleep(Duration::from_secs(1)).await;

    let mut all = Vec::new();
    while let Some(event) = patient.try_next() {
        all.push(event);
    }
    assert_eq!(slow.try_next(), Some(Event::Missed { count: all.len() as u64 - 16 }));
    let mut rest = Vec::new();
    while let Some(event) = slow.try_next() {
        rest.push(event);
    }
    assert_eq!(rest, all[all.len() - 16..], "what is left is the newest, in order");
    // It catches up from the book, and goes on from there.
    let (mut copy, sequence) = Copy::of(&books, "P000-USD");
    server.with_exchange(|exchange| exchange.hold_markets(false));
    for _ in 0..20 {
        let change = next_change(&mut slow).await;
        if change.product == name(0) && change.bbo.sequence > sequence {
            copy.apply(change.levels.as_deref().unwrap());
        }
    }
    server.with_exchange(|exchange| exchange.hold_markets(true));
    tokio::time::sleep(Duration::from_secs(1)).await;
    while let Some(Event::Changed(change)) = slow.try_next() {
        if change.product == name(0) {
            copy.apply(change.levels.as_deref().unwrap());
        }
    }
    assert_eq!(copy.top(100), Copy::of(&books, "P000-USD").0.top(100));
}

#[tokio::test(start_paused = true)]
async fn a_conflating_consumer_has_one_event_of_each_product_and_it_is_the_newest() {
    let (server, books) = live_books(4).await;
    let mut config = EventConfig::new(Interest::Bbo);
    let mut patient = {
        config.delivery = Delivery::Queue { capacity: 1_000_000 };
        books.events(config.clone())
    };
    config.delivery = Delivery::Conflate;
    let mut latest = books.events(config);
    tokio::time::sleep(Duration::from_secs(30)).await;
    server.with_exchange(|exchange| exchange.hold_markets(true));
    tokio::time::sleep(Duration::from_secs(1)).await;

    let mut expected: BTreeMap<ProductId, (Change, u64)> = BTreeMap::new();
    while let Some(Event::Changed(change)) = patient.try_next() {
        let count = expected.get(&change.product).map_or(0, |(_, count)| count + 1);
        expected.insert(change.product.clone(), (change, count));
    }
    let mut told = BTreeMap::new();
    while let Some(Event::Changed(change)) = latest.try_next() {
        let best = books.bbo(change.product.as_str()).unwrap().load().unwrap();
        assert_eq!((change.bbo.bid, change.bbo.ask), (best.bid, best.ask));
        assert!(told.insert(change.product.clone(), change).is_none(), "one of each");
    }
    assert_eq!(told.len(), 4);
    for (product, (mut change, count)) in expected {
        assert!(count > 0);
        change.conflated = count;
        assert_eq!(told[&product], change);
    }
    // Taken is taken: the next one counts anew.
    server.with_exchange(|exchange| exchange.hold_markets(false));
    assert_eq!(next_change(&mut latest).await.conflated, 0);
}

#[tokio::test(start_paused = true)]
async fn what_becomes_of_products_and_connections_is_told_in_order() {
    let server = serve(exchange(3)).await;
    let books = connect(config(names(2)), &Memory::new(&server)).await;
    let mut events = books.events(EventConfig::new(Interest::Status));
    soon(books.synced()).await.unwrap();
    let connection = server.newest_connection().unwrap();
    server.with_exchange(|exchange| exchange.drop_next(connection));
    tokio::time::sleep(Duration::from_secs(2)).await;
    soon(books.synced()).await.unwrap();
    books.unsubscribe(name(1)).unwrap();
    books.close().await;

    let mut told = Vec::new();
    while let Some(event) = soon(events.next()).await {
        told.push(match event {
            Event::Live { product, connection, .. } => format!("{product} live {connection}"),
            Event::Lost { product, cause } => format!("{product} lost {cause}"),
            Event::Removed { product } => format!("{product} removed"),
            Event::Connection { connection, event } => match event {
                SessionEvent::Connected => format!("connected {connection}"),
                SessionEvent::Disconnected { .. } => format!("disconnected {connection}"),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(
        told,
        [
            "connected 0",
            "P000-USD live 0",
            "P001-USD live 0",
            "P000-USD lost gap",
            "P001-USD lost gap",
            "disconnected 0",
            "connected 1",
            "P000-USD live 1",
            "P001-USD live 1",
            "P001-USD removed",
            "P000-USD lost closed",
            "disconnected 1",
        ]
    );
    assert_eq!(books.events(EventConfig::new(Interest::Bbo)).next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_loss_takes_the_best_away_before_it_is_told() {
    let (server, books) = live_books(1).await;
    let reader = books.bbo("P000-USD").unwrap();
    let mut events = books.events(EventConfig::new(Interest::Status));
    for _ in 0..5 {
        server.abort_all();
        loop {
            match soon(events.next()).await.unwrap() {
                Event::Lost { cause: Cause::Closed, .. } => break assert_eq!(reader.load(), None),
                Event::Live { .. } => assert!(reader.load().is_some()),
                _ => {}
            }
        }
        soon(books.synced()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_consumer_costs_nothing_and_a_stream_is_a_stream() {
    let (_server, books) = live_books(1).await;
    for _ in 0..100 {
        let events = pin!(books.events(EventConfig::new(Interest::Levels)));
        let two: Vec<Event> = soon(events.take(2).collect()).await;
        assert_eq!(two.len(), 2);
    }
    let mut events = books.events(EventConfig::new(Interest::Levels));
    let waiting = tokio::spawn(async move { while events.next().await.is_some() {} });
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(books);
    soon(waiting).await.expect("the stream ends with the books");
}
