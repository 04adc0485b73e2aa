//! The network: dials, and frames and requests in transit.

use std::collections::VecDeque;
use std::time::Duration;

use fastrand::Rng;

use super::counts::NetworkCounts;
use super::event::{Mark, NetworkEvent, NetworkMessage};
use super::in_flight::{InFlight, pop_due};
use super::rates::NetworkRates;
use crate::ended::Ended;
use crate::exchange::{ConnectionId, Exchange};
use crate::fault::{Fate, Fault, FaultPlan, FaultedFrame};
use crate::frame::SimFrame;

/// The codes that a [`Network`] lets the venue close connections with: going away, restarting, a
/// violated policy, a message that was too large, an error of its own, reasons of its own.
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

/// The HTTP statuses that a [`Network`] answers dials with, and the `Retry-After` in seconds.
pub const REJECTIONS: [(u16, Option<u64>); 6] =
    [(302, None), (403, None), (429, None), (429, Some(2)), (503, None), (503, Some(1))];

/// The network between one client and the exchange; one connection at a time.
///
/// Times are [`Duration`]s since the start of the exchange and must not run backwards.
///
/// ```
/// use std::time::Duration;
///
/// use level2_sim::{Exchange, ExchangeConfig, Network, NetworkEvent, NetworkRates};
///
/// let subscribe = r#"{"type":"subscribe","product_ids":["BTC-USD"],"channel":"level2"}"#;
/// let mut exchange = Exchange::new(ExchangeConfig::default());
/// let mut network = Network::new(7, NetworkRates::swarm(7));
/// network.dial(Duration::ZERO);
///
/// // Ten seconds, in steps of a millisecond, without waiting.
/// let mut messages = 0;
/// for now in (0..10_000).map(Duration::from_millis) {
///     exchange.advance(now);
///     while let Some(event) = network.poll(&mut exchange, now) {
///         match event {
///             NetworkEvent::Opened => network.send(now, subscribe.to_owned()),
///             NetworkEvent::Message(_) => messages += 1,
///             NetworkEvent::Closed(_) => network.dial(now),
///         }
///     }
/// }
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
    /// What the next frame suffers, whatever the rates say.
    ordered: Option<Fault>,
    /// Connections that the client has dropped while the exchange still takes them for open.
    ghosts: VecDeque<(Duration, ConnectionId)>,
    counts: NetworkCounts,
    /// Scratch: what becomes of one frame.
    fates: Vec<Fate>,
}

/// The state of the client's connection.
#[derive(Debug)]
enum State {
    Down,
    /// When the dial ends, and how; `None` if it is never answered.
    Dialing(Option<(Duration, Result<(), Ended>)>),
    Open(Box<InFlight>),
}

impl Network {
    /// Returns a network without a connection. The same seed and the same calls give the same
    /// faults.
    #[must_use]
    pub fn new(seed: u64, rates: NetworkRates) -> Self {
        Self {
            seed,
            rng: Rng::with_seed(seed),
            rates,
            state: State::Down,
            clogged_until: Duration::ZERO,
            partitioned_until: Duration::ZERO,
            ordered: None,
            ghosts: VecDeque::new(),
            counts: NetworkCounts::default(),
            fates: Vec::new(),
        }
    }

    /// Begins to dial; [`poll`](Self::poll) reports the outcome, if there is one.
    ///
    /// # Panics
    /// If there is a connection or a dial already: a client has one at a time.
    pub fn dial(&mut self, now: Duration) {
        assert!(
            matches!(self.state, State::Down),
            "a client that is connected or dialing cannot dial: hang up first"
        );
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
        if let State::Open(in_flight) = &mut self.state {
            in_flight.send_up(at, text);
        }
    }

    /// Drops the connection, or the dial that is under way. What was on its way is lost.
    pub fn hang_up(&mut self, exchange: &mut Exchange, now: Duration) {
        if let State::Open(mut in_flight) = std::mem::replace(&mut self.state, State::Down) {
            self.counts.faults.add(&in_flight.plan.take_counts());
            if now < self.partitioned_until {
                self.ghosts.push_back((self.partitioned_until, in_flight.id));
            } else {
                exchange.disconnect(in_flight.id);
            }
        }
    }

    /// Carries what is due by `now` in both directions and returns the next thing that the client
    /// notices. Call it until it returns `None`.
    ///
    /// The exchange should have been [advanced](Exchange::advance) to `now`.
    pub fn poll(&mut self, exchange: &mut Exchange, now: Duration) -> Option<NetworkEvent> {
        self.poll_watching(exchange, now, |_, _, _| {})
    }

    /// As [`poll`](Self::poll), and calls `watch` with each frame as the exchange sent it, before
    /// anything happens to it: a test needs that, and the exchange as it is at this frame, to know
    /// what is true.
    pub fn poll_watching(
        &mut self,
        exchange: &mut Exchange,
        now: Duration,
        mut watch: impl FnMut(&Exchange, &SimFrame, Option<Mark>),
    ) -> Option<NetworkEvent> {
        while let Some(id) = pop_due(&mut self.ghosts, now) {
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

    /// Returns when [`poll`](Self::poll) may next have something to do, as far as it is known
    /// without the exchange.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        let ghosts = self.ghosts.front().map(|(until, _)| *until);
        let state = match &self.state {
            State::Down => None,
            State::Dialing(outcome) => outcome.as_ref().map(|(at, _)| *at),
            State::Open(in_flight) => in_flight.next_due(),
        };
        ghosts.into_iter().chain(state).min()
    }

    /// Returns the connection of the exchange, if the client has one that the exchange knows.
    #[must_use]
    pub fn connection(&self) -> Option<ConnectionId> {
        match &self.state {
            State::Open(in_flight) => Some(in_flight.id),
            State::Down | State::Dialing(_) => None,
        }
    }

    /// Returns the number of the newest frame that the network has taken from the exchange on this
    /// connection, delivered or not.
    #[must_use]
    pub fn newest_sent(&self) -> Option<Mark> {
        match &self.state {
            State::Open(in_flight) => in_flight.newest_sent,
            State::Down | State::Dialing(_) => None,
        }
    }

    /// Replaces the rates. Faults that have struck already go on to their end: a stall lasts as
    /// long as the connection, a partition as long as it was drawn to last.
    pub fn set_rates(&mut self, rates: NetworkRates) {
        self.rates = rates;
        if let State::Open(in_flight) = &mut self.state {
            self.counts.faults.add(&in_flight.plan.take_counts());
            in_flight.plan = FaultPlan::new(self.seed, rates.faults).fork(self.counts.dials);
        }
    }

    /// Lets the next frame that the exchange sends suffer this fault, on this connection or on a
    /// later one, whatever the rates say. The frame with which a counter begins again is passed
    /// over. A frame that overtakes another is not overtaken itself.
    ///
    /// A further call replaces a fault that has not struck yet.
    pub fn strike_next(&mut self, fault: Fault) {
        self.ordered = Some(fault);
    }

    /// Returns the fault of [`strike_next`](Self::strike_next) that has not struck yet.
    #[must_use]
    pub fn next_fault(&self) -> Option<Fault> {
        self.ordered
    }

    /// Breaks the connection at this moment, without a close frame: what would reach the client
    /// later is lost. The exchange learns of it when the client does.
    ///
    /// # Panics
    /// If there is no connection.
    pub fn break_at(&mut self, at: Duration) {
        let State::Open(in_flight) = &mut self.state else {
            panic!("there is no connection to break: wait for `NetworkEvent::Opened`");
        };
        self.counts.faults.aborts += u64::from(in_flight.break_at(at));
    }

    /// Begins a partition that lasts until this moment: nothing gets through either way.
    pub fn partition(&mut self, until: Duration) {
        self.counts.partitions += 1;
        self.partitioned_until = self.partitioned_until.max(until);
        if let State::Open(in_flight) = &mut self.state {
            // What is on its way is sent again once the network is whole.
            in_flight.hold_back(until);
        }
        if let State::Dialing(outcome) = &mut self.state {
            *outcome = None;
        }
    }

    /// Returns the end of the last partition or clog.
    #[must_use]
    pub fn held_until(&self) -> Duration {
        self.partitioned_until.max(self.clogged_until)
    }

    /// Returns the counters since the start.
    #[must_use]
    pub fn counts(&self) -> NetworkCounts {
        let mut counts = self.counts;
        if let State::Open(in_flight) = &self.state {
            counts.faults.add(&in_flight.plan.counts());
        }
        counts
    }

    fn finish_dial(&mut self, exchange: &mut Exchange, outcome: Result<(), Ended>) -> NetworkEvent {
        match outcome {
            Ok(()) => {
                let plan = FaultPlan::new(self.seed, self.rates.faults).fork(self.counts.dials);
                self.state = State::Open(Box::new(InFlight::new(exchange.connect(), plan)));
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
        let State::Open(in_flight) = &mut self.state else { return };
        while let Some(text) = in_flight.arrive_up(now) {
            exchange.receive(in_flight.id, now, &text);
        }
    }

    /// Takes frames from the exchange, through the faults.
    fn carry_down(
        &mut self,
        exchange: &mut Exchange,
        now: Duration,
        watch: &mut impl FnMut(&Exchange, &SimFrame, Option<Mark>),
    ) {
        loop {
            let State::Open(in_flight) = &mut self.state else { return };
            // A client that does not read fills the connection, and then the queue of the exchange.
            if !in_flight.has_room() {
                return;
            }
            let Some(frame) = exchange.poll_frame(in_flight.id) else { break };
            let mark = frame.sequence.map(|sequence| in_flight.mark(sequence));
            in_flight.newest_sent = mark.or(in_flight.newest_sent);
            watch(exchange, &frame, mark);
            let mut fates = std::mem::take(&mut self.fates);
            // A counter that had only just begun, begins again and then loses its zero, or has an
            // earlier frame delivered after it, looks like one that goes on: no client can detect
            // that. So the zero always arrives, intact and in order.
            let epoch = mark.map_or(0, |mark| mark.epoch);
            if epoch > 0 && frame.sequence == Some(0) {
                in_flight.plan.flush(&mut fates);
                let (bytes, sequence) = (frame.text.into_bytes(), frame.sequence);
                fates.push(Fate::Text(FaultedFrame { bytes, sequence, epoch, is_intact: true }));
            } else if let Some(fault) = self.ordered.take() {
                in_flight.plan.strike_with(Some(fault), frame, epoch, &mut fates);
            } else {
                in_flight.plan.strike(frame, epoch, &mut fates);
            }
            for fate in fates.drain(..) {
                self.send_down(exchange, now, fate);
            }
            self.fates = fates;
            self.strike_connection(exchange, now);
        }
        if let State::Open(in_flight) = &mut self.state
            && !exchange.is_open(in_flight.id)
        {
            in_flight.end(now, Ended::Reset);
        }
    }

    /// Sends the client one message, or the end of the connection.
    fn send_down(&mut self, exchange: &mut Exchange, now: Duration, fate: Fate) {
        let latency = self.draw_latency();
        let held = self.held_until();
        let State::Open(in_flight) = &mut self.state else { return };
        match fate {
            Fate::Text(frame) if !in_flight.has_ended => {
                let FaultedFrame { bytes, sequence, epoch, is_intact } = frame;
                let mark = sequence.map(|sequence| Mark { epoch, sequence });
                let message = NetworkMessage { bytes, mark, is_intact };
                in_flight.send_down((now + latency).max(held), NetworkEvent::Message(message));
            }
            Fate::Text(_) => {}
            Fate::Abort => {
                exchange.disconnect(in_flight.id);
                in_flight.end(now + latency, Ended::Reset);
            }
            // The exchange goes on sending; nothing of it arrives.
            Fate::Stall => in_flight.has_ended = true,
            Fate::ResetCounter => exchange.reset_counter(in_flight.id),
        }
    }

    /// Draws whether something happens to the connection, or to the network, after a frame.
    fn strike_connection(&mut self, exchange: &mut Exchange, now: Duration) {
        let rates = self.rates;
        if self.strikes(rates.clog_ppm) {
            self.counts.clogs += 1;
            let until = now + self.draw_up_to(rates.max_clog);
            self.clogged_until = self.clogged_until.max(until);
        }
        if self.strikes(rates.partition_ppm) {
            let until = now + self.draw_up_to(rates.max_partition);
            self.partition(until);
        }
        if self.strikes(rates.close_ppm) {
            self.counts.closes += 1;
            let at = now + self.draw_latency();
            let code = CLOSE_CODES[self.rng.usize(0..CLOSE_CODES.len())];
            let State::Open(in_flight) = &mut self.state else { return };
            exchange.disconnect(in_flight.id);
            in_flight.end(at, Ended::Closed { code, reason: "simulated".to_owned() });
        }
    }

    /// Takes the next event that has arrived at the client.
    fn arrive(&mut self, exchange: &mut Exchange, now: Duration) -> Option<NetworkEvent> {
        let State::Open(in_flight) = &mut self.state else { return None };
        let event = in_flight.arrive_down(now)?;
        if matches!(event, NetworkEvent::Closed(_)) {
            self.hang_up(exchange, now);
        }
        Some(event)
    }

    /// Draws whether something happens; nothing is drawn for a rate of zero.
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
