//! Sessions against the simulated exchange in virtual time, with faults of every kind in between.
//!
//! No socket, no runtime, no waiting: minutes of traffic pass in milliseconds. A seed decides
//! which faults strike and how often, when dials fail, and when the caller changes its mind about
//! products. The exchange knows the true book at every frame; what a session shows is compared
//! with it after every input.
//!
//! `SEED=7` runs one seed, `SEEDS=1000` as many.
#![cfg(feature = "sim")]

#[path = "support/seeds.rs"]
mod seeds;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::{Duration, Instant};

use fastrand::Rng;
use level2::ProductId;
use level2::bbo::{Bbo, BboReader};
use level2::book::{Book, Level, Side};
use level2::session::{
    DialStage, Disconnect, Event, Input, Output, Resync, Session, SessionConfig,
};
use level2::sim::{
    ConnectionId, Delivery, Exchange, ExchangeConfig, FaultCounts, FaultPlan, FaultRates,
    ProductSpec, SimFrame, TrueBbo,
};
use rust_decimal::Decimal;

use self::seeds::{Told, seeds};

/// How many seeds each policy runs with unless `SEEDS` says otherwise.
const SEEDS_DEFAULT: u64 = 12;
/// How long faults strike.
const FAULTY: Duration = Duration::from_secs(30);
/// How long a session may take to be right again once nothing goes wrong any more: a silent
/// connection found out, or some tries for one product, then a dial and a snapshot.
const HEALING: Duration = Duration::from_secs(35);

const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
const LATENCY_US: Range<u64> = 1_000..40_000;
const PRODUCTS: [&str; 3] = ["BTC-USD", "ETH-USD", "PEPE-USD"];

/// The place of a frame: how often the counter had started again, and its number.
type Mark = (u64, u64);

/// The best level of a side, as the exchange tells it.
type TrueLevel = Option<(Decimal, Decimal)>;

/// A message on its way to the client.
enum Down {
    /// A frame as it was sent, or damaged.
    Text {
        bytes: Vec<u8>,
        mark: Option<Mark>,
        is_whole: bool,
    },
    Abort,
}

/// An open connection: what is on its way, and what was.
struct Wire {
    id: ConnectionId,
    plan: FaultPlan,
    epoch: u64,
    is_stalled: bool,
    up: VecDeque<(Duration, String)>,
    down: VecDeque<(Duration, Down)>,
    /// The last frames as they were sent, to tell whole ones from damaged ones.
    recent: VecDeque<(Vec<u8>, Mark)>,
    truths: BTreeMap<Mark, [Option<TrueBbo>; PRODUCTS.len()]>,
    newest_sent: Option<Mark>,
    newest_delivered: Option<Mark>,
    delivered_at: Duration,
}

/// A dial that will succeed, fail, or never end.
enum Dial {
    Succeeds(Duration),
    Fails(Duration),
    Hangs,
}

struct World {
    rng: Rng,
    base: Instant,
    now: Duration,
    exchange: Exchange,
    session: Session,
    /// What a strategy holds on to: readers, with the name each was asked for under.
    readers: Vec<(String, BboReader)>,
    wire: Option<Wire>,
    dial: Option<Dial>,
    /// When the session wants to be woken.
    wake: Duration,
    rates: FaultRates,
    dial_failures_percent: u64,
    changes_percent: u64,
    dials: u64,
    faults: FaultCounts,
    log: Vec<String>,
    checks: u64,
}

impl World {
    fn new(seed: u64, resync: Resync, base: Instant) -> Self {
        let mut rng = Rng::with_seed(seed);
        let exchange = Exchange::new(ExchangeConfig {
            seed,
            products: vec![
                ProductSpec::btc_usd().levels(30),
                ProductSpec::eth_usd().levels(20),
                ProductSpec::tiny_price().levels(10),
            ],
            ..ExchangeConfig::default()
        });
        let mut names = PRODUCTS.to_vec();
        if rng.bool() {
            names.push("BTC-USDC");
        }
        if rng.u64(0..4) == 0 {
            names.push("GONE-USD");
        }
        rng.shuffle(&mut names);
        let mut config = SessionConfig::new(names.iter().map(|name| id(name)));
        config.resync = resync;
        config.seed = seed;
        config.idle_timeout = IDLE_TIMEOUT;
        config.backoff_max = Duration::from_secs(2);
        config.snapshot_timeout = Duration::from_secs(3);
        let session = Session::new(config, base);
        let readers = session.products().map(|p| (p.name().to_string(), p.bbo())).collect();
        Self {
            rates: draw_rates(&mut rng, seed),
            dial_failures_percent: if seed.is_multiple_of(4) { 0 } else { rng.u64(0..60) },
            changes_percent: if seed.is_multiple_of(3) { rng.u64(0..3) } else { 0 },
            rng,
            base,
            now: Duration::ZERO,
            exchange,
            session,
            readers,
            wire: None,
            dial: None,
            wake: Duration::ZERO,
            dials: 0,
            faults: FaultCounts::default(),
            log: Vec::new(),
            checks: 0,
        }
    }

    fn instant(&self) -> Instant {
        self.base + self.now
    }

    /// Goes from one thing that happens to the next.
    fn run_until(&mut self, end: Duration) {
        while self.now < end {
            let dial = match self.dial {
                Some(Dial::Succeeds(at) | Dial::Fails(at)) => Some(at),
                Some(Dial::Hangs) | None => None,
            };
            let wire = self.wire.as_ref();
            let up = wire.and_then(|wire| wire.up.front()).map(|(at, _)| *at);
            let down = wire.and_then(|wire| wire.down.front()).map(|(at, _)| *at);
            let others = [dial, up, down].into_iter().flatten();
            let next = others.fold(self.exchange.next_due().min(self.wake), Duration::min);
            self.now = next.clamp(self.now, end);
            self.step();
        }
    }

    fn step(&mut self) {
        self.exchange.advance(self.now);
        self.pump();
        self.deliver_up();
        self.finish_dial();
        self.deliver_down();
        if self.wake <= self.now {
            self.input(Input::Timeout);
        }
        if self.rng.u64(0..100) < self.changes_percent {
            self.change_products();
        }
    }

    /// Takes what the exchange sends through the faults onto the wire.
    fn pump(&mut self) {
        let Some(wire) = &mut self.wire else { return };
        while let Some(frame) = self.exchange.poll_frame(wire.id) {
            let mut out = Vec::new();
            let mark = frame.sequence.map(|sequence| wire.mark_of(sequence));
            if let Some(mark) = mark {
                let truth = |name| self.exchange.truth(wire.id, name, mark.1);
                wire.truths.insert(mark, PRODUCTS.map(truth));
                wire.newest_sent = Some(mark);
                wire.recent.push_front((frame.text.clone().into_bytes(), mark));
                wire.recent.truncate(4);
            }
            // A counter that starts again and then loses its zero cannot be told from one that
            // goes on, when it had only just begun: no client could. Everything else may happen.
            if mark.is_some_and(|(epoch, sequence)| epoch > 0 && sequence == 0) {
                out.push(Delivery::Text(frame.text.into_bytes()));
            } else {
                wire.plan.apply(frame, &mut out);
            }
            for delivery in out {
                let down = match delivery {
                    Delivery::Text(bytes) => wire.identify(bytes, mark),
                    Delivery::Abort => Down::Abort,
                    Delivery::Stall => {
                        wire.is_stalled = true;
                        continue;
                    }
                    Delivery::ResetCounter => {
                        self.exchange.reset_counter(wire.id);
                        continue;
                    }
                };
                let latency = Duration::from_micros(self.rng.u64(LATENCY_US));
                let after = wire.down.back().map_or(self.now, |(at, _)| *at);
                if !wire.is_stalled {
                    wire.down.push_back((after.max(self.now + latency), down));
                }
            }
        }
        if !self.exchange.is_open(wire.id) && !wire.is_stalled && wire.down.is_empty() {
            wire.down.push_back((self.now, Down::Abort));
        }
    }

    fn deliver_up(&mut self) {
        while let Some(wire) = &mut self.wire
            && wire.up.front().is_some_and(|(at, _)| *at <= self.now)
            && let Some((_, text)) = wire.up.pop_front()
        {
            self.exchange.receive(wire.id, self.now, &text);
            self.pump();
        }
    }

    fn finish_dial(&mut self) {
        match self.dial {
            Some(Dial::Succeeds(at)) if at <= self.now => {
                self.dial = None;
                let plan = FaultPlan::new(self.dials, self.rates);
                self.wire = Some(Wire::new(self.exchange.connect(), plan, self.now));
                self.input(Input::Opened);
            }
            Some(Dial::Fails(at)) if at <= self.now => {
                self.dial = None;
                let (stage, error) = (DialStage::Tcp, "refused".into());
                self.input(Input::Closed(Disconnect::NotConnected { stage, error }));
            }
            _ => {}
        }
    }

    fn deliver_down(&mut self) {
        while let Some(wire) = &mut self.wire
            && wire.down.front().is_some_and(|(at, _)| *at <= self.now)
            && let Some((_, down)) = wire.down.pop_front()
        {
            match down {
                Down::Abort => {
                    self.hang_up();
                    self.input(Input::Closed(Disconnect::Transport("reset".into())));
                }
                Down::Text { bytes, mark, is_whole } => {
                    let is_known_loss = is_whole && wire.shows_loss(mark);
                    wire.newest_delivered = wire.newest_delivered.max(mark);
                    wire.delivered_at = self.now;
                    let now = self.instant();
                    self.session.handle(now, Input::Message(&bytes));
                    // Before any poll: a strategy reads whenever it likes.
                    if is_known_loss {
                        self.check_withdrawn(mark, &bytes);
                    }
                    self.check();
                    self.drive();
                }
            }
        }
    }

    fn input(&mut self, input: Input<'_>) {
        self.session.handle(self.instant(), input);
        self.check();
        self.drive();
    }

    /// Does what the session says, as a feed does.
    fn drive(&mut self) {
        loop {
            let output = self.session.poll(self.instant());
            if !matches!(output, Output::Wait(_)) {
                self.log.push(format!("{:?} {output:?}", self.now));
            }
            match output {
                Output::Connect => self.begin_dial(),
                Output::Disconnect => self.hang_up(),
                Output::Event(Event::Missed { .. }) => panic!("the queue was always polled"),
                Output::Event(_) => {}
                Output::Send(request) => {
                    let at = self.now + Duration::from_micros(self.rng.u64(LATENCY_US));
                    let wire = self.wire.as_mut().expect("nothing is sent but on a connection");
                    let after = wire.up.back().map_or(at, |(last, _)| at.max(*last));
                    wire.up.push_back((after, request.encode(None)));
                }
                Output::Wait(until) => {
                    self.wake = until - self.base;
                    return self.check();
                }
                _ => unreachable!("there is no other output"),
            }
        }
    }

    fn begin_dial(&mut self) {
        assert!(self.wire.is_none() && self.dial.is_none(), "one connection at a time");
        self.dials += 1;
        let at = self.now + Duration::from_micros(self.rng.u64(LATENCY_US));
        let fails = self.rng.u64(0..100) < self.dial_failures_percent;
        self.dial = Some(match self.rng.u64(0..10) {
            _ if !fails => Dial::Succeeds(at),
            0 => Dial::Hangs,
            _ => Dial::Fails(at),
        });
    }

    fn hang_up(&mut self) {
        self.dial = None;
        if let Some(mut wire) = self.wire.take() {
            self.exchange.disconnect(wire.id);
            self.faults.add(&wire.plan.take_counts());
        }
    }

    /// Takes a product away, or brings one back.
    fn change_products(&mut self) {
        let product = id(self.rng.choice(PRODUCTS).unwrap());
        if !self.session.unsubscribe(&product) {
            let now = self.instant();
            self.session.subscribe(now, product.clone()).unwrap();
            let reader = self.session.bbo(product.as_str()).unwrap();
            self.readers.push((product.to_string(), reader));
        }
        self.drive();
    }

    /// Ends every fault but those that the open connection has suffered already.
    fn stop_faults(&mut self) {
        self.rates = FaultRates::default();
        self.dial_failures_percent = 0;
        self.changes_percent = 0;
        if let Some(wire) = &mut self.wire {
            self.faults.add(&wire.plan.take_counts());
            wire.plan = FaultPlan::none();
        }
        for name in PRODUCTS {
            let now = self.instant();
            self.session.subscribe(now, id(name)).unwrap();
            self.readers.push((name.to_owned(), self.session.bbo(name).unwrap()));
        }
        self.drive();
    }

    /// What a frame that shows a loss leaves readable: its own product, if it is a snapshot.
    fn check_withdrawn(&self, mark: Option<Mark>, bytes: &[u8]) {
        let text = std::str::from_utf8(bytes).unwrap();
        for (name, bbo) in self.readable() {
            let heals = text.contains("\"type\":\"snapshot\"") && mark.unwrap().1 == bbo.sequence;
            assert!(heals, "{name} can be read after frame {mark:?} has shown a loss");
        }
    }

    fn readable(&self) -> impl Iterator<Item = (&str, Bbo)> {
        self.readers.iter().filter_map(|(name, reader)| Some((name.as_str(), reader.load()?)))
    }

    /// Compares everything that can be read with what is true.
    fn check(&mut self) {
        let mut checks = 0;
        for (name, bbo) in self.readable() {
            let wire = self.wire.as_ref().expect("nothing is live without a connection");
            let silent = self.now - wire.delivered_at;
            assert!(silent <= IDLE_TIMEOUT, "{name} can be read after {silent:?} of silence");
            let newest = wire.newest_delivered.expect("nothing is live before a frame");
            let place = product_index(name);
            let best = TrueBbo { bid: plain(bbo.bid), ask: plain(bbo.ask) };
            for mark in [(newest.0, bbo.sequence), newest] {
                let truth = wire.truths.get(&mark).unwrap_or_else(|| {
                    panic!("{name} names the frame {mark:?}, which was never sent")
                });
                // The exchange knows no truth of a product that it was told to end.
                if let Some(truth) = truth[place] {
                    assert_eq!(best, truth, "{name}: read of {bbo:?}, newest frame {newest:?}");
                    checks += 1;
                }
            }
        }
        self.checks += checks;
        let is_up_to_date = self.wire.as_ref().is_some_and(|wire| {
            wire.newest_sent.is_some() && wire.newest_sent == wire.newest_delivered
        });
        if is_up_to_date {
            self.check_books();
        }
    }

    /// Compares every live book with the true one, level by level.
    fn check_books(&mut self) {
        let place = self.rng.usize(0..PRODUCTS.len());
        let name = PRODUCTS[place];
        let wire = self.wire.as_ref().expect("a connection is up to date");
        let newest = wire.newest_sent.expect("a frame was sent");
        if wire.truths[&newest][place].is_some()
            && let Ok(book) = self.session.book(name)
        {
            assert_same(name, book, &self.exchange);
            self.checks += 1;
        }
    }

    fn check_healed(&self) {
        for name in PRODUCTS {
            let product = self.session.product(name).unwrap();
            let book = product.book().unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_same(name, book, &self.exchange);
            assert!(product.bbo().load().is_some(), "{name} has no best bid and ask");
        }
        assert!(self.session.book("GONE-USD").is_err());
    }
}

impl Wire {
    fn new(id: ConnectionId, plan: FaultPlan, now: Duration) -> Self {
        Self {
            id,
            plan,
            epoch: 0,
            is_stalled: false,
            up: VecDeque::new(),
            down: VecDeque::new(),
            recent: VecDeque::new(),
            truths: BTreeMap::new(),
            newest_sent: None,
            newest_delivered: None,
            delivered_at: now,
        }
    }

    /// Numbers only fall when the counter starts again.
    fn mark_of(&mut self, sequence: u64) -> Mark {
        if self.newest_sent.is_some_and(|(_, last)| sequence <= last) {
            self.epoch += 1;
        }
        (self.epoch, sequence)
    }

    /// Finds out which frame a text is, and whether it is as it was sent.
    fn identify(&self, bytes: Vec<u8>, mark: Option<Mark>) -> Down {
        match self.recent.iter().find(|(sent, _)| *sent == bytes) {
            Some((_, mark)) => Down::Text { bytes, mark: Some(*mark), is_whole: true },
            None => Down::Text { bytes, mark, is_whole: mark.is_none() },
        }
    }

    /// Whether a frame lets anyone know that something was lost before it.
    fn shows_loss(&self, mark: Option<Mark>) -> bool {
        match (self.newest_delivered, mark) {
            (Some((old_epoch, last)), Some((epoch, sequence))) => {
                epoch > old_epoch || epoch == old_epoch && sequence > last + 1
            }
            _ => false,
        }
    }
}

fn id(name: &str) -> ProductId {
    ProductId::new(name).unwrap()
}

fn product_index(name: &str) -> usize {
    let canonical = if name == "BTC-USDC" { "BTC-USD" } else { name };
    PRODUCTS.iter().position(|product| *product == canonical).expect("a product of the exchange")
}

fn plain(level: Option<Level>) -> TrueLevel {
    level.map(|level| (level.price, level.size))
}

fn assert_same(name: &str, book: &Book, exchange: &Exchange) {
    let truth = exchange.true_book(name).unwrap();
    for (side, expected) in [(Side::Bid, truth.bids()), (Side::Ask, truth.asks())] {
        let levels: Vec<_> = book.levels(side).map(|level| (level.price, level.size)).collect();
        assert_eq!(levels, expected, "the {side}s of {name}");
    }
}

/// All quiet, one kind of fault alone, or several kinds at rates of their own.
fn draw_rates(rng: &mut Rng, seed: u64) -> FaultRates {
    let mut ppm = [0u32; 8];
    // Breaks of the whole connection are rarer, or there would be nothing but those.
    let most = [20_000, 40_000, 20_000, 20_000, 20_000, 4_000, 2_000, 6_000];
    let only = rng.usize(0..ppm.len());
    for (kind, ppm) in ppm.iter_mut().enumerate() {
        let is_on = match seed % 4 {
            0 if seed.is_multiple_of(8) => false,
            1 => kind == only,
            _ => rng.u64(0..3) > 0,
        };
        let drawn = rng.u32(0..=most[kind]);
        *ppm = if is_on { drawn } else { 0 };
    }
    FaultRates {
        drop_ppm: ppm[0],
        duplicate_ppm: ppm[1],
        reorder_ppm: ppm[2],
        garble_ppm: ppm[3],
        truncate_ppm: ppm[4],
        abort_ppm: ppm[5],
        stall_ppm: ppm[6],
        reset_ppm: ppm[7],
    }
}

/// One seed from start to end: faults, then healing, then rest.
fn simulate(seed: u64, resync: Resync, base: Instant) -> World {
    let mut world = World::new(seed, resync, base);
    world.drive();
    world.run_until(FAULTY);
    world.stop_faults();
    world.run_until(FAULTY + HEALING);
    world.exchange.hold_markets(true);
    world.run_until(FAULTY + HEALING + Duration::from_secs(2));
    world.check_healed();
    world.hang_up();
    world
}

fn simulate_all(resync: Resync) {
    let (mut faults, mut checks, mut resyncs, mut dials) = (FaultCounts::default(), 0, 0, 0);
    for seed in seeds(SEEDS_DEFAULT) {
        let _told = Told(seed, resync);
        let world = simulate(seed, resync, Instant::now());
        faults.add(&world.faults);
        checks += world.checks;
        resyncs += world.session.stats().resyncs;
        dials += world.dials;
    }
    println!("{faults:?}, {checks} checks, {resyncs} resyncs, {dials} dials");
    assert!(checks > 0);
}

#[test]
fn what_can_be_read_is_true_and_everything_heals_by_new_connections() {
    simulate_all(Resync::Reconnect);
}

#[test]
fn what_can_be_read_is_true_and_everything_heals_by_new_subscriptions() {
    simulate_all(Resync::Resubscribe);
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let base = Instant::now();
    for (seed, resync) in [(5, Resync::Reconnect), (6, Resync::Resubscribe)] {
        let _told = Told(seed, resync);
        let first = simulate(seed, resync, base).log;
        assert!(first.len() > 100);
        assert!(first == simulate(seed, resync, base).log, "the log differs");
    }
    let other = simulate(7, Resync::Reconnect, base).log;
    assert_ne!(simulate(5, Resync::Reconnect, base).log.len(), other.len());
}

#[test]
fn without_faults_nothing_is_ever_lost() {
    let world = simulate(0, Resync::Reconnect, Instant::now());
    let stats = world.session.stats();
    assert_eq!(world.faults.faults(), 0);
    assert_eq!((stats.gaps, stats.duplicates, stats.undecodable, stats.crossed), (0, 0, 0, 0));
    assert_eq!((stats.reconnects, stats.late), (0, 0));
}

/// The helper itself: a text that was changed on the way is not taken for a whole one.
#[test]
fn damage_is_told_from_whole_frames() {
    let mut exchange = Exchange::new(ExchangeConfig::default());
    let mut wire = Wire::new(exchange.connect(), FaultPlan::none(), Duration::ZERO);
    let frame = SimFrame { sequence: Some(4), text: "{}".to_owned() };
    wire.recent.push_front((frame.text.into_bytes(), (0, 4)));
    let is_whole = |down| matches!(down, Down::Text { is_whole: true, mark: Some((0, 4)), .. });
    assert!(is_whole(wire.identify(b"{}".to_vec(), Some((0, 5)))));
    assert!(!is_whole(wire.identify(b"{#".to_vec(), Some((0, 4)))));
}
