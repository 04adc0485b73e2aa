//! Every variant of every public error, produced as a user would meet it, and its message.
//!
//! [`variants!`] matches each enum without a wildcard, which only this crate can: a variant that
//! is added does not compile until it is listed here, and what is listed has to be produced below.

use std::collections::BTreeSet;
use std::fmt::{Debug, Display};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs};

use rust_decimal::Decimal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::auth::{AuthError, Credentials, KEY_NAME_VARIABLE, NONCE_LEN, SecretForm};
use crate::book::depth::{Amount, DepthError, Taker};
use crate::book::{Book, BookError, Depth as _, Fixed, FixedError, Side};
use crate::books::{BboWatch, Books, BooksConfig, Closed, StartError, SubscribeError};
use crate::feed::{ConfigError, DialError, Feed, FeedConfig, FeedError, Proxy, Roots};
use crate::rate_limiter::{RateLimited, RateLimiter};
use crate::session::{
    Cause, DialStage, Disconnect, Input, NotLive, Output, Resync, Session, SessionConfig,
    SessionEvent, TooManyProducts, UnknownProduct,
};
use crate::units::TimeError;
use crate::wire::{DecodeError, DecodeErrorKind, Decoder, ProductId, ProductIdError, UnixNanos};
use level2_sim::{ExchangeConfig, ProductSpec, Server, ServerConfig};

/// How long anything may take that takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// An enum whose variants are listed.
trait Variants {
    const ALL: &'static [&'static str];

    fn variant(&self) -> &'static str;
}

macro_rules! variants {
    ($($enum:ident: $($variant:ident)*;)*) => {$(
        impl Variants for $enum {
            const ALL: &'static [&'static str] = &[$(stringify!($variant)),*];

            fn variant(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => stringify!($variant),)*
                }
            }
        }
    )*};
}

variants! {
    AuthError: CannotSign ClockBefore1970 KeyName KeyFileExposed KeyFileForm KeyFilePath
        KeyFileUnreadable Secret Variable;
    BookError: NegativeSize PriceOutOfRange SizeOutOfRange TooManyLevels;
    Cause: Closed Crossed Decode Gap Idle Limit NoSnapshot Premature Quiet Refused Reset;
    Closed: ByCaller GaveUp RuntimeGone Unsubscribed;
    ConfigError: Plaintext Proxy Roots Url;
    StartError: Config Full Runtime;
    DecodeErrorKind: Json Number Shape;
    DepthError: IncrementNotPositive NegativeAmount OutOfRange;
    DialStage: Certificate Dns Handshake Proxy RateLimit Tcp Tls;
    Disconnect: ByCaller ByVenue ForResync Idle MessageTooLarge NotConnected Rejected TimedOut
        Transport;
    FeedError: Auth Ended;
    FixedError: Malformed OutOfRange;
    NotLive: Lost Syncing Unknown;
    SecretForm: Base64 EcPem Empty EncryptedPem OpensshPem OtherPem Pkcs8Pem PublicPem RsaPem
        Unknown;
    SubscribeError: Closed Full;
    TimeError: Malformed NoSuchTime OutOfRange;
}

/// Asserts that a message has each of these parts.
#[track_caller]
fn assert_says(error: &(impl Debug + Display), parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "expected {part:?} in {text:?} of {error:?}");
    }
}

/// Asserts that each variant was produced but those that nothing can produce.
#[track_caller]
fn assert_all<V: Variants>(produced: impl IntoIterator<Item = V>, beyond_reach: &[&'static str]) {
    let mut seen: BTreeSet<&str> = produced.into_iter().map(|one| one.variant()).collect();
    for variant in beyond_reach {
        assert!(seen.insert(variant), "{variant} is within reach");
    }
    assert_eq!(seen, V::ALL.iter().copied().collect());
}

/// Asserts both of a list of errors, each with the parts of its message.
#[track_caller]
fn assert_each<E: Variants + Debug + Display>(produced: Vec<(E, &[&str])>) {
    for (error, parts) in &produced {
        assert_says(error, parts);
    }
    assert_all(produced.into_iter().map(|(error, _)| error), &[]);
}

fn fixed(text: &str) -> Fixed {
    Fixed::parse(text.as_bytes()).unwrap()
}

fn product(name: &str) -> ProductId {
    name.parse().unwrap()
}

#[test]
fn numbers_and_names_that_are_none() {
    assert_each(vec![
        (Fixed::parse(b"+1").unwrap_err(), &["expected decimal digits", "83277.25"]),
        (Fixed::parse(&[b'9'; 19]).unwrap_err(), &["at most 18 digits and 28 decimals"]),
    ]);
    let time = |text: &str| -> TimeError { UnixNanos::parse_rfc3339(text).unwrap_err() };
    assert_each(vec![
        (time("noon"), &["expected a time in UTC", "2026-09-30T02:39:53.670986313Z", "\"noon\""]),
        (time("2026-02-30T00:00:00Z"), &["a date and a time of day that exist", "2026-02-30"]),
        (time("1969-12-31T23:59:59Z"), &["from 1970 to 2554", "1969-12-31"]),
    ]);
    let error: ProductIdError = ProductId::new("BTC USD").unwrap_err();
    assert_says(
        &error,
        &["\"BTC USD\" is not the name of a product", "' ' is no", "did you mean BTC-USD?"],
    );
}

#[test]
fn levels_that_no_book_holds() {
    let refused = |mut book: Book, [first, second]: [(&str, &str); 2]| {
        book.set(Side::Bid, fixed(first.0), fixed(first.1)).unwrap();
        book.set(Side::Bid, fixed(second.0), fixed(second.1)).unwrap_err()
    };
    let long = "999999999999999999";
    assert_each(vec![
        (
            refused(Book::new(), [("1", "1"), ("1", "-2")]),
            &["expected a size of zero or more", "got -2"],
        ),
        (
            refused(Book::new(), [(long, "1"), ("0.01", "1")]),
            &["expected prices that fit 64 bits at one scale", "got 0.01"],
        ),
        (
            refused(Book::new(), [("1", long), ("2", "0.001")]),
            &["expected sizes that fit 64 bits at one scale", "got 0.001"],
        ),
        (
            refused(Book::with_max_levels(1), [("1", "1"), ("2", "1")]),
            &["expected at most 1 levels on the bid side", "got one more"],
        ),
    ]);
}

#[test]
fn questions_without_an_answer() {
    let mut book = Book::new();
    let long = Decimal::from_i128_with_scale(999_999_999_999_999_999, 8);
    let level = Fixed::try_from(long).unwrap();
    book.set(Side::Ask, level, level).unwrap();
    let grouped = book.grouped(Side::Ask, Decimal::ZERO).map(|_| ());
    let negative = Amount::Size(Decimal::NEGATIVE_ONE);
    assert_each(vec![
        (grouped.unwrap_err(), &["expected an increment above zero", "got 0"]),
        (
            book.fill(Taker::Buy, negative).unwrap_err(),
            &["expected an amount of zero or more", "got -1"],
        ),
        (
            book.fill(Taker::Buy, Amount::Size(long)).unwrap_err(),
            &["expected sums and products that a decimal holds", "got a longer one"],
        ),
    ]);
}

#[test]
fn frames_that_cannot_be_read() {
    let json = decode_error("{\"channel\"");
    assert_says(&json, &["expected one JSON object", "at byte"]);
    let shape = decode_error(&update(1, "[]").replace("\"sequence_num\":1", "\"sequence_num\":[]"));
    assert_says(&shape, &["expected a sequence_num", "got an array", "at byte"]);
    let number = decode_error(&update(1, &row("bid", "1e", "1")));
    assert_says(&number, &["expected a decimal number", "1e", "at byte"]);
    let kinds = [json, shape, number].map(|error| error.kind());
    assert_all(kinds, &[]);
}

/// Reads a frame to its last level, and returns what is wrong with it.
fn decode_error(text: &str) -> DecodeError {
    use crate::wire::Body;

    let mut decoder = Decoder::new();
    let frame = match decoder.decode(text.as_bytes()) {
        Ok(frame) => frame,
        Err(error) => return error,
    };
    let Body::Level2 { updates, .. } = frame.body() else { panic!("{frame:?}") };
    for update in updates {
        let levels = update.and_then(|update| update.levels());
        if let Err(error) = levels.and_then(|levels| levels.try_take_each(|_| Ok(()))) {
            return error;
        }
    }
    panic!("{text} is sound");
}

fn update(sequence: u64, rows: &str) -> String {
    level2(sequence, "update", rows)
}

fn level2(sequence: u64, kind: &str, rows: &str) -> String {
    format!(
        "{{\"channel\":\"l2_data\",\"timestamp\":\"2026-11-02T00:00:00Z\",\"sequence_num\":\
         {sequence},\"events\":[{{\"type\":\"{kind}\",\"product_id\":\"BTC-USD\",\"updates\":\
         [{rows}]}}]}}"
    )
}

fn row(side: &str, price: &str, size: &str) -> String {
    format!(
        "{{\"side\":\"{side}\",\"event_time\":\"2026-11-02T00:00:00Z\",\"price_level\":\
         \"{price}\",\"new_quantity\":\"{size}\"}}"
    )
}

fn acknowledgement(sequence: u64) -> String {
    format!(
        "{{\"channel\":\"subscriptions\",\"timestamp\":\"2026-11-02T00:00:00Z\",\
         \"sequence_num\":{sequence},\"events\":[{{\"subscriptions\":{{}}}}]}}"
    )
}

fn heartbeat(sequence: u64) -> String {
    format!(
        "{{\"channel\":\"heartbeats\",\"timestamp\":\"2026-11-02T00:00:00Z\",\"sequence_num\":\
         {sequence},\"events\":[{{\"heartbeat_counter\":1}}]}}"
    )
}

/// A session of one product, and the moment it is there.
struct Script {
    session: Session,
    now: Instant,
    reasons: Vec<Disconnect>,
}

impl Script {
    /// Connects, with settings that make everything short, and asks for the snapshot.
    fn open() -> Self {
        let mut script = Self::dialing();
        script.hand_in(Input::Opened);
        script
    }

    fn dialing() -> Self {
        let mut config = SessionConfig::new([product("BTC-USD")]);
        config.policy.resync = Resync::Resubscribe;
        // What is lost stays lost until it is asked for again.
        config.policy.resubscribe_interval = Duration::from_secs(60);
        config.policy.snapshot_timeout = Duration::from_secs(1);
        config.policy.quiet_limit = Some(Duration::from_secs(2));
        config.policy.max_levels_per_side = 2;
        config.max_products = 1;
        Self::with(config)
    }

    fn with(config: SessionConfig) -> Self {
        let now = Instant::now();
        let mut script = Self { session: Session::new(config, now), now, reasons: Vec::new() };
        script.drain();
        script
    }

    /// Connects and gets the snapshot, with number 0.
    fn live() -> Self {
        let rows = [row("bid", "100", "1"), row("offer", "101", "1")].join(",");
        Self::open().message(&level2(0, "snapshot", &rows))
    }

    fn hand_in(&mut self, input: Input<'_>) {
        self.session.handle(self.now, input);
        self.drain();
    }

    fn message(mut self, text: &str) -> Self {
        self.hand_in(Input::Message(text.as_bytes()));
        self
    }

    fn wait(mut self, duration: Duration) -> Self {
        self.now += duration;
        self.hand_in(Input::Timeout);
        self
    }

    fn drain(&mut self) {
        loop {
            match self.session.poll(self.now) {
                Output::Event(SessionEvent::Disconnected { reason }) => self.reasons.push(reason),
                Output::Wait(_) => return,
                _ => {}
            }
        }
    }

    fn not_live(&self) -> NotLive {
        self.session.book("BTC-USD").unwrap_err()
    }

    fn last_reason(mut self) -> Disconnect {
        self.reasons.pop().expect("the connection was lost")
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn books_are_lost_for_every_cause_and_say_so() {
    let by_venue = Disconnect::ByVenue { code: None, reason: "".into() };
    let mut closed = Script::live();
    closed.hand_in(Input::Closed(by_venue));
    let third = [row("bid", "99", "1"), row("bid", "98", "1")].join(",");
    let scripts = [
        (Cause::Closed, closed),
        (Cause::Crossed, Script::live().message(&update(1, &row("bid", "102", "1")))),
        (Cause::Decode, Script::live().message("{")),
        (Cause::Gap, Script::live().message(&heartbeat(2))),
        (Cause::Idle, Script::live().wait(5 * SECOND)),
        (Cause::Limit, Script::live().message(&update(1, &third))),
        (Cause::NoSnapshot, Script::open().message(&heartbeat(0)).wait(SECOND)),
        (Cause::Premature, Script::open().message(&update(0, &row("bid", "1", "1")))),
        (Cause::Quiet, Script::live().wait(SECOND).message(&heartbeat(1)).wait(SECOND)),
        (Cause::Refused, Script::live().message(&acknowledgement(1)).message(&acknowledgement(2))),
        (Cause::Reset, Script::live().message(&heartbeat(1)).message(&heartbeat(0))),
    ];
    let mut produced = Vec::new();
    for (expected, script) in scripts {
        let NotLive::Lost { cause, .. } = script.not_live() else { panic!("not {expected}") };
        assert_eq!(cause, expected);
        let said = format!("BTC-USD has no live book: it was lost ({cause})");
        assert_says(&script.not_live(), &[&said]);
        produced.push(cause);
    }
    assert_all(produced, &[]);
}

#[test]
fn books_that_are_not_live() {
    let script = Script::open();
    let unknown = script.session.book("ETH-USD").unwrap_err();
    assert_each(vec![
        (Script::live().wait(5 * SECOND).not_live(), &["BTC-USD has no live book", "idle"]),
        (script.not_live(), &["BTC-USD has no live book yet", "its snapshot is awaited"]),
        (unknown, &["\"ETH-USD\" is not subscribed to"]),
    ]);
}

#[test]
fn more_products_than_a_session_holds() {
    let mut script = Script::open();
    let error: TooManyProducts =
        script.session.subscribe(script.now, product("ETH-USD")).unwrap_err();
    assert_says(&error, &["expected at most max_products (1)", "got ETH-USD"]);
}

#[test]
fn lines_that_are_too_long() {
    let (pace, now) = (RateLimiter::new(), Instant::now());
    let error: RateLimited =
        (0..10_000).find_map(|_| pace.request(now).err()).expect("a line has an end");
    assert_says(&error, &["exceeds the venue's rate limits", "more than 60s away", "open fewer"]);
}

async fn server() -> Server {
    let config = ServerConfig {
        exchange: ExchangeConfig {
            products: vec![ProductSpec::btc_usd().levels(50)],
            ..ExchangeConfig::default()
        },
        ..ServerConfig::default()
    };
    Server::start(config).await.unwrap()
}

/// Settings of a feed that gives up at once.
fn config(url: impl Into<String>) -> FeedConfig {
    let mut config = FeedConfig::new([product("BTC-USD")]);
    config.url = url.into();
    config.proxy = Proxy::None;
    config.allow_plaintext = true;
    config.policy.max_failed_dials = NonZeroU32::new(1);
    config.seed = Some(1);
    config
}

async fn next(feed: &mut Feed) -> Result<SessionEvent, FeedError> {
    tokio::time::timeout(PATIENCE, feed.next()).await.expect("the feed has something to say")
}

/// Drives a feed until its connection is lost.
async fn disconnect(config: FeedConfig) -> Disconnect {
    disconnect_of(&mut Feed::new(config).unwrap()).await
}

async fn disconnect_of(feed: &mut Feed) -> Disconnect {
    loop {
        if let SessionEvent::Disconnected { reason } = next(feed).await.unwrap() {
            return reason;
        }
    }
}

/// A port that says this to whoever connects, and listens until it hears nothing more.
async fn saying(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1_024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            while matches!(stream.read(&mut request).await, Ok(1..)) {}
        }
    });
    address
}

/// A port that was free a moment ago, so that nobody listens on it.
async fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// A port that shows a certificate that nobody has vouched for.
async fn self_signed() -> SocketAddr {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let private = key.signing_key.serialize_der().try_into().unwrap();
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private)
        .unwrap();
    let (listener, tls) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), TlsAcceptor::from(Arc::new(tls)));
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = tls.accept(stream).await;
        }
    });
    address
}

#[tokio::test]
async fn dials_that_fail_at_every_stage() {
    let closed = closed_port().await;
    let garbage = saying("220 mail.example.com ESMTP\r\n").await;
    let with = |url: String, change: fn(&mut FeedConfig)| {
        let mut config = config(url);
        config.roots = Roots::Bundled;
        change(&mut config);
        config
    };
    let mut proxied = config("ws://venue.invalid/");
    proxied.proxy = Proxy::Url(format!("http://{closed}"));
    let mut hurried = config(format!("ws://{closed}"));
    let pace = Arc::new(RateLimiter::new());
    // The line is still too long when its turn to fail has come.
    while pace.dial(crate::clock::now() + PATIENCE, 2).is_ok() {}
    hurried.rate_limiter = Some(pace);
    let port = self_signed().await.port();
    // No label of a name may have so many letters, so no server has to be asked.
    let nowhere = format!("ws://{}.invalid/", "a".repeat(70));
    let configs = [
        (DialStage::Certificate, with(format!("wss://localhost:{port}"), |_| ()), "certificate"),
        (DialStage::Dns, with(nowhere, |_| ()), "name look-up"),
        (DialStage::Handshake, with(format!("ws://{garbage}"), |_| ()), "WebSocket handshake"),
        (DialStage::RateLimit, hurried, "rate limit"),
        (DialStage::Proxy, proxied, "proxy"),
        (DialStage::Tcp, with(format!("ws://{closed}"), |_| ()), "TCP"),
        (DialStage::Tls, with(format!("wss://{garbage}"), |_| ()), "TLS"),
    ];
    let mut produced = Vec::new();
    for (expected, config, said) in configs {
        let reason = disconnect(config).await;
        let Disconnect::NotConnected { stage, error } = &reason else { panic!("{reason:?}") };
        assert_eq!(*stage, expected, "{error}");
        assert!(!error.is_empty());
        assert_says(&reason, &[&format!("could not connect ({said}): {error}")]);
        assert_says(&DialError::new(*stage, error), &[said, error]);
        produced.push(*stage);
    }
    assert_all(produced, &[]);
}

#[tokio::test]
async fn connections_that_end_in_every_way() {
    let mut by_caller = Script::live();
    by_caller.session.close(by_caller.now);
    by_caller.drain();
    let mut resync = Script::with(SessionConfig::new([product("BTC-USD")]));
    resync.hand_in(Input::Opened);
    let resync = resync.message(&heartbeat(0)).message(&heartbeat(2));

    let leaving = server().await;
    let mut left = Feed::new(config(leaving.url())).unwrap();
    tokio::time::timeout(PATIENCE, left.synced()).await.unwrap().unwrap();
    let (by_venue, ()) = tokio::join!(disconnect_of(&mut left), leaving.shutdown());

    let breaking = server().await;
    let mut broken = Feed::new(config(breaking.url())).unwrap();
    tokio::time::timeout(PATIENCE, broken.synced()).await.unwrap().unwrap();
    breaking.abort_all();
    let transport = disconnect_of(&mut broken).await;

    let mut small = config(breaking.url());
    small.max_message_bytes = 1_000;
    let busy =
        saying("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n");
    let produced: Vec<(Disconnect, &[&str])> = vec![
        (by_caller.last_reason(), &["closed by the caller"]),
        (by_venue, &["closed by the venue with code 1001", "shutdown"]),
        (resync.last_reason(), &["dropped to heal its books (gap)"]),
        (Script::live().wait(5 * SECOND).last_reason(), &["no frame came for 5s"]),
        (disconnect(small).await, &["larger than max_message_bytes (1000)", "raise"]),
        (
            disconnect(config(format!("ws://{}", closed_port().await))).await,
            &["could not connect (TCP)", "127.0.0.1"],
        ),
        (
            disconnect(config(format!("ws://{}", busy.await))).await,
            &["HTTP status 503", "stay away for 7s"],
        ),
        (Script::dialing().wait(10 * SECOND).last_reason(), &["could not connect within 10s"]),
        (transport, &["the connection broke: "]),
    ];
    assert_each(produced);
}

#[tokio::test]
async fn feeds_that_yield_no_more() {
    let mut feed = Feed::new(config(format!("ws://{}", closed_port().await))).unwrap();
    let ended = loop {
        if let Err(error) = next(&mut feed).await {
            break error;
        }
    };
    assert_says(&ended, &["the feed has ended: could not connect (TCP)", "127.0.0.1"]);
    // It takes a clock before 1970, or a key that signs when it is read and not later.
    let auth = FeedError::Auth(AuthError::ClockBefore1970);
    assert_says(&auth, &["a request could not be signed: the wall clock is before 1970"]);
    assert_all([ended], &["Auth"]);
}

#[test]
fn settings_of_a_feed_that_cannot_work() {
    let refused = |change: fn(&mut FeedConfig)| {
        let mut config = config("wss://venue.invalid/");
        config.allow_plaintext = false;
        config.roots = Roots::Bundled;
        change(&mut config);
        Feed::new(config).unwrap_err()
    };
    assert_each(vec![
        (
            refused(|config| config.url = "ws://venue.invalid/".to_owned()),
            &["ws:// to venue.invalid", "use wss://", "allow_plaintext"],
        ),
        (
            refused(|config| config.proxy = Proxy::Url("gopher://u:secret@proxy".to_owned())),
            &["the proxy in the settings cannot be used", "http://host:port"],
        ),
        (
            refused(|config| config.roots = Roots::Custom(Vec::new())),
            &["the root certificates cannot be used: there are none"],
        ),
        (
            refused(|config| config.url = "ftp://venue.invalid/".to_owned()),
            &["cannot dial \"ftp://venue.invalid/\"", "neither wss:// nor ws://"],
        ),
    ]);
}

#[tokio::test]
async fn books_that_cannot_be_started_or_grow() {
    let server = server().await;
    let limited = |count: usize| {
        let names = ["BTC-USD", "ETH-USD"].into_iter().take(count);
        let mut config = BooksConfig::new(names.map(product));
        config.url = server.url();
        (config.products_per_connection, config.max_connections) = (1, 1);
        config
    };
    let mut nonsense = limited(1);
    nonsense.url = "nonsense".to_owned();
    let full = Books::start(limited(2)).unwrap_err();
    let StartError::Full(room) = &full else { panic!("{full:?}") };
    assert_says(room, &["no room for ETH-USD", "max_connections (1)", "raise max_connections"]);
    let (alone, own) = (limited(1), limited(1));
    let outside = std::thread::spawn(move || Books::start(alone).unwrap_err());
    assert_each(vec![
        (
            Books::start(nonsense).unwrap_err(),
            &["cannot dial \"nonsense\"", "neither wss:// nor ws://"],
        ),
        (full, &["no room for ETH-USD", "max_connections (1)"]),
        (outside.join().unwrap(), &["no tokio runtime can drive the books: "]),
    ]);

    let books = Books::start(own).unwrap();
    let full = books.subscribe(product("ETH-USD")).unwrap_err();
    let unknown: UnknownProduct = books.bbo("ETH-USD").unwrap_err();
    assert_says(&unknown, &["\"ETH-USD\" is not subscribed to"]);
    books.close().await;
    let closed = books.subscribe(product("ETH-USD")).unwrap_err();
    assert_each(vec![
        (closed, &["ETH-USD was not subscribed to", "the books were closed by the caller"]),
        (full, &["no room for ETH-USD", "max_connections (1)"]),
    ]);
}

#[test]
fn waits_on_books_that_end_in_every_way() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (lasting, passing) = (runtime(), runtime());
    let settings = || {
        let mut config = BooksConfig::new([product("BTC-USD")]);
        config.url = format!("ws://{}", lasting.block_on(closed_port()));
        config.policy.max_failed_dials = NonZeroU32::new(1);
        config
    };
    let start = |runtime: &Runtime| {
        let config = settings();
        runtime.block_on(async {
            let books = Books::start(config).unwrap();
            // Lets its tasks begin.
            tokio::task::yield_now().await;
            books
        })
    };
    let wait = |mut watch: BboWatch| lasting.block_on(watch.changed()).unwrap_err();

    let given_up = start(&lasting);
    let gave_up = wait(given_up.bbo("BTC-USD").unwrap());
    let closed = start(&lasting);
    let watch = closed.bbo("BTC-USD").unwrap();
    lasting.block_on(closed.close());
    let by_caller = wait(watch);
    let left = start(&lasting);
    let watch = left.bbo("BTC-USD").unwrap();
    left.unsubscribe("BTC-USD").unwrap();
    let unsubscribed = wait(watch);
    let orphaned = start(&passing);
    let watch = orphaned.bbo("BTC-USD").unwrap();
    drop(passing);
    let runtime_gone = wait(watch);
    assert_each(vec![
        (by_caller, &["the books were closed by the caller"]),
        (gave_up, &["the connection of BTC-USD gave up: could not connect (TCP)", "127.0.0.1"]),
        (runtime_gone, &["the runtime that drove the connection of BTC-USD has shut down"]),
        (unsubscribed, &["BTC-USD was unsubscribed"]),
    ]);
}

/// A seed of an Ed25519 key, as base64: 32 zeros.
const SEED: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// Writes a file that only its owner can read, in a directory of its own.
fn key_file(name: &str, text: &str) -> std::path::PathBuf {
    let directory = env::temp_dir().join(format!("level2-error-variants-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    set_mode(&path, 0o600);
    path
}

#[cfg(unix)]
fn set_mode(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;

    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(unix)]
#[test]
fn credentials_that_cannot_be_used() {
    let credentials = Credentials::new("key", SEED).unwrap();
    let before = SystemTime::UNIX_EPOCH - SECOND;
    let (exposed, bare) = (key_file("exposed.json", "{}"), key_file("bare.json", "{}"));
    set_mode(&exposed, 0o644);
    let missing = bare.with_file_name("missing.json");
    let read = |path: &std::path::Path| Credentials::from_key_file(path).unwrap_err();
    let mut produced: Vec<(AuthError, &[&str])> = vec![
        (
            credentials.token(before, [0; NONCE_LEN]).err().unwrap(),
            &["the wall clock is before 1970: set it"],
        ),
        (
            Credentials::new("", SEED).unwrap_err(),
            &["the name of the key cannot be used: expected"],
        ),
        (read(&exposed), &["exposed.json", "mode 644", "set its mode to 600"]),
        (read(&bare), &["bare.json", "expected text under `name` or `id`"]),
        (read(SEED.as_ref()), &["looks like a secret", "expected the path of a file"]),
        (read(&missing), &["missing.json", "cannot be read", "not found"]),
        (Credentials::new("key", "").unwrap_err(), &["the secret is empty: expected a private"]),
    ];
    fs::remove_dir_all(bare.parent().unwrap()).unwrap();
    // The environment of the tests is not theirs to change: where it has a key there is no error.
    let variable = match env::var_os(KEY_NAME_VARIABLE) {
        None => Credentials::from_env().unwrap_err(),
        Some(_) => AuthError::Variable { name: KEY_NAME_VARIABLE },
    };
    produced.push((variable, &["the environment variable", "is not set", KEY_NAME_VARIABLE]));
    for (error, parts) in &produced {
        assert_says(error, parts);
    }
    assert_says(&AuthError::CannotSign, &["the key cannot sign: create a new one"]);
    // Every key that can be read signs, with the one library that does both.
    assert_all(produced.into_iter().map(|(error, _)| error), &["CannotSign"]);
}

#[test]
fn secrets_of_every_form_that_is_wrong() {
    let pem = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    let secrets = [
        ("AAAA".to_owned(), "base64: expected 32 bytes"),
        (pem("EC PRIVATE KEY"), "elliptic-curve private key (SEC1): expected"),
        (String::new(), "empty: expected a private key"),
        (pem("ENCRYPTED PRIVATE KEY"), "encrypted with a password: expected"),
        (pem("OPENSSH PRIVATE KEY"), "OpenSSH private key: expected"),
        (pem("SOMETHING ELSE"), "PEM of something else: expected"),
        (pem("PRIVATE KEY"), "private key (PKCS#8): expected"),
        (pem("PUBLIC KEY"), "public key or a certificate: expected"),
        (pem("RSA PRIVATE KEY"), "RSA private key: expected"),
        ("not a key".to_owned(), "neither PEM nor base64: expected PEM that begins with"),
    ];
    let mut produced = Vec::new();
    for (secret, said) in secrets {
        let error = Credentials::new("key", &secret).unwrap_err();
        assert_says(&error, &[said]);
        let AuthError::Secret { form, .. } = error else { panic!("{error:?}") };
        produced.push(form);
    }
    assert_all(produced, &[]);
}
