//! How soon the session dials again, by what ended the connection.

use super::*;

const LONGEST: Duration = Duration::from_secs(30);

fn by_venue(code: u16) -> Disconnect {
    Disconnect::ByVenue { code: Some(code), reason: "".into() }
}

fn rejected(status: u16, retry_after_s: Option<u64>) -> Disconnect {
    Disconnect::Rejected { status, retry_after: retry_after_s.map(Duration::from_secs) }
}

fn bad_certificate() -> Disconnect {
    Disconnect::NotConnected { stage: DialStage::Certificate, error: "expired".into() }
}

/// The shortest and the longest of many waits after a live connection ended so.
fn waits_after(reason: &Disconnect) -> (Duration, Duration) {
    let wait = |seed| {
        let mut harness = Harness::new(SessionConfig { seed, ..config(&[BTC]) });
        harness.reconnect();
        harness.advance_beating(2);
        harness.session.handle(harness.now, Input::Closed(reason.clone()));
        harness.assert_all_withdrawn();
        harness.advance_to_dial()
    };
    let waits: Vec<Duration> = (0..100).map(wait).collect();
    (*waits.iter().min().unwrap(), *waits.iter().max().unwrap())
}

/// The same for dials that fail, of which the first is measured.
fn waits_after_dial(reason: &Disconnect) -> (Duration, Duration) {
    let wait = |seed| {
        let mut harness = Harness::new(SessionConfig { seed, ..config(&[BTC]) });
        harness.advance_to_dial();
        harness.session.handle(harness.now, Input::Closed(reason.clone()));
        harness.advance_to_dial()
    };
    let waits: Vec<Duration> = (0..100).map(wait).collect();
    (*waits.iter().min().unwrap(), *waits.iter().max().unwrap())
}

#[test]
fn a_venue_that_restarts_or_is_done_is_dialled_soon() {
    for code in [1_000, 1_001, 1_012, 1_013] {
        let (_, longest) = waits_after(&by_venue(code));
        assert!(longest <= Duration::from_millis(125), "{code}: {longest:?}");
    }
}

#[test]
fn a_venue_that_finds_fault_with_the_client_is_dialled_late() {
    for code in [1_008, 1_009, 4_000, 4_999] {
        let (shortest, longest) = waits_after(&by_venue(code));
        assert!(shortest >= LONGEST / 2 && longest <= LONGEST, "{code}: {shortest:?} {longest:?}");
    }
    for reason in [rejected(403, None), rejected(429, None), rejected(302, None), bad_certificate()]
    {
        let (shortest, longest) = waits_after_dial(&reason);
        assert!(shortest >= LONGEST / 2 && longest <= LONGEST, "{reason}: {shortest:?}");
    }
}

#[test]
fn anything_else_is_dialled_after_the_usual_wait() {
    let broken = Disconnect::Transport("reset".into());
    let bare = Disconnect::ByVenue { code: None, reason: "".into() };
    for reason in [by_venue(1_011), by_venue(1_002), by_venue(3_000), broken, bare] {
        let (_, longest) = waits_after(&reason);
        assert!(longest <= Duration::from_millis(200), "{reason}: {longest:?}");
    }
    for status in [500, 502, 503] {
        let (_, longest) = waits_after_dial(&rejected(status, None));
        assert!(longest <= Duration::from_millis(125), "{status}: {longest:?}");
    }
}

#[test]
fn a_retry_after_is_kept_to_and_bounded() {
    for status in [429, 503] {
        for (asked, expected) in [(0, 0), (7, 7), (300, 300), (86_400, 300), (u64::MAX, 300)] {
            let (shortest, longest) = waits_after_dial(&rejected(status, Some(asked)));
            let expected = Duration::from_secs(expected);
            assert!(shortest >= expected, "{asked} s: {shortest:?}");
            assert!(longest <= expected + Duration::from_millis(125), "{asked} s: {longest:?}");
        }
    }
    let max_retry_after = Duration::from_secs(3);
    let mut harness = Harness::new(tuned(config(&[BTC]), |policy| {
        policy.max_retry_after = max_retry_after;
    }));
    harness.advance_to_dial();
    harness.session.handle(harness.now, Input::Closed(rejected(503, Some(100))));
    assert!(harness.advance_to_dial() <= Duration::from_secs(4));
}

#[test]
fn being_rejected_too_often_ends_the_session_if_it_may() {
    let max_rejections = NonZeroU32::new(3);
    let mut harness = Harness::new(tuned(config(&[BTC]), |policy| {
        policy.max_rejections = max_rejections;
    }));
    harness.reconnect();
    for reason in [by_venue(1_008), by_venue(4_001), by_venue(1_011)] {
        harness.session.handle(harness.now, Input::Closed(reason));
        assert!(!harness.session.is_ended());
        harness.reconnect();
    }
    // Another reason came between: the count starts over.
    harness.session.handle(harness.now, Input::Closed(by_venue(1_008)));
    harness.advance_to_dial();
    harness.session.handle(harness.now, Input::Closed(rejected(403, None)));
    harness.advance_to_dial();
    assert!(!harness.session.is_ended());
    harness.session.handle(harness.now, Input::Closed(bad_certificate()));
    assert!(harness.session.is_ended());
    assert_eq!(harness.events().last(), Some(&SessionEvent::Rejected { times: 3 }));
    assert_eq!(harness.advance(Duration::from_secs(100_000)), []);
    harness.assert_all_withdrawn();
}

#[test]
fn by_default_no_turning_away_is_ever_the_last() {
    let mut harness = Harness::new(config(&[BTC]));
    for _ in 0..50 {
        harness.reconnect();
        harness.session.handle(harness.now, Input::Closed(by_venue(1_008)));
    }
    assert!(!harness.session.is_ended());
}

#[test]
fn only_messages_too_large_one_after_the_other_make_dials_slow() {
    let too_large = Disconnect::MessageTooLarge { size: 2, limit: 1 };
    let broken = Disconnect::Transport("reset".into());
    let shortest_wait = |between: fn(&mut Harness, &Disconnect), other: &Disconnect| {
        let wait = |seed| {
            let mut harness = Harness::new(SessionConfig { seed, ..config(&[BTC]) });
            for _ in 0..2 {
                harness.reconnect();
                harness.session.handle(harness.now, Input::Closed(too_large.clone()));
            }
            harness.reconnect();
            between(&mut harness, other);
            harness.session.handle(harness.now, Input::Closed(too_large.clone()));
            harness.advance_to_dial()
        };
        (0..20).map(wait).min().unwrap()
    };
    let healthy = |harness: &mut Harness, _: &Disconnect| drop(harness.advance_beating(40));
    let interrupted = |harness: &mut Harness, other: &Disconnect| {
        harness.session.handle(harness.now, Input::Closed(other.clone()));
        harness.reconnect();
    };
    assert!(shortest_wait(|_, _| {}, &broken) >= LONGEST / 2);
    assert!(shortest_wait(healthy, &broken) < Duration::from_secs(1));
    assert!(shortest_wait(interrupted, &broken) < Duration::from_secs(1));
}
