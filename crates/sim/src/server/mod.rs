//! A loopback WebSocket server around the exchange.
//!
//! The server gives an [`Exchange`] real time and real sockets: one task per connection and one
//! that lets time pass. Its clock is that of tokio, so a test may pause it. What goes wrong above
//! the socket is a matter of a [`FaultPlan`], what goes wrong at the socket that of a [`Script`].
//! Whatever is ready at once is taken in a fixed order, so that runs in stopped time replay.

mod connection;
mod raw_frame;
mod script;
mod stream;
#[cfg(feature = "tls")]
mod tls;

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use self::connection::serve;
pub use self::raw_frame::RawFrame;
pub use self::script::{Answer, Form, Script, Step, Writes};
use self::stream::Stream;
#[cfg(feature = "tls")]
pub use self::tls::{ServerTls, ServerTlsError};
use crate::exchange::{ConnectionId, Exchange, ExchangeConfig, SimFrame};
use crate::fault::{FaultCounts, FaultPlan};

/// How a [`Server`] is set up.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The address to listen on. The default is 127.0.0.1 with a port chosen by the system.
    pub listen: SocketAddr,
    /// The exchange behind the server.
    pub exchange: ExchangeConfig,
    /// The faults between the exchange and its clients; every connection gets a fork of its own.
    /// The default is none.
    pub faults: FaultPlan,
    /// What goes wrong at the sockets: the first script is for the first connection that is
    /// taken up, and so on. Connections beyond the last are served soundly. The default is none.
    pub scripts: Vec<Script>,
    /// The most sockets served at a time; further ones are closed at once. The default is 256.
    pub connections_max: usize,
    /// What to prove oneself with over `wss://`. The default is none: the server speaks `ws://`.
    #[cfg(feature = "tls")]
    pub tls: Option<ServerTls>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            exchange: ExchangeConfig::default(),
            faults: FaultPlan::none(),
            scripts: Vec::new(),
            connections_max: 256,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

/// How many connections a [`Server`] has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// Connections that were taken up, before any handshake, since the start.
    pub dialed: u64,
    /// Connections whose WebSocket handshake succeeded since the start.
    pub accepted: u64,
    /// Those of them that are still there, stalled ones included.
    pub open: usize,
}

/// A running simulated exchange on a socket. Dropping it shuts it down.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// use level2_sim::{Server, ServerConfig};
///
/// let server = Server::start(ServerConfig::default()).await.unwrap();
/// assert!(server.url().starts_with("ws://127.0.0.1:"));
/// let best = server.with_exchange(|exchange| exchange.true_book("BTC-USD").unwrap().best_bid());
/// assert!(best.is_some());
/// server.shutdown().await;
/// # });
/// ```
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    local_addr: SocketAddr,
    accepting: Option<JoinHandle<()>>,
    ticking: JoinHandle<()>,
}

impl Server {
    /// Binds the address and starts to serve. Time zero of the exchange is now.
    ///
    /// # Errors
    ///
    /// If the address cannot be bound.
    ///
    /// # Panics
    ///
    /// If it is called outside a tokio runtime with I/O and time enabled.
    ///
    /// # Cancel safety
    ///
    /// Nothing has been started if the future is dropped before it is ready.
    pub async fn start(config: ServerConfig) -> io::Result<Self> {
        let listener = TcpListener::bind(config.listen).await?;
        let local_addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            exchange: Mutex::new(Exchange::new(config.exchange)),
            faults: Mutex::new(Faults {
                plan: config.faults,
                version: 0,
                counts: FaultCounts::default(),
            }),
            scripts: Mutex::new(config.scripts.into()),
            #[cfg(feature = "tls")]
            tls: config.tls,
            started: Instant::now(),
            tick: watch::Sender::new(0),
            signal: watch::Sender::new(Signal { aborts: 0, shut: false }),
            dialed: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            open: AtomicUsize::new(0),
        });
        let accepting = accept(Arc::clone(&shared), listener, config.connections_max);
        let ticking = pass_time(Arc::clone(&shared));
        Ok(Self {
            local_addr,
            accepting: Some(tokio::spawn(accepting)),
            ticking: tokio::spawn(ticking),
            shared,
        })
    }

    /// The address the server listens on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The URL to connect to, such as `ws://127.0.0.1:40123`, or with TLS, whose certificates name
    /// hosts, `wss://localhost:40123`.
    #[must_use]
    pub fn url(&self) -> String {
        #[cfg(feature = "tls")]
        if self.shared.tls.is_some() {
            return format!("wss://localhost:{}", self.local_addr.port());
        }
        format!("ws://{}", self.local_addr)
    }

    /// Serves one stream that did not come from the server's own socket, such as a TLS stream or
    /// one in memory. The future lasts as long as the connection. It takes the next script as any
    /// connection does, and speaks no TLS.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the stream, without a close frame.
    pub fn serve<S>(&self, stream: S) -> impl Future<Output = ()> + Send + use<S>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        serve(Arc::clone(&self.shared), Stream::given(stream), self.shared.next_script())
    }

    /// Adds a script behind those that no connection has taken yet: where there are none, the next
    /// connection takes it.
    pub fn push_script(&self, script: Script) {
        self.shared.scripts().push_back(script);
    }

    /// Looks at the exchange as it is now or does something to it, and wakes the connections
    /// afterwards.
    ///
    /// The exchange stands still meanwhile: the closure should be short.
    pub fn with_exchange<T>(&self, look: impl FnOnce(&mut Exchange) -> T) -> T {
        let mut exchange = self.shared.exchange();
        // While nothing is due nobody has told it the time.
        exchange.advance(self.shared.now());
        let answer = look(&mut exchange);
        drop(exchange);
        self.shared.wake();
        answer
    }

    /// The open connection that was accepted last.
    #[must_use]
    pub fn newest_connection(&self) -> Option<ConnectionId> {
        self.shared.exchange().newest_connection()
    }

    /// How many connections there are and have been.
    #[must_use]
    pub fn connections(&self) -> Connections {
        Connections {
            dialed: self.shared.dialed.load(Ordering::Relaxed),
            accepted: self.shared.accepted.load(Ordering::Relaxed),
            open: self.shared.open.load(Ordering::Relaxed),
        }
    }

    /// Replaces the faults of every connection, of those that are open too. A connection that
    /// has stalled stays so.
    pub fn set_faults(&self, plan: FaultPlan) {
        let mut faults = self.shared.faults();
        faults.plan = plan;
        faults.version += 1;
    }

    /// The faults of all connections since the start.
    #[must_use]
    pub fn fault_counts(&self) -> FaultCounts {
        self.shared.faults().counts
    }

    /// Drops every connection without a close frame; new ones are welcome.
    pub fn abort_all(&self) {
        self.shared.signal.send_modify(|signal| signal.aborts += 1);
    }

    /// Closes every connection with code 1001 (going away) and stops the server.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the server, and with it all connections.
    pub async fn shutdown(mut self) {
        self.shared.signal.send_modify(|signal| signal.shut = true);
        if let Some(mut accepting) = self.accepting.take() {
            // The task is given up rather than waited for if a client does not read.
            if timeout(SHUTDOWN_TIMEOUT, &mut accepting).await.is_err() {
                accepting.abort();
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.signal.send_modify(|signal| signal.shut = true);
        self.ticking.abort();
        if let Some(accepting) = &self.accepting {
            accepting.abort();
        }
    }
}

/// What the tasks of a server share. No two of the locks are ever held together, and none across
/// an await.
#[derive(Debug)]
struct Shared {
    exchange: Mutex<Exchange>,
    faults: Mutex<Faults>,
    /// Those that no connection has taken yet.
    scripts: Mutex<VecDeque<Script>>,
    #[cfg(feature = "tls")]
    tls: Option<ServerTls>,
    started: Instant,
    /// Changes when there may be frames to send.
    tick: watch::Sender<u64>,
    signal: watch::Sender<Signal>,
    dialed: AtomicU64,
    accepted: AtomicU64,
    open: AtomicUsize,
}

#[derive(Debug)]
struct Faults {
    plan: FaultPlan,
    version: u64,
    counts: FaultCounts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Signal {
    aborts: u64,
    shut: bool,
}

impl Shared {
    /// A test that panicked in its closure must not take the server down with it, so a poisoned
    /// lock is taken as it is.
    fn exchange(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn scripts(&self) -> MutexGuard<'_, VecDeque<Script>> {
        self.scripts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection up.
    fn next_script(&self) -> Script {
        self.dialed.fetch_add(1, Ordering::Relaxed);
        self.scripts().pop_front().unwrap_or_default()
    }

    /// Real time since the start: the time of the exchange.
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// The wall time of the exchange, since the UNIX epoch.
    fn unix_time(&self) -> Duration {
        let mut exchange = self.exchange();
        exchange.advance(self.now());
        exchange.unix_time()
    }

    fn wake(&self) {
        self.tick.send_modify(|ticks| *ticks = ticks.wrapping_add(1));
    }

    fn connect(&self) -> ConnectionId {
        let mut exchange = self.exchange();
        exchange.advance(self.now());
        exchange.connect()
    }

    fn poll_frame(&self, id: ConnectionId) -> Option<SimFrame> {
        self.exchange().poll_frame(id)
    }
}

/// Lets the exchange keep up with the clock.
async fn pass_time(shared: Arc<Shared>) {
    let mut tick = shared.tick.subscribe();
    loop {
        tick.borrow_and_update();
        let due = shared.exchange().next_due();
        tokio::select! {
            biased;
            () = sleep_until(shared.started + due) => {}
            // What somebody does to the exchange may bring the next change nearer.
            changed = tick.changed() => if changed.is_err() { return },
        }
        // A request may have let the exchange go past this moment already, without a word to the
        // connections that have something to send since then.
        let now = shared.now();
        if now >= due {
            shared.exchange().advance(now);
            shared.wake();
        }
    }
}

/// Accepts sockets until the server shuts down, then waits for their tasks.
async fn accept(shared: Arc<Shared>, listener: TcpListener, connections_max: usize) {
    let mut signal = shared.signal.subscribe();
    let mut tasks = JoinSet::new();
    while !signal.borrow_and_update().shut {
        tokio::select! {
            biased;
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if tasks.len() < connections_max => {
                    // Without this option a small frame waits for the ack of the one before it.
                    // The socket works without it as well.
                    let _ = stream.set_nodelay(true);
                    let script = shared.next_script();
                    tasks.spawn(serve(Arc::clone(&shared), Stream::tcp(stream), script));
                }
                Ok(_) => {}
                // The system is short of something, sockets most likely: asking again at once
                // would only keep it busy.
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = tasks.join_next() => {}
            changed = signal.changed() => if changed.is_err() { break },
        }
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}

/// How long the server tries to say goodbye to all clients.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the server waits after the system refused it a socket.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use futures_util::{SinkExt as _, StreamExt as _};
    use rust_decimal::Decimal;
    use serde_json::Value;
    use tokio::net::TcpStream;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
    use tokio_tungstenite::tungstenite::{Error, Message};
    use tokio_tungstenite::{WebSocketStream, client_async};

    use super::*;
    use crate::{FaultRates, ProductSpec};

    const SUBSCRIBE: &str =
        r#"{"type":"subscribe","product_ids":["BTC-USD","ETH-USD"],"channel":"level2"}"#;
    const SUBSCRIBE_BEATS: &str = r#"{"type":"subscribe","channel":"heartbeats"}"#;

    type Client = WebSocketStream<TcpStream>;

    fn config() -> ServerConfig {
        ServerConfig {
            exchange: ExchangeConfig {
                products: vec![
                    ProductSpec::btc_usd().levels(300),
                    ProductSpec::eth_usd().levels(100),
                ],
                interval: Duration::from_millis(5),
                heartbeat: Duration::from_millis(20),
                ..ExchangeConfig::default()
            },
            ..ServerConfig::default()
        }
    }

    async fn client(server: &Server) -> Client {
        let stream = TcpStream::connect(server.local_addr()).await.unwrap();
        let (mut client, _) = client_async(server.url(), stream).await.unwrap();
        client.send(Message::text(SUBSCRIBE)).await.unwrap();
        client.send(Message::text(SUBSCRIBE_BEATS)).await.unwrap();
        client
    }

    async fn frame(client: &mut Client) -> Value {
        match soon(client.next()).await {
            Some(Ok(Message::Text(text))) => serde_json::from_str(&text).unwrap(),
            other => panic!("no frame but {other:?}"),
        }
    }

    async fn soon<T>(future: impl Future<Output = T>) -> T {
        timeout(Duration::from_secs(10), future).await.expect("it comes soon")
    }

    async fn until(mut done: impl FnMut() -> bool) {
        soon(async {
            while !done() {
                sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }

    #[tokio::test]
    async fn a_client_over_loopback_sees_the_truth() {
        let server = Server::start(config()).await.unwrap();
        let mut client = client(&server).await;
        let mut bids: BTreeMap<Decimal, Decimal> = BTreeMap::new();
        let (mut snapshots, mut heartbeats) = (0, 0);
        for sequence in 0..60 {
            let frame = frame(&mut client).await;
            assert_eq!(frame["sequence_num"], sequence);
            heartbeats += u32::from(frame["channel"] == "heartbeats");
            let event = &frame["events"][0];
            snapshots += u32::from(event["type"] == "snapshot");
            if event["product_id"] != "BTC-USD" {
                continue;
            }
            for update in event["updates"].as_array().unwrap() {
                let number = |key: &str| update[key].as_str().unwrap().parse::<Decimal>().unwrap();
                if update["side"] == "bid" {
                    bids.insert(number("price_level"), number("new_quantity"));
                }
            }
            bids.retain(|_, size| !size.is_zero());
            let id = server.newest_connection().unwrap();
            let truth = server.with_exchange(|exchange| exchange.truth(id, "BTC-USD", sequence));
            assert_eq!(truth.unwrap().bid, bids.last_key_value().map(|(&p, &s)| (p, s)));
        }
        assert_eq!(snapshots, 2);
        assert!(heartbeats > 0);
        assert_eq!(server.connections(), Connections { dialed: 1, accepted: 1, open: 1 });
        client.close(None).await.unwrap();
        until(|| server.connections().open == 0).await;
        assert_eq!(server.newest_connection(), None);
    }

    #[tokio::test]
    async fn a_stream_of_ones_own_is_served() {
        let server = Server::start(config()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let near = TcpStream::connect(address).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        let serving = tokio::spawn(server.serve(far));
        let (mut client, _) = client_async(format!("ws://{address}"), near).await.unwrap();
        client.send(Message::text(SUBSCRIBE)).await.unwrap();
        assert_eq!(frame(&mut client).await["sequence_num"], 0);
        drop(client);
        soon(serving).await.unwrap();
    }

    #[tokio::test]
    async fn abort_all_breaks_without_a_close_frame() {
        let server = Server::start(config()).await.unwrap();
        let mut first = client(&server).await;
        frame(&mut first).await;
        server.abort_all();
        let end = soon(async {
            loop {
                match first.next().await {
                    Some(Ok(Message::Text(_))) => {}
                    end => break end,
                }
            }
        })
        .await;
        assert!(matches!(end, Some(Err(Error::Protocol(_) | Error::Io(_)))), "{end:?}");
        let mut second = client(&server).await;
        assert_eq!(frame(&mut second).await["sequence_num"], 0);
    }

    #[tokio::test]
    async fn shutdown_says_goodbye() {
        let server = Server::start(config()).await.unwrap();
        let mut client = client(&server).await;
        frame(&mut client).await;
        let reading = tokio::spawn(async move {
            loop {
                match client.next().await {
                    Some(Ok(Message::Close(close))) => break close,
                    Some(Ok(_)) => {}
                    end => panic!("no close frame but {end:?}"),
                }
            }
        });
        soon(server.shutdown()).await;
        assert_eq!(soon(reading).await.unwrap().unwrap().code, CloseCode::Away);
    }

    #[tokio::test]
    async fn a_dropped_server_is_gone() {
        let server = Server::start(config()).await.unwrap();
        let mut client = client(&server).await;
        frame(&mut client).await;
        let address = server.local_addr();
        drop(server);
        soon(async { while let Some(Ok(_)) = client.next().await {} }).await;
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn a_stalled_connection_is_silent_and_open() {
        let stall = FaultRates { stall_ppm: 1_000_000, ..FaultRates::default() };
        let server = Server::start(ServerConfig { faults: FaultPlan::new(1, stall), ..config() });
        let server = server.await.unwrap();
        let mut client = client(&server).await;
        client.send(Message::Ping(Vec::new().into())).await.unwrap();
        let silence = timeout(Duration::from_millis(150), client.next()).await;
        assert!(silence.is_err(), "{silence:?}");
        assert_eq!(server.fault_counts().stalls, 1);
        assert_eq!(server.connections().open, 1);
        drop(client);
        until(|| server.connections().open == 0).await;
    }

    #[tokio::test]
    async fn faults_can_be_changed_while_it_runs() {
        let server = Server::start(config()).await.unwrap();
        let mut client = client(&server).await;
        assert_eq!(frame(&mut client).await["sequence_num"], 0);
        server.set_faults(FaultPlan::drops(500_000));
        until(|| server.fault_counts().drops > 3).await;
        let reset = FaultRates { reset_ppm: 100_000, ..FaultRates::default() };
        server.set_faults(FaultPlan::new(1, reset));
        let mut sequence_last = 0;
        let (mut gap, mut restarted) = (false, false);
        soon(async {
            while !gap || !restarted {
                let sequence = frame(&mut client).await["sequence_num"].as_u64().unwrap();
                gap |= sequence > sequence_last + 1;
                restarted |= sequence < sequence_last;
                sequence_last = sequence;
            }
        })
        .await;
        assert!(server.fault_counts().resets > 0);
    }

    #[tokio::test]
    async fn sockets_beyond_the_limit_are_closed() {
        let server = Server::start(ServerConfig { connections_max: 1, ..config() }).await.unwrap();
        let _first = client(&server).await;
        let stream = TcpStream::connect(server.local_addr()).await.unwrap();
        assert!(soon(client_async(server.url(), stream)).await.is_err());
        assert_eq!(server.connections().accepted, 1);
    }

    /// Reads what a server says on one connection until it ends.
    async fn ending(server: &Server) -> (u64, Result<Option<Message>, Error>) {
        let mut client = client(server).await;
        let mut frames = 0;
        loop {
            match soon(client.next()).await {
                Some(Ok(Message::Text(_))) => frames += 1,
                end => return (frames, end.transpose()),
            }
        }
    }

    #[tokio::test]
    async fn connections_take_scripts_in_order_and_are_served_soundly_after_the_last() {
        let server = ServerConfig {
            scripts: vec![Script::new([Step::Serve(7), Step::Fin]), Script::new([])],
            ..config()
        };
        let server = Server::start(server).await.unwrap();
        let (frames, end) = ending(&server).await;
        assert_eq!(frames, 7);
        assert!(matches!(end, Err(Error::Protocol(_))), "{end:?}");

        let mut second = client(&server).await;
        for sequence in 0..40 {
            assert_eq!(frame(&mut second).await["sequence_num"], sequence);
        }
        server.push_script(Script::new([Step::Serve(3), Step::Frame(RawFrame::close(1_006, ""))]));
        let (frames, end) = ending(&server).await;
        assert_eq!(frames, 3);
        assert!(matches!(end, Ok(Some(Message::Close(Some(_))))), "{end:?}");
        let mut fourth = client(&server).await;
        assert_eq!(frame(&mut fourth).await["sequence_num"], 0);
        assert_eq!(server.connections(), Connections { dialed: 4, accepted: 4, open: 2 });
    }

    #[tokio::test]
    async fn frames_after_a_pause_are_those_that_waited() {
        let steps = [Step::Requests(2), Step::Pause(Duration::from_millis(50)), Step::Serve(20)];
        let steps = steps.into_iter().chain([Step::Form(Form::Binary)]);
        let server = ServerConfig { scripts: vec![Script::new(steps)], ..config() };
        let server = Server::start(server).await.unwrap();
        let mut client = client(&server).await;
        for sequence in 0..20 {
            assert_eq!(frame(&mut client).await["sequence_num"], sequence);
        }
        let next = soon(client.next()).await;
        assert!(matches!(next, Some(Ok(Message::Binary(_)))), "{next:?}");
    }

    #[tokio::test]
    async fn shutting_down_ends_a_connection_that_is_held() {
        let scripts = vec![Script::new([Step::Serve(1), Step::Hold])];
        let server = Server::start(ServerConfig { scripts, ..config() }).await.unwrap();
        let mut client = client(&server).await;
        frame(&mut client).await;
        let reading = tokio::spawn(async move { soon(client.next()).await });
        soon(server.shutdown()).await;
        let end = reading.await.unwrap();
        assert!(matches!(end, Some(Ok(Message::Close(Some(_))))), "{end:?}");
    }
}
