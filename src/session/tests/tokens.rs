//! What is tried when the venue refuses requests as not authenticated, and that it ends.

use std::time::Duration;

use super::harness::*;
use crate::session::{AuthenticationFailure, LikelyCause, Output, SessionConfig, SessionEvent};
use crate::wire::RefusalKind;

const REFUSAL: &str = "authentication failure";

fn signed(products: &[&str]) -> SessionConfig {
    SessionConfig { authenticate: true, ..config(products) }
}

/// The requests among outputs, each with whether it asks for a token.
fn asked(outputs: &[Output]) -> Vec<(String, bool)> {
    let tokens = outputs.iter().filter_map(|output| match output {
        Output::Send(request) => Some(request.wants_token),
        _ => None,
    });
    requests_of(outputs).into_iter().zip(tokens).collect()
}

fn both(wants_token: bool) -> Vec<(String, bool)> {
    ["subscribe level2 BTC-USD", "subscribe heartbeats"]
        .map(|request| (request.to_owned(), wants_token))
        .to_vec()
}

fn failures(outputs: Vec<Output>) -> Vec<AuthenticationFailure> {
    let failure = |event| match event {
        SessionEvent::AuthenticationFailed(failure) => Some(failure),
        _ => None,
    };
    events_of(outputs).into_iter().filter_map(failure).collect()
}

/// A session that was refused its first requests, and has made them again with fresh tokens.
fn refused_once(config: SessionConfig) -> Harness {
    let mut harness = Harness::new(config);
    harness.open();
    harness.drain();
    harness.error(REFUSAL);
    harness.error(REFUSAL);
    assert_eq!(asked(&harness.drain()), both(true));
    harness
}

#[test]
fn without_leave_to_ask_without_a_token_the_failure_is_reported_and_nothing_more_is_sent() {
    let config = tuned(signed(&[BTC]), |policy| {
        policy.retry_without_token = false;
    });
    let mut harness = refused_once(config);
    let mut reported = Vec::new();
    for _ in 0..20 {
        harness.error(REFUSAL);
        let outputs = harness.drain();
        assert_eq!(asked(&outputs), []);
        reported.extend(failures(outputs));
    }
    let [failure] = reported[..] else { panic!("expected one event, got {reported:?}") };
    assert!(failure.had_token && !failure.retries_without_token);
    // The book is requested again at growing intervals, like any whose snapshot does not come.
    let requests = asked(&harness.advance_beating(600));
    assert!(requests.len() < 150, "{} requests in ten minutes", requests.len());
    assert!(requests.iter().all(|(_, wants_token)| *wants_token));
}

#[test]
fn a_venue_that_refuses_everything_is_asked_at_growing_intervals() {
    for retry_without_token in [true, false] {
        let mut harness = Harness::new(tuned(signed(&[BTC]), |policy| {
            policy.retry_without_token = retry_without_token;
        }));
        let mut requests = 0;
        let start = harness.now;
        while harness.now < start + Duration::from_secs(3_600) {
            for output in harness.advance(Duration::from_secs(1)) {
                match output {
                    Output::Connect => harness.opened(),
                    Output::Send(_) => {
                        requests += 1;
                        harness.error(REFUSAL);
                    }
                    _ => {}
                }
            }
            if harness.session.is_connected() {
                harness.heartbeat();
            }
        }
        assert!(requests < 500, "{requests} requests in an hour");
    }
}

#[test]
fn a_new_connection_tries_the_token_again() {
    let mut harness = Harness::new(signed(&[BTC]));
    harness.open();
    harness.drain();
    for _ in 0..2 {
        harness.error(REFUSAL);
        harness.error(REFUSAL);
        harness.drain();
    }
    harness.close_by_venue();
    harness.advance_to_dial();
    harness.opened();
    assert_eq!(asked(&harness.advance(SECOND)), both(true));
}

/// The venue answers both requests by one refusal, and is silent then: the session hears of one
/// refusal a connection less than it takes to get to the last step.
#[test]
fn a_venue_that_says_no_once_and_falls_silent_gets_no_token_on_the_next_connection() {
    for retry_without_token in [true, false] {
        let mut harness = Harness::new(tuned(signed(&[BTC]), |policy| {
            policy.retry_without_token = retry_without_token;
        }));
        harness.open();
        assert_eq!(asked(&harness.drain()), both(true));
        harness.error(REFUSAL);
        assert_eq!(asked(&harness.drain()), both(true));
        harness.error(REFUSAL);
        let outputs = harness.advance(Duration::from_secs(5));
        assert_eq!(asked(&outputs), []);
        let [failure] = failures(outputs)[..] else { panic!("expected one event") };
        assert!(failure.had_token);
        assert_eq!(failure.retries_without_token, retry_without_token);
        harness.advance_to_dial();
        harness.opened();
        assert_eq!(asked(&harness.advance(SECOND)), both(!retry_without_token));
        if retry_without_token {
            // Without it there are books; the connection after that tries the token again.
            harness.sync_all();
            harness.close_by_venue();
            harness.advance_to_dial();
            harness.opened();
            assert_eq!(asked(&harness.advance(SECOND)), both(true));
        }
    }
}

#[test]
fn after_a_long_time_live_a_refusal_is_retried_once_more() {
    let mut harness = refused_once(SessionConfig { authenticate: true, ..resubscribing(&[BTC]) });
    harness.sync_all();
    for _ in 0..3 {
        harness.advance_beating(30);
        harness.lose_frames(1);
        harness.heartbeat();
        assert_eq!(asked(&harness.advance_beating(2)).len(), 2);
        harness.error(REFUSAL);
        harness.error(REFUSAL);
        assert_eq!(asked(&harness.drain()), both(true), "never without, if it once worked");
        harness.sync_all();
    }
}

#[test]
fn soon_after_a_retry_a_refusal_leaves_the_token_out_though_books_came() {
    let mut harness = refused_once(SessionConfig { authenticate: true, ..resubscribing(&[BTC]) });
    harness.sync_all();
    harness.lose_frames(1);
    harness.heartbeat();
    assert_eq!(asked(&harness.advance_beating(2)).len(), 2);
    harness.error(REFUSAL);
    harness.error(REFUSAL);
    assert_eq!(asked(&harness.drain()), both(false));
}

#[test]
fn without_credentials_no_request_asks_for_a_token_and_a_failure_repeats_none() {
    let mut harness = Harness::new(config(&[BTC]));
    harness.open();
    assert_eq!(asked(&harness.drain()), both(false));
    harness.error(REFUSAL);
    let outputs = harness.drain();
    assert_eq!(asked(&outputs), []);
    let [failure] = failures(outputs)[..] else { panic!("expected one event") };
    let causes: Vec<LikelyCause> = failure.likely_causes().collect();
    assert_eq!(causes, [LikelyCause::NoToken, LikelyCause::Channel]);
}

#[test]
fn the_beginning_of_a_long_refusal_is_reported() {
    let mut harness = Harness::live(config(&[BTC]));
    // The bound falls into the middle of a character.
    harness.error(&format!("x{}", "é".repeat(100_000)));
    let (kind, shown) = (RefusalKind::Other, format!("x{}", "é".repeat(511)));
    assert_eq!(harness.events(), [SessionEvent::Refused { kind, message: shown.into() }]);
}

#[test]
fn other_refusals_leave_the_tokens_alone() {
    let mut harness = Harness::new(signed(&[BTC]));
    harness.open();
    harness.drain();
    for message in ["failure to subscribe", "authentication", "too many requests"] {
        harness.error(message);
        let outputs = harness.drain();
        assert_eq!((asked(&outputs), failures(outputs)), (vec![], vec![]));
    }
}
