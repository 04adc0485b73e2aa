//! A way to a simulated exchange that leads through memory alone, for tests in stopped time.

#![allow(dead_code)] // Each test file uses its own part.

use std::sync::Arc;

use level2::feed::{Dial, Dialing, Feed, FeedConfig, Transport};
use level2_sim::Server;
use tokio::io::duplex;

/// How many bytes may be under way in each direction, unless a test says otherwise.
pub(crate) const PIPE_BYTES: usize = 64 << 10;

/// Dials a server by handing it one end of a pipe.
pub(crate) struct MemoryDial {
    pub(crate) server: Arc<Server>,
    pub(crate) pipe_bytes: usize,
}

impl Dial for MemoryDial {
    fn dial(&mut self) -> Dialing {
        let (near, far) = duplex(self.pipe_bytes);
        tokio::spawn(self.server.serve(far));
        Box::pin(std::future::ready(Ok(Box::new(near) as Box<dyn Transport>)))
    }
}

/// Returns a feed of a server that it reaches through memory.
pub(crate) fn feed(server: &Arc<Server>, config: FeedConfig) -> Feed {
    let dial = MemoryDial { server: Arc::clone(server), pipe_bytes: PIPE_BYTES };
    Feed::with_dialer(config, dial).expect("the settings are sound")
}
