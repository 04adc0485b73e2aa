//! The server as its user holds it.

use std::future::{Future, Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, duplex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::config::ServerConfig;
use super::connection::serve;
use super::script::Script;
use super::shared::Shared;
use super::stream::Stream;
use super::tasks::{accept, pass_time, spawn};
use crate::exchange::{ConnectionId, Exchange};
use crate::fault::{FaultCounts, FaultPlan};

/// How many bytes a stream of [`Server::connect`] holds in each direction.
pub const PIPE_BYTES: usize = 64 << 10;

/// How long the server tries to close all connections in an orderly way.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// How many connections a [`Server`] has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// Connections accepted since the start, before any handshake.
    pub dialed: u64,
    /// Connections whose WebSocket handshake succeeded since the start.
    pub accepted: u64,
    /// Those of them that are still open, stalled ones included.
    pub open: usize,
}

/// A running simulated exchange, on loopback or in memory. Dropping it shuts it down.
///
/// On loopback any client can connect:
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
///
/// In memory there is no socket, so tokio may pause the clock, and hours pass in milliseconds:
///
/// ```
/// use std::time::Duration;
///
/// use futures_util::{SinkExt, StreamExt};
/// use level2_sim::{Server, ServerConfig};
/// use tokio_tungstenite::client_async;
/// use tokio_tungstenite::tungstenite::Message;
///
/// # let mut runtime = tokio::runtime::Builder::new_current_thread();
/// # let runtime = runtime.enable_time().start_paused(true).build().unwrap();
/// // In a test, under `#[tokio::test(start_paused = true)]`.
/// # runtime.block_on(async {
/// let server = Server::in_memory(ServerConfig::default());
/// let (mut client, _) = client_async(server.url(), server.connect()).await.unwrap();
/// let subscribe = r#"{"type":"subscribe","product_ids":["BTC-USD"],"channel":"level2"}"#;
/// client.send(Message::text(subscribe)).await.unwrap();
/// let snapshot = client.next().await.unwrap().unwrap();
/// assert!(snapshot.to_text().unwrap().contains(r#""type":"snapshot""#));
///
/// // A minute of updates, twenty a second.
/// let started = tokio::time::Instant::now();
/// while started.elapsed() < Duration::from_secs(60) {
///     client.next().await.unwrap().unwrap();
/// }
/// # });
/// ```
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    /// `None` in memory.
    local_addr: Option<SocketAddr>,
    accepting: Option<JoinHandle<()>>,
    ticking: JoinHandle<()>,
}

/// Makes one in-memory connection a call.
pub type Dialer<E> = Box<dyn FnMut() -> Ready<Result<DuplexStream, E>> + Send>;

impl Server {
    /// Starts to serve on 127.0.0.1, at a port that the system chooses. Time zero of the exchange
    /// is now.
    ///
    /// # Errors
    /// If the system has no port.
    ///
    /// # Panics
    /// If it is called outside a tokio runtime with I/O and time enabled.
    ///
    /// # Cancel safety
    /// Nothing has been started if the future is dropped before it is ready.
    pub async fn start(config: ServerConfig) -> io::Result<Self> {
        Self::listen(SocketAddr::from(([127, 0, 0, 1], 0)), config).await
    }

    /// Starts to serve at an address; port 0 is any port that is free. Time zero of the exchange is
    /// now.
    ///
    /// # Errors
    /// If the address cannot be bound.
    ///
    /// # Panics
    /// If it is called outside a tokio runtime with I/O and time enabled.
    ///
    /// # Cancel safety
    /// Nothing has been started if the future is dropped before it is ready.
    pub async fn listen(address: SocketAddr, config: ServerConfig) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let local_addr = listener.local_addr()?;
        let shared = Arc::new(Shared::new(config));
        let accepting = tokio::spawn(accept(Arc::clone(&shared), listener));
        Ok(Self::run(shared, Some(local_addr), Some(accepting)))
    }

    /// Starts to serve in memory alone, on streams of [`connect`](Self::connect): there is no
    /// socket. Time zero of the exchange is now.
    ///
    /// # Panics
    /// If it is called outside a tokio runtime with time enabled.
    #[must_use]
    pub fn in_memory(config: ServerConfig) -> Self {
        Self::run(Arc::new(Shared::new(config)), None, None)
    }

    /// Connects in memory, and serves the connection in a task. Returns the client's end, for a
    /// WebSocket handshake; dropping it disconnects.
    ///
    /// It is served as a connection over loopback is: it counts towards
    /// [`max_connections`](ServerConfig::max_connections), takes the next script, has its faults,
    /// and speaks TLS if the server does. At most [`PIPE_BYTES`] are on their way in each
    /// direction. It works on a server that listens, too.
    #[must_use = "dropping the stream disconnects"]
    pub fn connect(&self) -> DuplexStream {
        let (near, far) = duplex(PIPE_BYTES);
        spawn(&self.shared, Stream::memory(far));
        near
    }

    /// Returns a maker of dialers, each call of which is a new in-memory connection, as
    /// [`connect`](Self::connect) makes them: what a client takes that dials through a closure. `E`
    /// is that client's error of a failed dial, which never comes.
    pub fn dialer<E: Send + 'static>(
        &self,
    ) -> impl Fn() -> Dialer<E> + Send + Sync + 'static + use<E> {
        let shared = Arc::clone(&self.shared);
        move || {
            let shared = Arc::clone(&shared);
            Box::new(move || {
                let (near, far) = duplex(PIPE_BYTES);
                spawn(&shared, Stream::memory(far));
                ready(Ok(near))
            })
        }
    }

    /// Serves a stream that did not come from this server, such as a TLS stream or one of a
    /// simulated network. The future lasts as long as the connection. It takes the next script as
    /// any connection does, speaks no TLS, and does not count towards
    /// [`max_connections`](ServerConfig::max_connections).
    ///
    /// # Cancel safety
    /// Dropping the future drops the stream, without a close frame.
    pub fn serve<S>(&self, stream: S) -> impl Future<Output = ()> + Send + use<S>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        serve(Arc::clone(&self.shared), Stream::given(stream), self.shared.next_script())
    }

    /// Adds a script behind those that no connection has taken yet: if there are none, the next
    /// connection takes it.
    pub fn push_script(&self, script: Script) {
        self.shared.scripts().push_back(script);
    }

    /// Gives access to the exchange as it is now, and wakes the connections afterwards.
    ///
    /// The exchange is locked while the closure runs, so it should be short.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    /// # runtime.block_on(async {
    /// use level2_sim::rust_decimal::Decimal;
    /// use level2_sim::{ExchangeConfig, ProductSpec, Server, ServerConfig, Side};
    ///
    /// let products = vec![ProductSpec::scripted("BTC-USD")];
    /// let exchange = ExchangeConfig { products, ..ExchangeConfig::default() };
    /// let server = Server::in_memory(ServerConfig { exchange, ..ServerConfig::default() });
    /// server.with_exchange(|exchange| {
    ///     exchange.set_levels("BTC-USD", [(Side::Bid, Decimal::from(100), Decimal::ONE)]);
    /// });
    /// # });
    /// ```
    pub fn with_exchange<T>(&self, act: impl FnOnce(&mut Exchange) -> T) -> T {
        let mut exchange = self.shared.exchange();
        // The exchange is not advanced while nothing is due.
        exchange.advance(self.shared.now());
        let answer = act(&mut exchange);
        drop(exchange);
        self.shared.wake();
        answer
    }

    /// Replaces the faults of every connection, open ones included. A connection that has stalled
    /// stays so.
    pub fn set_faults(&self, plan: FaultPlan) {
        let mut faults = self.shared.faults();
        faults.plan = plan;
        faults.version += 1;
    }

    /// Drops every connection without a close frame; new ones are accepted.
    pub fn abort_all(&self) {
        self.shared.signal.send_modify(|signal| signal.aborts += 1);
    }

    /// Returns the address that the server listens on, or `None` in memory.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local_addr
    }

    /// Returns the URL to connect to, such as `ws://127.0.0.1:40123`, or with TLS, whose
    /// certificates name hosts, `wss://localhost:40123`. In memory it is `ws://localhost/` or
    /// `wss://localhost/`: an address for the settings of a client, where nothing listens.
    #[must_use]
    pub fn url(&self) -> String {
        #[cfg(feature = "tls")]
        if self.shared.tls.is_some() {
            return match self.local_addr {
                Some(address) => format!("wss://localhost:{}", address.port()),
                None => "wss://localhost/".to_owned(),
            };
        }
        match self.local_addr {
            Some(address) => format!("ws://{address}"),
            None => "ws://localhost/".to_owned(),
        }
    }

    /// Returns the open connection that was accepted last.
    #[must_use]
    pub fn newest_connection(&self) -> Option<ConnectionId> {
        self.shared.exchange().newest_connection()
    }

    /// Returns how many connections there are and have been.
    #[must_use]
    pub fn connections(&self) -> Connections {
        Connections {
            dialed: self.shared.dialed.load(Ordering::Relaxed),
            accepted: self.shared.accepted.load(Ordering::Relaxed),
            open: self.shared.open.load(Ordering::Relaxed),
        }
    }

    /// Returns the faults of all connections since the start.
    #[must_use]
    pub fn fault_counts(&self) -> FaultCounts {
        self.shared.faults().counts
    }

    /// Closes every connection with code 1001 (going away) and stops the server.
    ///
    /// # Cancel safety
    /// Dropping the future drops the server, and with it all connections.
    pub async fn shutdown(mut self) {
        self.shared.signal.send_modify(|signal| signal.is_shut = true);
        let closing = async {
            if let Some(accepting) = &mut self.accepting {
                // It fails only where it panicked, and then it accepts nothing more either.
                let _ = accepting.await;
            }
            let mut tasks = std::mem::take(&mut *self.shared.tasks());
            while tasks.join_next().await.is_some() {}
        };
        // A client that does not read is not waited for any longer: its task is aborted.
        let _ = timeout(SHUTDOWN_TIMEOUT, closing).await;
    }

    fn run(
        shared: Arc<Shared>,
        local_addr: Option<SocketAddr>,
        accepting: Option<JoinHandle<()>>,
    ) -> Self {
        let ticking = tokio::spawn(pass_time(Arc::clone(&shared)));
        Self { shared, local_addr, accepting, ticking }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.signal.send_modify(|signal| signal.is_shut = true);
        self.ticking.abort();
        if let Some(accepting) = &self.accepting {
            accepting.abort();
        }
        self.shared.tasks().abort_all();
    }
}
