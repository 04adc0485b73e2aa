//! A loopback WebSocket server around the exchange.
//!
//! The server gives an [`Exchange`] real time and real sockets: one task per connection and one
//! that lets time pass. Its clock is that of tokio, so a test may pause it.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::DATE;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use crate::sim::exchange::{ConnectionId, Exchange, ExchangeConfig, REQUEST_BYTES_MAX, SimFrame};
use crate::sim::fault::{Delivery, FaultCounts, FaultPlan};

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
    /// The most sockets served at a time; further ones are closed at once. The default is 256.
    pub connections_max: usize,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            exchange: ExchangeConfig::default(),
            faults: FaultPlan::none(),
            connections_max: 256,
        }
    }
}

/// How many connections a [`Server`] has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
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
/// use level2::sim::{Server, ServerConfig};
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
            started: Instant::now(),
            tick: watch::Sender::new(0),
            signal: watch::Sender::new(Signal { aborts: 0, shut: false }),
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

    /// The URL to connect to, such as `ws://127.0.0.1:40123`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://{}", self.local_addr)
    }

    /// Serves one stream that did not come from the server's own socket, such as a TLS stream or
    /// one in memory. The future lasts as long as the connection.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the stream, without a close frame.
    pub fn serve<S>(&self, stream: S) -> impl Future<Output = ()> + Send + use<S>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        serve(Arc::clone(&self.shared), stream)
    }

    /// Looks at the exchange or does something to it, and wakes the connections afterwards.
    ///
    /// The exchange stands still meanwhile: the closure should be short.
    pub fn with_exchange<T>(&self, look: impl FnOnce(&mut Exchange) -> T) -> T {
        let answer = look(&mut self.shared.exchange());
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

/// What the tasks of a server share. The two locks are never held together, nor across an await.
#[derive(Debug)]
struct Shared {
    exchange: Mutex<Exchange>,
    faults: Mutex<Faults>,
    started: Instant,
    /// Changes when there may be frames to send.
    tick: watch::Sender<u64>,
    signal: watch::Sender<Signal>,
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
            () = sleep_until(shared.started + due) => {
                let now = shared.now();
                shared.exchange().advance(now);
                shared.wake();
            }
            // What somebody does to the exchange may bring the next change nearer.
            changed = tick.changed() => if changed.is_err() { return },
        }
    }
}

/// Accepts sockets until the server shuts down, then waits for their tasks.
async fn accept(shared: Arc<Shared>, listener: TcpListener, connections_max: usize) {
    let mut signal = shared.signal.subscribe();
    let mut tasks = JoinSet::new();
    while !signal.borrow_and_update().shut {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if tasks.len() < connections_max => {
                    // Without this option a small frame waits for the ack of the one before it.
                    // The socket works without it as well.
                    let _ = stream.set_nodelay(true);
                    tasks.spawn(serve(Arc::clone(&shared), stream));
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

/// Serves one connection from its handshake to its end.
async fn serve<S>(shared: Arc<Shared>, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut signal = shared.signal.subscribe();
    let before = *signal.borrow_and_update();
    if before.shut {
        return;
    }
    let config = WebSocketConfig::default()
        .max_message_size(Some(2 * REQUEST_BYTES_MAX))
        .max_frame_size(Some(2 * REQUEST_BYTES_MAX));
    // Clients judge their clocks by the exchange's, as they do by the venue's.
    let date = httpdate::fmt_http_date(UNIX_EPOCH + shared.unix_time());
    #[allow(clippy::result_large_err)] // The type of the error is the library's.
    let add_date = |_: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        if let Ok(date) = HeaderValue::try_from(date) {
            response.headers_mut().insert(DATE, date);
        }
        Ok(response)
    };
    let handshake = accept_hdr_async_with_config(stream, add_date, Some(config));
    let handshake = timeout(HANDSHAKE_TIMEOUT, handshake);
    let mut socket = tokio::select! {
        handshake = handshake => match handshake {
            Ok(Ok(socket)) => socket,
            _ => return,
        },
        _ = signal.changed() => return,
    };
    let mut session = Session::new(shared);
    let ending = tokio::select! {
        ending = session.run(&mut socket) => ending,
        _ = signal.changed() => {
            if signal.borrow().shut { Ending::Shut } else { Ending::Broken }
        }
    };
    let close = match ending {
        Ending::Broken => return,
        Ending::Closed => None,
        Ending::Shut => Some(CloseFrame { code: CloseCode::Away, reason: "shutdown".into() }),
    };
    // The end is near either way: a client that does not take the close frame goes without.
    let _ = timeout(CLOSE_TIMEOUT, socket.close(close)).await;
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The socket is dropped as it is.
    Broken,
    /// The client closed; the close frame is answered.
    Closed,
    /// The server shuts down and says so.
    Shut,
}

/// The exchange's end of one connection; dropping it disconnects.
struct Session {
    shared: Arc<Shared>,
    id: ConnectionId,
    ordinal: u64,
    plan: FaultPlan,
    plan_version: u64,
    deliveries: Vec<Delivery>,
}

impl Session {
    fn new(shared: Arc<Shared>) -> Self {
        let id = shared.connect();
        let ordinal = shared.accepted.fetch_add(1, Ordering::Relaxed);
        shared.open.fetch_add(1, Ordering::Relaxed);
        let (plan, plan_version) = {
            let faults = shared.faults();
            (faults.plan.fork(ordinal), faults.version)
        };
        Self { shared, id, ordinal, plan, plan_version, deliveries: Vec::new() }
    }

    /// Carries frames one way and requests the other until the connection ends.
    async fn run<S>(&mut self, socket: &mut WebSocketStream<S>) -> Ending
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut tick = self.shared.tick.subscribe();
        loop {
            tick.borrow_and_update();
            if let Some(ending) = self.send_queued(socket).await {
                return ending;
            }
            if !self.shared.exchange().is_open(self.id) {
                // The exchange lost patience. How the venue goes about it is not known; an
                // abrupt end is the harder case for a client.
                return Ending::Broken;
            }
            tokio::select! {
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => self.receive(&text),
                    // The venue speaks text only; this will be answered as malformed.
                    Some(Ok(Message::Binary(_))) => self.receive(""),
                    Some(Ok(Message::Close(_))) => return Ending::Closed,
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Ending::Broken,
                },
                changed = tick.changed() => if changed.is_err() { return Ending::Broken },
            }
        }
    }

    fn receive(&self, text: &str) {
        let now = self.shared.now();
        self.shared.exchange().receive(self.id, now, text);
    }

    /// Sends what the exchange has queued, with faults. Returns the ending if there is one.
    async fn send_queued<S>(&mut self, socket: &mut WebSocketStream<S>) -> Option<Ending>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        // The queue of the exchange is bounded, and so is this loop.
        while let Some(frame) = self.shared.poll_frame(self.id) {
            self.apply_faults(frame);
            for delivery in std::mem::take(&mut self.deliveries) {
                match delivery {
                    Delivery::Text(bytes) => {
                        let text =
                            String::from_utf8(bytes).expect("a fault plan turns text into text");
                        let sent = timeout(SEND_TIMEOUT, socket.send(Message::text(text)));
                        if !matches!(sent.await, Ok(Ok(()))) {
                            return Some(Ending::Broken);
                        }
                    }
                    Delivery::Abort => return Some(Ending::Broken),
                    Delivery::Stall => {
                        self.stall(socket.get_mut()).await;
                        return Some(Ending::Broken);
                    }
                    Delivery::ResetCounter => {
                        self.shared.exchange().reset_counter(self.id);
                    }
                }
            }
        }
        None
    }

    fn apply_faults(&mut self, frame: SimFrame) {
        let mut faults = self.shared.faults();
        if faults.version != self.plan_version {
            self.plan.finish(&mut self.deliveries);
            self.plan = faults.plan.fork(self.ordinal);
            self.plan_version = faults.version;
        }
        self.plan.apply(frame, &mut self.deliveries);
        faults.counts.add(&self.plan.take_counts());
    }

    /// Keeps the connection open in silence until the client leaves.
    ///
    /// The bytes of the client are read below the WebSocket, so that not even a ping is answered,
    /// and thrown away, so that its leaving is noticed.
    async fn stall<S: AsyncRead + Unpin>(&self, stream: &mut S) {
        let mut tick = self.shared.tick.subscribe();
        let mut bytes = [0; STALL_BUFFER_BYTES];
        loop {
            let read = poll_fn(|context| {
                let mut buffer = ReadBuf::new(&mut bytes);
                let polled = Pin::new(&mut *stream).poll_read(context, &mut buffer);
                polled.map_ok(|()| buffer.filled().len())
            });
            tokio::select! {
                read = read => if !matches!(read, Ok(1..)) { return },
                changed = tick.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    // What is queued meanwhile is lost, or the queue would overflow.
                    while self.shared.poll_frame(self.id).is_some() {}
                }
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.exchange().disconnect(self.id);
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long a client may take for the handshake, and for one frame.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the server tries to say goodbye to one client, and to all of them.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the server waits after the system refused it a socket.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
const STALL_BUFFER_BYTES: usize = 1_024;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rust_decimal::Decimal;
    use serde_json::Value;
    use tokio::net::TcpStream;
    use tokio_tungstenite::client_async;
    use tokio_tungstenite::tungstenite::Error;

    use super::*;
    use crate::sim::{FaultRates, ProductSpec};

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
        assert_eq!(server.connections(), Connections { accepted: 1, open: 1 });
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
}
