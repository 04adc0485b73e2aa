//! Tokens against an exchange that checks them: in virtual time, and each deviation alone.

use std::time::{Duration, Instant, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use level2::auth::{Credentials, NONCE_LEN};
use level2::session::{Input, Output, Resync, Session, SessionConfig, SessionEvent, Status};
use level2_sim::{
    ConnectionId, Exchange, ExchangeConfig, ProductSpec, PublicKey, TokenFault, TokenRules,
};
use serde_json::{Value, json};

use crate::keys::*;

fn public_key(key: &TestKey) -> PublicKey {
    match key {
        TestKey::Ec(_) => PublicKey::P256(key.public()),
        TestKey::Ed25519(_) => PublicKey::Ed25519(key.public()),
    }
}

fn exchange(key: &TestKey) -> Exchange {
    let rules = TokenRules::new().accept(KEY_NAME, public_key(key)).required(true);
    Exchange::new(ExchangeConfig {
        products: vec![ProductSpec::btc_usd().levels(20), ProductSpec::eth_usd().levels(20)],
        tokens: Some(rules),
        ..ExchangeConfig::default()
    })
}

fn fresh_nonce() -> [u8; NONCE_LEN] {
    let mut nonce = [0; NONCE_LEN];
    aws_lc_rs::rand::fill(&mut nonce).unwrap();
    nonce
}

/// A session and the exchange that it talks to, in one virtual time.
struct Pair {
    session: Session,
    exchange: Exchange,
    connection: Option<ConnectionId>,
    credentials: Credentials,
    start: Instant,
    clock: Duration,
    failures: usize,
}

impl Pair {
    fn new(key: &TestKey, resync: Resync) -> Self {
        let start = Instant::now();
        let products = ["BTC-USD", "ETH-USD"].map(|name| name.parse().unwrap());
        let mut config = SessionConfig::new(products);
        config.policy.resync = resync;
        config.authenticate = true;
        // Gaps this frequent would else be answered ever more seldom.
        config.policy.healthy_after = Duration::from_secs(1);
        Self {
            session: Session::new(config, start),
            exchange: exchange(key),
            connection: None,
            credentials: Credentials::new(KEY_NAME, &key.secret()).unwrap(),
            start,
            clock: Duration::ZERO,
            failures: 0,
        }
    }

    fn now(&self) -> Instant {
        self.start + self.clock
    }

    /// Does what the session says until it waits.
    fn obey(&mut self) {
        loop {
            match self.session.poll(self.now()) {
                Output::Connect => {
                    self.connection = Some(self.exchange.connect());
                    self.session.handle(self.now(), Input::Opened);
                }
                Output::Disconnect => {
                    if let Some(connection) = self.connection.take() {
                        self.exchange.disconnect(connection);
                    }
                }
                Output::Event(event) => {
                    let is_refusal = matches!(event, SessionEvent::Refused { .. });
                    self.failures += usize::from(is_refusal);
                }
                Output::Send(request) => {
                    let now = UNIX_EPOCH + self.exchange.unix_time();
                    let token = self.credentials.token(now, fresh_nonce()).unwrap();
                    assert!(request.wants_token);
                    let text = request.encode(Some(token.as_str()));
                    self.exchange.receive(self.connection.unwrap(), self.clock, &text);
                }
                Output::Wait(_) => return,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Lets a short time pass, and hands over what the exchange has sent in it.
    fn step(&mut self) {
        self.clock += Duration::from_millis(50);
        self.exchange.advance(self.clock);
        while let Some(connection) = self.connection
            && let Some(frame) = self.exchange.poll_frame(connection)
        {
            self.session.handle(self.now(), Input::Message(frame.text.as_bytes()));
            self.obey();
        }
        self.session.handle(self.now(), Input::Timeout);
        self.obey();
    }
}

/// A gap every three seconds makes two requests each time, or a whole new connection.
#[test]
fn ten_minutes_of_subscribing_again_and_again_pass_every_check() {
    for (key, resync) in [
        (TestKey::new_ec(), Resync::Resubscribe),
        (TestKey::new_ed25519(), Resync::Resubscribe),
        (TestKey::new_ec(), Resync::Reconnect),
    ] {
        let mut pair = Pair::new(&key, resync);
        pair.obey();
        let mut gaps = 0;
        for step in 0..10 * 60 * 20 {
            pair.step();
            if step % 60 == 40 {
                pair.exchange.drop_next(pair.connection.unwrap());
                gaps += 1;
            }
        }
        let counts = pair.exchange.counts();
        assert_eq!((counts.tokens_refused, counts.errors, pair.failures), (0, 0, 0));
        assert!(counts.tokens_taken >= 2 * gaps, "{counts:?}");
        assert_eq!(pair.session.stats().gaps, gaps);
        let products = pair.session.products();
        assert!(products.into_iter().all(|product| product.status() == Status::Live));
        println!("{resync:?}: {} tokens taken, {gaps} gaps", counts.tokens_taken);
    }
}

/// Signs whatever header and claims it is given.
fn forge(key: &TestKey, header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = match key {
        TestKey::Ec(pair) => pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap(),
        TestKey::Ed25519(pair) => pair.sign(message.as_bytes()),
    };
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn subscribe(token: Option<&str>) -> String {
    let mut request = json!({"type": "subscribe", "channel": "heartbeats"});
    if let Some(token) = token {
        request["jwt"] = token.into();
    }
    request.to_string()
}

/// What becomes of one request with this token.
fn outcome(exchange: &mut Exchange, token: Option<&str>) -> Result<(), TokenFault> {
    let connection = exchange.connect();
    let refused = exchange.counts().tokens_refused;
    exchange.receive(connection, exchange.now(), &subscribe(token));
    let frame = exchange.poll_frame(connection).unwrap();
    exchange.disconnect(connection);
    if exchange.counts().tokens_refused == refused {
        assert!(frame.text.contains("\"channel\":\"subscriptions\""), "{}", frame.text);
        return Ok(());
    }
    let expected = json!({"type": "error", "message": "authentication failure"});
    assert_eq!(serde_json::from_str::<Value>(&frame.text).unwrap(), expected);
    Err(exchange.last_token_fault().unwrap())
}

/// Where a deviation is, and what stands there instead; `Null` takes the field away.
type Deviation = (&'static str, &'static str, Value, TokenFault);

/// Returns every way in which a token can differ from a sound one, and the fault that it is.
fn deviations(key: &TestKey, now: u64) -> Vec<Deviation> {
    let other_algorithm = if key.algorithm() == "ES256" { "EdDSA" } else { "ES256" };
    vec![
        ("header", "alg", other_algorithm.into(), TokenFault::Algorithm),
        ("header", "alg", "none".into(), TokenFault::Algorithm),
        ("header", "typ", Value::Null, TokenFault::Type),
        ("header", "kid", "organizations/0a1b/apiKeys/9".into(), TokenFault::KeyName),
        ("header", "kid", Value::Null, TokenFault::KeyName),
        ("header", "nonce", Value::Null, TokenFault::Nonce),
        ("header", "nonce", "0".repeat(31).into(), TokenFault::Nonce),
        ("header", "nonce", "g".repeat(32).into(), TokenFault::Nonce),
        ("claims", "sub", "somebody else".into(), TokenFault::Subject),
        ("claims", "sub", Value::Null, TokenFault::Subject),
        ("claims", "iss", "coinbase-cloud".into(), TokenFault::Issuer),
        ("claims", "iss", Value::Null, TokenFault::Issuer),
        ("claims", "uri", "GET api.coinbase.com/api".into(), TokenFault::Uri),
        ("claims", "uris", json!(["GET api.coinbase.com/api"]), TokenFault::Uri),
        ("claims", "exp", (now + 3_600).into(), TokenFault::Lifetime),
        ("claims", "exp", Value::Null, TokenFault::Lifetime),
        ("claims", "nbf", Value::Null, TokenFault::Lifetime),
        ("both", "times", (now + 1).into(), TokenFault::NotYetValid),
        ("both", "times", (now - 120).into(), TokenFault::Expired),
    ]
}

#[test]
fn each_deviation_alone_is_refused() {
    for (key, other) in
        [(TestKey::new_ec(), TestKey::new_ec()), (TestKey::new_ed25519(), TestKey::new_ed25519())]
    {
        let mut exchange = exchange(&key);
        let now = exchange.unix_time().as_secs();
        let sound = || {
            let nonce: String = fresh_nonce().iter().map(|byte| format!("{byte:02x}")).collect();
            let header =
                json!({"alg": key.algorithm(), "typ": "JWT", "kid": KEY_NAME, "nonce": nonce});
            let claims = json!({"sub": KEY_NAME, "iss": "cdp", "nbf": now, "exp": now + 120});
            (header, claims)
        };
        for (place, field, value, fault) in deviations(&key, now) {
            let (mut header, mut claims) = sound();
            match place {
                "header" => header[field] = value,
                "claims" => claims[field] = value,
                _ => {
                    let not_before = value.as_u64().unwrap();
                    claims["nbf"] = not_before.into();
                    claims["exp"] = (not_before + 120).into();
                }
            }
            for part in [&mut header, &mut claims] {
                part.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            }
            let token = forge(&key, &header, &claims);
            assert_eq!(outcome(&mut exchange, Some(&token)), Err(fault), "{header} {claims}");
        }

        let (header, claims) = sound();
        let token = forge(&key, &header, &claims);
        let forged = forge(&other, &header, &claims);
        assert_eq!(outcome(&mut exchange, Some(&forged)), Err(TokenFault::Signature));
        let (front, signature) = token.rsplit_once('.').unwrap();
        let longer_life = json!({"sub": KEY_NAME, "iss": "cdp", "nbf": now, "exp": now + 121});
        let header_part = front.split_once('.').unwrap().0;
        let changed = URL_SAFE_NO_PAD.encode(longer_life.to_string());
        let tampered = format!("{header_part}.{changed}.{signature}");
        assert_eq!(outcome(&mut exchange, Some(&tampered)), Err(TokenFault::Signature));
        for malformed in ["", "a.b", "a.b.c", &token[1..], &format!("{token}.e30"), "....", front] {
            assert_eq!(outcome(&mut exchange, Some(malformed)), Err(TokenFault::Malformed));
        }
        assert_eq!(outcome(&mut exchange, None), Err(TokenFault::Absent));
        assert_eq!(outcome(&mut exchange, Some(&token)), Ok(()));
        assert_eq!(outcome(&mut exchange, Some(&token)), Err(TokenFault::NonceReused));
    }
}

#[test]
fn a_token_serves_for_two_minutes_and_one_request_may_go_without() {
    let key = TestKey::new_ec();
    let rules = TokenRules::new().accept(KEY_NAME, public_key(&key));
    let config = ExchangeConfig { tokens: Some(rules), ..ExchangeConfig::default() };
    let mut exchange = Exchange::new(config);
    let credentials = Credentials::new(KEY_NAME, &key.secret()).unwrap();
    let made = UNIX_EPOCH + exchange.unix_time();
    let tokens = [0; 3].map(|_| credentials.token(made, fresh_nonce()).unwrap());
    assert_eq!(outcome(&mut exchange, None), Ok(()));
    assert_eq!(outcome(&mut exchange, Some(tokens[0].as_str())), Ok(()));
    // It is dated back five seconds.
    exchange.advance(Duration::from_secs(114));
    assert_eq!(outcome(&mut exchange, Some(tokens[1].as_str())), Ok(()));
    exchange.advance(Duration::from_secs(115));
    assert_eq!(outcome(&mut exchange, Some(tokens[2].as_str())), Err(TokenFault::Expired));
}
