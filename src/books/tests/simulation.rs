//! Two lanes and their readers against the simulated exchange, in virtual time.
//!
//! One connection at a time fails, in every way there is; the other is sound meanwhile. After the
//! first sync every look of every reader finds a BBO, and each of them is true at the number and
//! on the connection that it names.
//!
//! `SEED=7` runs one seed, `SEEDS=1000` runs a thousand.

#[path = "../../../tests/support/seeds.rs"]
mod seeds;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use rust_decimal::Decimal;

use self::seeds::{Told, seeds};
use crate::bbo::Bbo;
use crate::book::{Book, Level, Side};
use crate::books::cell::ProductCell;
use crate::books::consumer::{EventStream, Hub};
use crate::books::event::{Delivery, Event, EventConfig, Interest};
use crate::books::lane::{Lane, SocketCommand};
use crate::books::lanes::{LaneId, Lanes};
use crate::session::{DialStage, Disconnect, Input, LevelChange, Resync, SessionConfig};
use crate::wire::ProductId;
use level2_sim::{
    ConnectionId, Exchange, ExchangeConfig, FaultPlan, FaultRates, ProductSpec, Transmission,
    TrueBbo,
};

const SEEDS_DEFAULT: u64 = 5;
/// How long connections fail, one after the other.
const FAULTY: Duration = Duration::from_secs(90);
const LATENCY_US: Range<u64> = 1_000..40_000;
/// By how much the two lanes may differ in what they have received: a frame has come on the one,
/// and is still on its way on the other, whose last one was sent an interval of 50 ms before.
const MOST_STEP_BACK: Duration = Duration::from_millis(100);
/// How long a fault may go unnoticed and unhealed: silence, then dials that hang.
const HEALING: Duration = Duration::from_secs(90);
const PRODUCTS: [&str; 3] = ["BTC-USD", "ETH-USD", "PEPE-USD"];
/// Those of a [`FaultPlan`], in its order, and a break between two frames.
const KINDS: usize = 9;
const DUPLICATE: usize = 1;
const BREAK: usize = 8;

/// What names a frame on a connection: how often its counter had started again, and its number.
type Mark = (u64, u64);

/// A message on its way to a client.
enum Down {
    Text(Vec<u8>, Option<Mark>),
    Abort,
}

/// An open connection: what is on its way, and what was true at each of its frames.
struct Wire {
    id: ConnectionId,
    epoch: u64,
    is_stalled: bool,
    up: VecDeque<(Duration, String)>,
    down: VecDeque<(Duration, Down)>,
    truths: BTreeMap<Mark, Truth>,
    newest_sent: Option<Mark>,
    newest_delivered: Option<Mark>,
}

/// What was true after a frame, and when it was sent.
struct Truth {
    best: [Option<TrueBbo>; PRODUCTS.len()],
    sent_at: Duration,
}

/// A dial that will succeed, fail, or never end.
enum Dial {
    Succeeds(Duration),
    Fails(Duration),
    Hangs,
}

/// One lane with its socket, as a task would hold them.
struct Track {
    id: LaneId,
    lane: Lane,
    wire: Option<Wire>,
    dial: Option<Dial>,
    wake: Duration,
}

/// A fault that one of the tracks suffers.
struct Trouble {
    track: usize,
    kind: usize,
    plan: FaultPlan,
    /// Whether the fault has struck, so that no further frame suffers.
    has_struck: bool,
    losses_before: u64,
    since: Duration,
}

struct World {
    rng: Rng,
    base: Instant,
    now: Duration,
    exchange: Exchange,
    tracks: Vec<Track>,
    cells: Vec<Arc<ProductCell>>,
    trouble: Option<Trouble>,
    next_trouble: Duration,
    is_faulty: bool,
    has_synced: bool,
    /// How often a reader found no BBO after the first sync.
    absences: u64,
    checks: u64,
    troubles: [u64; KINDS],
    /// What each reader saw last, when its frame was sent, and when the newest frame of its lane.
    last: [Option<(Bbo, Duration, Duration)>; PRODUCTS.len()],
    steps_back: u64,
    status: EventStream,
    switches: u64,
    follower: Follower,
}

/// A consumer that keeps a book of its own by applying what changed.
struct Follower {
    events: EventStream,
    copies: BTreeMap<ProductId, Copied>,
}

#[derive(Default)]
struct Copied {
    at: (u64, u64),
    levels: BTreeMap<(bool, Decimal), Decimal>,
}

impl Copied {
    fn of(book: &Book, bbo: &Bbo) -> Self {
        let side = |is_bid: bool, side| {
            book.levels(side).map(move |level: Level| ((is_bid, level.price), level.size))
        };
        let levels = side(true, Side::Bid).chain(side(false, Side::Ask)).collect();
        Self { at: (bbo.connection, bbo.sequence), levels }
    }

    fn apply(&mut self, change: &LevelChange) {
        let key = (change.side == Side::Bid, change.price);
        match change.size {
            Some(size) => self.levels.insert(key, size),
            None => self.levels.remove(&key),
        };
    }
}

impl World {
    fn new(seed: u64, has_standby: bool, resync: Resync) -> Self {
        let base = Instant::now();
        let exchange = Exchange::new(ExchangeConfig {
            seed,
            products: vec![
                ProductSpec::btc_usd().levels(30),
                ProductSpec::eth_usd().levels(20),
                ProductSpec::tiny_price().levels(10),
            ],
            ..ExchangeConfig::default()
        });
        let mut config = SessionConfig::new([]);
        config.policy.resync = resync;
        config.seed = seed + 1;
        config.policy.backoff_max = Duration::from_secs(2);
        let hub: Arc<Hub> = Arc::default();
        let tracks = Lanes::new(has_standby, |id| Track {
            id,
            lane: Lane::new(config.clone(), 0, id, Arc::clone(&hub), base),
            wire: None,
            dial: None,
            wake: Duration::ZERO,
        });
        let mut tracks: Vec<Track> = tracks.into_iter().collect();
        let mut cells = Vec::new();
        for name in PRODUCTS {
            let id = ProductId::new(name).unwrap();
            let (cell, publishers) = ProductCell::new(id, has_standby, base, base.into());
            for (track, publisher) in tracks.iter_mut().zip(publishers) {
                track.lane.subscribe(base, Arc::clone(&cell), publisher);
            }
            cells.push(cell);
        }
        let consumer = |interest| {
            let mut config = EventConfig::new(interest);
            config.delivery = Delivery::Queue { capacity: 100_000 };
            hub.subscribe(config)
        };
        Self {
            rng: Rng::with_seed(seed),
            base,
            now: Duration::ZERO,
            exchange,
            tracks,
            cells,
            trouble: None,
            next_trouble: Duration::ZERO,
            is_faulty: false,
            has_synced: false,
            absences: 0,
            checks: 0,
            troubles: [0; KINDS],
            last: [None; PRODUCTS.len()],
            steps_back: 0,
            status: consumer(Interest::Status),
            switches: 0,
            follower: Follower { events: consumer(Interest::Levels), copies: BTreeMap::new() },
        }
    }

    fn instant(&self) -> Instant {
        self.base + self.now
    }

    fn run_until(&mut self, end: Duration) {
        while self.now < end {
            let mut next = self.exchange.next_due();
            for track in &self.tracks {
                let dial = match track.dial {
                    Some(Dial::Succeeds(at) | Dial::Fails(at)) => Some(at),
                    Some(Dial::Hangs) | None => None,
                };
                let wire = track.wire.as_ref();
                let up = wire.and_then(|wire| wire.up.front()).map(|(at, _)| *at);
                let down = wire.and_then(|wire| wire.down.front()).map(|(at, _)| *at);
                let due = [Some(track.wake), dial, up, down].into_iter().flatten();
                next = due.fold(next, Duration::min);
            }
            self.now = next.clamp(self.now, end);
            self.exchange.advance(self.now);
            self.make_trouble();
            for index in 0..self.tracks.len() {
                self.step(index);
            }
        }
    }

    fn run_until_sound(&mut self) {
        let end = self.now + HEALING;
        while self.trouble.is_some() || !self.are_sound() {
            assert!(self.now < end, "the last fault did not heal");
            self.run_until(self.now + Duration::from_secs(1));
        }
    }

    fn are_sound(&self) -> bool {
        let is_live =
            |track: &Track| self.cells.iter().all(|cell| cell.load_lane(track.id).is_some());
        self.tracks.iter().all(is_live)
    }

    /// Lets one track fail once both are sound, and waits for it to heal.
    fn make_trouble(&mut self) {
        let are_sound = self.are_sound();
        self.has_synced |= are_sound;
        let losses = |track: &Track| -> u64 {
            track.lane.session().products().map(|product| product.stats().losses).sum()
        };
        if let Some(trouble) = &self.trouble {
            let is_harmless = trouble.kind == DUPLICATE;
            let was_lost = losses(&self.tracks[trouble.track]) > trouble.losses_before;
            if trouble.has_struck && are_sound && (was_lost || is_harmless) {
                self.next_trouble = self.now + Duration::from_millis(self.rng.u64(100..2_000));
                self.trouble = None;
            } else {
                let waited = self.now - trouble.since;
                assert!(waited < HEALING, "fault {} did not heal in {waited:?}", trouble.kind);
            }
        } else if self.is_faulty && are_sound && self.now >= self.next_trouble {
            let (track, kind) = (self.rng.usize(0..self.tracks.len()), self.rng.usize(0..KINDS));
            let mut ppm = [0; KINDS];
            ppm[kind] = 1_000_000;
            let rates = FaultRates {
                drop_ppm: ppm[0],
                duplicate_ppm: ppm[DUPLICATE],
                reorder_ppm: ppm[2],
                garble_ppm: ppm[3],
                truncate_ppm: ppm[4],
                abort_ppm: ppm[5],
                stall_ppm: ppm[6],
                reset_ppm: ppm[7],
                ..FaultRates::default()
            };
            self.troubles[kind] += 1;
            if kind == BREAK {
                let at = self.now + Duration::from_millis(self.rng.u64(0..60));
                let wire = self.tracks[track].wire.as_mut().expect("a sound track has one");
                wire.down.retain(|(due, _)| *due <= at);
                wire.down.push_back((at, Down::Abort));
                wire.is_stalled = true;
            }
            self.trouble = Some(Trouble {
                track,
                kind,
                plan: FaultPlan::new(self.rng.u64(..), rates),
                has_struck: kind == BREAK,
                losses_before: losses(&self.tracks[track]),
                since: self.now,
            });
        }
    }

    fn step(&mut self, index: usize) {
        self.pump(index);
        while let Some(wire) = &mut self.tracks[index].wire
            && wire.up.front().is_some_and(|(at, _)| *at <= self.now)
            && let Some((_, text)) = wire.up.pop_front()
        {
            let id = wire.id;
            self.exchange.receive(id, self.now, &text);
            self.pump(index);
        }
        self.finish_dial(index);
        while let Some(wire) = &mut self.tracks[index].wire
            && wire.down.front().is_some_and(|(at, _)| *at <= self.now)
            && let Some((_, down)) = wire.down.pop_front()
        {
            match down {
                Down::Abort => {
                    self.hang_up(index);
                    self.input(index, Input::Closed(Disconnect::Transport("reset".into())));
                }
                Down::Text(bytes, mark) => {
                    wire.newest_delivered = wire.newest_delivered.max(mark);
                    self.input(index, Input::Message(&bytes));
                }
            }
        }
        if self.tracks[index].wake <= self.now {
            self.input(index, Input::Timeout);
        }
    }

    /// Takes what the exchange sends onto the wire, through the fault if it is this one's turn.
    fn pump(&mut self, index: usize) {
        let Some(wire) = &mut self.tracks[index].wire else { return };
        let mut trouble = self.trouble.as_mut().filter(|trouble| trouble.track == index);
        while let Some(frame) = self.exchange.poll_frame(wire.id) {
            let mark = frame.sequence.map(|sequence| wire.mark_of(sequence));
            if let Some(mark) = mark {
                let truth = |name| self.exchange.truth(wire.id, name, mark.1);
                let best = PRODUCTS.map(truth);
                wire.truths.insert(mark, Truth { best, sent_at: self.now });
                wire.newest_sent = Some(mark);
            }
            let mut out = Vec::new();
            match &mut trouble {
                Some(trouble) if !trouble.has_struck => {
                    trouble.plan.apply(frame, &mut out);
                    trouble.has_struck = true;
                }
                // The frame that overtakes the one before it.
                Some(trouble) => {
                    out.push(Transmission::Text(frame.text.into_bytes()));
                    trouble.plan.finish(&mut out);
                }
                None => out.push(Transmission::Text(frame.text.into_bytes())),
            }
            for delivery in out {
                let down = match delivery {
                    Transmission::Text(bytes) => Down::Text(bytes, mark),
                    Transmission::Abort => Down::Abort,
                    Transmission::Stall => {
                        wire.is_stalled = true;
                        continue;
                    }
                    Transmission::ResetCounter => {
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
    }

    fn finish_dial(&mut self, index: usize) {
        let track = &mut self.tracks[index];
        match track.dial {
            Some(Dial::Succeeds(at)) if at <= self.now => {
                track.dial = None;
                track.wire = Some(Wire::new(self.exchange.connect()));
                self.input(index, Input::Opened);
            }
            Some(Dial::Fails(at)) if at <= self.now => {
                track.dial = None;
                let (stage, error) = (DialStage::Tcp, "refused".into());
                self.input(index, Input::Closed(Disconnect::NotConnected { stage, error }));
            }
            _ => {}
        }
    }

    fn input(&mut self, index: usize, input: Input<'_>) {
        let now = self.instant();
        self.tracks[index].lane.handle(now, input);
        // Before anything is polled: a reader looks whenever it likes.
        self.check();
        self.drive(index);
        self.check();
        self.follow();
    }

    fn drive(&mut self, index: usize) {
        let now = self.instant();
        loop {
            let command = self.tracks[index].lane.poll(now);
            let at = self.now + Duration::from_micros(self.rng.u64(LATENCY_US));
            let track = &mut self.tracks[index];
            match command {
                SocketCommand::Connect => {
                    assert!(track.wire.is_none() && track.dial.is_none());
                    track.dial = Some(match self.rng.u64(0..10) {
                        0 if self.is_faulty => Dial::Hangs,
                        1..=3 if self.is_faulty => Dial::Fails(at),
                        _ => Dial::Succeeds(at),
                    });
                }
                SocketCommand::Disconnect => self.hang_up(index),
                SocketCommand::Send(request) => {
                    let wire = track.wire.as_mut().expect("nothing is sent but on a connection");
                    let after = wire.up.back().map_or(at, |(last, _)| at.max(*last));
                    wire.up.push_back((after, request.encode(None)));
                }
                SocketCommand::Wait(until) => {
                    track.wake = until - self.base;
                    return;
                }
            }
        }
    }

    fn hang_up(&mut self, index: usize) {
        let track = &mut self.tracks[index];
        track.dial = None;
        if let Some(wire) = track.wire.take() {
            self.exchange.disconnect(wire.id);
        }
    }

    /// Compares everything that can be read with what is true.
    fn check(&mut self) {
        for (index, cell) in self.cells.iter().enumerate() {
            let Some(bbo) = cell.load() else {
                self.absences += u64::from(self.has_synced);
                continue;
            };
            let track = self.tracks.iter().find(|track| {
                track.wire.is_some() && track.lane.session().connection() == bbo.connection
            });
            let wire = track.and_then(|track| track.wire.as_ref());
            let wire = wire.expect("what is read is of an open connection");
            let newest = wire.newest_delivered.expect("nothing is live before a frame");
            let pair = |level: Level| (level.price, level.size);
            let best = TrueBbo { bid: bbo.bid.map(pair), ask: bbo.ask.map(pair) };
            for mark in [(newest.0, bbo.sequence), newest] {
                let truth = wire.truths.get(&mark);
                if let Some(truth) = truth.and_then(|truth| truth.best[index]) {
                    assert_eq!(best, truth, "{bbo:?}, newest frame {newest:?}");
                    self.checks += 1;
                }
            }
            let sent_at = wire.truths[&(newest.0, bbo.sequence)].sent_at;
            let heard_at = wire.truths[&newest].sent_at;
            let seen = Some((bbo, sent_at, heard_at));
            if let Some((last, last_sent_at, last_heard_at)) =
                std::mem::replace(&mut self.last[index], seen)
                && sent_at < last_sent_at
            {
                assert_ne!(bbo.connection, last.connection, "{bbo:?} after {last:?}");
                let back = last_heard_at.saturating_sub(heard_at);
                assert!(back <= MOST_STEP_BACK, "back by {back:?}");
                self.steps_back += 1;
            }
        }
    }

    /// Reads the events as consumers do.
    fn follow(&mut self) {
        while let Some(event) = self.status.try_next() {
            match event {
                Event::Lost { .. } => assert_eq!(self.tracks.len(), 1, "{event:?}"),
                Event::SwitchedOver { from, to, .. } => {
                    assert_ne!(from, to);
                    self.switches += 1;
                }
                Event::Missed { .. } => panic!("the queue is large enough"),
                _ => {}
            }
        }
        while let Some(event) = self.follower.events.try_next() {
            match event {
                Event::Changed(change) => {
                    let copied = self.follower.copies.get_mut(&change.product);
                    let copied = copied.expect("a book is live before it changes");
                    let at = (change.bbo.connection, change.bbo.sequence);
                    if at > copied.at || at.0 != copied.at.0 {
                        assert_eq!(at.0, copied.at.0, "a switch is told before what follows it");
                        copied.at = at;
                        change.levels.unwrap().iter().for_each(|level| copied.apply(level));
                    }
                }
                Event::Live { product, .. } | Event::SwitchedOver { product, .. } => {
                    if let Some(copied) = self.read(&product, Copied::of) {
                        self.follower.copies.insert(product, copied);
                    }
                }
                Event::Lost { product, .. } => {
                    self.follower.copies.remove(&product);
                }
                _ => {}
            }
        }
        let product = self.rng.usize(0..PRODUCTS.len());
        let product = self.cells[product].name().clone();
        if let Some(levels) = self.read(&product, |book, bbo| Copied::of(book, bbo).levels) {
            assert_eq!(self.follower.copies[&product].levels, levels);
        }
    }

    /// Looks at the book that [`Books::read_at`](crate::books::Books::read_at) would.
    fn read<R>(&self, product: &ProductId, look: impl Fn(&Book, &Bbo) -> R) -> Option<R> {
        let cell = self.cells.iter().find(|cell| cell.name() == product)?;
        cell.reading_order().find_map(|id| {
            let track = self.tracks.iter().find(|track| track.id == id)?;
            let book = track.lane.session().book(product.as_str()).ok()?;
            Some(look(book, &cell.load_lane(id)?))
        })
    }

    fn check_healed(&self) {
        for (cell, name) in self.cells.iter().zip(PRODUCTS) {
            let truth = self.exchange.true_book(name).unwrap();
            for track in &self.tracks {
                let id = track.id;
                assert!(cell.load_lane(id).is_some(), "{name} is not live on lane {id:?}");
                let book = track.lane.session().book(name).unwrap();
                for (side, expected) in [(Side::Bid, truth.bids()), (Side::Ask, truth.asks())] {
                    let levels = book.levels(side).map(|level| (level.price, level.size));
                    assert_eq!(levels.collect::<Vec<_>>(), expected, "the {side}s of {name}");
                }
            }
        }
    }
}

impl Wire {
    fn new(id: ConnectionId) -> Self {
        Self {
            id,
            epoch: 0,
            is_stalled: false,
            up: VecDeque::new(),
            down: VecDeque::new(),
            truths: BTreeMap::new(),
            newest_sent: None,
            newest_delivered: None,
        }
    }

    /// Numbers only fall when the counter starts again.
    fn mark_of(&mut self, sequence: u64) -> Mark {
        if self.newest_sent.is_some_and(|(_, last)| sequence <= last) {
            self.epoch += 1;
        }
        (self.epoch, sequence)
    }
}

/// One seed from start to end: the first sync, faults one after the other, then rest.
fn simulate(seed: u64, has_standby: bool, resync: Resync) -> World {
    let mut world = World::new(seed, has_standby, resync);
    for index in 0..world.tracks.len() {
        world.drive(index);
    }
    world.run_until(Duration::from_secs(5));
    assert!(world.has_synced);
    world.is_faulty = true;
    world.run_until(world.now + FAULTY);
    world.is_faulty = false;
    world.run_until_sound();
    world.exchange.hold_markets(true);
    world.run_until(world.now + Duration::from_secs(2));
    world.check_healed();
    world
}

#[test]
fn with_a_standby_no_reader_is_ever_without_a_book_nor_with_a_wrong_one() {
    for resync in [Resync::Reconnect, Resync::Resubscribe] {
        let (mut checks, mut switches, mut steps_back) = (0, 0, 0);
        let mut troubles = [0; KINDS];
        for seed in seeds(SEEDS_DEFAULT) {
            let _told = Told(seed, resync);
            let world = simulate(seed, true, resync);
            assert_eq!(world.absences, 0, "a reader found nothing");
            checks += world.checks;
            switches += world.switches;
            steps_back += world.steps_back;
            for (sum, count) in troubles.iter_mut().zip(world.troubles) {
                *sum += count;
            }
        }
        println!(
            "{resync:?}: {troubles:?} faults, {switches} switches, {checks} checks, \
             {steps_back} steps back"
        );
        if seeds(SEEDS_DEFAULT).count() > 1 {
            assert!(switches > 0 && troubles.iter().all(|count| *count > 0));
        }
    }
}

/// The world itself: what the standby prevents happens without it.
#[test]
fn without_a_standby_readers_are_without_a_book_for_a_while() {
    let _told = Told(1, Resync::Reconnect);
    let world = simulate(1, false, Resync::Reconnect);
    assert!(world.absences > 0 && world.checks > 1_000);
    assert_eq!((world.switches, world.steps_back), (0, 0));
}
