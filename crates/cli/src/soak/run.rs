//! A soak from its start to its end: when faults occur, and when what is checked.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use level2::ProductId;
use level2::books::Event;
use level2_sim::FaultPlan;
use tokio::time::Instant;

use super::comparison::compare_books;
use super::counters::Counters;
use super::oracle::{Oracle, Shown, Verdict};
use super::phase::Phase;
use super::readers::HotReaders;
use super::report::Report;
use super::tally::Tally;
use super::testbed::{IDLE_TIMEOUT, PRODUCTS, Testbed};
use super::usage::Usage;
use crate::failure::Failure;

/// The longest time from the last fault until all books are live: silence has to be noticed first,
/// and a request that was lost just before takes the longest to heal.
pub(super) const MAX_HEAL: Duration = Duration::from_secs(30);

/// The time of faults between two rests.
const FAULTY: Duration = Duration::from_secs(30);

/// The time after the last fault in which a book may look live and be behind: until the next
/// heartbeat shows a gap, or until the idle timeout.
const SETTLING: Duration = Duration::from_millis(4_500);

/// How long a book may be readable beyond the idle timeout, at two checks a second apart. A single
/// one may follow a sleep of the machine.
const STALE_SLACK: Duration = Duration::from_secs(1);

/// The time after a reset of a counter in which sequence numbers are ambiguous.
const RESET_ECHO: Duration = Duration::from_secs(2);

/// The time between two checks of counters and ages.
const SECOND: Duration = Duration::from_secs(1);

/// One of this many BBOs may be forgotten by the exchange before it is checked.
const FORGOTTEN_SHARE: u64 = 1_000;

/// This many BBOs may be forgotten in any case: those of the first frames after a reset.
const FORGOTTEN_SLACK: u64 = 20;

/// Whether the run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Running,
    Over,
}

/// What the run does at present.
#[derive(Clone, Copy, Debug)]
enum Mode {
    /// Frames suffer faults.
    Faulty { phase_ends: Instant, rests_at: Instant },
    /// No faults occur, and the markets stand still.
    Resting { since: Instant, settled_at: Instant },
}

/// A running soak.
#[derive(Debug)]
pub(crate) struct Run {
    seed: u64,
    rng: Rng,
    started: Instant,
    ends: Instant,
    testbed: Testbed,
    readers: HotReaders,
    oracle: Oracle,
    mode: Mode,
    tally: Tally,
    usage: Usage,
    counters: Counters,
    next_second: Instant,
    /// When a counter was last reset, and the number of resets then.
    last_reset: Option<(Instant, u64)>,
    /// The products without a live book, by the index of their group, and when they lost it.
    lost_since: BTreeMap<(usize, ProductId), Instant>,
    /// The losses that the events of each group reported.
    losses_reported: Vec<u64>,
    /// The products that were stale at the last check, by the index of their group.
    stale: Vec<(usize, &'static str)>,
    /// BBOs to check, and whether a reading thread took them.
    unchecked: Vec<(Shown, bool)>,
}

impl Run {
    /// Starts with a rest: all books have to be live before the first fault.
    pub(crate) async fn start(seed: u64, length: Duration) -> Result<Self, Failure> {
        let testbed = Testbed::start(seed).await?;
        let readers = HotReaders::start(&testbed.readers());
        let readers = readers
            .map_err(|error| Failure::new(format!("cannot start the reading threads: {error}")))?;
        let now = Instant::now();
        Ok(Self {
            seed,
            rng: Rng::with_seed(seed),
            started: now,
            ends: now + length,
            mode: Mode::Resting { since: now, settled_at: now },
            tally: Tally::new(),
            usage: Usage::new(),
            counters: counters(&testbed),
            next_second: now + SECOND,
            last_reset: None,
            lost_since: BTreeMap::new(),
            losses_reported: vec![0; testbed.groups.len()],
            stale: Vec::new(),
            unchecked: Vec::new(),
            oracle: Oracle::default(),
            readers,
            testbed,
        })
    }

    /// Checks what happened since the last step, and changes the faults when that is due. The error
    /// is the check that failed.
    pub(crate) fn step(&mut self) -> Result<Progress, String> {
        let now = Instant::now();
        self.take_events(now)?;
        self.check_bbos(now)?;
        if now >= self.next_second {
            self.next_second = now + SECOND;
            self.check_counters()?;
            self.check_ages()?;
            self.usage.sample(now - self.started);
        }
        match self.mode {
            Mode::Faulty { rests_at, .. } if now >= rests_at => {
                self.testbed.set_faults(FaultPlan::none());
                self.testbed.hold_markets(true);
                self.mode = Mode::Resting { since: now, settled_at: now + SETTLING };
            }
            Mode::Faulty { phase_ends, rests_at } if now >= phase_ends => {
                self.begin_phase(now, rests_at);
            }
            Mode::Resting { since, settled_at } if now >= settled_at => {
                return self.try_to_end_rest(now, since);
            }
            Mode::Faulty { .. } | Mode::Resting { .. } => {}
        }
        Ok(Progress::Running)
    }

    /// Checks that the memory of the process did not grow.
    pub(crate) fn check_growth(&self) -> Result<(), String> {
        self.usage.check_growth()
    }

    /// Returns all figures.
    pub(crate) fn report(&self) -> Report<'_> {
        Report {
            seed: self.seed,
            uptime: self.started.elapsed(),
            counters: counters(&self.testbed),
            tally: &self.tally,
            looks: self.readers.looks(),
            usage: &self.usage,
        }
    }

    /// Ends everything, and checks that closed books cannot be read.
    pub(crate) async fn close(self) -> Result<(), String> {
        let readers = self.testbed.readers();
        for group in &self.testbed.groups {
            group.books.close().await;
        }
        if let Some(reader) = readers.iter().find(|reader| reader.bbo.load().is_some()) {
            return Err(format!("{} can still be read after it was closed", reader.product));
        }
        self.testbed.server.shutdown().await;
        Ok(())
    }

    /// Takes the events of the books and the samples of the reading threads.
    fn take_events(&mut self, now: Instant) -> Result<(), String> {
        if let Some(violation) = self.readers.violation() {
            return Err(violation);
        }
        let Self { testbed, tally, unchecked, lost_since, losses_reported, .. } = self;
        for (index, group) in testbed.groups.iter_mut().enumerate() {
            // The queue of events is bounded, and it fills more slowly than it is emptied.
            while let Some(event) = group.events.try_next() {
                match event {
                    Event::Changed(change) => {
                        let (published, received) = (change.published, change.bbo.received);
                        tally.record_latency(published.saturating_duration_since(received));
                        let product = name_of(&change.product);
                        unchecked.push((Shown { group: index, product, bbo: change.bbo }, false));
                    }
                    Event::Lost { product, .. } => {
                        losses_reported[index] += 1;
                        lost_since.insert((index, product), now);
                    }
                    Event::Live { product, .. } => {
                        if let Some(since) = lost_since.remove(&(index, product)) {
                            tally.record_heal(now - since);
                        }
                    }
                    Event::SwitchedOver { .. } => tally.switchovers += 1,
                    Event::Missed { count } => {
                        return Err(format!("{count} events of {} were missed", group.name));
                    }
                    _ => {}
                }
            }
        }
        while let Some(sample) = self.readers.sample() {
            self.unchecked.push((sample, true));
        }
        Ok(())
    }

    /// Compares BBOs with the exchange's true books.
    fn check_bbos(&mut self, now: Instant) -> Result<(), String> {
        if self.unchecked.is_empty() {
            return Ok(());
        }
        let resets = self.testbed.server.fault_counts().resets;
        if self.last_reset.map_or(0, |(_, count)| count) != resets {
            self.last_reset = Some((now, resets));
        }
        let has_reset = self.last_reset.is_some_and(|(at, _)| now < at + RESET_ECHO);
        let Self { oracle, unchecked, tally, testbed, .. } = self;
        let untrue = testbed.server.with_exchange(|exchange| {
            unchecked.drain(..).find_map(|(shown, is_sample)| {
                match oracle.judge(exchange, &shown, has_reset) {
                    Verdict::True => {
                        tally.bbos_checked += 1;
                        tally.samples_checked += u64::from(is_sample);
                    }
                    Verdict::Forgotten => tally.bbos_forgotten += 1,
                    Verdict::False => return Some(shown),
                }
                None
            })
        });
        let Some(Shown { group, product, bbo }) = untrue else { return Ok(()) };
        let group = self.testbed.groups[group].name;
        Err(format!("a BBO of {product} ({group}) was never true: {bbo:?}"))
    }

    fn check_counters(&mut self) -> Result<(), String> {
        let counters = counters(&self.testbed);
        counters.check(&self.counters)?;
        self.counters = counters;
        let restarts = self.readers.restarts();
        let resets = counters.faults.resets;
        if restarts > resets {
            return Err(format!(
                "sequence numbers went back {restarts} times for a reader, with {resets} resets"
            ));
        }
        Ok(())
    }

    /// Checks that no book can be read after its connection was silent for too long.
    fn check_ages(&mut self) -> Result<(), String> {
        let limit = IDLE_TIMEOUT + STALE_SLACK;
        let mut stale = Vec::new();
        for (index, group) in self.testbed.groups.iter().enumerate() {
            for product in PRODUCTS {
                if group.books.age(product).is_ok_and(|age| age.connection > limit) {
                    stale.push((index, product));
                }
            }
        }
        if let Some((group, product)) = stale.iter().find(|one| self.stale.contains(one)) {
            let name = self.testbed.groups[*group].name;
            return Err(format!("{product} ({name}) is readable after {limit:?} of silence"));
        }
        self.stale = stale;
        Ok(())
    }

    fn begin_phase(&mut self, now: Instant, rests_at: Instant) {
        let phase = Phase::draw(&mut self.rng);
        self.testbed.set_faults(FaultPlan::new(self.rng.u64(..), phase.rates));
        self.tally.phases += 1;
        self.mode = Mode::Faulty { phase_ends: now + phase.length, rests_at };
    }

    /// Ends the rest if all books have healed. They must have within [`MAX_HEAL`].
    fn try_to_end_rest(&mut self, now: Instant, since: Instant) -> Result<Progress, String> {
        if let Err(reason) = self.check_healed() {
            return match now < since + MAX_HEAL {
                true => Ok(Progress::Running),
                false => Err(format!("{MAX_HEAL:?} after the last fault, {reason}")),
            };
        }
        self.tally.longest_rest = self.tally.longest_rest.max(now - since);
        let compared = compare_books(&self.testbed)?;
        self.tally.books_compared += compared.books;
        self.tally.levels_compared += compared.levels;
        self.usage.check_descriptors()?;
        self.check_forgotten()?;
        self.tally.rests += 1;
        if now >= self.ends {
            return Ok(Progress::Over);
        }
        self.testbed.hold_markets(false);
        self.begin_phase(now, self.ends.min(now + FAULTY));
        Ok(Progress::Running)
    }

    /// Checks that every book is live, every connection open, and every reported loss healed.
    fn check_healed(&self) -> Result<(), String> {
        let mut connections = 0;
        for (group, reported) in self.testbed.groups.iter().zip(&self.losses_reported) {
            let (name, stats) = (group.name, group.books.stats());
            connections += stats.connections;
            if (stats.live, stats.open) != (stats.products, stats.connections)
                || group.has_standby && stats.covered != stats.products
            {
                return Err(format!("not all books of {name} are live: {stats:?}"));
            }
            // A loss that a standby covers is not reported.
            let resyncs = stats.session.resyncs;
            if !group.has_standby && *reported != resyncs {
                return Err(format!("{name} reported {reported} losses and healed {resyncs}"));
            }
        }
        let open = self.testbed.server.connections().open;
        if open != connections {
            return Err(format!("the exchange has {open} connections, the books {connections}"));
        }
        Ok(())
    }

    /// Checks that few BBOs were forgotten by the exchange: those are not checked.
    fn check_forgotten(&self) -> Result<(), String> {
        let Tally { bbos_checked, bbos_forgotten, .. } = self.tally;
        if bbos_forgotten * FORGOTTEN_SHARE > bbos_checked + FORGOTTEN_SLACK * FORGOTTEN_SHARE {
            return Err(format!(
                "{bbos_forgotten} BBOs could not be checked, with {bbos_checked} that were"
            ));
        }
        Ok(())
    }
}

/// Reads all counters, in the order that [`Counters`] asks for.
fn counters(testbed: &Testbed) -> Counters {
    let accepted = testbed.server.connections().accepted;
    let exchange = testbed.server.with_exchange(|exchange| exchange.counts());
    let books = testbed.stats();
    Counters { books, faults: testbed.server.fault_counts(), exchange, accepted }
}

/// Returns the name of a product of the testbed.
fn name_of(product: &ProductId) -> &'static str {
    let name = PRODUCTS.into_iter().find(|name| *name == product.as_str());
    name.expect("the books are of the products of the testbed alone")
}
