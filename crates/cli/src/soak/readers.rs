//! Threads that read BBOs in bursts, as often as a bot would.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};
use std::{io, thread};

use level2::Bbo;
use level2::books::BboWatch;

use super::oracle::Shown;

/// The number of threads.
const THREADS: usize = 2;

/// How often in a row a thread looks at each BBO.
const LOOKS_PER_BURST: usize = 60;

/// How long a thread sleeps after it has looked at all BBOs: it uses about a hundredth of a core.
const PAUSE: Duration = Duration::from_millis(5);

/// The most samples that wait to be checked. Further ones are dropped.
const MAX_SAMPLES: usize = 1_024;

/// How many connections of a product are remembered: the two of a standby, and the two before.
const MAX_CONNECTIONS: usize = 4;

/// A reader of a BBO.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    /// The index of the group of books.
    pub(super) group: usize,
    pub(super) product: &'static str,
    pub(super) bbo: BboWatch,
}

/// The threads. Dropping this ends them.
#[derive(Debug)]
pub(super) struct HotReaders {
    shared: Arc<Shared>,
    samples: Receiver<Shown>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    is_done: AtomicBool,
    looks: AtomicU64,
    restarts: AtomicU64,
    violation: Mutex<Option<String>>,
}

impl HotReaders {
    pub(super) fn start(readers: &[Reader]) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let (sender, samples) = sync_channel(MAX_SAMPLES);
        let start = |number| {
            let thread = ReaderThread {
                readers: readers.iter().cloned().map(CheckedReader::new).collect(),
                shared: Arc::clone(&shared),
                samples: sender.clone(),
            };
            Builder::new().name(format!("reader-{number}")).spawn(move || thread.run())
        };
        let threads = (0..THREADS).map(start).collect::<io::Result<_>>()?;
        Ok(Self { shared, samples, threads })
    }

    /// Returns a BBO that a thread has read, if one waits to be checked.
    pub(super) fn sample(&self) -> Option<Shown> {
        self.samples.try_recv().ok()
    }

    /// Returns how often the threads have looked at a BBO.
    pub(super) fn looks(&self) -> u64 {
        self.shared.looks.load(Ordering::Relaxed)
    }

    /// Returns how often the sequence numbers started again for a reader: the most of all readers.
    pub(super) fn restarts(&self) -> u64 {
        self.shared.restarts.load(Ordering::Relaxed)
    }

    /// Returns the first check of a thread that failed.
    pub(super) fn violation(&self) -> Option<String> {
        self.shared.violation.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for HotReaders {
    fn drop(&mut self) {
        self.shared.is_done.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic has printed its message already.
            let _ = thread.join();
        }
    }
}

/// A thread that reads.
struct ReaderThread {
    readers: Vec<CheckedReader>,
    shared: Arc<Shared>,
    samples: SyncSender<Shown>,
}

impl ReaderThread {
    fn run(mut self) {
        for turn in 0usize.. {
            if self.shared.is_done.load(Ordering::Relaxed) {
                return;
            }
            for reader in &mut self.readers {
                for _ in 0..LOOKS_PER_BURST {
                    if let Err(violation) = reader.look() {
                        let mut first =
                            self.shared.violation.lock().unwrap_or_else(PoisonError::into_inner);
                        first.get_or_insert(violation);
                        return;
                    }
                }
                self.shared.restarts.fetch_max(reader.restarts, Ordering::Relaxed);
            }
            let looks = LOOKS_PER_BURST * self.readers.len();
            self.shared.looks.fetch_add(looks as u64, Ordering::Relaxed);
            let sampled = turn % self.readers.len();
            if let Some(shown) = self.readers[sampled].shown() {
                // If the queue is full, this sample is not checked.
                let _ = self.samples.try_send(shown);
            }
            thread::sleep(PAUSE);
        }
    }
}

/// A reader that checks what it reads.
struct CheckedReader {
    reader: Reader,
    newest: Option<Bbo>,
    /// The connections, with the number and the time of receipt of their newest frame. The newest
    /// connection is last.
    seen: Vec<(u64, u64, Instant)>,
    restarts: u64,
}

impl CheckedReader {
    fn new(reader: Reader) -> Self {
        Self { reader, newest: None, seen: Vec::with_capacity(MAX_CONNECTIONS), restarts: 0 }
    }

    /// Returns the newest BBO, as a sample.
    fn shown(&self) -> Option<Shown> {
        let Reader { group, product, .. } = self.reader;
        Some(Shown { group, product, bbo: self.newest? })
    }

    /// Reads the BBO once. It must not be crossed, or older than the last one of its connection.
    fn look(&mut self) -> Result<(), String> {
        let newest = self.reader.bbo.load();
        if newest == self.newest {
            return Ok(());
        }
        self.newest = newest;
        let Some(bbo) = newest else { return Ok(()) };
        if bbo.bid.zip(bbo.ask).is_some_and(|(bid, ask)| bid.price >= ask.price) {
            return Err(format!("a reader of {} got a crossed BBO: {bbo:?}", self.name()));
        }
        let Some(place) = self.seen.iter().position(|(number, ..)| *number == bbo.connection)
        else {
            if self.seen.len() == MAX_CONNECTIONS {
                self.seen.remove(0);
            }
            self.seen.push((bbo.connection, bbo.sequence, bbo.received));
            return Ok(());
        };
        let (_, sequence, received) = &mut self.seen[place];
        if bbo.received < *received {
            let back = *received - bbo.received;
            return Err(format!("a reader of {} went back in time by {back:?}", self.name()));
        }
        // Sequence numbers start again when the exchange resets its counter on an open connection.
        // The run checks that this does not happen more often than the exchange did it.
        self.restarts += u64::from(bbo.sequence < *sequence);
        (*sequence, *received) = (bbo.sequence, bbo.received);
        Ok(())
    }

    const fn name(&self) -> &'static str {
        self.reader.product
    }
}
