//! The network between one client and the exchange, in virtual time.
//!
//! A [`Network`] is everything between a session and the exchange: dials that fail or are never
//! answered, latency, frames that are lost or damaged on the way, silence, partitions, closing
//! codes. It has no socket and no clock. What comes out of it is what a socket would report, so
//! that it can be handed to a client as it is. It also says of every message whether it is as it
//! was sent, which no socket can, so that a test knows what its client ought to notice.

use std::collections::VecDeque;
use std::time::Duration;

use fastrand::Rng;

use crate::ended::Ended;
use crate::exchange::{ConnectionId, Exchange, SimFrame};
use crate::fault::{Arrival, Fate, FaultCounts, FaultPlan, FaultRates};

/// How the network behaves: what strikes how often, and for how long.
///
/// What is given in parts per million is per frame of the exchange, but for dials, where it is per
/// dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkRates {
    /// What happens to single frames.
    pub faults: FaultRates,
    /// The shortest and the longest time that a message or a dial takes; each draws its own. The
    /// order of messages stays. The default is 1 ms to 40 ms.
    pub latency: (Duration, Duration),
    /// From this frame on nothing reaches the client for a while; then everything does at once.
    pub clog_ppm: u32,
    /// The longest such time. The default is 3 s.
    pub clog_max: Duration,
    /// From this frame on nothing gets through either way for a while; then everything does. Dials
    /// made meanwhile are never answered, and the exchange does not learn that the client hung up.
    pub partition_ppm: u32,
    /// The longest such time. The default is 15 s.
    pub partition_max: Duration,
    /// The venue closes the connection after this frame, with a code of [`CLOSE_CODES`] or none.
    pub close_ppm: u32,
    /// A dial is refused.
    pub dial_refused_ppm: u32,
    /// A dial is answered by an HTTP status of [`REJECTIONS`].
    pub dial_rejected_ppm: u32,
    /// A dial is never answered.
    pub dial_lost_ppm: u32,
}

impl Default for NetworkRates {
    fn default() -> Self {
        Self {
            faults: FaultRates::default(),
            latency: (Duration::from_millis(1), Duration::from_millis(40)),
            clog_ppm: 0,
            clog_max: Duration::from_secs(3),
            partition_ppm: 0,
            partition_max: Duration::from_secs(15),
            close_ppm: 0,
            dial_refused_ppm: 0,
            dial_rejected_ppm: 0,
            dial_lost_ppm: 0,
        }
    }
}

impl NetworkRates {
    /// Draws from a seed which kinds of fault strike and how often, as a swarm of tests should:
    /// one seed in eight has none, two have one kind alone, the others several, each at a rate of
    /// its own.
    #[must_use]
    pub fn swarm(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut rates = Self::default();
        let slow = Duration::from_millis(rng.u64(0..=SLOWEST_MS));
        rates.latency.1 = rates.latency.1.max(slow);
        let kinds = rates.kinds().len();
        let (kind_of_seed, only) = (rng.usize(0..8), rng.usize(0..kinds));
        for (kind, (ppm, most)) in rates.kinds().into_iter().enumerate() {
            let is_on = match kind_of_seed {
                0 => false,
                1 | 2 => kind == only,
                _ => rng.bool(),
            };
            // Each is drawn, so that the kinds that are on do not depend on those that are off.
            let drawn = rng.u32(1..=most);
            *ppm = if is_on { drawn } else { 0 };
        }
        rates
    }

    /// Every rate, and the most that a swarm draws. What breaks the whole connection is rarer, or
    /// there would be nothing else.
    fn kinds(&mut self) -> [(&mut u32, u32); 15] {
        let faults = &mut self.faults;
        [
            (&mut faults.drop_ppm, 30_000),
            (&mut faults.duplicate_ppm, 50_000),
            (&mut faults.reorder_ppm, 30_000),
            (&mut faults.garble_ppm, 30_000),
            (&mut faults.truncate_ppm, 20_000),
            (&mut faults.abort_ppm, 6_000),
            (&mut faults.stall_ppm, 4_000),
            (&mut faults.reset_ppm, 8_000),
            (&mut faults.split_ppm, 20_000),
            (&mut self.clog_ppm, 5_000),
            (&mut self.partition_ppm, 2_000),
            (&mut self.close_ppm, 6_000),
            (&mut self.dial_refused_ppm, 500_000),
            (&mut self.dial_rejected_ppm, 200_000),
            (&mut self.dial_lost_ppm, 100_000),
        ]
    }
}

/// What a [`Network`] has done since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NetworkCounts {
    /// What happened to single frames.
    pub faults: FaultCounts,
    /// Times in which nothing reached the client.
    pub clogs: u64,
    /// Times in which nothing got through either way.
    pub partitions: u64,
    /// Connections closed by the venue with a code, or with none.
    pub closes: u64,
    /// Dials, those that failed included.
    pub dials: u64,
    /// Dials that were refused.
    pub dials_refused: u64,
    /// Dials that were answered by an HTTP status.
    pub dials_rejected: u64,
    /// Dials that were never answered.
    pub dials_lost: u64,
}

impl NetworkCounts {
    /// How many faults of any kind there were.
    #[must_use]
    pub fn faults(&self) -> u64 {
        let Self { faults, clogs, partitions, closes, dials: _, .. } = *self;
        let dials = self.dials_refused + self.dials_rejected + self.dials_lost;
        faults.faults() + clogs + partitions + closes + dials
    }

    /// Adds the counts of another link to these.
    pub fn add(&mut self, other: &Self) {
        self.faults.add(&other.faults);
        self.clogs += other.clogs;
        self.partitions += other.partitions;
        self.closes += other.closes;
        self.dials += other.dials;
        self.dials_refused += other.dials_refused;
        self.dials_rejected += other.dials_rejected;
        self.dials_lost += other.dials_lost;
    }
}

/// Which use of which number: how often the counter of the connection had begun again, and the
/// number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// How often the counter had begun again.
    pub epoch: u64,
    /// The `sequence_num`.
    pub sequence: u64,
}

/// A message as it arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkMessage {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Which frame of the exchange it is, or was; `None` for those without a number.
    pub mark: Option<Mark>,
    /// Whether every byte is as it was sent.
    pub is_intact: bool,
}

/// What a socket would report to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums)] // These are the inputs of a session that a socket makes.
pub enum NetworkEvent {
    /// The dial succeeded.
    Opened,
    /// A message came.
    Message(NetworkMessage),
    /// The connection ended, or the dial failed.
    Closed(Ended),
}

/// The network between one client and the exchange; one connection at a time.
///
/// Times are [`Duration`]s since the start of the exchange and must not run backwards.
///
/// ```
/// use std::time::Duration;
///
/// use level2_sim::{Exchange, ExchangeConfig, Network, NetworkEvent, NetworkRates};
///
/// let mut exchange = Exchange::new(ExchangeConfig::default());
/// let mut network = Network::new(7, NetworkRates::swarm(7));
/// network.dial(Duration::ZERO);
///
/// // Ten seconds, in steps of a millisecond; none of them is waited for.
/// let mut messages = 0;
/// for now in (0..10_000).map(Duration::from_millis) {
///     exchange.advance(now);
///     while let Some(event) = network.poll(&mut exchange, now) {
///         match event {
///             NetworkEvent::Opened => {
///                 let subscribe =
/// r#"{"type":"subscribe","product_ids":["BTC-USD"],"channel":"level2"}"#;
/// network.send(now, subscribe.to_owned());             }             NetworkEvent::Message(_) =>
/// messages += 1,             NetworkEvent::Closed(_) => network.dial(now),         }     } }
/// assert!(network.counts().dials > 0 && messages > 0);
/// ```
#[derive(Debug)]
pub struct Network {
    seed: u64,
    rng: Rng,
    rates: NetworkRates,
    state: State,
    clogged_until: Duration,
    partitioned_until: Duration,
    /// Connections that the client has dropped, and the exchange does not know it yet.
    ghosts: VecDeque<(Duration, ConnectionId)>,
    counts: NetworkCounts,
    fates: Vec<Fate>,
}

impl Network {
    /// A network without a connection. The same seed and the same calls give the same faults.
    #[must_use]
    pub fn new(seed: u64, rates: NetworkRates) -> Self {
        Self {
            seed,
            rng: Rng::with_seed(seed),
            rates,
            state: State::Down,
            clogged_until: Duration::ZERO,
            partitioned_until: Duration::ZERO,
            ghosts: VecDeque::new(),
            counts: NetworkCounts::default(),
            fates: Vec::new(),
        }
    }

    /// Begins to dial; [`poll`](Self::poll) tells what comes of it, if anything does.
    ///
    /// # Panics
    ///
    /// If there is a connection or a dial already: a client has one at a time.
    pub fn dial(&mut self, now: Duration) {
        assert!(matches!(self.state, State::Down), "expected no connection or dial before a dial");
        self.counts.dials += 1;
        let rates = self.rates;
        let outcome = if self.strikes(rates.dial_refused_ppm) {
            self.counts.dials_refused += 1;
            Some(Err(Ended::Refused))
        } else if self.strikes(rates.dial_rejected_ppm) {
            self.counts.dials_rejected += 1;
            let (status, retry_after) = REJECTIONS[self.rng.usize(0..REJECTIONS.len())];
            let retry_after = retry_after.map(Duration::from_secs);
            Some(Err(Ended::Rejected { status, retry_after }))
        } else if self.strikes(rates.dial_lost_ppm) || now < self.partitioned_until {
            self.counts.dials_lost += 1;
            None
        } else {
            Some(Ok(()))
        };
        let at = now + self.draw_latency();
        self.state = State::Dialing(outcome.map(|outcome| (at, outcome)));
    }

    /// Sends a message to the exchange. Without a connection it is lost.
    pub fn send(&mut self, now: Duration, text: String) {
        let at = (now + self.draw_latency()).max(self.partitioned_until);
        if let State::Open(wire) = &mut self.state
            && wire.up.len() < MAX_REQUESTS
        {
            let after = wire.up.back().map_or(at, |(last, _)| at.max(*last));
            wire.up.push_back((after, text));
        }
    }

    /// Drops the connection, or the dial that is under way. What was on its way is lost.
    pub fn hang_up(&mut self, exchange: &mut Exchange, now: Duration) {
        if let State::Open(mut wire) = std::mem::replace(&mut self.state, State::Down) {
            self.counts.faults.add(&wire.plan.take_counts());
            if now < self.partitioned_until {
                self.ghosts.push_back((self.partitioned_until, wire.id));
            } else {
                exchange.disconnect(wire.id);
            }
        }
    }

    /// Carries what is due by `now` in both directions and returns the next thing that the client
    /// notices. Call it until it returns `None`.
    ///
    /// The exchange should have been [advanced](Exchange::advance) to `now`.
    pub fn poll(&mut self, exchange: &mut Exchange, now: Duration) -> Option<NetworkEvent> {
        self.poll_watching(exchange, now, |_, _| {})
    }

    /// As [`poll`](Self::poll), and shows each frame of the exchange as it was sent, before
    /// anything happens to it: what a test has to know to tell what is true.
    pub fn poll_watching(
        &mut self,
        exchange: &mut Exchange,
        now: Duration,
        mut watch: impl FnMut(&SimFrame, Option<Mark>),
    ) -> Option<NetworkEvent> {
        while self.ghosts.front().is_some_and(|(until, _)| *until <= now) {
            let (_, id) = self.ghosts.pop_front()?;
            exchange.disconnect(id);
        }
        match &mut self.state {
            State::Down | State::Dialing(None) => None,
            State::Dialing(Some((at, _))) if *at > now => None,
            State::Dialing(outcome) => {
                let (_, outcome) = outcome.take()?;
                Some(self.finish_dial(exchange, outcome))
            }
            State::Open(_) => {
                self.carry_up(exchange, now);
                self.carry_down(exchange, now, &mut watch);
                self.arrive(exchange, now)
            }
        }
    }

    /// When [`poll`](Self::poll) may next have something to do, as far as it is known without the
    /// exchange.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        let ghosts = self.ghosts.front().map(|(until, _)| *until);
        let state = match &self.state {
            State::Down => None,
            State::Dialing(outcome) => outcome.as_ref().map(|(at, _)| *at),
            State::Open(wire) => {
                let up = wire.up.front().map(|(at, _)| *at);
                let down = wire.down.front().map(|(at, _)| *at);
                up.into_iter().chain(down).min()
            }
        };
        ghosts.into_iter().chain(state).min()
    }

    /// The connection of the exchange, if the client has one that the exchange knows.
    #[must_use]
    pub fn connection(&self) -> Option<ConnectionId> {
        match &self.state {
            State::Open(wire) => Some(wire.id),
            State::Down | State::Dialing(_) => None,
        }
    }

    /// The newest number that the exchange has used on this connection for a frame that the link
    /// has taken in, whatever became of it.
    #[must_use]
    pub fn newest_sent(&self) -> Option<Mark> {
        match &self.state {
            State::Open(wire) => wire.newest_sent,
            State::Down | State::Dialing(_) => None,
        }
    }

    /// Replaces what strikes how often. What has struck already goes on to its end: a silence for
    /// as long as the connection, a partition for as long as it was to last.
    pub fn set_rates(&mut self, rates: NetworkRates) {
        self.rates = rates;
        if let State::Open(wire) = &mut self.state {
            self.counts.faults.add(&wire.plan.take_counts());
            wire.plan = FaultPlan::new(self.seed, rates.faults).fork(self.counts.dials);
        }
    }

    /// Begins a partition that lasts until this moment: nothing gets through either way.
    pub fn partition(&mut self, until: Duration) {
        self.counts.partitions += 1;
        self.partitioned_until = self.partitioned_until.max(until);
        if let State::Open(wire) = &mut self.state {
            // What is on its way is sent again once the network is whole.
            wire.hold_back(until);
        }
        if let State::Dialing(outcome) = &mut self.state {
            *outcome = None;
        }
    }

    /// The moment at which the last partition, or other time in which nothing reaches the client,
    /// ends.
    #[must_use]
    pub fn held_until(&self) -> Duration {
        self.partitioned_until.max(self.clogged_until)
    }

    /// What this link has done so far.
    #[must_use]
    pub fn counts(&self) -> NetworkCounts {
        let mut counts = self.counts;
        if let State::Open(wire) = &self.state {
            counts.faults.add(&wire.plan.counts());
        }
        counts
    }

    fn finish_dial(&mut self, exchange: &mut Exchange, outcome: Result<(), Ended>) -> NetworkEvent {
        match outcome {
            Ok(()) => {
                let plan = FaultPlan::new(self.seed, self.rates.faults).fork(self.counts.dials);
                self.state = State::Open(Box::new(Wire::new(exchange.connect(), plan)));
                NetworkEvent::Opened
            }
            Err(reason) => {
                self.state = State::Down;
                NetworkEvent::Closed(reason)
            }
        }
    }

    /// Hands the exchange the requests that have arrived there.
    fn carry_up(&mut self, exchange: &mut Exchange, now: Duration) {
        let State::Open(wire) = &mut self.state else { return };
        while wire.up.front().is_some_and(|(at, _)| *at <= now)
            && let Some((_, text)) = wire.up.pop_front()
        {
            exchange.receive(wire.id, now, &text);
        }
    }

    /// Takes what the exchange has sent through the faults onto the wire.
    fn carry_down(
        &mut self,
        exchange: &mut Exchange,
        now: Duration,
        watch: &mut impl FnMut(&SimFrame, Option<Mark>),
    ) {
        loop {
            let State::Open(wire) = &mut self.state else { return };
            // A client that does not read fills the wire, and then the queue of the exchange.
            if wire.has_ended || wire.down.len() >= MAX_MESSAGES {
                return;
            }
            let Some(frame) = exchange.poll_frame(wire.id) else { break };
            let mark = frame.sequence.map(|sequence| wire.mark(sequence));
            wire.newest_sent = mark.or(wire.newest_sent);
            watch(&frame, mark);
            let mut fates = std::mem::take(&mut self.fates);
            // A counter that begins again and then loses its zero, or is followed by a frame of
            // before, cannot be told from one that goes on, when it had only just begun: no client
            // could. All else may happen.
            let epoch = mark.map_or(0, |mark| mark.epoch);
            if epoch > 0 && frame.sequence == Some(0) {
                wire.plan.flush(&mut fates);
                let (bytes, sequence) = (frame.text.into_bytes(), frame.sequence);
                fates.push(Fate::Text(Arrival { bytes, sequence, epoch, is_intact: true }));
            } else {
                wire.plan.strike(frame, epoch, &mut fates);
            }
            for fate in fates.drain(..) {
                self.lay(exchange, now, fate);
            }
            self.fates = fates;
            self.strike_connection(exchange, now);
        }
        if let State::Open(wire) = &mut self.state
            && !exchange.is_open(wire.id)
        {
            wire.end(now, Ended::Reset);
        }
    }

    /// Lays one message, or the end of the connection, onto the wire.
    fn lay(&mut self, exchange: &mut Exchange, now: Duration, fate: Fate) {
        let latency = self.draw_latency();
        let held = self.clogged_until.max(self.partitioned_until);
        let State::Open(wire) = &mut self.state else { return };
        match fate {
            Fate::Text(Arrival { bytes, sequence, epoch, is_intact }) if !wire.has_ended => {
                let mark = sequence.map(|sequence| Mark { epoch, sequence });
                let message = NetworkMessage { bytes, mark, is_intact };
                let at = (now + latency).max(held).max(wire.last_down);
                wire.last_down = at;
                wire.down.push_back((at, NetworkEvent::Message(message)));
            }
            Fate::Text(_) => {}
            Fate::Abort => {
                exchange.disconnect(wire.id);
                wire.end(now + latency, Ended::Reset);
            }
            // The exchange goes on sending; nothing of it arrives.
            Fate::Stall => wire.has_ended = true,
            Fate::ResetCounter => exchange.reset_counter(wire.id),
        }
    }

    /// Draws whether something happens to the connection, or to the network, after a frame.
    fn strike_connection(&mut self, exchange: &mut Exchange, now: Duration) {
        let rates = self.rates;
        if self.strikes(rates.clog_ppm) {
            self.counts.clogs += 1;
            let until = now + self.draw_up_to(rates.clog_max);
            self.clogged_until = self.clogged_until.max(until);
        }
        if self.strikes(rates.partition_ppm) {
            let until = now + self.draw_up_to(rates.partition_max);
            self.partition(until);
        }
        if self.strikes(rates.close_ppm) {
            self.counts.closes += 1;
            let at = now + self.draw_latency();
            let code = CLOSE_CODES[self.rng.usize(0..CLOSE_CODES.len())];
            let State::Open(wire) = &mut self.state else { return };
            exchange.disconnect(wire.id);
            wire.end(at, Ended::Closed { code, reason: "simulated".to_owned() });
        }
    }

    /// Takes the next thing that has arrived at the client.
    fn arrive(&mut self, exchange: &mut Exchange, now: Duration) -> Option<NetworkEvent> {
        let State::Open(wire) = &mut self.state else { return None };
        if wire.down.front()?.0 > now {
            return None;
        }
        let (_, event) = wire.down.pop_front()?;
        if matches!(event, NetworkEvent::Closed(_)) {
            self.hang_up(exchange, now);
        }
        Some(event)
    }

    /// Draws whether something happens; nothing is drawn for what never does.
    fn strikes(&mut self, ppm: u32) -> bool {
        ppm > 0 && self.rng.u32(0..1_000_000) < ppm
    }

    fn draw_latency(&mut self) -> Duration {
        let (least, most) = self.rates.latency;
        least + self.draw_up_to(most.saturating_sub(least))
    }

    fn draw_up_to(&mut self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.rng.u64(0..=most))
    }
}

/// Where the client's connection stands.
#[derive(Debug)]
enum State {
    Down,
    /// When the dial ends, and how; `None` if it is never answered.
    Dialing(Option<(Duration, Result<(), Ended>)>),
    Open(Box<Wire>),
}

/// An open connection: what is on its way in either direction.
#[derive(Debug)]
struct Wire {
    id: ConnectionId,
    plan: FaultPlan,
    newest_sent: Option<Mark>,
    up: VecDeque<(Duration, String)>,
    down: VecDeque<(Duration, NetworkEvent)>,
    /// When the last message laid onto the wire arrives.
    last_down: Duration,
    /// Whether nothing more is laid onto it: it was closed, or has gone silent.
    has_ended: bool,
}

impl Wire {
    fn new(id: ConnectionId, plan: FaultPlan) -> Self {
        Self {
            id,
            plan,
            newest_sent: None,
            up: VecDeque::new(),
            down: VecDeque::new(),
            last_down: Duration::ZERO,
            has_ended: false,
        }
    }

    /// The mark of the next frame: numbers only fall when the counter begins again.
    fn mark(&self, sequence: u64) -> Mark {
        match self.newest_sent {
            Some(last) if sequence <= last.sequence => Mark { epoch: last.epoch + 1, sequence },
            Some(last) => Mark { epoch: last.epoch, sequence },
            None => Mark { epoch: 0, sequence },
        }
    }

    /// Lets nothing that is on its way arrive before this moment.
    fn hold_back(&mut self, until: Duration) {
        for (at, _) in &mut self.down {
            *at = (*at).max(until);
        }
        for (at, _) in &mut self.up {
            *at = (*at).max(until);
        }
    }

    /// Ends the connection at this moment, after everything that is on its way.
    fn end(&mut self, at: Duration, reason: Ended) {
        if !std::mem::replace(&mut self.has_ended, true) {
            let at = at.max(self.last_down);
            self.down.push_back((at, NetworkEvent::Closed(reason)));
        }
    }
}

/// The codes that the venue closes connections with here: going away, restarting, a violated
/// policy, a message that was too large, an error of its own, reasons of its own.
pub const CLOSE_CODES: [Option<u16>; 10] = [
    None,
    Some(1_000),
    Some(1_001),
    Some(1_006),
    Some(1_008),
    Some(1_009),
    Some(1_011),
    Some(1_012),
    Some(1_013),
    Some(4_000),
];

/// The HTTP statuses that dials are answered with here, and the `Retry-After` in seconds.
pub const REJECTIONS: [(u16, Option<u64>); 6] =
    [(302, None), (403, None), (429, None), (429, Some(2)), (503, None), (503, Some(1))];

/// The most requests on their way; further ones are lost.
const MAX_REQUESTS: usize = 1_024;

/// The most messages on their way; further ones wait in the queue of the exchange.
const MAX_MESSAGES: usize = 4_096;

/// The slowest network that a swarm draws.
const SLOWEST_MS: u64 = 400;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ExchangeConfig, ProductSpec};

    const SUBSCRIBE: &str = r#"{"type":"subscribe","product_ids":["BTC-USD"],"channel":"level2"}"#;

    fn exchange() -> Exchange {
        Exchange::new(ExchangeConfig {
            products: vec![ProductSpec::btc_usd().levels(10)],
            ..ExchangeConfig::default()
        })
    }

    /// A client that dials once, subscribes and then only listens, for as long as that.
    fn listen(rates: NetworkRates, length: Duration) -> (Network, Vec<(Duration, NetworkEvent)>) {
        let (mut exchange, mut link) = (exchange(), Network::new(3, rates));
        let mut events = Vec::new();
        link.dial(Duration::ZERO);
        let mut now = Duration::ZERO;
        while now < length {
            exchange.advance(now);
            while let Some(event) = link.poll(&mut exchange, now) {
                if event == NetworkEvent::Opened {
                    link.send(now, SUBSCRIBE.to_owned());
                }
                events.push((now, event));
            }
            let due = link.next_due().unwrap_or(length).min(exchange.next_due());
            now = due.max(now + Duration::from_micros(1));
        }
        (link, events)
    }

    fn messages(events: &[(Duration, NetworkEvent)]) -> Vec<(Duration, NetworkMessage)> {
        let message = |(at, event): &(Duration, NetworkEvent)| match event {
            NetworkEvent::Message(message) => Some((*at, message.clone())),
            NetworkEvent::Opened | NetworkEvent::Closed(_) => None,
        };
        events.iter().filter_map(message).collect()
    }

    #[test]
    fn without_faults_every_frame_arrives_in_order_and_within_the_latency() {
        let (link, events) = listen(NetworkRates::default(), Duration::from_secs(20));
        assert_eq!(events[0].1, NetworkEvent::Opened);
        let messages = messages(&events);
        assert!(messages.len() > 100);
        for (index, (_, message)) in messages.iter().enumerate() {
            let mark = Mark { epoch: 0, sequence: index as u64 };
            assert_eq!((message.mark, message.is_intact), (Some(mark), true));
        }
        assert!(messages.is_sorted_by_key(|(at, _)| *at));
        assert_eq!((link.counts().faults(), link.counts().dials), (0, 1));
    }

    #[test]
    fn what_is_not_intact_is_not_what_was_sent() {
        let faults = FaultRates { garble_ppm: 300_000, split_ppm: 100_000, ..Default::default() };
        let rates = NetworkRates { faults, ..NetworkRates::default() };
        let (mut exchange, mut link) = (exchange(), Network::new(3, rates));
        let (mut sent, mut damaged) = (Vec::new(), 0);
        link.dial(Duration::ZERO);
        for now in (0..20_000).map(Duration::from_millis) {
            exchange.advance(now);
            while let Some(event) = link.poll_watching(&mut exchange, now, |frame, _| {
                sent.push(frame.text.clone().into_bytes());
            }) {
                match event {
                    NetworkEvent::Opened => link.send(now, SUBSCRIBE.to_owned()),
                    NetworkEvent::Message(message) => {
                        damaged += u64::from(!message.is_intact);
                        let sequence = message.mark.unwrap().sequence as usize;
                        assert_eq!(sent[sequence] == message.bytes, message.is_intact);
                    }
                    NetworkEvent::Closed(reason) => panic!("{reason:?}"),
                }
            }
        }
        let FaultCounts { garbles, splits, .. } = link.counts().faults;
        assert!(garbles > 10 && splits > 10);
        assert!(damaged <= garbles + 2 * splits && damaged >= garbles + splits);
    }

    #[test]
    fn a_clogged_network_delivers_everything_late_and_at_once() {
        let rates = NetworkRates { clog_ppm: 10_000, ..NetworkRates::default() };
        let (link, events) = listen(rates, Duration::from_secs(60));
        assert!(link.counts().clogs > 0);
        let messages = messages(&events);
        let sequences = messages.iter().map(|(_, message)| message.mark.unwrap().sequence);
        assert!(sequences.eq(0..messages.len() as u64), "nothing is lost");
        let bursts = messages.windows(5).filter(|five| five[0].0 == five[4].0).count();
        assert!(bursts > 0, "much comes at once");
    }

    #[test]
    fn in_a_partition_nothing_gets_through_and_the_exchange_knows_of_no_end() {
        let (mut exchange, mut link) = (exchange(), Network::new(1, NetworkRates::default()));
        let at = Duration::from_millis;
        link.dial(at(0));
        assert_eq!(link.poll(&mut exchange, at(100)), Some(NetworkEvent::Opened));
        link.send(at(100), SUBSCRIBE.to_owned());
        link.partition(at(5_000));
        exchange.advance(at(1_000));
        assert_eq!(link.poll(&mut exchange, at(1_000)), None, "the request waits");
        assert_eq!(exchange.counts().requests, 0);
        link.hang_up(&mut exchange, at(1_000));
        link.dial(at(1_200));
        assert_eq!(link.poll(&mut exchange, at(4_900)), None, "nobody answers the dial");
        assert_eq!(exchange.connections().count(), 1, "the old connection looks open");
        assert_eq!(link.poll(&mut exchange, at(5_000)), None);
        assert_eq!(exchange.connections().count(), 0);
        link.hang_up(&mut exchange, at(6_000));
        link.dial(at(6_000));
        assert_eq!(link.poll(&mut exchange, at(6_100)), Some(NetworkEvent::Opened));
    }

    #[test]
    fn connections_end_as_sockets_tell_it() {
        let closing = NetworkRates { close_ppm: 1_000_000, ..NetworkRates::default() };
        let (link, events) = listen(closing, Duration::from_secs(10));
        let last = &events.last().unwrap().1;
        assert!(matches!(last, NetworkEvent::Closed(Ended::Closed { .. })), "{last:?}");
        assert!(link.connection().is_none());

        let aborting = FaultRates { abort_ppm: 1_000_000, ..FaultRates::default() };
        let (_, events) =
            listen(NetworkRates { faults: aborting, ..closing }, Duration::from_secs(10));
        let last = &events.last().unwrap().1;
        assert!(matches!(last, NetworkEvent::Closed(Ended::Reset)), "{last:?}");
    }

    #[test]
    fn dials_fail_as_they_are_told_to() {
        let dial = |rates| {
            let (mut exchange, mut link) = (exchange(), Network::new(1, rates));
            link.dial(Duration::ZERO);
            link.poll(&mut exchange, Duration::from_secs(1))
        };
        let none = NetworkRates::default();
        let refused = dial(NetworkRates { dial_refused_ppm: 1_000_000, ..none });
        assert_eq!(refused, Some(NetworkEvent::Closed(Ended::Refused)));
        let rejected = dial(NetworkRates { dial_rejected_ppm: 1_000_000, ..none });
        assert!(matches!(rejected, Some(NetworkEvent::Closed(Ended::Rejected { .. }))));
        assert_eq!(dial(NetworkRates { dial_lost_ppm: 1_000_000, ..none }), None);
        assert_eq!(dial(none), Some(NetworkEvent::Opened));
    }

    #[test]
    fn a_swarm_holds_quiet_seeds_seeds_of_one_kind_and_of_many() {
        let kinds = |seed| {
            let mut rates = NetworkRates::swarm(seed);
            rates.kinds().iter().filter(|(ppm, _)| **ppm > 0).count()
        };
        let counts: Vec<usize> = (0..800).map(kinds).collect();
        let share = |wanted: fn(usize) -> bool| counts.iter().filter(|c| wanted(**c)).count();
        assert!((60..150).contains(&share(|count| count == 0)));
        assert!((140..260).contains(&share(|count| count == 1)));
        assert!(share(|count| count > 5) > 300);
        assert_eq!(NetworkRates::swarm(5), NetworkRates::swarm(5));
    }
}
