//! One connection: its handshakes, the steps of its script, its end.

use std::io;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::DATE;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use super::answer::Answer;
use super::client::{Client, Ending, SEND_TIMEOUT, Socket, Until, discard, finished, write_all};
use super::raw_frame::RawFrame;
use super::script::{Form, Script, Step};
use super::shared::Shared;
use super::stream::Stream;
use crate::exchange::MAX_REQUEST_BYTES;

/// How long a client may take for a handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the server tries to close one connection in an orderly way.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// How many bytes of a flood are written at a time.
const FLOOD_WRITE_BYTES: usize = 64 << 10;
/// How many bytes wait at most to leave together.
const MAX_JOINED_BYTES: usize = 16 << 20;

/// Serves one connection, from its acceptance to its end, by its script.
pub(super) async fn serve(shared: Arc<Shared>, stream: Stream, script: Script) {
    let mut signal = shared.signal.subscribe();
    if signal.borrow_and_update().is_shut {
        return;
    }
    let mut connection =
        Connection { shared, stage: Stage::Raw(stream), form: Form::Text, is_ending: false };
    let ending = tokio::select! {
        biased;
        ending = connection.run(script) => ending,
        _ = signal.changed() => {
            if signal.borrow().is_shut { Ending::Shut } else { Ending::Broken }
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
        // The connection ends either way, whether the client takes the close frame or not.
        let _ = timeout(CLOSE_TIMEOUT, socket.close(close)).await;
    }
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
    Open(Box<Socket>, Client),
    /// In a handshake that failed.
    Gone,
}

impl Connection {
    /// Takes the steps of the script, and serves without faults after the last.
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

    /// Opens the WebSocket correctly, if it is not open yet.
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
        self.stage = Stage::Open(Box::new(socket), Client::new(Arc::clone(&self.shared)));
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
            Stage::Open(Box::new(socket), Client::new(Arc::clone(&self.shared)))
        } else {
            self.is_ending = true;
            Stage::Raw(stream)
        };
        Ok(())
    }

    /// Carries frames one way and requests the other.
    async fn converse(&mut self, until: Until) -> Result<(), Ending> {
        self.open().await?;
        let Stage::Open(socket, client) = &mut self.stage else { return Err(Ending::Broken) };
        client.run(socket, self.form, until).await
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
    /// and discarded, so that its leaving is noticed.
    async fn hold(&mut self) -> Ending {
        match &mut self.stage {
            Stage::Raw(stream) => discard(stream).await,
            Stage::Open(socket, client) => client.stall(socket.get_mut()).await,
            Stage::Gone => {}
        }
        Ending::Broken
    }

    async fn flood(&mut self, frame: &RawFrame) -> Ending {
        let Stage::Open(socket, client) = &mut self.stage else { return Ending::Broken };
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
            () = client.stall(&mut reader) => {}
        }
        Ending::Broken
    }
}

/// Reads the head of an HTTP request, up to its empty line.
async fn read_head(stream: &mut Stream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_REQUEST_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        head.push(stream.read_u8().await?);
    }
    Ok(head)
}

fn web_socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(2 * MAX_REQUEST_BYTES))
        .max_frame_size(Some(2 * MAX_REQUEST_BYTES))
        // Frames that are to leave together are gathered up to this size.
        .write_buffer_size(MAX_JOINED_BYTES)
}
