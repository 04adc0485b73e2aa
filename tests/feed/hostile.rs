//! A venue that abuses the WebSocket itself: floods, claims and endless messages cost neither
//! memory nor attention, and end in a disconnect that says why.
//!
//! The venue is a thread that writes raw bytes as fast as the socket takes them.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use level2::feed::{Feed, FeedConfig};
use level2::session::{Disconnect, SessionEvent};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::support::*;

/// Starts a venue that accepts one handshake after the other, and then does as it likes. Returns
/// its address.
fn venue(abuse: impl Fn(TcpStream) -> std::io::Result<()> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            if shake_hands(&mut stream).is_some() {
                // The client leaves in the middle; that is the point.
                let _ = abuse(stream);
            }
        }
    });
    url
}

fn shake_hands(stream: &mut TcpStream) -> Option<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        request.extend(byte);
    }
    let request = String::from_utf8(request).ok()?;
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))?;
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key.trim().as_bytes())
    );
    stream.write_all(answer.as_bytes()).ok()
}

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const FINAL: u8 = 0x80;

/// A frame as a server sends it: unmasked.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(u8::try_from(len).unwrap()),
        len => {
            frame.push(127);
            frame.extend(u64::try_from(len).unwrap().to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

async fn first_disconnect(config: FeedConfig) -> Disconnect {
    let mut feed = Feed::new(config).unwrap();
    loop {
        if let SessionEvent::Disconnected { reason } = next(&mut feed).await {
            return reason;
        }
    }
}

/// A snapshot of ten million levels has more than a gigabyte.
const TEN_MILLION_LEVELS: u64 = 10_000_000 * 110;

#[tokio::test]
async fn a_claim_of_a_message_that_is_too_large_is_refused_by_its_header() {
    for claim in [TEN_MILLION_LEVELS, 1 << 40, i64::MAX as u64] {
        let url = venue(move |mut stream| {
            let mut header = vec![FINAL | TEXT, 127];
            header.extend(claim.to_be_bytes());
            stream.write_all(&header)?;
            std::thread::sleep(PATIENCE);
            Ok(())
        });
        let reason = first_disconnect(config(url)).await;
        let size = usize::try_from(claim).unwrap();
        assert_eq!(reason, Disconnect::MessageTooLarge { size, limit: 32 << 20 });
    }
}

#[tokio::test]
async fn a_message_in_endless_pieces_ends_at_the_same_limit() {
    let url = venue(|mut stream| {
        stream.write_all(&frame(TEXT, &[b' '; 1_000]))?;
        let piece = frame(CONTINUATION, &[b' '; 1_000]);
        loop {
            stream.write_all(&piece)?;
        }
    });
    let mut config = config(url);
    config.max_message_bytes = 1 << 20;
    config.policy.idle_timeout = PATIENCE;
    let reason = first_disconnect(config).await;
    assert!(
        matches!(reason, Disconnect::MessageTooLarge { size, limit: 0x10_0000 }
            if size > 1 << 20 && size < 3 << 20),
        "{reason:?}"
    );
}

/// Floods that make no message: the venue sends without end and says nothing.
#[tokio::test]
async fn floods_without_a_message_are_silence() {
    let pings = frame(FINAL | PING, &[7; 125]).repeat(500);
    let pongs = frame(FINAL | PONG, &[]).repeat(20_000);
    let pieces = frame(CONTINUATION, &[]).repeat(20_000);
    for (name, start, flood) in [
        ("pings", Vec::new(), pings),
        ("pongs", Vec::new(), pongs),
        ("pieces of nothing", frame(TEXT, &[]), pieces),
    ] {
        let url = venue(move |mut stream| {
            stream.write_all(&start)?;
            loop {
                stream.write_all(&flood)?;
            }
        });
        // Another task of the same thread gets its turn meanwhile.
        let beats = tokio::spawn(async {
            let mut beats = 0;
            loop {
                tokio::time::sleep(Duration::from_millis(5)).await;
                beats += 1;
                if beats == 20 {
                    return;
                }
            }
        });
        let reason = first_disconnect(config(url)).await;
        assert_eq!(reason, Disconnect::Idle(Duration::from_millis(500)), "{name}");
        // Pieces are joined inside the library, which yields only from one read to the next.
        assert!(beats.is_finished() || name == "pieces of nothing", "{name}");
    }
}

/// The pongs for such a venue fill the system's buffers, and then ours up to its bound. Whether
/// it comes to that depends on how the library lets one pong stand for many; held up for ever, or
/// without a bound, is the feed never.
#[tokio::test]
async fn a_venue_that_pings_and_never_reads_cannot_hold_the_feed_up() {
    const ROUNDS: u64 = 200;

    let url = venue(|mut stream| {
        // As many pings as would make 25 MB of pongs, and a heartbeat now and then.
        let pings = frame(FINAL | PING, &[7; 125]).repeat(1_000);
        for sequence in 0..ROUNDS {
            stream.write_all(&pings)?;
            let heartbeat = format!(
                "{{\"channel\":\"heartbeats\",\"timestamp\":\"\",\"sequence_num\":{sequence},\
                 \"events\":[{{\"heartbeat_counter\":{sequence}}}]}}"
            );
            stream.write_all(&frame(FINAL | TEXT, heartbeat.as_bytes()))?;
        }
        stream.write_all(&frame(FINAL | CLOSE, &1_000_u16.to_be_bytes()))?;
        std::thread::sleep(PATIENCE);
        Ok(())
    });
    let mut config = config(url);
    config.policy.idle_timeout = Duration::from_secs(5);
    config.policy.snapshot_timeout = PATIENCE;
    let mut feed = Feed::new(config).unwrap();
    let reason = loop {
        if let SessionEvent::Disconnected { reason } = next(&mut feed).await {
            break reason;
        }
    };
    let is_full = matches!(&reason, Disconnect::Transport(error) if error.contains("full"));
    let heartbeats = feed.session().stats().heartbeats;
    assert!(is_full || heartbeats == ROUNDS, "{reason:?} after {heartbeats} heartbeats");
}
