//! `Books` against a simulated exchange: spreading, reading, closing, healing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use level2::UnixNanos;
use level2::book::Side;
use level2::books::{
    Books, BooksConfig, Closed, Event, EventConfig, Interest, Redundancy, StartError,
    SubscribeError,
};
use level2::feed::DialError;
use level2::rate_limiter::RateLimiter;
use level2::session::{Cause, DialStage, Disconnect, NotLive, SessionEvent, Status};
use level2_sim::{ExchangeConfig, FaultPlan, FaultRates, ProductSpec, Server, ServerConfig};

use tokio::time::Instant;

use crate::many::*;

#[tokio::test(start_paused = true)]
async fn products_are_spread_over_connections_and_all_become_live() {
    let server = serve(exchange(25)).await;
    let memory = Memory::new(&server);
    let books = connect(config(names(25)), &memory).await;
    soon(books.synced()).await.unwrap();
    let stats = books.stats();
    assert_eq!((stats.products, stats.live, stats.connections, stats.open), (25, 25, 3, 3));
    assert_eq!(server.connections().open, 3);
    assert_eq!(books.products(), names(25));
    for product in names(25) {
        let bbo = books.bbo(product.as_str()).unwrap().load().unwrap();
        assert!(is_true(&server, product.as_str(), &bbo), "{product}");
        assert_eq!(books.status(product.as_str()).unwrap().status, Status::Live);
    }
    // Connections differ by their numbers, so a sequence number is of one of them.
    let connection =
        |number: usize| books.bbo(name(number).as_str()).unwrap().load().unwrap().connection;
    assert_eq!(connection(0), connection(9));
    assert_ne!(connection(0), connection(10));
    assert_ne!(connection(10), connection(20));
}

#[tokio::test(start_paused = true)]
async fn every_way_to_read_tells_the_same_book() {
    let server = serve(exchange(2)).await;
    let books = connect(config(names(2)), &Memory::new(&server)).await;
    assert!(matches!(books.read("P000-USD", |_| ()), Err(NotLive::Syncing { .. })));
    assert!(matches!(books.age("P000-USD"), Err(NotLive::Syncing { .. })));
    let unknown = books.bbo("NONE-USD").unwrap_err();
    assert_eq!(unknown.to_string(), "\"NONE-USD\" is not subscribed to: subscribe to it first");
    assert_eq!(books.status("NONE-USD"), Err(unknown.clone()));
    assert_eq!(books.unsubscribe("NONE-USD"), Err(unknown.clone()));
    let unknown = NotLive::Unknown(unknown);
    assert_eq!(books.read("NONE-USD", |_| ()), Err(unknown.clone()));
    assert_eq!(books.read_at("NONE-USD", |_, _| ()), Err(unknown.clone()));
    assert_eq!(books.top("NONE-USD", 1), Err(unknown.clone()));
    assert_eq!(books.age("NONE-USD"), Err(unknown));
    soon(books.synced()).await.unwrap();
    server.with_exchange(|exchange| exchange.hold_markets(true));
    tokio::time::sleep(Duration::from_secs(1)).await;

    let best = books.bbo("P000-USD").unwrap().load().unwrap();
    // The wall clock of this machine, in the pace of the books' own clock.
    let wall = UnixNanos::try_from(SystemTime::now()).unwrap().get();
    assert!(best.received_at.unwrap().get().abs_diff(wall) < 3_600_000_000_000, "{best}");
    let top = books.top("P000-USD", 3).unwrap();
    assert_eq!((top.bids().len(), top.asks().len(), top.bbo), (3, 3, best));
    assert_eq!((Some(top.bids()[0]), Some(top.asks()[0])), (best.bid, best.ask));
    assert!(top.bids().is_sorted_by(|a, b| a.price > b.price));
    let (bids, seen) =
        books.read_at("P000-USD", |book, bbo| (book.bids().collect::<Vec<_>>(), *bbo)).unwrap();
    assert_eq!((bids[..3].to_vec(), seen), (top.bids().to_vec(), best));
    let truth =
        server.with_exchange(|exchange| exchange.true_book("P000-USD").unwrap().bids().to_vec());
    let bids: Vec<_> = bids.iter().map(|level| (level.price, level.size)).collect();
    assert_eq!(bids, truth);
    assert_eq!(books.top("P000-USD", 0).unwrap().bids().len(), 0);
    let count = books.read("P000-USD", |book| book.level_count(Side::Bid)).unwrap();
    assert_eq!(books.top("P000-USD", usize::MAX).unwrap().bids().len(), count);
}

#[tokio::test(start_paused = true)]
async fn the_age_of_data_is_that_of_the_connection_and_that_of_the_book() {
    let server = serve(exchange(1)).await;
    let books = connect(config(names(1)), &Memory::new(&server)).await;
    soon(books.synced()).await.unwrap();
    server.with_exchange(|exchange| exchange.hold_markets(true));
    tokio::time::sleep(Duration::from_millis(10_500)).await;
    let age = books.age("P000-USD").unwrap();
    assert!(age.connection <= Duration::from_secs(1), "heartbeats go on: {age:?}");
    assert!(age.book >= Duration::from_secs(10) && age.book < Duration::from_secs(11), "{age:?}");
}

#[tokio::test(start_paused = true)]
async fn an_alias_and_the_name_it_is_answered_under_find_the_same_book() {
    let exchange = ExchangeConfig {
        products: vec![ProductSpec::btc_usd().levels(30)],
        ..ExchangeConfig::default()
    };
    let server = serve(exchange).await;
    let books = connect(config(["BTC-USDC".parse().unwrap()]), &Memory::new(&server)).await;
    soon(books.synced()).await.unwrap();
    server.with_exchange(|exchange| exchange.hold_markets(true));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let best = |name: &str| books.bbo(name).unwrap().load().unwrap();
    assert_eq!(best("BTC-USDC"), best("BTC-USD"));
    assert_eq!(books.top("BTC-USDC", 5), books.top("BTC-USD", 5));
    assert_eq!(books.status("BTC-USD").unwrap().canonical_name.as_str(), "BTC-USD");
    assert_eq!(books.products().len(), 1);
    // Asked for under both names, it is one stream with two readers.
    books.subscribe("BTC-USD".parse().unwrap()).unwrap();
    soon(books.synced()).await.unwrap();
    assert_eq!(best("BTC-USDC"), best("BTC-USD"));
    books.unsubscribe("BTC-USDC").unwrap();
    assert!(books.bbo("BTC-USDC").is_err());
    assert!(books.bbo("BTC-USD").unwrap().load().is_some());
}

#[tokio::test(start_paused = true)]
async fn products_come_and_go_and_empty_connections_with_them() {
    let server = serve(exchange(25)).await;
    let memory = Memory::new(&server);
    let books = connect(config(names(10)), &memory).await;
    soon(books.synced()).await.unwrap();
    assert_eq!(server.connections().open, 1);

    books.subscribe(name(10)).unwrap();
    books.subscribe(name(10)).unwrap();
    assert!(books.read("P010-USD", |_| ()).is_err(), "its snapshot has yet to come");
    soon(books.synced()).await.unwrap();
    assert_eq!((server.connections().open, books.products().len()), (2, 11));

    let reader = books.bbo("P010-USD").unwrap();
    assert!(reader.load().is_some());
    books.unsubscribe(name(10)).unwrap();
    assert!(books.unsubscribe(name(10)).is_err());
    assert_eq!(reader.load(), None, "at once");
    let unsubscribed = Closed::Unsubscribed { product: name(10) };
    assert_eq!(reader.clone().changed().await, Err(unsubscribed));
    until(|| server.connections().open == 1).await;
    assert_eq!(books.stats().connections, 1);

    // Room that was left is used before another connection is.
    books.unsubscribe(name(3)).unwrap();
    books.subscribe(name(12)).unwrap();
    soon(books.synced()).await.unwrap();
    assert_eq!(server.connections().open, 1);
    assert_eq!(memory.dials().len(), 2);
    assert_eq!(reader.load(), None, "a reader of what has left stays empty");
}

#[tokio::test(start_paused = true)]
async fn books_without_products_have_no_connections_until_they_have_one() {
    let server = serve(exchange(1)).await;
    let books = connect(config([]), &Memory::new(&server)).await;
    soon(books.synced()).await.unwrap();
    assert_eq!(server.connections().accepted, 0);
    books.subscribe(name(0)).unwrap();
    soon(books.synced()).await.unwrap();
    assert_eq!(server.connections().open, 1);
}

#[tokio::test(start_paused = true)]
async fn a_venue_that_serves_fewer_products_on_a_connection_makes_them_spread_out() {
    for max_streams in [1, 3, 4, 7] {
        let served = ExchangeConfig { max_streams: Some(max_streams), ..exchange(20) };
        let server = serve(served).await;
        let books = connect(config(names(20)), &Memory::new(&server)).await;
        let readers: Vec<_> =
            names(20).iter().map(|name| books.bbo(name.as_str()).unwrap()).collect();
        soon(books.synced()).await.unwrap();
        for (reader, product) in readers.iter().zip(names(20)) {
            let bbo = reader.load().expect("readers move with their product");
            assert!(is_true(&server, product.as_str(), &bbo), "{product}");
        }
        let open = server.connections().open;
        let fewest = 20usize.div_ceil(max_streams);
        assert!((fewest..=2 * fewest).contains(&open), "{open} connections for {max_streams}");
        // What was learnt holds for later ones: nothing is refused again.
        let refused = books.stats().session.refused;
        books.unsubscribe(name(0)).unwrap();
        books.unsubscribe(name(1)).unwrap();
        books.subscribe(name(0)).unwrap();
        books.subscribe(name(1)).unwrap();
        soon(books.synced()).await.unwrap();
        assert_eq!(books.stats().session.refused, refused);
    }
}

#[tokio::test(start_paused = true)]
async fn a_product_that_is_refused_beside_live_ones_moves_and_they_stay() {
    let served = ExchangeConfig { max_streams: Some(2), ..exchange(3) };
    let server = serve(served).await;
    let books = connect(config(names(2)), &Memory::new(&server)).await;
    soon(books.synced()).await.unwrap();
    books.subscribe(name(2)).unwrap();
    soon(books.synced()).await.unwrap();
    assert_eq!(server.connections().open, 2);
    let losses = |number| books.status(name(number).as_str()).unwrap().stats.losses;
    assert_eq!([losses(0), losses(1), losses(2)], [0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn connections_are_bounded_and_the_error_says_so() {
    let server = serve(exchange(5)).await;
    let limited = |count| {
        let mut config = config(names(count));
        config.products_per_connection = 2;
        config.max_connections = 2;
        config
    };
    let memory = Memory::new(&server);
    let refused = {
        let memory = memory.clone();
        Books::start_with(limited(5), move || memory.clone())
    };
    let Err(StartError::Full(full)) = refused else { panic!("{refused:?}") };
    assert_eq!((full.product, full.max_connections), (name(4), 2));
    let books = connect(limited(4), &memory).await;
    let full = books.subscribe(name(4)).unwrap_err();
    assert!(matches!(&full, SubscribeError::Full(full) if full.product == name(4)), "{full}");
    assert!(full.to_string().contains("max_connections (2)"));
    soon(books.synced()).await.unwrap();
    assert_eq!(books.products(), names(4));
}

/// Sixty connections at once would be refused by the venue: 8 a second, and 8 requests.
#[tokio::test(start_paused = true)]
async fn many_connections_stay_within_the_limits_of_the_venue_together() {
    let server = serve(exchange(60)).await;
    let memory = Memory::new(&server);
    let mut config = config(names(60));
    config.products_per_connection = 1;
    config.rate_limiter = Some(Arc::new(RateLimiter::new()));
    // What a dial waits for its turn is not counted against it.
    config.policy.connect_timeout = Duration::from_secs(1);
    let books = connect(config, &memory).await;
    let counting = Arc::clone(&server);
    let requests = tokio::spawn(async move {
        let mut moments = Vec::new();
        while moments.len() < 120 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let count = counting.with_exchange(|exchange| exchange.counts().requests) as usize;
            moments.resize(count, Instant::now());
        }
        moments
    });
    soon(books.synced()).await.unwrap();
    let requests = soon(requests).await.unwrap();
    assert!((2..=8).contains(&most_in_a_second(&memory.dials())));
    assert!((2..=8).contains(&most_in_a_second(&requests)));
    let stats = books.stats();
    assert_eq!((stats.session.requests, stats.session.reconnects), (120, 0));
}

/// Others in the process have taken all turns for a minute.
#[tokio::test(start_paused = true)]
async fn a_line_that_is_too_long_is_told_and_outlasted() {
    let server = serve(exchange(1)).await;
    let pace = Arc::new(RateLimiter::new());
    let now = || Instant::now().into_std();
    while pace.dial(now(), 2).is_ok() {}
    let mut config = config(names(1));
    config.rate_limiter = Some(Arc::clone(&pace));
    let memory = Memory::new(&server);
    let books = connect(config, &memory).await;
    let mut events = books.events(EventConfig::new(Interest::Status));
    let reason = loop {
        let Event::Connection { event, .. } = soon(events.next()).await.unwrap() else { continue };
        if let SessionEvent::Disconnected { reason } = event {
            break reason;
        }
    };
    let is_pace = matches!(reason, Disconnect::NotConnected { stage: DialStage::RateLimit, .. });
    assert!(is_pace && reason.to_string().contains("exceeds the venue's rate limits"), "{reason}");
    assert_eq!(memory.dials().len(), 0);
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert!(books.bbo("P000-USD").unwrap().load().is_some());

    // Those who asked before go first with requests as well.
    while pace.request(now()).is_ok() {}
    server.abort_all();
    tokio::time::sleep(Duration::from_secs(150)).await;
    assert!(books.bbo("P000-USD").unwrap().load().is_some());
}

/// A thousand changes of mind, with frames coming all the while.
#[tokio::test(start_paused = true)]
async fn subscribing_and_unsubscribing_at_random_leaves_nothing_behind() {
    let server = serve(exchange(80)).await;
    let memory = Memory::new(&server);
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let tasks_before = tasks();
    let mut config = config([]);
    config.products_per_connection = 7;
    let books = connect(config, &memory).await;
    let mut rng = fastrand::Rng::with_seed(3);
    let mut wanted = std::collections::BTreeSet::new();
    for _ in 0..1_000 {
        let product = name(rng.usize(0..80));
        if wanted.remove(&product) {
            books.unsubscribe(&product).unwrap();
        } else {
            books.subscribe(product.clone()).unwrap();
            wanted.insert(product);
        }
        if rng.usize(0..4) == 0 {
            tokio::time::sleep(Duration::from_millis(rng.u64(0..200))).await;
        }
    }
    soon(books.synced()).await.unwrap();
    assert_eq!(books.products(), wanted.iter().cloned().collect::<Vec<_>>());
    for product in &wanted {
        let bbo = books.bbo(product.as_str()).unwrap().load().unwrap();
        assert!(is_true(&server, product.as_str(), &bbo), "{product}");
    }
    let stats = books.stats();
    assert_eq!((stats.live, stats.open), (wanted.len(), stats.connections));
    until(|| server.connections().open == stats.connections).await;
    assert_eq!(stats.session.gaps + stats.session.refused + stats.session.undecodable, 0);
    for product in wanted {
        books.unsubscribe(&product).unwrap();
    }
    until(|| server.connections().open == 0).await;
    assert_eq!(books.stats().connections, 0);
    until(|| tasks() == tasks_before).await;
    assert!(books.products().is_empty());
}

#[tokio::test(start_paused = true)]
async fn closing_is_bounded_and_withdraws_from_every_state() {
    let server = serve(exchange(2)).await;
    // Before the first poll, while dialling, while syncing, live, and while waiting to dial.
    for milliseconds in [0, 1, 20, 300, 5_000] {
        let books = connect(config(names(2)), &Memory::new(&server)).await;
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        let reader = books.bbo("P000-USD").unwrap();
        let start = Instant::now();
        books.close().await;
        books.close().await;
        assert!(start.elapsed() <= Duration::from_secs(3), "at {milliseconds} ms");
        assert_eq!(reader.load(), None);
        let closed = SubscribeError::Closed { product: name(1) };
        assert_eq!(books.subscribe(name(1)), Err(closed));
        assert_eq!(books.synced().await, Err(Closed::ByCaller));
        let read = books.read("P000-USD", |_| ());
        let is_closed = matches!(read, Err(NotLive::Lost { cause: Cause::Closed, .. }));
        assert!(is_closed, "{read:?}");
        until(|| server.connections().open == 0).await;
    }
}

/// Accepts dials and never answers, so that only patience ends what begins there.
struct Silent;

impl level2::feed::Dial for Silent {
    fn dial(&mut self) -> level2::feed::Dialing {
        let (near, far) = tokio::io::duplex(1 << 10);
        Box::pin(async move {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(3_600)).await;
                drop(far);
            });
            Ok(Box::new(near) as Box<dyn level2::feed::Transport>)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn closing_is_bounded_while_the_venue_says_nothing() {
    for seconds in [0, 1, 15] {
        let books = Books::start_with(config(names(1)), || Silent).unwrap();
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let start = Instant::now();
        books.close().await;
        assert!(start.elapsed() <= Duration::from_secs(3));
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_withdraws_every_book_and_ends_the_connections() {
    let server = serve(exchange(12)).await;
    let books = connect(config(names(12)), &Memory::new(&server)).await;
    soon(books.synced()).await.unwrap();
    let readers: Vec<_> = names(12).iter().map(|name| books.bbo(name.as_str()).unwrap()).collect();
    drop(books);
    assert!(readers.iter().all(|reader| reader.load().is_none()), "at once");
    until(|| server.connections().open == 0).await;
}

#[test]
fn books_whose_runtime_is_gone_are_withdrawn() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (books, mut reader) = runtime.block_on(async {
        let server = serve(exchange(1)).await;
        let books = connect(config(names(1)), &Memory::new(&server)).await;
        soon(books.synced()).await.unwrap();
        let mut reader = books.bbo("P000-USD").unwrap();
        assert!(soon(reader.changed()).await.unwrap().is_some());
        (books, reader)
    });
    drop(runtime);
    assert_eq!(reader.load(), None, "nobody keeps it true any more");
    assert!(books.read("P000-USD", |_| ()).is_err());
    // Whoever waits, on whatever runtime there is, is told that nothing will come.
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let changed = std::pin::pin!(reader.changed()).poll(&mut context);
    let gone = Closed::RuntimeGone { product: name(0) };
    assert_eq!(changed, std::task::Poll::Ready(Err(gone.clone())));
    let synced = std::pin::pin!(books.synced()).poll(&mut context);
    assert_eq!(synced, std::task::Poll::Ready(Err(gone)));
}

#[test]
fn starting_outside_of_a_runtime_is_an_error() {
    let answer = Books::start(BooksConfig::new([name(0)]));
    assert!(matches!(answer, Err(StartError::Runtime(_))), "{answer:?}");
}

#[test]
fn a_program_without_a_runtime_has_books_on_a_thread_of_their_own() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = ServerConfig { exchange: exchange(12), ..ServerConfig::default() };
    let server = runtime.block_on(Server::start(config)).unwrap();

    let mut config = BooksConfig::new(names(12));
    config.url = server.url();
    let books = Books::start_on_thread(config).unwrap();
    books.block_on(books.synced()).unwrap();
    let mut reader = books.bbo("P011-USD").unwrap();
    assert!(books.block_on(reader.changed()).unwrap().is_some());
    assert_eq!(server.connections().open, 2);
    books.block_on(books.close());
    assert_eq!(reader.load(), None);
    drop(books);
    let start = std::time::Instant::now();
    while server.connections().open > 0 {
        assert!(start.elapsed() < Duration::from_secs(10), "the connections stay");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_panics_harms_nobody_else() {
    let server = serve(exchange(1)).await;
    let books = connect(config(names(1)), &Memory::new(&server)).await;
    soon(books.synced()).await.unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        books.read("P000-USD", |_| panic!("a bug of the caller"))
    }));
    assert!(panicked.is_err());
    let before = books.stats().session.frames;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(books.stats().session.frames > before + 10);
    assert!(books.read("P000-USD", |book| book.best_bid()).unwrap().is_some());
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "from within a closure")]
async fn reading_within_a_read_is_a_panic_and_not_a_standstill() {
    let server = serve(exchange(2)).await;
    let books = connect(config(names(2)), &Memory::new(&server)).await;
    soon(books.synced()).await.unwrap();
    let _ = books.read("P000-USD", |_| books.read("P001-USD", |_| ()));
}

/// Refuses every dial.
struct Refused;

impl level2::feed::Dial for Refused {
    fn dial(&mut self) -> level2::feed::Dialing {
        let refused = DialError::new(DialStage::Tcp, "connection refused");
        Box::pin(std::future::ready(Err(refused)))
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_told_when_the_connection_has_given_up() {
    let mut config = config(names(2));
    config.policy.max_failed_dials = std::num::NonZeroU32::new(3);
    let books = Books::start_with(config, || Refused).unwrap();
    let mut reader = books.bbo("P000-USD").unwrap();
    let (stage, error) = (DialStage::Tcp, "connection refused".into());
    let reason = Some(Disconnect::NotConnected { stage, error });
    let gave_up = Closed::GaveUp { product: name(0), reason };
    assert_eq!(soon(books.synced()).await, Err(gave_up.clone()));
    assert_eq!(soon(reader.changed()).await, Err(gave_up.clone()));
    assert_eq!(books.stats().session.reconnects, 2);
    // It has no place on the shard that is dead, and may be asked for anew.
    books.unsubscribe(name(0)).unwrap();
    books.unsubscribe(name(1)).unwrap();
    assert_eq!(books.stats().connections, 0);
    assert_eq!(books.stats().session.reconnects, 2, "a connection is counted once");
    books.subscribe(name(0)).unwrap();
    assert_eq!(soon(books.synced()).await, Err(gave_up));
    soon(books.close()).await;
}

#[tokio::test(start_paused = true)]
async fn a_product_that_is_asked_for_again_does_not_end_the_wait_for_all() {
    let server = serve(exchange(1)).await;
    let books = connect(config(names(2)), &Memory::new(&server)).await;
    let unserved = name(1);
    let renew = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        books.unsubscribe(&unserved).unwrap();
        books.subscribe(unserved.clone()).unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        books.unsubscribe(&unserved).unwrap();
    };
    let (synced, ()) = tokio::join!(soon(books.synced()), renew);
    assert_eq!(synced, Ok(()));
}

#[test]
fn books_with_a_thread_of_their_own_are_closed_from_any_executor() {
    let mut config = config(names(1));
    config.url = "ws://127.0.0.1:9".to_owned();
    let books = Books::start_on_thread(config).unwrap();
    let mut closing = std::pin::pin!(books.close());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    while closing.as_mut().poll(&mut context).is_pending() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(books.stats().open, 0);
}

#[tokio::test(start_paused = true)]
async fn an_alias_that_was_told_beforehand_is_known_from_the_start() {
    let server = serve(exchange(1)).await;
    let mut config = config(["OTHER-USD".parse().unwrap()]);
    config.aliases = vec![("OTHER-USD".parse().unwrap(), name(0))];
    let books = connect(config, &Memory::new(&server)).await;
    soon(books.synced()).await.unwrap();
    assert!(books.bbo("P000-USD").unwrap().load().is_some());
    assert!(books.read("OTHER-USD", |_| ()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_change_sleeps_through_none() {
    let server = serve(exchange(1)).await;
    let books = connect(config(names(1)), &Memory::new(&server)).await;
    let mut reader = books.bbo("P000-USD").unwrap();
    let mut last = None;
    for _ in 0..50 {
        let best = soon(reader.changed()).await.unwrap();
        let pair = best.map(|bbo| (bbo.bid, bbo.ask));
        assert_ne!(pair, last, "woken for nothing");
        last = pair;
    }
    // What happened before the wait is not waited for.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let start = Instant::now();
    soon(reader.changed()).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    server.with_exchange(|exchange| exchange.hold_markets(true));
    tokio::time::sleep(Duration::from_secs(1)).await;
    // One may have come between the last two lines.
    let _ = tokio::time::timeout(Duration::from_millis(1), reader.changed()).await;
    let waiting = tokio::time::timeout(Duration::from_secs(60), reader.changed());
    assert!(waiting.await.is_err(), "heartbeats change nothing");
    // A loss is a change.
    server.abort_all();
    assert_eq!(soon(books.bbo("P000-USD").unwrap().changed()).await, Ok(None));
    drop(books);
    assert_eq!(reader.changed().await, Err(Closed::ByCaller));
}

#[tokio::test(start_paused = true)]
async fn a_standby_is_a_second_connection_with_its_own_books() {
    let server = serve(exchange(15)).await;
    let mut config = config(names(15));
    config.redundancy = Redundancy::Standby;
    let books = connect(config, &Memory::new(&server)).await;
    soon(books.synced()).await.unwrap();
    until(|| books.stats().covered == 15).await;
    let stats = books.stats();
    assert_eq!((stats.live, stats.connections, stats.open), (15, 4, 4));
    books.subscribe(name(0)).unwrap();
    books.unsubscribe(name(14)).unwrap();
    for number in 10..14 {
        books.unsubscribe(name(number)).unwrap();
    }
    until(|| server.connections().open == 2).await;
    // Without any connection there is nothing to switch to.
    let mut events = books.events(EventConfig::new(Interest::Status));
    server.abort_all();
    let mut lost = 0;
    while lost < 10 {
        match soon(events.next()).await.unwrap() {
            Event::Lost { cause: Cause::Closed, .. } => lost += 1,
            Event::SwitchedOver { .. } | Event::Connection { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    soon(books.synced()).await.unwrap();
    books.close().await;
    assert_eq!(books.stats().live, 0);
}

/// Real sockets, real threads: a reader that never pauses, while one connection after the other
/// is made to fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_never_notices_that_one_connection_after_the_other_fails() {
    let mut busy = exchange(3);
    busy.interval = Duration::from_millis(10);
    let server = serve(busy).await;
    let mut config = BooksConfig::new(names(3));
    config.url = server.url();
    config.policy.backoff_max = Duration::from_millis(200);
    config.redundancy = Redundancy::Standby;
    let books = Arc::new(Books::start(config).unwrap());
    until(|| books.stats().covered == 3).await;
    let mut events = books.events(EventConfig::new(Interest::Status));

    let readers: Vec<_> = names(3).iter().map(|name| books.bbo(name.as_str()).unwrap()).collect();
    let (is_done, reading) = (Arc::new(AtomicBool::new(false)), Arc::clone(&books));
    let done = Arc::clone(&is_done);
    let reader = std::thread::spawn(move || {
        let mut looks = 0u64;
        while !done.load(Ordering::Relaxed) {
            for reader in &readers {
                let bbo = reader.load().expect("one of the two connections is live");
                assert!(bbo.bid.unwrap().price < bbo.ask.unwrap().price);
            }
            if looks.is_multiple_of(64) {
                reading.read("P001-USD", |book| assert!(!book.is_crossed())).unwrap();
            }
            looks += 1;
            std::thread::yield_now();
        }
        looks
    });
    for round in 0..12 {
        server.with_exchange(|exchange| {
            let connections: Vec<_> = exchange.connections().collect();
            exchange.drop_next(connections[round % connections.len()]);
        });
        let gaps = round as u64 + 1;
        until(|| books.stats().session.gaps == gaps && books.stats().covered == 3).await;
    }
    is_done.store(true, Ordering::Relaxed);
    let looks = tokio::task::spawn_blocking(|| reader.join()).await.unwrap();
    assert!(looks.expect("no look found nothing") > 100);
    let mut switches = 0;
    while let Some(event) = events.try_next() {
        assert!(!matches!(event, Event::Lost { .. }), "{event:?}");
        switches += u32::from(matches!(event, Event::SwitchedOver { .. }));
    }
    // The oldest connection is the one that is read, and every other fault is its.
    assert!(switches >= 9, "{switches} switches");
}

/// Does whatever a program may do with books for three seconds, and returns how many of its looks
/// found a live one.
fn use_at_random(books: &Books, seed: u64) -> u32 {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut events = books.events(EventConfig::new(Interest::Top(2)));
    let mut live = 0;
    let end = std::time::Instant::now() + Duration::from_secs(3);
    while std::time::Instant::now() < end {
        let product = name(rng.usize(0..30));
        // The venue's limit on requests lets a product that comes and goes all the
        // time never become live.
        std::thread::sleep(Duration::from_micros(100));
        match rng.usize(0..2_000) {
            0 => drop(books.unsubscribe(&product)),
            1..=3 => books.subscribe(product).unwrap(),
            4..=50 => events = books.events(EventConfig::new(Interest::Levels)),
            51..=100 => assert!(books.stats().products <= 30),
            101..=150 => drop(books.status(product.as_str())),
            151..=200 => while events.try_next().is_some() {},
            _ => {
                let read = |book: &level2::Book| assert!(!book.is_crossed());
                live += u32::from(books.read(product.as_str(), read).is_ok());
            }
        }
    }
    live
}

/// Everything at once from four threads, with faults: nothing waits for ever, and what can be read
/// in the end is right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_from_many_threads_at_once_never_stand_still() {
    let mut busy = exchange(30);
    busy.interval = Duration::from_millis(20);
    busy.max_streams = Some(6);
    let server = serve(busy).await;
    let rates = FaultRates { drop_ppm: 500, abort_ppm: 200, ..FaultRates::default() };
    server.set_faults(FaultPlan::new(3, rates));
    let mut config = BooksConfig::new(names(15));
    config.url = server.url();
    config.policy.backoff_max = Duration::from_millis(200);
    config.products_per_connection = 8;
    config.redundancy = Redundancy::Standby;
    let books = Arc::new(Books::start(config).unwrap());
    let threads: Vec<_> = (0..4)
        .map(|seed| {
            let books = Arc::clone(&books);
            tokio::task::spawn_blocking(move || use_at_random(&books, seed))
        })
        .collect();
    let mut live = 0;
    for thread in threads {
        live += soon(thread).await.unwrap();
    }
    assert!(live > 0, "no look found a book");
    server.set_faults(FaultPlan::none());
    for product in names(30) {
        books.subscribe(product).unwrap();
    }
    soon(books.synced()).await.unwrap();
    until(|| books.stats().covered == 30).await;
    server.with_exchange(|exchange| exchange.hold_markets(true));
    // What the sockets hold is still to come.
    for product in names(30) {
        let bids = |book: &level2::Book| -> Vec<_> {
            book.bids().map(|level| (level.price, level.size)).collect()
        };
        until(|| {
            let bids = books.read(product.as_str(), bids);
            server.with_exchange(|exchange| {
                bids.is_ok_and(|bids| bids == exchange.true_book(product.as_str()).unwrap().bids())
            })
        })
        .await;
    }
    let start = Instant::now();
    books.close().await;
    assert!(start.elapsed() < Duration::from_secs(4));
    until(|| server.connections().open == 0).await;
}

/// Every kind of fault on every connection; whatever can be read is true, and all heals.
#[tokio::test(start_paused = true)]
async fn no_reader_takes_stale_for_fresh_whatever_goes_wrong() {
    let server = serve(exchange(30)).await;
    let mut config = config(names(30));
    config.policy.backoff_max = Duration::from_millis(500);
    let books = Arc::new(connect(config, &Memory::new(&server)).await);
    soon(books.synced()).await.unwrap();
    server.set_faults(FaultPlan::new(
        5,
        FaultRates {
            drop_ppm: 1_000,
            duplicate_ppm: 3_000,
            reorder_ppm: 1_000,
            garble_ppm: 1_000,
            truncate_ppm: 1_000,
            abort_ppm: 500,
            stall_ppm: 100,
            reset_ppm: 500,
            ..FaultRates::default()
        },
    ));
    let (mut checks, mut absences) = (0, 0);
    while books.stats().session.resyncs < 300 {
        tokio::time::sleep(Duration::from_millis(7)).await;
        for number in 0..30 {
            let product = name(number);
            let best = books.bbo(product.as_str()).unwrap().load();
            // Nothing runs beside this test: what the two ways to read say belongs together.
            let read = books.read_at(product.as_str(), |_, bbo| *bbo);
            assert_eq!(best.is_some(), read.is_ok());
            match best {
                Some(bbo) => {
                    assert_eq!(read, Ok(bbo));
                    assert!(is_true(&server, product.as_str(), &bbo), "{product}: {bbo:?}");
                    checks += 1;
                }
                None => absences += 1,
            }
        }
    }
    assert!(checks > 10_000 && absences > 100, "{checks} checks, {absences} absences");
    assert!(server.fault_counts().faults() > 25);
    server.set_faults(FaultPlan::none());
    // Stalled ones have to be noticed first.
    tokio::time::sleep(Duration::from_secs(30)).await;
    soon(books.synced()).await.unwrap();
    server.with_exchange(|exchange| exchange.hold_markets(true));
    tokio::time::sleep(Duration::from_secs(1)).await;
    for product in names(30) {
        let levels = |side| {
            let pairs = |book: &level2::Book| -> Vec<_> {
                book.levels(side).map(|level| (level.price, level.size)).collect()
            };
            books.read(product.as_str(), pairs).unwrap()
        };
        server.with_exchange(|exchange| {
            let truth = exchange.true_book(product.as_str()).unwrap();
            assert_eq!(levels(Side::Bid), truth.bids());
            assert_eq!(levels(Side::Ask), truth.asks());
        });
    }
    println!("{:?}", books.stats());
}
