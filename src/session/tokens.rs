//! Whether requests carry tokens, and what is tried when the venue refuses them.
//!
//! The venue answers a bad token, a wrong key and an unknown channel with the same words, and is
//! silent afterwards. What it refused is asked for once more with a fresh token, then without
//! one, and then no more: each step is taken once on a connection, so nothing here can loop. A
//! connection that ends between two steps without a book hands the next step to the one after it.

use std::time::Instant;

use super::event::{AuthenticationFailure, SessionEvent};
use super::machine::Machine;
use super::subscription::Stage;
use crate::wire::RefusalKind;

/// How much of the venue's words is told: events wait in queues that are bounded by their number.
const MAX_REFUSAL_LEN: usize = 1_024;

/// How requests are made on this connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Way {
    /// Without tokens, because there are none or because they are refused.
    #[default]
    Bare,
    /// With a token each, after one was refused.
    Again,
    /// With a token each.
    Signed,
}

/// Where the requests of a connection stand with the venue.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tokens {
    way: Way,
    /// How many requests were sent before the last step: their answers say nothing of it.
    sent_before: u64,
    /// When the last step was taken.
    stepped_at: Option<Instant>,
    /// Whether the caller was told that no way is left.
    is_hopeless: bool,
    /// Whether the connection before refused tokens to its end.
    are_out_of_favour: bool,
    /// How far the venue's clock was ahead of this machine's at the last handshake, in seconds.
    clock_offset_s: Option<i64>,
}

impl Tokens {
    /// Begins a connection.
    pub(super) fn open(&mut self, authenticate: bool, retry_without_token: bool) {
        let is_bare = self.are_out_of_favour && retry_without_token;
        let way = if authenticate && !is_bare { Way::Signed } else { Way::Bare };
        *self = Self { way, clock_offset_s: self.clock_offset_s, ..Self::default() };
    }

    /// Returns whether a request made now is to carry a token.
    pub(super) fn are_wanted(&self) -> bool {
        self.way != Way::Bare
    }

    pub(super) const fn note_clock_offset(&mut self, seconds: i64) {
        self.clock_offset_s = Some(seconds);
    }
}

impl Machine {
    /// Takes the venue's word that it refuses a request.
    pub(super) fn refused(&mut self, now: Instant, kind: RefusalKind, message: &str) {
        self.stats.refused += 1;
        self.count_answer();
        let told =
            (0..=message.len().min(MAX_REFUSAL_LEN)).rev().find_map(|end| message.get(..end));
        self.push(SessionEvent::Refused { kind, message: told.unwrap_or_default().into() });
        if kind == RefusalKind::Authentication {
            self.authentication_failed(now);
        }
    }

    /// Ends a connection that had a live book, or never had one.
    ///
    /// A venue that answers several requests by one refusal, or falls silent after the first, lets
    /// nobody count which of them it refused, and the connection ends before the last step.
    pub(super) fn end_tokens(&mut self, had_book: bool) {
        self.tokens.are_out_of_favour = self.tokens.way == Way::Again && !had_book;
        if self.tokens.are_out_of_favour && !self.tokens.is_hopeless {
            self.tell_authentication_failed(self.config.policy.retry_without_token);
        }
    }

    /// Takes the next step of those that are left.
    fn authentication_failed(&mut self, now: Instant) {
        if self.requests_answered <= self.tokens.sent_before {
            return;
        }
        let next = match self.tokens.way {
            Way::Signed => Some(Way::Again),
            // Long ago, and books came since: that retry has served its purpose.
            Way::Again if self.has_been_healthy_since_step(now) => Some(Way::Again),
            Way::Again if self.config.policy.retry_without_token => Some(Way::Bare),
            Way::Again | Way::Bare => None,
        };
        let is_told = match next {
            Some(Way::Bare) => true,
            Some(_) => false,
            None => !std::mem::replace(&mut self.tokens.is_hopeless, true),
        };
        if is_told {
            self.tell_authentication_failed(next == Some(Way::Bare));
        }
        if let Some(way) = next {
            self.tokens.way = way;
            self.tokens.sent_before = self.requests_sent;
            self.tokens.stepped_at = Some(now);
            self.ask_again(now);
        }
    }

    fn tell_authentication_failed(&mut self, retries_without_token: bool) {
        self.push(SessionEvent::AuthenticationFailed(AuthenticationFailure {
            had_token: self.tokens.are_wanted(),
            retries_without_token,
            clock_offset_s: self.tokens.clock_offset_s,
        }));
    }

    fn has_been_healthy_since_step(&self, now: Instant) -> bool {
        let since = self.tokens.stepped_at.into_iter().chain(self.live_since).max();
        self.live_since.is_some()
            && since.is_some_and(|at| at + self.config.policy.healthy_after <= now)
    }

    /// Asks anew for whatever has not come: the venue does not say which request it refused.
    fn ask_again(&mut self, now: Instant) {
        self.wants_heartbeats = true;
        self.has_requests = true;
        for subscription in self.subscriptions.iter_mut() {
            if matches!(subscription.stage, Stage::Awaiting { .. }) {
                subscription.stage = Stage::Wanted { not_before: now, unsubscribes_first: false };
            }
        }
    }
}
