//! One connection: its handshakes, its script, and the exchange's frames and requests.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, UNIX_EPOCH};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::DATE;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use super::Shared;
use super::raw_frame::RawFrame;
use super::script::{Answer, Form, Script, Step};
use super::stream::Stream;
use crate::exchange::{ConnectionId, MAX_REQUEST_BYTES, SimFrame};
use crate::fault::{FaultPlan, Transmission};

type Socket = WebSocketStream<Stream>;

/// Serves one connection, from TCP to its end, by its script.
pub(super) async fn serve(shared: Arc<Shared>, stream: Stream, script: Script) {
    let mut signal = shared.signal.subscribe();
    if signal.borrow_and_update().shut {
        return;
    }
    let mut connection =
        Connection { shared, stage: Stage::Raw(stream), form: Form::Text, is_ending: false };
    let ending = tokio::select! {
        biased;
        ending = connection.run(script) => ending,
        _ = signal.changed() => {
            if signal.borrow().shut { Ending::Shut } else { Ending::Broken }
        }
    };
    let close = match ending {
        Ending::Broken => return,
        Ending::Closed => None,
        Ending::Shut => Some(CloseFrame { code: CloseCode::Away, reason: "shutdown".into() }),
    };
    // A connection that was sent a close frame by its script gets no second one.
    if let Stage::Open(socket, _) = &mut connection.stage
        && !connection.is_ending
    {
        // The end is near either way: a client that does not take the close frame goes without.
        let _ = timeout(CLOSE_TIMEOUT, socket.close(close)).await;
    }
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

struct Connection {
    shared: Arc<Shared>,
    stage: Stage,
    form: Form,
    /// The client was refused, or sent a close frame by the script.
    is_ending: bool,
}

/// How far a connection has come.
enum Stage {
    /// Before the WebSocket.
    Raw(Stream),
    Open(Box<Socket>, Session),
    /// In a handshake that failed or was given up.
    Gone,
}

impl Connection {
    /// Takes the steps of the script, and serves soundly after the last.
    async fn run(&mut self, script: Script) -> Ending {
        for step in script.steps {
            if let Err(ending) = self.take(step).await {
                return ending;
            }
        }
        if self.is_ending {
            return self.finish().await;
        }
        match self.converse(Until::End).await {
            Err(ending) => ending,
            Ok(()) => Ending::Broken,
        }
    }

    async fn take(&mut self, step: Step) -> Result<(), Ending> {
        match step {
            Step::Answer(answer) => self.answer(&answer).await,
            Step::Bytes(bytes) => self.write(&bytes).await,
            Step::Fin => Err(self.finish().await),
            Step::Flood(frame) => {
                self.open().await?;
                Err(self.flood(&frame).await)
            }
            Step::Form(form) => {
                self.form = form;
                Ok(())
            }
            Step::Frame(frame) => self.write_frames(&[frame]).await,
            Step::Frames(frames) => self.write_frames(&frames).await,
            Step::Hold => Err(self.hold().await),
            Step::Pause(duration) => {
                tokio::time::sleep(duration).await;
                Ok(())
            }
            Step::Requests(count) => self.converse(Until::Requests(count)).await,
            Step::Reset => {
                self.stream()?.reset();
                Err(Ending::Broken)
            }
            Step::Serve(count) => self.converse(Until::Frames(count)).await,
            Step::Tls => self.accept_tls().await,
            Step::Upgrade => self.open().await,
            Step::Writes(writes) => {
                self.stream()?.set_writes(writes);
                Ok(())
            }
        }
    }

    fn stream(&mut self) -> Result<&mut Stream, Ending> {
        match &mut self.stage {
            Stage::Raw(stream) => Ok(stream),
            Stage::Open(socket, _) => Ok(socket.get_mut()),
            Stage::Gone => Err(Ending::Broken),
        }
    }

    /// Speaks TLS, if the server does and this connection does not yet.
    async fn accept_tls(&mut self) -> Result<(), Ending> {
        #[cfg(feature = "tls")]
        if let (Stage::Raw(stream), Some(tls)) = (&mut self.stage, &self.shared.tls) {
            let handshake = timeout(HANDSHAKE_TIMEOUT, stream.accept_tls(tls.acceptor()));
            return finished(handshake.await);
        }
        Ok(())
    }

    /// Opens the WebSocket soundly, if it is not open yet.
    async fn open(&mut self) -> Result<(), Ending> {
        if matches!(self.stage, Stage::Open(..)) {
            return Ok(());
        }
        self.accept_tls().await?;
        let Stage::Raw(stream) = std::mem::replace(&mut self.stage, Stage::Gone) else {
            return Err(Ending::Broken);
        };
        // Clients judge their clocks by the exchange's, as they do by the venue's.
        let date = httpdate::fmt_http_date(UNIX_EPOCH + self.shared.unix_time());
        #[expect(clippy::result_large_err)] // The type of the error is the library's.
        let add_date = |_: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
            if let Ok(date) = HeaderValue::try_from(date) {
                response.headers_mut().insert(DATE, date);
            }
            Ok(response)
        };
        let handshake = accept_hdr_async_with_config(stream, add_date, Some(web_socket_config()));
        let socket = finished(timeout(HANDSHAKE_TIMEOUT, handshake).await)?;
        self.stage = Stage::Open(Box::new(socket), Session::new(Arc::clone(&self.shared)));
        Ok(())
    }

    /// Answers the request for a WebSocket as the script says.
    async fn answer(&mut self, answer: &Answer) -> Result<(), Ending> {
        if matches!(self.stage, Stage::Open(..)) {
            return Ok(());
        }
        self.accept_tls().await?;
        let Stage::Raw(mut stream) = std::mem::replace(&mut self.stage, Stage::Gone) else {
            return Err(Ending::Broken);
        };
        let head = finished(timeout(HANDSHAKE_TIMEOUT, read_head(&mut stream)).await)?;
        let head = String::from_utf8_lossy(&head);
        finished(timeout(SEND_TIMEOUT, write_all(&mut stream, &answer.encode(&head))).await)?;
        self.stage = if answer.opens() {
            let config = Some(web_socket_config());
            let socket = WebSocketStream::from_raw_socket(stream, Role::Server, config).await;
            Stage::Open(Box::new(socket), Session::new(Arc::clone(&self.shared)))
        } else {
            self.is_ending = true;
            Stage::Raw(stream)
        };
        Ok(())
    }

    /// Carries frames one way and requests the other.
    async fn converse(&mut self, until: Until) -> Result<(), Ending> {
        self.open().await?;
        let Stage::Open(socket, session) = &mut self.stage else { return Err(Ending::Broken) };
        session.run(socket, self.form, until).await
    }

    async fn write_frames(&mut self, frames: &[RawFrame]) -> Result<(), Ending> {
        self.open().await?;
        self.is_ending |= frames.iter().any(RawFrame::is_close);
        let bytes: Vec<u8> = frames.iter().flat_map(RawFrame::encode).collect();
        self.write(&bytes).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Ending> {
        finished(timeout(SEND_TIMEOUT, write_all(self.stream()?, bytes)).await)
    }

    /// Ends this side and waits for the client to leave.
    async fn finish(&mut self) -> Ending {
        match self.stream() {
            Ok(stream) => match stream.finish().await {
                Ok(()) => self.hold().await,
                Err(_) => Ending::Broken,
            },
            Err(ending) => ending,
        }
    }

    /// Keeps the connection open in silence until the client leaves.
    ///
    /// The bytes of the client are read below the WebSocket, so that not even a ping is answered,
    /// and thrown away, so that its leaving is noticed.
    async fn hold(&mut self) -> Ending {
        match &mut self.stage {
            Stage::Raw(stream) => discard(stream).await,
            Stage::Open(socket, session) => session.stall(socket.get_mut()).await,
            Stage::Gone => {}
        }
        Ending::Broken
    }

    async fn flood(&mut self, frame: &RawFrame) -> Ending {
        let Stage::Open(socket, session) = &mut self.stage else { return Ending::Broken };
        let frame = frame.encode();
        let count = FLOOD_WRITE_BYTES.div_ceil(frame.len());
        let (mut reader, mut writer) = tokio::io::split(socket.get_mut());
        let flood = async {
            let frames = frame.repeat(count);
            while writer.write_all(&frames).await.is_ok() && writer.flush().await.is_ok() {}
        };
        tokio::select! {
            biased;
            () = flood => {}
            () = session.stall(&mut reader) => {}
        }
        Ending::Broken
    }
}

/// Reads the head of an HTTP request, up to its empty line.
async fn read_head(stream: &mut Stream) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_REQUEST_BYTES {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        head.push(stream.read_u8().await?);
    }
    Ok(head)
}

async fn write_all(stream: &mut Stream, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// Reads and throws away until the client leaves.
async fn discard(stream: &mut (impl tokio::io::AsyncRead + Unpin)) {
    let mut bytes = [0; DISCARD_BYTES];
    while matches!(stream.read(&mut bytes).await, Ok(1..)) {}
}

/// Returns what came in time and without an error.
fn finished<T, E, L>(result: Result<Result<T, E>, L>) -> Result<T, Ending> {
    match result {
        Ok(Ok(value)) => Ok(value),
        _ => Err(Ending::Broken),
    }
}

fn web_socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(2 * MAX_REQUEST_BYTES))
        .max_frame_size(Some(2 * MAX_REQUEST_BYTES))
        // Frames that are to leave together are gathered up to this size.
        .write_buffer_size(MAX_JOINED_BYTES)
}

/// What a conversation lasts until.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    End,
    /// So many further frames were sent.
    Frames(u64),
    /// So many further requests were read; nothing is sent.
    Requests(u64),
}

/// The exchange's end of one connection; dropping it disconnects.
struct Session {
    shared: Arc<Shared>,
    id: ConnectionId,
    ordinal: u64,
    plan: FaultPlan,
    plan_version: u64,
    deliveries: VecDeque<Transmission>,
    /// How many frames were handed to the socket since it was last flushed.
    unflushed: usize,
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
        Self { shared, id, ordinal, plan, plan_version, deliveries: VecDeque::new(), unflushed: 0 }
    }

    async fn run(
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
                // The exchange lost patience. How the venue goes about it is not known; an
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

    fn receive(&self, text: &str) {
        let now = self.shared.now();
        self.shared.exchange().receive(self.id, now, text);
    }

    /// Sends what the exchange has queued, with faults, or as much of it as is wanted.
    async fn send_queued(
        &mut self,
        socket: &mut Socket,
        form: Form,
        until: &mut Until,
    ) -> Result<(), Ending> {
        // The queue of the exchange is bounded, and so is this loop.
        while *until != Until::Frames(0) {
            let Some(delivery) = self.next_delivery() else { break };
            match delivery {
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
                // The library sends none, so it is gone around, and its buffer goes first.
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

    /// Returns the next delivery, with the faults of the plan.
    fn next_delivery(&mut self) -> Option<Transmission> {
        while self.deliveries.is_empty() {
            let frame = self.shared.poll_frame(self.id)?;
            self.apply_faults(frame);
        }
        self.deliveries.pop_front()
    }

    fn apply_faults(&mut self, frame: SimFrame) {
        let mut deliveries = Vec::new();
        let mut faults = self.shared.faults();
        if faults.version != self.plan_version {
            self.plan.finish(&mut deliveries);
            self.plan = faults.plan.fork(self.ordinal);
            self.plan_version = faults.version;
        }
        self.plan.apply(frame, &mut deliveries);
        faults.counts.add(&self.plan.take_counts());
        self.deliveries.extend(deliveries);
    }

    /// Throws away what either side says until the client leaves.
    async fn stall(&self, stream: &mut (impl tokio::io::AsyncRead + Unpin)) {
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
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.exchange().disconnect(self.id);
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long a client may take for a handshake, and for one frame.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the server tries to say goodbye to one client.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// How many bytes of a flood are written at a time.
const FLOOD_WRITE_BYTES: usize = 64 << 10;
/// How many bytes wait at most to leave together.
const MAX_JOINED_BYTES: usize = 16 << 20;
const DISCARD_BYTES: usize = 4_096;
