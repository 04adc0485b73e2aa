//! Threads that read best bids and asks in bursts, as hot as a bot would.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};
use std::{io, thread};

use level2::Bbo;
use level2::books::BboWatch;

use super::oracle::Shown;

/// How many threads read.
const THREADS: usize = 2;

/// How often in a row each reader is asked, and how long a thread rests after having asked all of
/// them: together about a hundredth of a core.
const LOOKS_PER_BURST: usize = 60;
const REST: Duration = Duration::from_millis(5);

/// How many samples may wait to be looked up; further ones are left out.
const MAX_SAMPLES: usize = 1_024;

/// How many connections of one product are remembered: the two of a standby, and those before.
const MAX_CONNECTIONS: usize = 4;

/// One reader, and what it is of.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) group: usize,
    pub(crate) product: &'static str,
    pub(crate) bbo: BboWatch,
}

/// The threads; dropping this ends them.
#[derive(Debug)]
pub(crate) struct HotReaders {
    shared: Arc<Shared>,
    samples: Receiver<Shown>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    is_done: AtomicBool,
    looks: AtomicU64,
    restarts: AtomicU64,
    breach: Mutex<Option<String>>,
}

impl HotReaders {
    pub(crate) fn start(readers: &[Reader]) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let (sender, samples) = sync_channel(MAX_SAMPLES);
        let start = |number| {
            let watch = Watch {
                watched: readers.iter().cloned().map(Watched::new).collect(),
                shared: Arc::clone(&shared),
                samples: sender.clone(),
            };
            Builder::new().name(format!("reader-{number}")).spawn(move || watch.run())
        };
        let threads = (0..THREADS).map(start).collect::<io::Result<_>>()?;
        Ok(Self { shared, samples, threads })
    }

    /// Returns a best bid and ask that a thread was shown, if one waits to be looked up.
    pub(crate) fn sample(&self) -> Option<Shown> {
        self.samples.try_recv().ok()
    }

    /// Returns how often the threads have looked.
    pub(crate) fn looks(&self) -> u64 {
        self.shared.looks.load(Ordering::Relaxed)
    }

    /// Returns how often numbers have begun again under the eyes of one reader, at most.
    pub(crate) fn restarts(&self) -> u64 {
        self.shared.restarts.load(Ordering::Relaxed)
    }

    /// Returns what a thread saw that must not be.
    pub(crate) fn breach(&self) -> Option<String> {
        self.shared.breach.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for HotReaders {
    fn drop(&mut self) {
        self.shared.is_done.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // One that has panicked has said so already.
            let _ = thread.join();
        }
    }
}

/// What one thread does.
struct Watch {
    watched: Vec<Watched>,
    shared: Arc<Shared>,
    samples: SyncSender<Shown>,
}

impl Watch {
    fn run(mut self) {
        for turn in 0usize.. {
            if self.shared.is_done.load(Ordering::Relaxed) {
                return;
            }
            for watched in &mut self.watched {
                for _ in 0..LOOKS_PER_BURST {
                    if let Err(breach) = watched.look() {
                        let mut first =
                            self.shared.breach.lock().unwrap_or_else(PoisonError::into_inner);
                        first.get_or_insert(breach);
                        return;
                    }
                }
                self.shared.restarts.fetch_max(watched.restarts, Ordering::Relaxed);
            }
            let looks = LOOKS_PER_BURST * self.watched.len();
            self.shared.looks.fetch_add(looks as u64, Ordering::Relaxed);
            let sampled = turn % self.watched.len();
            if let Some(shown) = self.watched[sampled].shown() {
                // Where too many wait already, this one goes unchecked.
                let _ = self.samples.try_send(shown);
            }
            thread::sleep(REST);
        }
    }
}

/// A reader, and what it has seen.
struct Watched {
    reader: Reader,
    newest: Option<Bbo>,
    /// Of each connection the newest frame and when it was received; the newest connection last.
    seen: Vec<(u64, u64, Instant)>,
    restarts: u64,
}

impl Watched {
    fn new(reader: Reader) -> Self {
        Self { reader, newest: None, seen: Vec::with_capacity(MAX_CONNECTIONS), restarts: 0 }
    }

    fn shown(&self) -> Option<Shown> {
        let Reader { group, product, .. } = self.reader;
        Some(Shown { group, product, bbo: self.newest? })
    }

    /// Looks once: what is shown must be uncrossed and no older than what its connection showed.
    fn look(&mut self) -> Result<(), String> {
        let newest = self.reader.bbo.load();
        if newest == self.newest {
            return Ok(());
        }
        self.newest = newest;
        let Some(bbo) = newest else { return Ok(()) };
        if bbo.bid.zip(bbo.ask).is_some_and(|(bid, ask)| bid.price >= ask.price) {
            return Err(format!("a reader of {} was shown a crossed book: {bbo:?}", self.name()));
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
        // Lawful where the exchange began to count again and the connection stayed. It is counted,
        // and there must not be more of it than the exchange has done.
        self.restarts += u64::from(bbo.sequence < *sequence);
        (*sequence, *received) = (bbo.sequence, bbo.received);
        Ok(())
    }

    const fn name(&self) -> &'static str {
        self.reader.product
    }
}
