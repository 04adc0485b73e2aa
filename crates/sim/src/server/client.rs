//! One client of the exchange over its WebSocket: frames one way, requests the other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::raw_frame::RawFrame;
use super::script::Form;
use super::shared::Shared;
use super::stream::Stream;
use crate::exchange::ConnectionId;
use crate::fault::{FaultPlan, Transmission};
use crate::frame::SimFrame;

/// How long a client may take for one write.
pub(super) const SEND_TIMEOUT: Duration = Duration::from_secs(10);

const DISCARD_BYTES: usize = 4_096;

pub(super) type Socket = WebSocketStream<Stream>;

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The socket is dropped as it is.
    Broken,
    /// The client closed; the close frame is answered.
    Closed,
    /// The server shuts down and says so.
    Shut,
}

/// How long an exchange of frames and requests lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    End,
    /// Until this many further frames were sent.
    Frames(u64),
    /// Until this many further requests were read; nothing is sent.
    Requests(u64),
}

/// A connection of the exchange, with its faults; dropping it disconnects.
pub(super) struct Client {
    shared: Arc<Shared>,
    id: ConnectionId,
    ordinal: u64,
    plan: FaultPlan,
    plan_version: u64,
    transmissions: VecDeque<Transmission>,
    /// How many frames were handed to the socket since it was last flushed.
    unflushed: usize,
}

impl Client {
    /// Connects to the exchange.
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let id = shared.connect();
        let ordinal = shared.accepted.fetch_add(1, Ordering::Relaxed);
        shared.open.fetch_add(1, Ordering::Relaxed);
        let (plan, plan_version) = {
            let faults = shared.faults();
            (faults.plan.fork(ordinal), faults.version)
        };
        Self {
            shared,
            id,
            ordinal,
            plan,
            plan_version,
            transmissions: VecDeque::new(),
            unflushed: 0,
        }
    }

    /// Carries frames one way and requests the other.
    pub(super) async fn run(
        &mut self,
        socket: &mut Socket,
        form: Form,
        mut until: Until,
    ) -> Result<(), Ending> {
        let mut tick = self.shared.tick.subscribe();
        loop {
            tick.borrow_and_update();
            if !matches!(until, Until::Requests(_)) {
                self.send_queued(socket, form, &mut until).await?;
            }
            if matches!(until, Until::Frames(0) | Until::Requests(0)) {
                return self.flush(socket).await;
            }
            if !self.shared.exchange().is_open(self.id) {
                // The exchange has closed the connection. How the venue does that is not known; an
                // abrupt end is the harder case for a client.
                return Err(Ending::Broken);
            }
            tokio::select! {
                biased;
                message = socket.next() => {
                    let request = match message {
                        Some(Ok(Message::Text(text))) => text,
                        // The venue speaks text only; this will be answered as malformed.
                        Some(Ok(Message::Binary(_))) => "".into(),
                        Some(Ok(Message::Close(_))) => return Err(Ending::Closed),
                        Some(Ok(_)) => continue,
                        Some(Err(_)) | None => return Err(Ending::Broken),
                    };
                    self.receive(&request);
                    if let Until::Requests(left) = &mut until {
                        *left -= 1;
                    }
                }
                changed = tick.changed() => changed.map_err(|_| Ending::Broken)?,
            }
        }
    }

    /// Discards what either side sends until the client leaves.
    pub(super) async fn stall(&self, stream: &mut (impl AsyncRead + Unpin)) {
        let mut tick = self.shared.tick.subscribe();
        let losing = async {
            while tick.changed().await.is_ok() {
                // What is queued meanwhile is lost, or the queue would overflow.
                while self.shared.poll_frame(self.id).is_some() {}
            }
        };
        tokio::select! {
            biased;
            () = discard(stream) => {}
            () = losing => {}
        }
    }

    fn receive(&self, text: &str) {
        let now = self.shared.now();
        self.shared.exchange().receive(self.id, now, text);
    }

    /// Sends what the exchange has queued, with faults, up to the end of `until`.
    async fn send_queued(
        &mut self,
        socket: &mut Socket,
        form: Form,
        until: &mut Until,
    ) -> Result<(), Ending> {
        // The queue of the exchange is bounded, and so is this loop.
        while *until != Until::Frames(0) {
            let Some(transmission) = self.next_transmission() else { break };
            match transmission {
                Transmission::Text(bytes) => {
                    let text = String::from_utf8(bytes).expect("a fault plan turns text into text");
                    let sent = timeout(SEND_TIMEOUT, self.send(socket, form, text));
                    finished(sent.await)?;
                    if let Until::Frames(left) = until {
                        *left -= 1;
                    }
                }
                Transmission::Abort => return Err(Ending::Broken),
                Transmission::Stall => {
                    self.stall(socket.get_mut()).await;
                    return Err(Ending::Broken);
                }
                Transmission::ResetCounter => {
                    self.shared.exchange().reset_counter(self.id);
                }
            }
        }
        Ok(())
    }

    async fn send(&mut self, socket: &mut Socket, form: Form, text: String) -> Result<(), Ending> {
        let sent = match form {
            Form::Binary => socket.feed(Message::binary(text)).await,
            Form::Text => socket.feed(Message::text(text)).await,
            Form::Fragments { count } => {
                // The WebSocket library sends no fragments, so its buffer is flushed and they are
                // written below it.
                self.flush(socket).await?;
                let frames = RawFrame::fragments(&text, count);
                let bytes: Vec<u8> = frames.iter().flat_map(RawFrame::encode).collect();
                write_all(socket.get_mut(), &bytes).await.map_err(Into::into)
            }
        };
        sent.map_err(|_| Ending::Broken)?;
        self.unflushed += 1;
        if self.unflushed >= socket.get_ref().frames_per_write() {
            self.flush(socket).await?;
        }
        Ok(())
    }

    async fn flush(&mut self, socket: &mut Socket) -> Result<(), Ending> {
        self.unflushed = 0;
        socket.flush().await.map_err(|_| Ending::Broken)
    }

    /// Returns the next transmission, with the faults of the plan.
    fn next_transmission(&mut self) -> Option<Transmission> {
        while self.transmissions.is_empty() {
            let frame = self.shared.poll_frame(self.id)?;
            self.apply_faults(frame);
        }
        self.transmissions.pop_front()
    }

    fn apply_faults(&mut self, frame: SimFrame) {
        let mut transmissions = Vec::new();
        let mut faults = self.shared.faults();
        if faults.version != self.plan_version {
            self.plan.finish(&mut transmissions);
            self.plan = faults.plan.fork(self.ordinal);
            self.plan_version = faults.version;
        }
        self.plan.apply(frame, &mut transmissions);
        faults.counts.add(&self.plan.take_counts());
        self.transmissions.extend(transmissions);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.shared.exchange().disconnect(self.id);
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) async fn write_all(stream: &mut Stream, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// Reads and discards until the client leaves.
pub(super) async fn discard(stream: &mut (impl AsyncRead + Unpin)) {
    let mut bytes = [0; DISCARD_BYTES];
    while matches!(stream.read(&mut bytes).await, Ok(1..)) {}
}

/// Returns what came in time and without an error.
pub(super) fn finished<T, E, L>(result: Result<Result<T, E>, L>) -> Result<T, Ending> {
    match result {
        Ok(Ok(value)) => Ok(value),
        _ => Err(Ending::Broken),
    }
}
