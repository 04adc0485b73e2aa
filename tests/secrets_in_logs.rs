//! A whole session with a key, with everything logged that anyone logs: nothing of the key, of
//! its tokens or of the proxy's password is in it.
//!
//! The venue runs in a process of its own, so that what is logged is the client's alone: this
//! test, run once more. It writes down every token that it is sent.

#![cfg(feature = "auth")]

#[path = "support/keys.rs"]
mod keys;
#[path = "support/proxy.rs"]
mod proxy;
mod support;
#[path = "support/tls.rs"]
mod tls;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use level2::auth::Credentials;
use level2::feed::{Feed, FeedConfig, Proxy, Roots};
use level2::session::SessionEvent;
use level2_sim::{Exchange, ExchangeConfig, TokenRules};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use self::keys::{KEY_NAME, TestKey};
use self::proxy::{Kind, PASSWORD, TestProxy, USER};
use self::support::*;
use self::tls::*;

/// Tells the child that it is the venue.
const VENUE: &str = "LEVEL2_TEST_IS_VENUE";

/// The library that logs the frames it sends, which the documentation of the feed warns of.
const DOCUMENTED: &str = "tungstenite";

#[test]
fn nothing_secret_is_logged_told_or_shown() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if std::env::var_os(VENUE).is_some() {
        runtime.block_on(be_the_venue());
        return;
    }
    let log = Log::default();
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer({
            let log = log.clone();
            move || log.clone()
        })
        .with_ansi(false)
        .without_time()
        .init();
    for key in [TestKey::new_ec(), TestKey::new_ed25519()] {
        let venue = Venue::start();
        let shown = runtime.block_on(run_sessions(&key, &venue));
        let tokens = venue.end();
        assert!(tokens.len() >= 6, "{} tokens were sent", tokens.len());
        let secrets = Secrets::new(&key, &tokens);
        secrets.assert_absent("events, errors and Debug", &shown);
        let (dump, others): (Vec<String>, Vec<String>) =
            log.take().into_iter().partition(|entry| crate_of(entry) == DOCUMENTED);
        secrets.assert_absent("the log", &others.concat());
        let crates: BTreeSet<&str> = others.iter().map(|entry| crate_of(entry)).collect();
        assert!(crates.contains("tokio_tungstenite"), "nothing was captured: {crates:?}");
        // The warning is needed as long as this holds; and the key itself is not even there.
        let dump = dump.concat();
        assert!(tokens.iter().any(|token| dump.contains(token)), "the warning is out of date");
        assert!(!secrets.key.iter().any(|secret| dump.contains(secret)), "the key was logged");
    }
}

/// One session whose tokens are refused, and one that re-subscribes; returns all that was shown.
async fn run_sessions(key: &TestKey, venue: &Venue) -> String {
    let mut shown = String::new();
    let proxy = TestProxy::start(Kind::Connect, true).await;
    for port in venue.ports {
        let mut config = FeedConfig::new([product("BTC-USD")]);
        config.url = format!("wss://localhost:{port}/");
        config.roots = Roots::Custom(vec![venue.root.clone()]);
        let password = PASSWORD.replace(' ', "%20");
        config.proxy = Proxy::Url(format!("http://{USER}:{password}@{}", proxy.address));
        let credentials = Credentials::new(KEY_NAME, &key.secret()).unwrap();
        writeln!(shown, "{credentials:?} {credentials:#?}").unwrap();
        config.credentials = Some(credentials);
        writeln!(shown, "{config:?} {config:#?}").unwrap();
        let mut feed = Feed::new(config).unwrap();
        while !feed.session().is_synced() {
            let event = next(&mut feed).await;
            if let SessionEvent::AuthenticationFailed(failure) = &event {
                writeln!(shown, "{failure}").unwrap();
            }
            writeln!(shown, "{event:?}").unwrap();
        }
        for name in ["ETH-USD", "SOL-USD"] {
            feed.subscribe(product(name)).unwrap();
            for _ in 0..20 {
                writeln!(shown, "{:?}", next(&mut feed).await).unwrap();
            }
            feed.unsubscribe(name).unwrap();
        }
        writeln!(shown, "{feed:?} {feed:#?} {:?}", feed.session()).unwrap();
        feed.close().await;
    }
    let secret = key.secret();
    let broken = secret.replace("END", "DNE").replace("==", "!");
    for error in [Credentials::new(KEY_NAME, &broken), Credentials::new(&secret, &secret)] {
        let error = error.unwrap_err();
        writeln!(shown, "{error} {error:?}").unwrap();
    }
    shown
}

/// What must not be found, in every way in which bytes get written down.
struct Secrets {
    key: Vec<String>,
    tokens: Vec<String>,
}

impl Secrets {
    fn new(key: &TestKey, tokens: &[String]) -> Self {
        let mut of_key = Vec::new();
        for (_, form) in key.forms() {
            // Whole lines of base64; shorter pieces could turn up by chance.
            let pieces = form.split(|c: char| !c.is_ascii_alphanumeric() && !"+/=".contains(c));
            of_key.extend(pieces.filter(|piece| piece.len() >= 24).map(str::to_owned));
        }
        of_key.extend(written_down(&key.private()));
        of_key.push(PASSWORD.to_owned());
        let mut of_tokens = Vec::new();
        for token in tokens {
            let signature = token.rsplit('.').next().unwrap();
            of_tokens.push(signature.to_owned());
            of_tokens.extend(written_down(signature.as_bytes()));
        }
        Self { key: of_key, tokens: of_tokens }
    }

    fn assert_absent(&self, place: &str, text: &str) {
        for secret in self.key.iter().chain(&self.tokens) {
            assert!(!text.contains(secret.as_str()), "{place} holds {secret:?}");
        }
    }
}

/// Pieces of bytes in hexadecimal and as a list of numbers.
fn written_down(bytes: &[u8]) -> Vec<String> {
    let hex = |piece: &[u8]| piece.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let list = |piece: &[u8]| {
        let numbers: Vec<String> = piece.iter().map(u8::to_string).collect();
        numbers.join(", ")
    };
    let pieces = bytes.chunks_exact(8);
    pieces.flat_map(|piece| [hex(piece), hex(piece).to_uppercase(), list(piece)]).collect()
}

/// Each entry that was logged, in the order in which it was.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Write for Log {
    /// An entry is written by one call.
    fn write(&mut self, entry: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().push(String::from_utf8_lossy(entry).into_owned());
        Ok(entry.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The crate that an entry is from: it begins with a level and a path.
fn crate_of(entry: &str) -> &str {
    let path = entry.split_whitespace().nth(1).unwrap_or_default();
    path.split(':').next().unwrap_or_default()
}

/// The venue in its own process.
struct Venue {
    child: Child,
    /// A port that refuses every token, and one that takes any.
    ports: [u16; 2],
    root: Vec<u8>,
    said: std::thread::JoinHandle<Vec<String>>,
}

impl Venue {
    fn start() -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let arguments = ["--exact", "nothing_secret_is_logged_told_or_shown", "--nocapture"];
        let command = command.args(arguments).env(VENUE, "1").stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let hello = lines.find_map(|line| Some(line.split_once("@hello ")?.1.to_owned())).unwrap();
        let mut words = hello.split(' ');
        let ports = [0; 2].map(|_| words.next().unwrap().parse().unwrap());
        let root = STANDARD.decode(words.next().unwrap()).unwrap();
        let said = std::thread::spawn(move || {
            lines.filter_map(|line| Some(line.split_once("@token ")?.1.to_owned())).collect()
        });
        Self { child, ports, root, said }
    }

    /// Ends the venue, and returns every token that it was sent.
    fn end(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.said.join().unwrap()
    }
}

async fn be_the_venue() {
    let authority = Authority::new("the authority");
    let acceptor = authority.identity("localhost", Validity::Sound).acceptor(rustls::ALL_VERSIONS);
    let mut ports = Vec::new();
    for tokens in [Some(TokenRules::new()), None] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        ports.push(listener.local_addr().unwrap().port());
        let config = ExchangeConfig { tokens, ..busy_exchange(41) };
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let stream = acceptor.accept(stream).await.unwrap();
                let socket = tokio_tungstenite::accept_async(stream).await.unwrap();
                tokio::spawn(serve(socket, Exchange::new(config.clone())));
            }
        });
    }
    println!("@hello {} {} {}", ports[0], ports[1], STANDARD.encode(authority.root()));
    std::future::pending().await
}

async fn serve<S>(mut socket: WebSocketStream<S>, mut exchange: Exchange)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (connection, started) = (exchange.connect(), Instant::now());
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    loop {
        tokio::select! {
            message = socket.next() => {
                let Some(Ok(message)) = message else { return };
                let Message::Text(text) = message else { continue };
                let request: serde_json::Value = serde_json::from_str(&text).unwrap();
                if let Some(token) = request["jwt"].as_str() {
                    println!("@token {token}");
                }
                exchange.receive(connection, started.elapsed(), &text);
            }
            _ = tick.tick() => exchange.advance(started.elapsed()),
        }
        while let Some(frame) = exchange.poll_frame(connection) {
            if socket.send(Message::text(frame.text)).await.is_err() {
                return;
            }
        }
    }
}
