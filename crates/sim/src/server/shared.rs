//! What the tasks of a server share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::config::ServerConfig;
use super::script::Script;
#[cfg(feature = "tls")]
use super::tls::ServerTls;
use crate::exchange::{ConnectionId, Exchange};
use crate::fault::{FaultCounts, FaultPlan};
use crate::frame::SimFrame;

/// What the tasks of a server share. While the lock of the tasks is held, that of the scripts may
/// be taken; no other two are held together, and none across an await.
#[derive(Debug)]
pub(super) struct Shared {
    exchange: Mutex<Exchange>,
    faults: Mutex<Faults>,
    /// Those that no connection has taken yet.
    scripts: Mutex<VecDeque<Script>>,
    /// One task for each connection that the server itself accepted.
    tasks: Mutex<JoinSet<()>>,
    /// Where those tasks run.
    pub(super) runtime: Handle,
    pub(super) max_connections: usize,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<ServerTls>,
    pub(super) started: Instant,
    /// Changes when there may be frames to send.
    pub(super) tick: watch::Sender<u64>,
    pub(super) signal: watch::Sender<Signal>,
    pub(super) dialed: AtomicU64,
    pub(super) accepted: AtomicU64,
    pub(super) open: AtomicUsize,
}

/// The plan that connections fork, by version.
#[derive(Debug)]
pub(super) struct Faults {
    pub(super) plan: FaultPlan,
    pub(super) version: u64,
    /// The faults of all connections.
    pub(super) counts: FaultCounts,
}

/// What ends connections from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signal {
    pub(super) aborts: u64,
    pub(super) is_shut: bool,
}

impl Shared {
    /// Returns what the tasks of a new server share. Time zero of the exchange is now.
    pub(super) fn new(config: ServerConfig) -> Self {
        // Before the exchange, which takes a while to make: its wall clock must not fall behind.
        let started = Instant::now();
        Self {
            exchange: Mutex::new(Exchange::new(config.exchange)),
            faults: Mutex::new(Faults {
                plan: config.faults,
                version: 0,
                counts: FaultCounts::default(),
            }),
            scripts: Mutex::new(config.scripts.into()),
            tasks: Mutex::new(JoinSet::new()),
            runtime: Handle::current(),
            max_connections: config.max_connections,
            #[cfg(feature = "tls")]
            tls: config.tls,
            started,
            tick: watch::Sender::new(0),
            signal: watch::Sender::new(Signal { aborts: 0, is_shut: false }),
            dialed: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            open: AtomicUsize::new(0),
        }
    }

    pub(super) fn exchange(&self) -> MutexGuard<'_, Exchange> {
        lock(&self.exchange)
    }

    pub(super) fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }

    pub(super) fn scripts(&self) -> MutexGuard<'_, VecDeque<Script>> {
        lock(&self.scripts)
    }

    pub(super) fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        lock(&self.tasks)
    }

    /// Counts a connection and returns its script.
    pub(super) fn next_script(&self) -> Script {
        self.dialed.fetch_add(1, Ordering::Relaxed);
        self.scripts().pop_front().unwrap_or_default()
    }

    /// Returns the time since the start: the time of the exchange.
    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Returns the wall time of the exchange, since the UNIX epoch.
    pub(super) fn unix_time(&self) -> Duration {
        let mut exchange = self.exchange();
        exchange.advance(self.now());
        exchange.unix_time()
    }

    pub(super) fn wake(&self) {
        self.tick.send_modify(|ticks| *ticks = ticks.wrapping_add(1));
    }

    pub(super) fn connect(&self) -> ConnectionId {
        let mut exchange = self.exchange();
        exchange.advance(self.now());
        exchange.connect()
    }

    pub(super) fn poll_frame(&self, id: ConnectionId) -> Option<SimFrame> {
        self.exchange().poll_frame(id)
    }
}

/// Locks a mutex, poisoned or not: a test that panics while it holds one must not take the server
/// down with it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
