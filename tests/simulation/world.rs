//! Drives an exchange, a network and a session through virtual time, as a feed and a strategy do.

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::time::{Duration, Instant};

use fastrand::Rng;
use level2::bbo::BboReader;
use level2::session::{
    Cause, DialStage, Disconnect, Input, MAX_REQUESTS_PER_SECOND, MIN_DIAL_INTERVAL, Output,
    Resync, Session, SessionEvent, Stats,
};
use level2_sim::{Ended, Exchange, Network, NetworkEvent, NetworkMessage, NetworkRates};

use crate::oracle::Oracle;
use crate::plan::{Plan, UNKNOWN, id};
use crate::tally::Tally;

/// How long a session may take to be right again once nothing goes wrong any more: a dial that
/// nobody answers, a silent connection found out, some tries for one product, each as slow as the
/// settings of a plan allow, then a dial and a snapshot.
const HEALING: Duration = Duration::from_secs(60);
/// How long everything rests at the end, so that nothing is on its way any more.
const REST: Duration = Duration::from_secs(3);
/// One in so many messages has every book compared, not only the one that it is for.
const FULL_LOOK_EVERY: u64 = 16;
/// How many moves a failing seed shows.
const MOVES_SHOWN: usize = 80;
/// A caller whose policy is passive asks again this long after a loss.
const PASSIVE_PAUSE: Duration = Duration::from_millis(500);

/// What a run has done.
pub(crate) struct Run {
    pub(crate) tally: Tally,
    /// A hash of everything that the session said, and when.
    pub(crate) story: u64,
}

/// One seed from start to end: faults, then healing, then rest.
pub(crate) fn simulate(seed: u64, plan: Plan) -> Run {
    let faulty = plan.faulty;
    let mut world = World::new(seed, plan);
    world.drive();
    world.run_until(faulty, |_| false);
    world.stop_faults();
    // A connection that has gone silent still looks well until then.
    let found_out = world.now.max(world.link.held_until()) + world.plan.config.policy.idle_timeout;
    world.run_until(found_out, |_| false);
    world.heal();
    world.exchange.hold_markets(true);
    world.run_until(world.now.max(world.link.held_until()) + REST, |_| false);
    // A product that the exchange does not have may cost the others their connection, once in
    // each life of theirs: it may be now.
    for _ in 0..2 {
        world.heal();
        world.run_until(world.now + REST, |_| false);
        if world.is_healed() {
            break;
        }
    }
    world.check_end();
    world.end()
}

struct World {
    seed: u64,
    plan: Plan,
    rng: Rng,
    base: Instant,
    now: Duration,
    exchange: Exchange,
    link: Network,
    session: Session,
    oracle: Oracle,
    /// What a strategy holds on to: readers, with the name each was asked for under.
    readers: Vec<(String, BboReader)>,
    /// When the session wants to be woken.
    wake: Duration,
    /// When a caller with a passive policy asks for everything again.
    ask_again: Option<Duration>,
    dialed: Option<Duration>,
    requested: VecDeque<Duration>,
    stats: Stats,
    /// Messages handed to the session.
    handed: u64,
    moves: Moves,
    tally: Tally,
}

impl World {
    fn new(seed: u64, plan: Plan) -> Self {
        let mut rng = Rng::with_seed(seed);
        let base = Instant::now();
        let session = Session::new(plan.config.clone(), base);
        let readers = session.products().map(|p| (p.name().to_string(), p.bbo())).collect();
        let names = plan.products.iter().map(ToString::to_string).collect();
        Self {
            seed,
            exchange: Exchange::new(plan.exchange.clone()),
            link: Network::new(rng.u64(..), plan.rates),
            oracle: Oracle::new(names),
            plan,
            rng,
            base,
            now: Duration::ZERO,
            session,
            readers,
            wake: Duration::ZERO,
            ask_again: None,
            dialed: None,
            requested: VecDeque::new(),
            stats: Stats::default(),
            handed: 0,
            moves: Moves { are_kept: std::env::var_os("SEED").is_some(), ..Moves::default() },
            tally: Tally::default(),
        }
    }

    /// Goes from one thing that happens to the next.
    fn run_until(&mut self, end: Duration, is_enough: impl Fn(&Self) -> bool) {
        while self.now < end && !is_enough(self) {
            let others = [self.link.next_due(), self.ask_again].into_iter().flatten();
            let next = others.fold(self.exchange.next_due().min(self.wake), Duration::min);
            self.now = next.clamp(self.now, end);
            self.step();
        }
    }

    /// Waits until everything is live again, which must not take long.
    fn heal(&mut self) {
        self.run_until(self.now + HEALING, Self::is_healed);
        assert!(self.is_healed(), "nothing went wrong for {HEALING:?}, and it has not healed");
    }

    fn step(&mut self) {
        while self.exchange.next_due() <= self.now {
            self.exchange.advance(self.now);
        }
        self.exchange.advance(self.now);
        while let Some(event) = self.poll_link() {
            self.take(event);
        }
        if self.wake <= self.now {
            self.input("timeout", Input::Timeout);
        }
        if self.ask_again.is_some_and(|at| at <= self.now) {
            self.ask_again = None;
            self.ask(&["unsubscribe", "subscribe"]);
        }
    }

    fn poll_link(&mut self) -> Option<NetworkEvent> {
        let oracle = &mut self.oracle;
        let watch = |_: &_, frame: &_, mark| oracle.sent(frame, mark);
        self.link.poll_watching(&mut self.exchange, self.now, watch)
    }

    fn take(&mut self, event: NetworkEvent) {
        match event {
            NetworkEvent::Opened => {
                self.oracle.opened(self.now);
                self.input("opened", Input::Opened);
                if self.plan.config.policy.resync == Resync::Passive {
                    self.ask(&["subscribe"]);
                }
            }
            NetworkEvent::Closed(reason) => {
                self.input("closed", Input::Closed(disconnect_of(reason)))
            }
            NetworkEvent::Message(message) => self.deliver(&message),
        }
    }

    fn deliver(&mut self, message: &NetworkMessage) {
        let shows_loss = self.oracle.delivered(self.now, message);
        self.handed += 1;
        let NetworkMessage { mark, is_intact, .. } = message;
        self.moves.note(self.now, format_args!("{mark:?} intact: {is_intact}"));
        self.session.handle(self.base + self.now, Input::Message(&message.bytes));
        // Before any poll: a strategy reads whenever it likes.
        if shows_loss {
            self.check_withdrawn(message);
        }
        self.check();
        self.drive();
        if self.strikes(self.plan.venue_ppm) {
            self.trouble_venue();
        }
        if self.strikes(self.plan.change_ppm) {
            self.change_products();
        }
        if self.strikes(self.plan.sleep_ppm) {
            self.tally.sleeps += 1;
            let most = u64::try_from(self.plan.sleep_max.as_millis()).unwrap();
            // Everything goes on meanwhile, and is found at once after waking.
            self.now += Duration::from_millis(self.rng.u64(0..=most));
            if self.rng.bool() {
                self.input("timeout", Input::Timeout);
            }
        }
    }

    fn input(&mut self, name: &str, input: Input<'_>) {
        self.moves.note(self.now, format_args!("{name}"));
        self.session.handle(self.base + self.now, input);
        self.check();
        self.drive();
    }

    /// Does what the session says, as a feed does.
    fn drive(&mut self) {
        loop {
            let output = self.session.poll(self.base + self.now);
            match &output {
                Output::Wait(_) => {}
                // When it was is told by the story already; an instant differs from run to run.
                Output::Event(SessionEvent::Quiet { product, .. }) => {
                    self.moves.note(self.now, format_args!("quiet {product}"));
                }
                output => self.moves.note(self.now, format_args!("{output:?}")),
            }
            match output {
                Output::Connect => self.dial(),
                Output::Disconnect => self.link.hang_up(&mut self.exchange, self.now),
                Output::Send(request) => {
                    self.count_request();
                    self.link.send(self.now, request.encode(None));
                }
                Output::Event(SessionEvent::Missed { .. }) => panic!("the queue was always polled"),
                // What is lost for being ended was ended by this caller, who has asked again.
                Output::Event(SessionEvent::Lost { cause, .. })
                    if self.plan.config.policy.resync == Resync::Passive
                        && cause != Cause::Refused =>
                {
                    self.ask_again.get_or_insert(self.now + PASSIVE_PAUSE);
                }
                Output::Event(_) => {}
                Output::Wait(until) => {
                    self.wake = until - self.base;
                    return self.check();
                }
                _ => unreachable!("there is no other output"),
            }
        }
    }

    fn dial(&mut self) {
        let since = self.dialed.map(|dialed| self.now - dialed);
        assert!(since.is_none_or(|since| since >= MIN_DIAL_INTERVAL), "dialed after {since:?}");
        self.dialed = Some(self.now);
        self.link.dial(self.now);
    }

    fn count_request(&mut self) {
        self.requested.push_back(self.now);
        if self.requested.len() > MAX_REQUESTS_PER_SECOND {
            let since = self.now - self.requested.pop_front().unwrap();
            assert!(since >= Duration::from_secs(1), "one request too many within {since:?}");
        }
    }

    /// Sends what a caller with a passive policy sends itself.
    fn ask(&mut self, kinds: &[&str]) {
        for kind in kinds {
            let products: Vec<_> =
                self.session.products().map(|p| format!("\"{}\"", p.name())).collect();
            let products = products.join(",");
            let request =
                format!(r#"{{"type":"{kind}","product_ids":[{products}],"channel":"level2"}}"#);
            self.link.send(self.now, request);
        }
        self.link.send(self.now, r#"{"type":"subscribe","channel":"heartbeats"}"#.to_owned());
    }

    /// Lets the venue do something odd to the client's connection.
    fn trouble_venue(&mut self) {
        let Some(id) = self.link.connection() else { return };
        self.tally.oddities += 1;
        let kind = self.rng.u64(0..7);
        self.moves.note(self.now, format_args!("oddity {kind}"));
        let (exchange, products) = (&mut self.exchange, &self.plan.products);
        match kind {
            // Without the answer to the end of a subscription, a new one that does not begin with
            // a snapshot cannot be told from the old one going on: no client could.
            0..4 if self.seed.is_multiple_of(2) => exchange.withhold_ack(id),
            0 => exchange.withhold_stream(id),
            1 => exchange.withhold_snapshot(id),
            2 => exchange.refuse_next_product(id),
            3 => exchange.refuse_next_request(id, "failure to subscribe"),
            4 => exchange.send_error(id, "an error that nobody asked for"),
            5 => exchange.send_event(id, "news", r#"{"type":"headline","text":"l2_data"}"#),
            _ => {
                let product = products[self.rng.usize(0..products.len())].as_str();
                exchange.resend_snapshot(id, product);
            }
        }
    }

    /// Takes a product away, or brings one back.
    fn change_products(&mut self) {
        self.tally.changes += 1;
        let product = self.plan.products[self.rng.usize(0..self.plan.products.len())].clone();
        self.moves.note(self.now, format_args!("changes {product}"));
        if self.session.unsubscribe(&product).is_err() {
            self.session.subscribe(self.base + self.now, product.clone()).unwrap();
            self.readers.push((product.to_string(), self.session.bbo(product.as_str()).unwrap()));
            self.ask_again.get_or_insert(self.now + PASSIVE_PAUSE);
        }
        self.check();
        self.drive();
    }

    /// Ends every fault but those that the open connection has suffered already.
    fn stop_faults(&mut self) {
        self.link.set_rates(NetworkRates {
            latency: self.plan.rates.latency,
            ..NetworkRates::default()
        });
        self.plan.venue_ppm = 0;
        self.plan.change_ppm = 0;
        self.plan.sleep_ppm = 0;
        for product in self.plan.products.clone() {
            self.session.subscribe(self.base + self.now, product.clone()).unwrap();
            self.readers.push((product.to_string(), self.session.bbo(product.as_str()).unwrap()));
        }
        if self.plan.config.policy.resync == Resync::Passive {
            self.ask_again.get_or_insert(self.now);
        }
        self.moves.note(self.now, format_args!("faults end"));
        self.drive();
    }

    /// What a frame that shows a loss leaves readable: its own product, if it is a snapshot.
    fn check_withdrawn(&self, message: &NetworkMessage) {
        let snapshot = br#""type":"snapshot""#;
        let is_snapshot = message.bytes.windows(snapshot.len()).any(|text| text == snapshot);
        for (name, reader) in &self.readers {
            if let Some(bbo) = reader.load() {
                let heals =
                    is_snapshot && message.mark.map(|mark| mark.sequence) == Some(bbo.sequence);
                assert!(heals, "{name} can be read after {:?} has shown a loss", message.mark);
            }
        }
    }

    /// Compares everything that can be read with what is true.
    fn check(&mut self) {
        for (name, reader) in &self.readers {
            if let Some(bbo) = reader.load() {
                let silent = self.now - self.oracle.delivered_at();
                let limit = self.plan.config.policy.idle_timeout;
                assert!(self.link.connection().is_some(), "{name} is read without a connection");
                assert!(silent <= limit, "{name} can be read after {silent:?} of silence");
                self.oracle.check_best(name, &bbo);
                self.tally.looks += 1;
            }
        }
        self.check_books();
        let stats = *self.session.stats();
        check_counters(&self.stats, &stats);
        let taken = stats.frames + stats.late;
        assert_eq!(taken, self.handed, "every message is counted once: {stats:?}");
        self.stats = stats;
    }

    /// Compares whole books: one each time, now and then all.
    fn check_books(&mut self) {
        let one = (self.handed as usize) % self.plan.products.len();
        for (index, product) in self.plan.products.iter().enumerate() {
            if (index == one || self.handed.is_multiple_of(FULL_LOOK_EVERY))
                && let Ok(book) = self.session.book(product.as_str())
            {
                self.oracle.check_book(product.as_str(), book);
                self.tally.books += 1;
            }
        }
    }

    fn is_healed(&self) -> bool {
        self.plan.products.iter().all(|product| self.session.book(product.as_str()).is_ok())
    }

    /// Everything is live, and equal to the exchange's own books.
    fn check_end(&mut self) {
        for product in &self.plan.products {
            let name = product.as_str();
            let book = self.session.book(name).unwrap_or_else(|error| panic!("{name}: {error}"));
            self.oracle.check_book(name, book);
            self.oracle.check_exchange(name, self.exchange.true_book(name).unwrap());
            let has_level = book.best_bid().is_some() || book.best_ask().is_some();
            let bbo = self.session.bbo(name).unwrap().load();
            assert!(bbo.is_some() || !has_level, "{name} has no best bid and ask to read");
        }
        assert!(self.session.book(UNKNOWN).is_err());
        let unsubscribed = self.session.subscribe(self.base, id("ANY-USD"));
        assert!(unsubscribed.is_ok(), "it still takes products");
    }

    fn end(mut self) -> Run {
        self.tally.runs = 1;
        self.tally.time = self.now;
        self.tally.link = self.link.counts();
        self.tally.stats = *self.session.stats();
        let stats = self.tally.stats;
        self.moves.note(self.now, format_args!("{stats:?}"));
        Run { tally: std::mem::take(&mut self.tally), story: self.moves.story }
    }

    fn strikes(&mut self, ppm: u32) -> bool {
        ppm > 0 && self.rng.u32(0..1_000_000) < ppm
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() && self.moves.are_kept {
            println!("SEED={} {:?}", self.seed, self.plan.config);
            println!("its last moves:");
            self.moves.last.iter().for_each(|line| println!("  {line}"));
        }
    }
}

/// Counters only rise, and every message is in one of them.
fn check_counters(before: &Stats, now: &Stats) {
    let sum = now.book_frames
        + now.answers
        + now.heartbeats
        + now.other_channels
        + now.refused
        + now.duplicates
        + now.discarded
        + now.unreadable;
    assert_eq!(now.frames, sum, "every frame is counted once by what became of it: {now:?}");
    for (before, now) in [
        (before.frames, now.frames),
        (before.updates, now.updates),
        (before.snapshots, now.snapshots),
        (before.gaps, now.gaps),
        (before.resets, now.resets),
        (before.duplicates, now.duplicates),
        (before.undecodable, now.undecodable),
        (before.awaiting, now.awaiting),
        (before.late, now.late),
        (before.requests, now.requests),
        (before.resyncs, now.resyncs),
        (before.reconnects, now.reconnects),
    ] {
        assert!(before <= now, "a counter fell from {before} to {now}");
    }
}

/// The story of a run: a hash of all of it, and its last lines for one seed alone.
#[derive(Default)]
struct Moves {
    story: u64,
    are_kept: bool,
    last: VecDeque<String>,
}

impl Moves {
    fn note(&mut self, now: Duration, what: fmt::Arguments<'_>) {
        self.hash(&now.as_nanos().to_le_bytes());
        // Writing to a hash cannot fail.
        let _ = self.write_fmt(what);
        if self.are_kept {
            self.last.push_back(format!("{now:?} {what}"));
            if self.last.len() > MOVES_SHOWN {
                self.last.pop_front();
            }
        }
    }

    /// FNV-1a.
    fn hash(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.story = (self.story ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

impl Write for Moves {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.hash(text.as_bytes());
        Ok(())
    }
}

/// Says in the session's words how a connection of the simulated network ended.
fn disconnect_of(ended: Ended) -> Disconnect {
    match ended {
        Ended::Closed { code, reason } => Disconnect::ByVenue { code, reason: reason.into() },
        Ended::Refused => {
            let error = "connection refused".into();
            Disconnect::NotConnected { stage: DialStage::Tcp, error }
        }
        Ended::Rejected { status, retry_after } => Disconnect::Rejected { status, retry_after },
        Ended::Reset => Disconnect::Transport("connection reset".into()),
    }
}
