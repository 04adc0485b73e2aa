//! One soak from its start to its end: what happens when, and what is checked when.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use level2::books::Event;
use level2::{Book, Level, ProductId};
use level2_sim::{FaultPlan, TrueBook};
use rust_decimal::Decimal;
use tokio::time::Instant;

use super::counters::Counters;
use super::oracle::{Oracle, Shown, Verdict};
use super::phase::Phase;
use super::process::{Samples, held_kb, open_descriptors, resident_kb};
use super::readers::HotReaders;
use super::report::{Report, Usage};
use super::tally::Tally;
use super::testbed::{IDLE_TIMEOUT, PRODUCTS, Stage};
use crate::failure::Failure;

/// How long all books may take to be live again once nothing fails any more: to notice silence,
/// and then the longest of the healing that may have begun with a lost request.
pub(crate) const MAX_HEAL: Duration = Duration::from_secs(30);

/// How long faults go on before they pause.
const FAULTY: Duration = Duration::from_secs(30);

/// How long after the last fault a book may look live and be behind: until the next heartbeat
/// shows that something was lost, or until silence has lasted too long.
const SETTLING: Duration = Duration::from_millis(4_500);

/// By how much a book may be read after silence should have been noticed. It has to be so at two
/// looks a second apart: the machine may just have slept.
const STALE_SLACK: Duration = Duration::from_secs(1);

/// How long a counter that began again makes numbers ambiguous.
const RESET_ECHO: Duration = Duration::from_secs(2);

const SECOND: Duration = Duration::from_secs(1);

/// The most by which what is held on the heap, and resident memory, may rise in an hour, over the
/// second half of a run that is long enough to tell. What is held is some 10 MB, and a tenth of
/// that comes and goes with the frames on their way; what the allocator keeps wanders more.
const MAX_HELD_SLOPE_KB_PER_HOUR: f64 = 512.0;
const MAX_RESIDENT_SLOPE_KB_PER_HOUR: f64 = 2_048.0;
const SLOPE_SPAN_MIN: Duration = Duration::from_secs(25 * 60);

/// Of so many best bids and asks one may be impossible to look up, and a few in any case: those of
/// the first frames after a counter has begun again.
const FORGOTTEN_SHARE: u64 = 1_000;
const FORGOTTEN_SLACK: u64 = 20;

/// How many more descriptors than at the first rest there may be at a later one: a few that the
/// system has not got round to closing.
const DESCRIPTORS_SLACK: u64 = 4;

/// Whether there is more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Running,
    Over,
}

/// What is going on.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Frames suffer.
    Faulty { phase_ends: Instant, rests_at: Instant },
    /// Nothing fails, and nothing moves.
    Resting { since: Instant, settled_at: Instant },
}

/// A running soak.
#[derive(Debug)]
pub(crate) struct Run {
    seed: u64,
    rng: Rng,
    started: Instant,
    ends: Instant,
    stage: Stage,
    readers: HotReaders,
    oracle: Oracle,
    act: Act,
    tally: Tally,
    usage: Usage,
    counters: Counters,
    next_second: Instant,
    /// When a counter last began again, and how often one had.
    last_reset: Option<(Instant, u64)>,
    /// Since when which group's product has no book.
    lost_since: BTreeMap<(usize, ProductId), Instant>,
    /// How many losses each group has told.
    losses_told: Vec<u64>,
    /// The products that were stale at the last look.
    stale: Vec<(usize, &'static str)>,
    shown: Vec<(Shown, bool)>,
}

impl Run {
    /// Starts with a rest: every book has to come to life before anything moves or fails.
    pub(crate) async fn start(seed: u64, length: Duration) -> Result<Self, Failure> {
        let stage = Stage::set(seed).await?;
        let readers = HotReaders::start(&stage.readers());
        let readers = readers
            .map_err(|error| Failure::new(format!("cannot start reading threads: {error}")))?;
        let now = Instant::now();
        Ok(Self {
            seed,
            rng: Rng::with_seed(seed),
            started: now,
            ends: now + length,
            act: Act::Resting { since: now, settled_at: now },
            tally: Tally::new(),
            usage: Usage {
                held: Samples::new(),
                resident: Samples::new(),
                descriptors_first: None,
                descriptors_max: None,
            },
            counters: counters(&stage),
            next_second: now + SECOND,
            last_reset: None,
            lost_since: BTreeMap::new(),
            losses_told: vec![0; stage.groups.len()],
            stale: Vec::new(),
            shown: Vec::new(),
            oracle: Oracle::default(),
            readers,
            stage,
        })
    }

    /// Checks what has happened since the last step, and goes on with what is planned. The error
    /// is what is not as promised.
    pub(crate) fn step(&mut self) -> Result<Standing, String> {
        let now = Instant::now();
        self.take_events(now)?;
        self.look_up(now)?;
        if now >= self.next_second {
            self.next_second = now + SECOND;
            self.check_counters()?;
            self.check_age()?;
            self.sample_usage(now);
        }
        match self.act {
            Act::Faulty { rests_at, .. } if now >= rests_at => {
                self.stage.set_faults(FaultPlan::none());
                self.stage.hold_markets(true);
                self.act = Act::Resting { since: now, settled_at: now + SETTLING };
            }
            Act::Faulty { phase_ends, rests_at } if now >= phase_ends => {
                self.begin_phase(now, rests_at);
            }
            Act::Resting { since, settled_at } if now >= settled_at => {
                return self.try_to_end_rest(now, since);
            }
            Act::Faulty { .. } | Act::Resting { .. } => {}
        }
        Ok(Standing::Running)
    }

    /// Says whether the process has used ever more.
    pub(crate) fn judge_usage(&self) -> Result<(), String> {
        for (what, samples, most) in [
            ("what is held on the heap", &self.usage.held, MAX_HELD_SLOPE_KB_PER_HOUR),
            ("resident memory", &self.usage.resident, MAX_RESIDENT_SLOPE_KB_PER_HOUR),
        ] {
            let slope = samples.slope_of_second_half();
            let Some((slope, span)) = slope.filter(|(_, span)| *span >= SLOPE_SPAN_MIN) else {
                continue;
            };
            if slope > most {
                return Err(format!(
                    "{what} rises by {slope:.0} kB an hour over the last {span:.0?}, more than \
                     {most}"
                ));
            }
        }
        Ok(())
    }

    pub(crate) fn report(&self) -> Report<'_> {
        Report {
            seed: self.seed,
            uptime: self.started.elapsed(),
            counters: counters(&self.stage),
            tally: &self.tally,
            looks: self.readers.looks(),
            usage: &self.usage,
        }
    }

    /// Ends everything. Closing has to withdraw every book from every reader.
    pub(crate) async fn close(self) -> Result<(), String> {
        let readers = self.stage.readers();
        for group in &self.stage.groups {
            group.books.close().await;
        }
        if let Some(reader) = readers.iter().find(|reader| reader.bbo.load().is_some()) {
            return Err(format!("{} can still be read after it was closed", reader.product));
        }
        self.stage.server.shutdown().await;
        Ok(())
    }

    /// Takes what the books tell, and what reading threads were shown.
    fn take_events(&mut self, now: Instant) -> Result<(), String> {
        if let Some(breach) = self.readers.breach() {
            return Err(breach);
        }
        let Self { stage, tally, shown, lost_since, losses_told, .. } = self;
        for (group, told) in stage.groups.iter_mut().enumerate() {
            // The queue of events is bounded, and it fills more slowly than it is emptied.
            while let Some(event) = told.events.try_next() {
                match event {
                    Event::Changed(change) => {
                        tally.time_frame(
                            change.published.saturating_duration_since(change.bbo.received),
                        );
                        let product = known(&change.product);
                        shown.push((Shown { group, product, bbo: change.bbo }, false));
                    }
                    Event::Lost { product, .. } => {
                        losses_told[group] += 1;
                        lost_since.insert((group, product), now);
                    }
                    Event::Live { product, .. } => {
                        if let Some(since) = lost_since.remove(&(group, product)) {
                            tally.time_heal(now - since);
                        }
                    }
                    Event::SwitchedOver { .. } => tally.switchovers += 1,
                    Event::Missed { count } => {
                        return Err(format!("{count} events of {} went unchecked", told.name));
                    }
                    _ => {}
                }
            }
        }
        while let Some(sample) = self.readers.sample() {
            self.shown.push((sample, true));
        }
        Ok(())
    }

    /// Looks up what was shown in the exchange's truth.
    fn look_up(&mut self, now: Instant) -> Result<(), String> {
        if self.shown.is_empty() {
            return Ok(());
        }
        let resets = self.stage.server.fault_counts().resets;
        if self.last_reset.map_or(0, |(_, count)| count) != resets {
            self.last_reset = Some((now, resets));
        }
        let has_reset = self.last_reset.is_some_and(|(at, _)| now < at + RESET_ECHO);
        let Self { oracle, shown, tally, stage, .. } = self;
        let untrue = stage.server.with_exchange(|exchange| {
            shown.drain(..).find_map(|(shown, is_sample)| {
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
        let group = stage.groups[group].name;
        Err(format!("the best bid and ask of {product} ({group}) was never true: {bbo:?}"))
    }

    fn check_counters(&mut self) -> Result<(), String> {
        let counters = counters(&self.stage);
        counters.check(&self.counters)?;
        self.counters = counters;
        let restarts = self.readers.restarts();
        let resets = counters.faults.resets;
        if restarts > resets {
            return Err(format!(
                "numbers went back {restarts} times under a reader, with {resets} resets"
            ));
        }
        Ok(())
    }

    /// No book may be read once its connection has been silent for too long.
    fn check_age(&mut self) -> Result<(), String> {
        let limit = IDLE_TIMEOUT + STALE_SLACK;
        let mut stale = Vec::new();
        for (index, group) in self.stage.groups.iter().enumerate() {
            for product in PRODUCTS {
                if group.books.age(product).is_ok_and(|age| age.connection > limit) {
                    stale.push((index, product));
                }
            }
        }
        if let Some((group, product)) = stale.iter().find(|one| self.stale.contains(one)) {
            let name = self.stage.groups[*group].name;
            return Err(format!("{product} ({name}) is readable after {limit:?} of silence"));
        }
        self.stale = stale;
        Ok(())
    }

    fn sample_usage(&mut self, now: Instant) {
        self.usage.held.push(now - self.started, held_kb());
        if let Some(resident) = resident_kb() {
            self.usage.resident.push(now - self.started, resident);
        }
        self.usage.descriptors_max = self.usage.descriptors_max.max(open_descriptors());
    }

    fn begin_phase(&mut self, now: Instant, rests_at: Instant) {
        let phase = Phase::draw(&mut self.rng);
        self.stage.set_faults(FaultPlan::new(self.rng.u64(..), phase.rates));
        self.tally.phases += 1;
        self.act = Act::Faulty { phase_ends: now + phase.length, rests_at };
    }

    /// Ends the rest if everything is as it should be by now; it must be so in time.
    fn try_to_end_rest(&mut self, now: Instant, since: Instant) -> Result<Standing, String> {
        if let Err(lacking) = self.check_healed() {
            return match now < since + MAX_HEAL {
                true => Ok(Standing::Running),
                false => Err(format!("{MAX_HEAL:?} after the last fault, {lacking}")),
            };
        }
        self.tally.longest_rest = self.tally.longest_rest.max(now - since);
        self.compare_books()?;
        self.check_descriptors()?;
        self.check_forgotten()?;
        self.tally.rests += 1;
        if now >= self.ends {
            return Ok(Standing::Over);
        }
        self.stage.hold_markets(false);
        self.begin_phase(now, self.ends.min(now + FAULTY));
        Ok(Standing::Running)
    }

    /// Says what is lacking until every book is live, every connection open, and every loss that
    /// was told made good.
    fn check_healed(&self) -> Result<(), String> {
        let mut connections = 0;
        for (group, told) in self.stage.groups.iter().zip(&self.losses_told) {
            let (name, stats) = (group.name, group.books.stats());
            connections += stats.connections;
            if (stats.live, stats.open) != (stats.products, stats.connections)
                || group.has_standby && stats.covered != stats.products
            {
                return Err(format!("not everything of {name} is live: {stats:?}"));
            }
            // With a standby many losses are nobody's to see.
            let resyncs = stats.session.resyncs;
            if !group.has_standby && *told != resyncs {
                return Err(format!("{name} told {told} losses and counts {resyncs} as healed"));
            }
        }
        let open = self.stage.server.connections().open;
        if open != connections {
            return Err(format!("the exchange serves {open} connections of {connections}"));
        }
        Ok(())
    }

    /// Compares every book with the exchange's, level by level.
    fn compare_books(&mut self) -> Result<(), String> {
        for group in &self.stage.groups {
            for product in PRODUCTS {
                let truth = self
                    .stage
                    .server
                    .with_exchange(|exchange| exchange.true_book(product).map(sides_of_truth));
                let book = group.books.read(product, sides_of_book);
                let book = book.map_err(|error| format!("{product} ({}): {error}", group.name))?;
                let truth = truth.ok_or_else(|| format!("the exchange has no {product}"))?;
                if book != truth {
                    let first = (0..2).find(|side| book[*side] != truth[*side]).unwrap_or(0);
                    let (ours, theirs) = (&book[first], &truth[first]);
                    let place = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
                    return Err(format!(
                        "the book of {product} ({}) has {:?} at place {place} of side {first}, \
                         the exchange's {:?}",
                        group.name,
                        ours.get(place),
                        theirs.get(place)
                    ));
                }
                self.tally.books_compared += 1;
                self.tally.levels_compared += (book[0].len() + book[1].len()) as u64;
            }
        }
        Ok(())
    }

    /// What could not be looked up has to be rare, or nothing is proven.
    fn check_forgotten(&self) -> Result<(), String> {
        let Tally { bbos_checked, bbos_forgotten, .. } = self.tally;
        if bbos_forgotten * FORGOTTEN_SHARE > bbos_checked + FORGOTTEN_SLACK * FORGOTTEN_SHARE {
            return Err(format!("{bbos_forgotten} best bids and asks could not be looked up"));
        }
        Ok(())
    }

    /// With every connection open there must be as many descriptors as at the first such time.
    fn check_descriptors(&mut self) -> Result<(), String> {
        let Some(now) = open_descriptors() else { return Ok(()) };
        let first = *self.usage.descriptors_first.get_or_insert(now);
        if now > first + DESCRIPTORS_SLACK {
            return Err(format!("{now} descriptors are open, with {first} at the first rest"));
        }
        Ok(())
    }
}

/// Both sides of a book, bids first, best first.
type Sides = [Vec<(Decimal, Decimal)>; 2];

fn sides_of_truth(book: &TrueBook) -> Sides {
    [book.bids(), book.asks()]
}

fn sides_of_book(book: &Book) -> Sides {
    let pair = |level: Level| (level.price, level.size);
    [book.bids().map(pair).collect(), book.asks().map(pair).collect()]
}

/// Reads all counters, in the order in which none can be ahead of what it is held against.
fn counters(stage: &Stage) -> Counters {
    let accepted = stage.server.connections().accepted;
    let exchange = stage.server.with_exchange(|exchange| exchange.counts());
    let books = stage.stats();
    Counters { books, faults: stage.server.fault_counts(), exchange, accepted }
}

/// Returns the name of a product that was asked for.
fn known(product: &ProductId) -> &'static str {
    PRODUCTS.into_iter().find(|name| *name == product.as_str()).unwrap_or_default()
}
