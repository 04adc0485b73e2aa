//! One open connection of the network: what is on its way in either direction.

use std::collections::VecDeque;
use std::time::Duration;

use super::event::{Mark, NetworkEvent};
use crate::ended::Ended;
use crate::exchange::ConnectionId;
use crate::fault::FaultPlan;

/// The most requests on their way; further ones are lost.
const MAX_REQUESTS: usize = 1_024;

/// The most messages on their way; further ones wait in the queue of the exchange.
const MAX_MESSAGES: usize = 4_096;

/// Everything on its way between the two ends of a connection.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) id: ConnectionId,
    pub(super) plan: FaultPlan,
    pub(super) newest_sent: Option<Mark>,
    up: VecDeque<(Duration, String)>,
    down: VecDeque<(Duration, NetworkEvent)>,
    /// When the last of the messages for the client arrives.
    last_down: Duration,
    /// Whether nothing more is sent to the client: the connection was closed, or has gone silent.
    pub(super) has_ended: bool,
}

impl InFlight {
    pub(super) fn new(id: ConnectionId, plan: FaultPlan) -> Self {
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

    /// Returns the mark of the next frame: numbers only fall when the counter begins again.
    pub(super) fn mark(&self, sequence: u64) -> Mark {
        match self.newest_sent {
            Some(last) if sequence <= last.sequence => Mark { epoch: last.epoch + 1, sequence },
            Some(last) => Mark { epoch: last.epoch, sequence },
            None => Mark { epoch: 0, sequence },
        }
    }

    /// Returns whether the connection takes another frame of the exchange.
    pub(super) fn has_room(&self) -> bool {
        !self.has_ended && self.down.len() < MAX_MESSAGES
    }

    /// Sends a request that arrives at this moment, or after the one before it.
    pub(super) fn send_up(&mut self, at: Duration, text: String) {
        if self.up.len() < MAX_REQUESTS {
            let after = self.up.back().map_or(at, |(last, _)| at.max(*last));
            self.up.push_back((after, text));
        }
    }

    /// Sends the client an event that arrives at this moment, or after the one before it.
    pub(super) fn send_down(&mut self, at: Duration, event: NetworkEvent) {
        let at = at.max(self.last_down);
        self.last_down = at;
        self.down.push_back((at, event));
    }

    /// Takes the next request that has arrived at the exchange.
    pub(super) fn arrive_up(&mut self, now: Duration) -> Option<String> {
        pop_due(&mut self.up, now)
    }

    /// Takes the next event that has arrived at the client.
    pub(super) fn arrive_down(&mut self, now: Duration) -> Option<NetworkEvent> {
        pop_due(&mut self.down, now)
    }

    /// Returns when the next request or event arrives.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let up = self.up.front().map(|(at, _)| *at);
        let down = self.down.front().map(|(at, _)| *at);
        up.into_iter().chain(down).min()
    }

    /// Lets nothing that is on its way arrive before this moment.
    pub(super) fn hold_back(&mut self, until: Duration) {
        for (at, _) in &mut self.down {
            *at = (*at).max(until);
        }
        for (at, _) in &mut self.up {
            *at = (*at).max(until);
        }
    }

    /// Breaks the connection at this moment: what would arrive later is lost. Returns whether it
    /// had not ended by then.
    pub(super) fn break_at(&mut self, at: Duration) -> bool {
        self.down.retain(|(due, _)| *due <= at);
        let is_over = matches!(self.down.back(), Some((_, NetworkEvent::Closed(_))));
        if !is_over {
            self.down.push_back((at, NetworkEvent::Closed(Ended::Reset)));
        }
        self.has_ended = true;
        !is_over
    }

    /// Ends the connection at this moment, after everything that is on its way.
    pub(super) fn end(&mut self, at: Duration, reason: Ended) {
        if !std::mem::replace(&mut self.has_ended, true) {
            let at = at.max(self.last_down);
            self.down.push_back((at, NetworkEvent::Closed(reason)));
        }
    }
}

/// Takes the front of a queue if its moment has come.
pub(super) fn pop_due<T>(queue: &mut VecDeque<(Duration, T)>, now: Duration) -> Option<T> {
    if queue.front()?.0 > now {
        return None;
    }
    queue.pop_front().map(|(_, item)| item)
}
