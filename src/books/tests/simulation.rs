//! Two lanes and their readers against the simulated exchange, in virtual time.
//!
//! One connection at a time fails, in every way there is; the other is sound meanwhile. After the
//! first sync every look of every reader finds a BBO, and each of them is true at the number and
//! on the connection that it names.
//!
//! `SEED=7` runs one seed, `SEEDS=1000` runs a thousand.

#[path = "../../../tests/support/seeds.rs"]
mod seeds;

use std::collections::BTreeMap;
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
    Ended, Exchange, ExchangeConfig, Fault, Mark, Network, NetworkEvent, NetworkRates, ProductSpec,
    TrueBbo,
};

const SEEDS_DEFAULT: u64 = 5;
/// How long connections fail, one after the other.
const FAULTY: Duration = Duration::from_secs(100);
/// While connections fail, three dials in ten are refused, and one in ten is never answered: a
/// seventh of those that are not refused.
const DIAL_REFUSED_PPM: u32 = 300_000;
const DIAL_LOST_PPM: u32 = 142_857;
/// By how much the two lanes may differ in what they have received: a frame has come on the one,
/// and is still on its way on the other, whose last one was sent an interval of 50 ms before.
const MOST_STEP_BACK: Duration = Duration::from_millis(100);
/// How long a fault may go unnoticed and unhealed: silence, then dials that hang.
const HEALING: Duration = Duration::from_secs(90);
const PRODUCTS: [&str; 3] = ["BTC-USD", "ETH-USD", "PEPE-USD"];
/// How a connection fails: the next frame suffers a fault, or it breaks between two frames.
const KINDS: [Option<Fault>; 9] = [
    Some(Fault::Drop),
    Some(Fault::Duplicate),
    Some(Fault::Reorder),
    Some(Fault::Garble),
    Some(Fault::Truncate),
    Some(Fault::Abort),
    Some(Fault::Stall),
    Some(Fault::Reset),
    None,
];

/// What was true after a frame, and when it was sent.
struct Truth {
    best: [Option<TrueBbo>; PRODUCTS.len()],
    sent_at: Duration,
}

/// One lane with its network, as a task would hold them.
struct Track {
    id: LaneId,
    lane: Lane,
    network: Network,
    /// What was true at each frame of the connection.
    truths: BTreeMap<Mark, Truth>,
    newest_delivered: Option<Mark>,
    wake: Duration,
}

/// A fault that one of the tracks suffers.
struct Trouble {
    track: usize,
    kind: usize,
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
    troubles: [u64; KINDS.len()],
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
        let (base, mut rng) = (Instant::now(), Rng::with_seed(seed));
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
            network: Network::new(rng.u64(..), NetworkRates::default()),
            truths: BTreeMap::new(),
            newest_delivered: None,
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
            rng,
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
            troubles: [0; KINDS.len()],
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
            let wakes = self.tracks.iter().map(|track| track.wake);
            let networks = self.tracks.iter().filter_map(|track| track.network.next_due());
            let next = wakes.chain(networks).fold(self.exchange.next_due(), Duration::min);
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
            let track = &self.tracks[trouble.track];
            let has_struck = track.network.next_fault().is_none();
            let is_harmless = KINDS[trouble.kind] == Some(Fault::Duplicate);
            let was_lost = losses(track) > trouble.losses_before;
            if has_struck && are_sound && (was_lost || is_harmless) {
                self.next_trouble = self.now + Duration::from_millis(self.rng.u64(100..2_000));
                self.trouble = None;
            } else {
                let waited = self.now - trouble.since;
                assert!(waited < HEALING, "fault {} did not heal in {waited:?}", trouble.kind);
            }
        } else if self.is_faulty && are_sound && self.now >= self.next_trouble {
            let (track, kind) =
                (self.rng.usize(0..self.tracks.len()), self.rng.usize(0..KINDS.len()));
            self.troubles[kind] += 1;
            let losses_before = losses(&self.tracks[track]);
            self.trouble = Some(Trouble { track, kind, losses_before, since: self.now });
            let network = &mut self.tracks[track].network;
            match KINDS[kind] {
                Some(fault) => network.strike_next(fault),
                None => network.break_at(self.now + Duration::from_millis(self.rng.u64(0..60))),
            }
        }
    }

    /// Sets whether faults begin and dials fail.
    fn set_faulty(&mut self, is_faulty: bool) {
        self.is_faulty = is_faulty;
        let ppm = |ppm| if is_faulty { ppm } else { 0 };
        for track in &mut self.tracks {
            track.network.set_rates(NetworkRates {
                dial_refused_ppm: ppm(DIAL_REFUSED_PPM),
                dial_lost_ppm: ppm(DIAL_LOST_PPM),
                ..NetworkRates::default()
            });
        }
    }

    fn step(&mut self, index: usize) {
        while let Some(event) = self.poll_network(index) {
            let track = &mut self.tracks[index];
            match event {
                NetworkEvent::Opened => {
                    track.truths.clear();
                    track.newest_delivered = None;
                    self.input(index, Input::Opened);
                }
                NetworkEvent::Message(message) => {
                    track.newest_delivered = track.newest_delivered.max(message.mark);
                    self.input(index, Input::Message(&message.bytes));
                }
                NetworkEvent::Closed(reason) => {
                    self.input(index, Input::Closed(disconnect_of(reason)));
                }
            }
        }
        if self.tracks[index].wake <= self.now {
            self.input(index, Input::Timeout);
        }
    }

    /// Returns the next event of a network, and keeps what is true at the frames it takes.
    fn poll_network(&mut self, index: usize) -> Option<NetworkEvent> {
        let (now, track) = (self.now, &mut self.tracks[index]);
        let (connection, truths) = (track.network.connection(), &mut track.truths);
        track.network.poll_watching(&mut self.exchange, now, |exchange, _, mark| {
            let id = connection.expect("frames come on a connection that is open already");
            if let Some(mark) = mark {
                let best = PRODUCTS.map(|name| exchange.truth(id, name, mark.sequence));
                truths.insert(mark, Truth { best, sent_at: now });
            }
        })
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
        let track = &mut self.tracks[index];
        loop {
            match track.lane.poll(now) {
                SocketCommand::Connect => track.network.dial(self.now),
                SocketCommand::Disconnect => track.network.hang_up(&mut self.exchange, self.now),
                SocketCommand::Send(request) => {
                    assert!(track.network.connection().is_some(), "sent without a connection");
                    track.network.send(self.now, request.encode(None));
                }
                SocketCommand::Wait(until) => {
                    track.wake = until - self.base;
                    return;
                }
            }
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
                track.network.connection().is_some()
                    && track.lane.session().connection() == bbo.connection
            });
            let track = track.expect("what is read is of an open connection");
            let newest = track.newest_delivered.expect("nothing is live before a frame");
            let read = Mark { epoch: newest.epoch, sequence: bbo.sequence };
            let pair = |level: Level| (level.price, level.size);
            let best = TrueBbo { bid: bbo.bid.map(pair), ask: bbo.ask.map(pair) };
            for mark in [read, newest] {
                let truth = track.truths.get(&mark);
                if let Some(truth) = truth.and_then(|truth| truth.best[index]) {
                    assert_eq!(best, truth, "{bbo:?}, newest frame {newest:?}");
                    self.checks += 1;
                }
            }
            let sent_at = track.truths[&read].sent_at;
            let heard_at = track.truths[&newest].sent_at;
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

/// Says in the session's words how a connection of the simulated network ended.
fn disconnect_of(ended: Ended) -> Disconnect {
    match ended {
        Ended::Reset => Disconnect::Transport("reset".into()),
        Ended::Refused => {
            let (stage, error) = (DialStage::Tcp, "refused".into());
            Disconnect::NotConnected { stage, error }
        }
        Ended::Closed { .. } | Ended::Rejected { .. } => unreachable!("no rate gives {ended:?}"),
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
    world.set_faulty(true);
    world.run_until(world.now + FAULTY);
    world.set_faulty(false);
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
        let mut troubles = [0; KINDS.len()];
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
