//! One connection: its subscriptions, its numbers, its queue.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::config::ExchangeConfig;
use super::counts::ExchangeCounts;
use super::rows::{Row, Rows};
use crate::frame::{Envelope, SimFrame};

/// The most frames queued on a connection; one more closes it.
pub const MAX_QUEUE_FRAMES: usize = 8_192;
/// The most bytes queued on a connection; one more closes it.
pub const MAX_QUEUE_BYTES: usize = 256 * 1024 * 1024;

/// The name of a connection; later connections have greater names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub(super) u64);

/// What a connection gets of a product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stream {
    /// Nothing: it is not subscribed.
    #[default]
    Off,
    /// The snapshot, and every update since.
    Whole,
    /// Updates without the snapshot before them.
    WithoutSnapshot,
    /// Nothing, although it is subscribed.
    Mute,
}

/// A product on a connection.
#[derive(Debug, Default)]
struct Subscription {
    stream: Stream,
    truth: Rows,
}

/// The faults that a test has ordered and that wait for their moment.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// Numbered frames to lose.
    pub(super) drops: u32,
    pub(super) acks_withheld: u32,
    pub(super) snapshots_withheld: u32,
    pub(super) streams_withheld: u32,
    pub(super) products_refused: u32,
    /// The error message that the next request is refused with.
    pub(super) refusal: Option<String>,
}

/// Counts one down. Returns whether there was one.
pub(super) fn take_one(count: &mut u32) -> bool {
    let is_due = *count > 0;
    *count -= u32::from(is_due);
    is_due
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) is_open: bool,
    since: Duration,
    /// Whether a valid subscribe has come.
    pub(super) has_subscribed: bool,
    subscriptions: BTreeMap<usize, Subscription>,
    pub(super) has_heartbeats: bool,
    queue: VecDeque<SimFrame>,
    queued_bytes: usize,
    sequence_next: u64,
    /// How many numbers were used before the last reset of the counter.
    sequences_before: u64,
    /// How often the counter was reset.
    epoch: u32,
    /// When the last numbered frame was sent.
    sent_at: Duration,
    /// How long the connection may be idle.
    patience: Option<Duration>,
    pub(super) orders: Orders,
}

impl Connection {
    pub(super) fn new(is_open: bool, since: Duration, patience: Option<Duration>) -> Self {
        Self {
            is_open,
            since,
            has_subscribed: false,
            subscriptions: BTreeMap::new(),
            has_heartbeats: false,
            queue: VecDeque::new(),
            queued_bytes: 0,
            sequence_next: 0,
            sequences_before: 0,
            epoch: 0,
            sent_at: since,
            patience,
            orders: Orders::default(),
        }
    }

    pub(super) fn close(&mut self) {
        self.is_open = false;
        for subscription in self.subscriptions.values_mut() {
            subscription.stream = Stream::Off;
        }
        self.has_heartbeats = false;
        self.queue = VecDeque::new();
        self.queued_bytes = 0;
    }

    /// Resets the counter: the next frame has the number 0.
    pub(super) fn reset_counter(&mut self) {
        self.sequences_before = self.sequence_next;
        self.sequence_next = 0;
        self.epoch += 1;
    }

    pub(super) fn poll_frame(&mut self) -> Option<SimFrame> {
        let frame = self.queue.pop_front()?;
        self.queued_bytes -= frame.text.len();
        Some(frame)
    }

    /// Iterates over the products that the connection is subscribed to.
    pub(super) fn products(&self) -> impl Iterator<Item = usize> + '_ {
        let on = self.subscriptions.iter().filter(|(_, held)| held.stream != Stream::Off);
        on.map(|(&product, _)| product)
    }

    pub(super) fn is_subscribed(&self, product: usize) -> bool {
        self.stream(product) != Stream::Off
    }

    pub(super) fn gets_updates(&self, product: usize) -> bool {
        matches!(self.stream(product), Stream::Whole | Stream::WithoutSnapshot)
    }

    pub(super) fn set_stream(&mut self, product: usize, stream: Stream) {
        self.subscriptions.entry(product).or_default().stream = stream;
    }

    /// Ends the subscription to a product, and with it the truth of its book.
    pub(super) fn unsubscribe(&mut self, product: usize, config: &ExchangeConfig) {
        let Some(held) = self.subscriptions.get_mut(&product) else {
            return;
        };
        if held.stream != Stream::Off {
            held.stream = Stream::Off;
            let row = Row::unsubscribed(self.epoch, self.sequence_next);
            held.truth.push(row, config.max_truth_frames);
        }
    }

    /// Remembers what is true of a product from the next number on, if the client can know it.
    pub(super) fn remember(&mut self, product: usize, truth: Row, config: &ExchangeConfig) {
        let Some(held) = self.subscriptions.get_mut(&product) else {
            return;
        };
        if held.stream == Stream::Whole {
            let row = truth.at(self.epoch, self.sequence_next);
            held.truth.push(row, config.max_truth_frames);
        }
    }

    /// Returns what was true of a product at the latest use of a number.
    pub(super) fn row(&self, product: usize, sequence: u64) -> Option<&Row> {
        let epoch = if sequence < self.sequence_next {
            self.epoch
        } else if sequence < self.sequences_before {
            self.epoch - 1
        } else {
            return None;
        };
        self.subscriptions.get(&product)?.truth.at(epoch, sequence)
    }

    /// Returns when the connection is to be closed if nothing changes until then.
    pub(super) fn deadline(&self, config: &ExchangeConfig) -> Option<Duration> {
        if !self.is_open {
            None
        } else if !self.has_subscribed {
            config.subscribe_deadline.map(|deadline| self.since.saturating_add(deadline))
        } else if self.has_heartbeats || self.products().next().is_none() {
            None
        } else {
            self.patience.map(|patience| self.sent_at.saturating_add(patience))
        }
    }

    /// Numbers a frame and queues it, unless it is to be dropped.
    pub(super) fn send(
        &mut self,
        now: Duration,
        envelope: &Envelope<'_>,
        event: &[u8],
        counts: &mut ExchangeCounts,
    ) {
        let sequence = self.sequence_next;
        self.sequence_next += 1;
        self.sent_at = now;
        if take_one(&mut self.orders.drops) {
            counts.dropped += 1;
            return;
        }
        let text = envelope.render(sequence, event);
        self.enqueue(SimFrame { sequence: Some(sequence), text }, counts);
    }

    /// Queues a frame; a connection without room for it is closed.
    pub(super) fn enqueue(&mut self, frame: SimFrame, counts: &mut ExchangeCounts) {
        if !self.is_open {
            return;
        }
        let bytes = self.queued_bytes + frame.text.len();
        if self.queue.len() >= MAX_QUEUE_FRAMES || bytes > MAX_QUEUE_BYTES {
            self.close();
            counts.overflows += 1;
            return;
        }
        self.queued_bytes = bytes;
        self.queue.push_back(frame);
        counts.frames += 1;
    }

    fn stream(&self, product: usize) -> Stream {
        self.subscriptions.get(&product).map_or(Stream::Off, |held| held.stream)
    }
}
