//! Tokens over TLS, against an exchange that checks each: taken, refused, and what follows then.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use level2::auth::Credentials;
use level2::feed::{Feed, FeedConfig, Roots};
use level2::session::{AuthenticationFailure, LikelyCause, Resync, SessionEvent};
use level2_sim::{ExchangeConfig, PublicKey, Server, ServerConfig, TokenFault, TokenRules};

use crate::keys::{KEY_NAME, TestKey};
use crate::support::*;
use crate::tls::*;

fn public_key(key: &TestKey) -> PublicKey {
    match key {
        TestKey::Ec(_) => PublicKey::P256(key.public()),
        TestKey::Ed25519(_) => PublicKey::Ed25519(key.public()),
    }
}

/// An exchange behind TLS whose clock is ahead of this machine's by so many seconds.
struct Venue {
    server: Arc<Server>,
    port: TlsPort,
    authority: Authority,
}

impl Venue {
    async fn start(rules: TokenRules, ahead_s: i64) -> Self {
        let (now, distance) = (SystemTime::now(), Duration::from_secs(ahead_s.unsigned_abs()));
        let exchange = ExchangeConfig {
            tokens: Some(rules),
            started_at: if ahead_s < 0 { now - distance } else { now + distance },
            ..busy_exchange(31)
        };
        let server = start(ServerConfig { exchange, ..ServerConfig::default() }).await;
        let (server, authority) = (Arc::new(server), Authority::new("the authority"));
        let identity = authority.identity("localhost", Validity::Sound);
        let port = TlsPort::serve(&server, identity.acceptor(rustls::ALL_VERSIONS)).await;
        Self { server, port, authority }
    }

    fn config(&self, key: &TestKey) -> FeedConfig {
        let mut config = config(self.port.url());
        config.roots = Roots::Custom(vec![self.authority.root()]);
        config.credentials = Some(Credentials::new(KEY_NAME, &key.secret()).unwrap());
        config
    }

    fn tokens(&self) -> (u64, u64) {
        self.server.with_exchange(|exchange| {
            let counts = exchange.counts();
            (counts.tokens_taken, counts.tokens_refused)
        })
    }
}

#[tokio::test]
async fn every_request_of_many_subscriptions_carries_a_token_that_is_taken() {
    for (key, resync) in
        [(TestKey::new_ec(), Resync::Resubscribe), (TestKey::new_ed25519(), Resync::Reconnect)]
    {
        let rules = TokenRules::new().accept(KEY_NAME, public_key(&key)).required(true);
        let venue = Venue::start(rules, 0).await;
        let mut config = venue.config(&key);
        config.policy.resync = resync;
        let mut feed = Feed::new(config).unwrap();
        for _ in 0..5 {
            tokio::time::timeout(PATIENCE, feed.synced()).await.unwrap().unwrap();
            venue.server.with_exchange(|exchange| {
                exchange.drop_next(exchange.newest_connection().unwrap());
            });
            while feed.session().is_synced() {
                next(&mut feed).await;
            }
        }
        tokio::time::timeout(PATIENCE, feed.synced()).await.unwrap().unwrap();
        assert_books_become_equal(&mut feed, &venue.server).await;
        let (taken, refused) = venue.tokens();
        assert!(taken >= 12 && refused == 0, "{taken} taken, {refused} refused");
        assert_eq!(taken, feed.session().stats().requests);
        assert_eq!(feed.session().stats().gaps, 5);
    }
}

async fn next_failure(feed: &mut Feed) -> AuthenticationFailure {
    loop {
        if let SessionEvent::AuthenticationFailed(failure) = next(feed).await {
            return failure;
        }
    }
}

#[tokio::test]
async fn a_key_that_the_venue_does_not_know_ends_in_books_without_a_token() {
    let (key, other) = (TestKey::new_ec(), TestKey::new_ec());
    let rules = TokenRules::new().accept(KEY_NAME, public_key(&other));
    let venue = Venue::start(rules, 0).await;
    let mut feed = Feed::new(venue.config(&key)).unwrap();
    let failure = next_failure(&mut feed).await;
    assert!(failure.had_token && failure.retries_without_token);
    assert_eq!(failure.likely_causes().next(), Some(LikelyCause::Key));
    assert!(failure.clock_offset_s.is_some_and(|offset| offset.abs() <= 2), "{failure:?}");
    tokio::time::timeout(PATIENCE, feed.synced()).await.unwrap().unwrap();
    // Two requests with a token, and each once more with a fresh one.
    assert_eq!(venue.tokens(), (0, 4));
    let fault = venue.server.with_exchange(|exchange| exchange.last_token_fault());
    assert_eq!(fault, Some(TokenFault::Signature));
    assert_books_become_equal(&mut feed, &venue.server).await;
}

#[tokio::test]
async fn where_a_token_is_needed_and_refused_the_feed_says_so_and_does_not_hammer() {
    let key = TestKey::new_ec();
    for retry_without_token in [true, false] {
        let venue = Venue::start(TokenRules::new().required(true), 0).await;
        let mut config = venue.config(&key);
        config.policy.retry_without_token = retry_without_token;
        let mut feed = Feed::new(config).unwrap();
        let failure = next_failure(&mut feed).await;
        assert!(failure.had_token);
        assert_eq!(failure.retries_without_token, retry_without_token);
        if retry_without_token {
            let failure = next_failure(&mut feed).await;
            assert!(!failure.had_token && !failure.retries_without_token);
        }
        let (taken, refused) = venue.tokens();
        assert_eq!(taken, 0);
        let expected = if retry_without_token { 4..=6 } else { 3..=4 };
        assert!(expected.contains(&refused), "{refused} refused");
        assert!(PRODUCTS.iter().all(|name| feed.bbo(name).unwrap().load().is_none()));
    }
}

#[tokio::test]
async fn a_clock_that_is_off_is_named_with_its_seconds() {
    let key = TestKey::new_ec();
    let sound = || TokenRules::new().accept(KEY_NAME, public_key(&key));
    for (ahead_s, fault, expected) in [
        (600, TokenFault::Expired, "s behind the venue's"),
        (-600, TokenFault::NotYetValid, "s ahead of the venue's"),
    ] {
        let venue = Venue::start(sound(), ahead_s).await;
        let mut feed = Feed::new(venue.config(&key)).unwrap();
        let failure = next_failure(&mut feed).await;
        let offset_s = failure.clock_offset_s.unwrap();
        assert!((offset_s - ahead_s).abs() <= 2, "{offset_s}");
        assert_eq!(failure.likely_causes().next(), Some(LikelyCause::Clock { offset_s }));
        assert!(failure.to_string().contains(expected), "{failure}");
        let last = venue.server.with_exchange(|exchange| exchange.last_token_fault());
        assert_eq!(last, Some(fault));
        tokio::time::timeout(PATIENCE, feed.synced()).await.unwrap().unwrap();
    }
    // A little is put up with: tokens are dated back by some seconds.
    let venue = Venue::start(sound().required(true), -3).await;
    let mut feed = Feed::new(venue.config(&key)).unwrap();
    tokio::time::timeout(Duration::from_secs(10), feed.synced()).await.unwrap().unwrap();
    assert_eq!(venue.tokens().1, 0);
}
