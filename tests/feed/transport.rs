//! The feed and what lies below it: deadlines, limits, pings, refusals, other transports.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use level2::feed::{DialError, Feed, FeedConfig, FeedError};
use level2::session::{DialStage, Disconnect, SessionEvent};
use level2_sim::{ExchangeConfig, ProductSpec, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;

use crate::support::*;

async fn first_disconnect(feed: &mut Feed) -> Disconnect {
    loop {
        if let SessionEvent::Disconnected { reason } = next(feed).await {
            return reason;
        }
    }
}

#[tokio::test]
async fn a_snapshot_of_45_000_levels_and_5_mb_passes() {
    let exchange = ExchangeConfig {
        products: vec![ProductSpec::btc_usd().levels(22_500)],
        ..ExchangeConfig::default()
    };
    let server = start(ServerConfig { exchange, ..ServerConfig::default() }).await;
    let mut config = config(server.url());
    config.products = vec![product("BTC-USD")];
    config.policy.idle_timeout = Duration::from_secs(10);
    let mut feed = Feed::new(config).unwrap();
    tokio::time::timeout(PATIENCE, feed.synced()).await.unwrap().unwrap();
    let book = feed.session().book("BTC-USD").unwrap();
    let level_count = book.bids().len() + book.asks().len();
    assert!((44_000..=45_500).contains(&level_count), "{level_count} levels");
    // What came after the snapshot was applied to it; the whole is the exchange's book.
    server.with_exchange(|exchange| exchange.hold_markets(true));
    loop {
        let book = feed.session().book("BTC-USD").unwrap();
        let is_equal = server.with_exchange(|exchange| {
            let truth = exchange.true_book("BTC-USD").unwrap();
            levels(book, level2::book::Side::Bid) == truth.bids()
                && levels(book, level2::book::Side::Ask) == truth.asks()
        });
        if is_equal {
            break;
        }
        next(&mut feed).await;
    }
}

#[tokio::test]
async fn a_message_over_the_limit_names_the_setting_to_raise() {
    let server = start(ServerConfig { exchange: busy_exchange(1), ..Default::default() }).await;
    let mut config = config(server.url());
    config.max_message_bytes = 10_000;
    let mut feed = Feed::new(config).unwrap();
    let reason = first_disconnect(&mut feed).await;
    assert!(
        matches!(reason, Disconnect::MessageTooLarge { size, limit: 10_000 } if size > 10_000),
        "{reason:?}"
    );
    assert!(reason.to_string().contains("max_message_bytes"));
}

#[tokio::test]
async fn a_server_that_never_answers_the_handshake_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let mut config = config(url);
    config.policy.connect_timeout = Duration::from_millis(200);
    let mut feed = Feed::new(config).unwrap();
    let reason = first_disconnect(&mut feed).await;
    assert_eq!(reason, Disconnect::TimedOut(Duration::from_millis(200)));
}

#[tokio::test]
async fn dials_that_fail_say_how_far_they_came_and_may_be_limited() {
    // A port that was free a moment ago refuses.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let garbage = answering("220 mail.example.com ESMTP\r\n").await;
    for (url, stage, text) in [
        (format!("ws://{closed}"), DialStage::Tcp, "refused"),
        (garbage, DialStage::Handshake, "HTTP"),
    ] {
        let mut config = config(url);
        config.policy.max_failed_dials = std::num::NonZeroU32::new(2);
        let mut feed = Feed::new(config).unwrap();
        let error = loop {
            match tokio::time::timeout(PATIENCE, feed.next()).await.unwrap() {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        let FeedError::Ended(Disconnect::NotConnected { stage: got, error }) = &error else {
            panic!("{error:?}")
        };
        assert_eq!(*got, stage);
        assert!(error.contains(text), "{error}");
        assert_eq!(feed.session().stats().reconnects, 1);
    }
}

/// A server that answers every connection with the same text; returns its address.
async fn answering(text: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4_096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(text.as_bytes()).await;
        }
    });
    url
}

#[tokio::test]
async fn an_answer_that_is_no_websocket_is_told_by_its_status_and_not_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let location = format!("ws://{}", elsewhere.local_addr().unwrap());
    let moved = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n");
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    for (answer, status, retry_after) in [
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", 503, None),
        ("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\n\r\n", 429, seconds(7)),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 403, None),
        (moved.leak(), 302, None),
    ] {
        let mut feed = Feed::new(config(answering(answer).await)).unwrap();
        let reason = first_disconnect(&mut feed).await;
        assert_eq!(reason, Disconnect::Rejected { status, retry_after });
    }
    let followed = tokio::time::timeout(Duration::from_millis(100), elsewhere.accept()).await;
    assert!(followed.is_err(), "a redirect was followed");
}

#[tokio::test]
async fn a_retry_after_is_waited_for() {
    let answer = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\r\n";
    let mut feed = Feed::new(config(answering(answer).await)).unwrap();
    first_disconnect(&mut feed).await;
    let since = std::time::Instant::now();
    first_disconnect(&mut feed).await;
    assert!(since.elapsed() >= Duration::from_secs(1), "{:?}", since.elapsed());
}

#[tokio::test]
async fn every_close_code_is_told_as_it_came() {
    use tokio_tungstenite::tungstenite::protocol::CloseFrame;

    for code in [1_000, 1_001, 1_008, 1_009, 1_011, 1_012, 1_013, 4_000, 4_999] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            let frame = CloseFrame { code: code.into(), reason: "so be it".into() };
            socket.close(Some(frame)).await.unwrap();
            while let Some(Ok(_)) = socket.next().await {}
        });
        let reason = first_disconnect(&mut Feed::new(config(url)).unwrap()).await;
        let expected = Disconnect::ByVenue { code: Some(code), reason: "so be it".into() };
        assert_eq!(reason, expected);
    }
}

#[tokio::test]
async fn an_extension_that_nobody_asked_for_is_refused() {
    use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            #[expect(clippy::result_large_err)] // The type of the error is the library's.
            let insist = |_: &Request, mut response: Response| {
                let extension = "permessage-deflate".parse().unwrap();
                response.headers_mut().insert("Sec-WebSocket-Extensions", extension);
                Ok(response)
            };
            let _ = tokio_tungstenite::accept_hdr_async(stream, insist).await;
        }
    });
    let reason = first_disconnect(&mut Feed::new(config(url)).unwrap()).await;
    assert!(
        matches!(&reason, Disconnect::NotConnected { stage: DialStage::Handshake, error }
            if error.contains("permessage-deflate")),
        "{reason:?}"
    );
}

#[tokio::test]
async fn pings_are_answered_and_requests_go_out_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let venue = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        let mut requests = Vec::new();
        while requests.len() < 2 {
            requests.push(socket.next().await.unwrap().unwrap().into_text().unwrap().to_string());
        }
        socket.send(Message::Ping("are you there".into())).await.unwrap();
        let pong = socket.next().await.unwrap().unwrap();
        assert_eq!(pong, Message::Pong("are you there".into()));
        socket.send(Message::Close(None)).await.unwrap();
        requests
    });
    let mut feed = Feed::new(config(url)).unwrap();
    let reason = first_disconnect(&mut feed).await;
    assert_eq!(reason, Disconnect::ByVenue { code: None, reason: "".into() });
    let requests = venue.await.unwrap();
    assert_eq!(
        requests,
        [
            concat!(
                r#"{"type":"subscribe","product_ids":["BTC-USD","ETH-USD","SOL-USD"],"#,
                r#""channel":"level2"}"#,
            ),
            r#"{"type":"subscribe","channel":"heartbeats"}"#,
        ]
    );
}

#[tokio::test]
async fn any_stream_of_bytes_can_carry_the_feed() {
    let server = start(ServerConfig { exchange: busy_exchange(9), ..Default::default() }).await;
    let server = Arc::new(server);
    let venue = Arc::clone(&server);
    // Hands the exchange one end of a connection that the test made by itself.
    let dialer = move || {
        let venue = Arc::clone(&venue);
        async move {
            let failed = |error| DialError::new(DialStage::Tcp, error);
            let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
            let address = listener.local_addr().map_err(failed)?;
            let near = TcpStream::connect(address).await.map_err(failed)?;
            let (far, _) = listener.accept().await.map_err(failed)?;
            tokio::spawn(venue.serve(far));
            Ok(near)
        }
    };
    let config = config("ws://localhost/".to_owned());
    let mut feed = Feed::with_dialer(config, dialer).unwrap();
    tokio::time::timeout(PATIENCE, feed.synced()).await.unwrap().unwrap();
    assert_books_become_equal(&mut feed, &server).await;
}

#[tokio::test(start_paused = true)]
async fn a_closure_dials_through_memory_and_anew_after_each_loss() {
    let server = start(ServerConfig { exchange: busy_exchange(10), ..Default::default() }).await;
    let server = Arc::new(server);
    let venue = Arc::clone(&server);
    let mut refusals = 1;
    let dialer = move || {
        let (near, far) = tokio::io::duplex(64 << 10);
        let is_refused = std::mem::take(&mut refusals) > 0;
        if !is_refused {
            tokio::spawn(venue.serve(far));
        }
        let refused = || Err(DialError::new(DialStage::Tcp, "refused"));
        std::future::ready(if is_refused { refused() } else { Ok(near) })
    };
    let mut feed = Feed::with_dialer(config("ws://localhost/".to_owned()), dialer).unwrap();
    let reason = first_disconnect(&mut feed).await;
    let error = "refused".into();
    assert_eq!(reason, Disconnect::NotConnected { stage: DialStage::Tcp, error });
    feed.synced().await.unwrap();
    server.abort_all();
    first_disconnect(&mut feed).await;
    feed.synced().await.unwrap();
    assert_books_become_equal(&mut feed, &server).await;
    assert_eq!(server.connections().accepted, 2);
}

#[tokio::test]
async fn a_feed_without_products_is_synced_at_once() {
    let dialer = || async { Err::<TcpStream, _>(DialError::new(DialStage::Tcp, "not needed")) };
    let config = FeedConfig::new([]);
    let mut feed = Feed::with_dialer(config, dialer).unwrap();
    assert_eq!(feed.synced().await, Ok(()));
    assert_eq!(feed.session().stats().reconnects, 0);
}
