//! Whether requests carry tokens, and what is tried when the venue rejects them.
//!
//! The venue answers a bad token, a wrong key and an unknown channel with the same words, and is
//! silent afterwards. What it rejected is requested once more with a fresh token, then without
//! one, and then no more. Each step is taken once on a connection, so nothing here can loop. A
//! connection that ends between two steps without a book hands the next step to the one after it.

use std::time::{Duration, Instant};

use super::authentication::AuthenticationFailure;

/// What is known of tokens from connection to connection.
#[derive(Debug)]
pub(super) struct Tokens {
    /// Whether requests are to carry tokens.
    authenticate: bool,
    retry_without_token: bool,
    healthy_after: Duration,
    /// Whether the connection before rejected tokens to its end.
    were_rejected: bool,
    /// How far the venue's clock was ahead of this machine's at the last handshake, in seconds.
    clock_offset_s: Option<i64>,
}

/// How the requests of one connection are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signing {
    way: Way,
    /// The number of requests sent before the last step: their answers say nothing of it.
    sent_before: u64,
    /// When the last step was taken.
    stepped_at: Option<Instant>,
    /// Whether the caller knows that no way is left.
    is_reported: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Without tokens, because there are none or because they were rejected.
    Bare,
    /// With a token each, after one was rejected.
    Again,
    /// With a token each.
    Signed,
}

/// The venue's rejection of a request, and what its connection has sent and had until then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rejection {
    pub(super) now: Instant,
    /// The number of its requests sent.
    pub(super) sent: u64,
    /// The number of its requests answered, the rejected one included.
    pub(super) answered: u64,
    /// Since when it has had a live book.
    pub(super) live_since: Option<Instant>,
}

/// What to do after a rejection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// What to report.
    pub(super) failure: Option<AuthenticationFailure>,
    /// Whether to repeat the requests that were not served.
    pub(super) asks_again: bool,
}

impl Tokens {
    pub(super) const fn new(
        authenticate: bool,
        retry_without_token: bool,
        healthy_after: Duration,
    ) -> Self {
        Self {
            authenticate,
            retry_without_token,
            healthy_after,
            were_rejected: false,
            clock_offset_s: None,
        }
    }

    pub(super) const fn note_clock_offset(&mut self, seconds: i64) {
        self.clock_offset_s = Some(seconds);
    }

    /// Begins a connection.
    pub(super) const fn open(&mut self) -> Signing {
        let were_rejected = std::mem::replace(&mut self.were_rejected, false);
        let is_bare = !self.authenticate || were_rejected && self.retry_without_token;
        let way = if is_bare { Way::Bare } else { Way::Signed };
        Signing { way, sent_before: 0, stepped_at: None, is_reported: false }
    }

    /// Ends a connection that had a live book, or never had one. Returns what to report.
    ///
    /// A venue that answers several requests by one refusal, or falls silent after the first,
    /// leaves open which of them it rejected, and the connection ends before the last step.
    pub(super) fn end(
        &mut self,
        signing: Signing,
        had_book: bool,
    ) -> Option<AuthenticationFailure> {
        self.were_rejected = signing.way == Way::Again && !had_book;
        (self.were_rejected && !signing.is_reported)
            .then(|| self.failure(signing, self.retry_without_token))
    }

    /// Takes the next step, if one is left, after the venue has rejected a request as not
    /// authenticated.
    pub(super) fn step(&self, signing: &mut Signing, rejection: Rejection) -> Step {
        let Rejection { now, sent, answered, .. } = rejection;
        if answered <= signing.sent_before {
            return Step::default();
        }
        let next = match signing.way {
            Way::Signed => Some(Way::Again),
            // Long ago, and books came since: that retry has served its purpose.
            Way::Again if self.has_been_healthy_since(signing.stepped_at, rejection) => {
                Some(Way::Again)
            }
            Way::Again if self.retry_without_token => Some(Way::Bare),
            Way::Again | Way::Bare => None,
        };
        let failure = match next {
            Some(Way::Bare) => Some(self.failure(*signing, true)),
            Some(Way::Again | Way::Signed) => None,
            None => (!signing.is_reported).then(|| self.failure(*signing, false)),
        };
        match next {
            Some(way) => {
                *signing = Signing { way, sent_before: sent, stepped_at: Some(now), ..*signing };
            }
            None => signing.is_reported = true,
        }
        Step { failure, asks_again: next.is_some() }
    }

    const fn failure(
        &self,
        signing: Signing,
        retries_without_token: bool,
    ) -> AuthenticationFailure {
        AuthenticationFailure {
            had_token: signing.wants_token(),
            retries_without_token,
            clock_offset_s: self.clock_offset_s,
        }
    }

    fn has_been_healthy_since(&self, stepped_at: Option<Instant>, rejection: Rejection) -> bool {
        rejection.live_since.is_some_and(|live_since| {
            let since = stepped_at.map_or(live_since, |at| at.max(live_since));
            since + self.healthy_after <= rejection.now
        })
    }
}

impl Signing {
    /// Returns whether a request made now is to carry a token.
    pub(super) const fn wants_token(self) -> bool {
        !matches!(self.way, Way::Bare)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEALTHY_AFTER: Duration = Duration::from_secs(30);

    /// A connection whose requests are all answered by a refusal.
    struct Line {
        tokens: Tokens,
        signing: Signing,
        rejection: Rejection,
    }

    impl Line {
        fn new(authenticate: bool, retry_without_token: bool) -> Self {
            let mut tokens = Tokens::new(authenticate, retry_without_token, HEALTHY_AFTER);
            let signing = tokens.open();
            let now = Instant::now();
            let rejection = Rejection { now, sent: 0, answered: 0, live_since: None };
            Self { tokens, signing, rejection }
        }

        /// Sends requests, of which the first is refused.
        fn refused(&mut self, sent: u64) -> Step {
            self.rejection.sent += sent;
            self.rejection.answered = self.rejection.sent - sent + 1;
            self.tokens.step(&mut self.signing, self.rejection)
        }
    }

    fn failure(had_token: bool, retries_without_token: bool) -> Option<AuthenticationFailure> {
        Some(AuthenticationFailure { had_token, retries_without_token, clock_offset_s: None })
    }

    #[test]
    fn a_rejected_token_is_replaced_once_then_left_out_and_then_nothing_is_repeated() {
        let mut line = Line::new(true, true);
        assert!(line.signing.wants_token());
        assert_eq!(line.refused(2), Step { failure: None, asks_again: true });
        assert!(line.signing.wants_token(), "a fresh one");
        assert_eq!(line.refused(2), Step { failure: failure(true, true), asks_again: true });
        assert!(!line.signing.wants_token());
        assert_eq!(line.refused(2), Step { failure: failure(false, false), asks_again: false });
        assert_eq!(line.refused(2), Step::default(), "reported once");
    }

    #[test]
    fn answers_to_requests_before_the_last_step_are_no_news() {
        let mut line = Line::new(true, true);
        assert!(line.refused(2).asks_again);
        line.rejection.answered = 2;
        assert_eq!(line.tokens.step(&mut line.signing, line.rejection), Step::default());
    }

    #[test]
    fn without_leave_to_omit_it_a_rejected_token_is_the_last() {
        let mut line = Line::new(true, false);
        assert!(line.refused(1).asks_again);
        assert_eq!(line.refused(1), Step { failure: failure(true, false), asks_again: false });
        assert!(line.signing.wants_token());
    }

    #[test]
    fn a_retry_that_served_books_for_long_leaves_room_for_another() {
        let mut line = Line::new(true, true);
        line.refused(1);
        line.rejection.live_since = Some(line.rejection.now);
        line.rejection.now += HEALTHY_AFTER;
        assert_eq!(line.refused(1), Step { failure: None, asks_again: true });
        line.rejection.now += HEALTHY_AFTER - Duration::from_nanos(1);
        assert_eq!(line.refused(1).failure, failure(true, true), "counted from the last step");
    }

    #[test]
    fn a_connection_that_ends_between_two_steps_hands_over_the_next() {
        let mut line = Line::new(true, true);
        line.refused(1);
        assert_eq!(line.tokens.end(line.signing, false), failure(true, true));
        assert!(!line.tokens.open().wants_token());
        assert!(line.tokens.open().wants_token(), "for one connection only");
        line.refused(1);
        assert_eq!(line.tokens.end(line.signing, true), None, "a book was served");
        assert!(line.tokens.open().wants_token());
    }

    #[test]
    fn the_last_failure_is_not_reported_again_when_the_connection_ends() {
        let mut line = Line::new(true, false);
        line.tokens.note_clock_offset(-7);
        line.refused(1);
        let reported = line.refused(1).failure.unwrap();
        assert_eq!(reported.clock_offset_s, Some(-7));
        assert_eq!(line.tokens.end(line.signing, false), None);
    }
}
