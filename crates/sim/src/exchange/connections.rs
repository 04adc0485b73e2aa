//! All connections of the exchange, and when they have to be closed.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;

use super::config::ExchangeConfig;
use super::connection::{Connection, ConnectionId};
use super::counts::ExchangeCounts;
use super::limits::RateLimit;
use crate::hash::fnv1a;

/// The most connections open at a time.
pub const MAX_CONNECTIONS_OPEN: usize = 1_024;
/// The most closed connections whose truth is kept.
pub const MAX_CONNECTIONS_CLOSED: usize = 16;

/// The connections that are open, and the latest of those that are closed.
#[derive(Debug)]
pub(super) struct Connections {
    by_id: BTreeMap<ConnectionId, Connection>,
    opened_ever: u64,
    limit: RateLimit,
    /// No connection has to be closed before this.
    deadline_due: Duration,
}

impl Connections {
    pub(super) fn new(config: &ExchangeConfig) -> Self {
        Self {
            by_id: BTreeMap::new(),
            opened_ever: 0,
            limit: RateLimit::new(config.connections_per_second),
            deadline_due: Duration::MAX,
        }
    }

    /// Adds a connection, which is closed from the beginning where the limits refuse it.
    pub(super) fn open(
        &mut self,
        now: Duration,
        config: &ExchangeConfig,
        counts: &mut ExchangeCounts,
    ) -> ConnectionId {
        let id = ConnectionId(self.opened_ever);
        self.opened_ever += 1;
        let has_room = self.open_ids().count() < MAX_CONNECTIONS_OPEN;
        let is_open = has_room && self.limit.lets_pass(now);
        counts.refused += u64::from(!is_open);
        self.by_id.insert(id, Connection::new(is_open, now, draw_patience(id, config)));
        self.note_deadline(id, config);
        self.forget_closed();
        id
    }

    /// Closes a connection, if it is known.
    pub(super) fn close(&mut self, id: ConnectionId) {
        if let Some(connection) = self.by_id.get_mut(&id) {
            connection.close();
        }
        self.forget_closed();
    }

    /// Returns when the next connection may have to be closed.
    pub(super) fn due(&self) -> Duration {
        self.deadline_due
    }

    /// Closes the connections whose deadline has come.
    pub(super) fn close_late(
        &mut self,
        now: Duration,
        config: &ExchangeConfig,
        counts: &mut ExchangeCounts,
    ) {
        self.deadline_due = Duration::MAX;
        let mut are_closed = false;
        for connection in self.by_id.values_mut() {
            let Some(deadline) = connection.deadline(config) else {
                continue;
            };
            if deadline > now {
                self.deadline_due = self.deadline_due.min(deadline);
                continue;
            }
            match connection.has_subscribed {
                true => counts.idle += 1,
                false => counts.silent += 1,
            }
            connection.close();
            are_closed = true;
        }
        if are_closed {
            self.forget_closed();
        }
    }

    /// Makes [`due`](Self::due) no later than the deadline of a connection.
    pub(super) fn note_deadline(&mut self, id: ConnectionId, config: &ExchangeConfig) {
        let connection = self.by_id.get(&id);
        if let Some(deadline) = connection.and_then(|known| known.deadline(config)) {
            self.deadline_due = self.deadline_due.min(deadline);
        }
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.by_id.values()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Connection> {
        self.by_id.values_mut()
    }

    /// Iterates over the names of all that are known, oldest first.
    pub(super) fn ids(&self) -> impl Iterator<Item = ConnectionId> + '_ {
        self.by_id.keys().copied()
    }

    /// Iterates over the names of the open ones, oldest first.
    pub(super) fn open_ids(&self) -> impl Iterator<Item = ConnectionId> + '_ {
        self.by_id.iter().filter(|(_, connection)| connection.is_open).map(|(&id, _)| id)
    }

    /// Forgets the oldest closed connections beyond the number that is kept.
    fn forget_closed(&mut self) {
        let closed = self.by_id.values().filter(|connection| !connection.is_open).count();
        let mut surplus = closed.saturating_sub(MAX_CONNECTIONS_CLOSED);
        if surplus > 0 {
            self.by_id.retain(|_, connection| {
                let is_kept = connection.is_open || surplus == 0;
                surplus -= usize::from(!is_kept);
                is_kept
            });
        }
    }
}

/// Draws how long a connection may be idle. It comes from the seed and the connection alone, so
/// that nothing else depends on it.
fn draw_patience(id: ConnectionId, config: &ExchangeConfig) -> Option<Duration> {
    let range = config.idle_deadline.as_ref()?;
    let seed = fnv1a(&[config.seed.to_le_bytes(), id.0.to_le_bytes()].concat());
    let spread_ms = range.end().saturating_sub(*range.start()).as_millis();
    let spread_ms = u64::try_from(spread_ms).unwrap_or(u64::MAX);
    let drawn = Duration::from_millis(Rng::with_seed(seed).u64(0..=spread_ms));
    Some(range.start().saturating_add(drawn))
}
