//! Your own socket: a blocking one, driven by the session alone. It says what to do and is told
//! what happened; that is all there is to a feed.
//!
//! Runs against a simulated exchange: `cargo run --example own_socket`.

use std::error::Error;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use level2::session::{Disconnect, Input, Output, Session, SessionConfig, SessionEvent};
use level2_sim::{Server, ServerConfig};
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

const FRAMES: u64 = 60;

/// Makes a WebSocket whose reads give up after a moment, so that time can be told to the session.
fn dial(address: &str) -> Result<WebSocket<TcpStream>, Box<dyn Error>> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let (socket, _) = tungstenite::client(format!("ws://{address}/"), stream)?;
    socket.get_ref().set_read_timeout(Some(Duration::from_millis(20)))?;
    Ok(socket)
}

/// Whether a read has given up because nothing came in time. Systems tell it in two ways.
fn is_nothing_yet(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn main() -> Result<(), Box<dyn Error>> {
    // The exchange needs a runtime; the socket below does not.
    let exchange = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let server = exchange.block_on(Server::start(ServerConfig::default()))?;
    let address = server.local_addr().expect("it listens on loopback").to_string();

    let config = SessionConfig::new(["BTC-USD".parse()?]);
    let mut session = Session::new(config, Instant::now());
    let (mut socket, mut failed) = (None, None::<tungstenite::Error>);
    while session.stats().frames < FRAMES {
        if let Some(error) = failed.take() {
            socket = None;
            let reason = Disconnect::Transport(error.to_string().into());
            session.handle(Instant::now(), Input::Closed(reason));
        }
        match session.poll(Instant::now()) {
            Output::Connect => match dial(&address) {
                Ok(open) => {
                    socket = Some(open);
                    session.handle(Instant::now(), Input::Opened);
                }
                Err(error) => {
                    let reason = Disconnect::Transport(error.to_string().into());
                    session.handle(Instant::now(), Input::Closed(reason));
                }
            },
            Output::Disconnect => socket = None,
            Output::Send(request) => {
                if let Some(socket) = &mut socket {
                    let sent = socket.send(Message::text(request.encode(None)));
                    failed = sent.err();
                }
            }
            Output::Event(SessionEvent::Updated { .. }) => {}
            Output::Event(event) => println!("{event:?}"),
            Output::Wait(_) => match socket.as_mut().map(WebSocket::read) {
                Some(Ok(Message::Text(text))) => {
                    session.handle(Instant::now(), Input::Message(text.as_bytes()));
                }
                Some(Ok(_)) => {}
                Some(Err(tungstenite::Error::Io(error))) if is_nothing_yet(error.kind()) => {
                    session.handle(Instant::now(), Input::Timeout);
                }
                Some(Err(error)) => failed = Some(error),
                None => {
                    std::thread::sleep(Duration::from_millis(20));
                    session.handle(Instant::now(), Input::Timeout);
                }
            },
            _ => {}
        }
    }
    let book = session.book("BTC-USD")?;
    println!("{:?}\n{:?}", book.best_bid(), book.best_ask());
    println!("{:?}", session.stats());
    Ok(())
}
