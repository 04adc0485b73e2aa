//! Clients see the truth over sockets and in memory, and faults where they are ordered.

mod memory;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use rust_decimal::Decimal;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::*;
use crate::exchange::ExchangeConfig;
use crate::fault::{FaultPlan, FaultRates};
use crate::market::ProductSpec;

const SUBSCRIBE: &str =
    r#"{"type":"subscribe","product_ids":["BTC-USD","ETH-USD"],"channel":"level2"}"#;
const SUBSCRIBE_BEATS: &str = r#"{"type":"subscribe","channel":"heartbeats"}"#;

type Client = WebSocketStream<TcpStream>;

fn config() -> ServerConfig {
    ServerConfig {
        exchange: ExchangeConfig {
            products: vec![ProductSpec::btc_usd().levels(300), ProductSpec::eth_usd().levels(100)],
            interval: Duration::from_millis(5),
            heartbeat: Duration::from_millis(20),
            ..ExchangeConfig::default()
        },
        ..ServerConfig::default()
    }
}

async fn client(server: &Server) -> Client {
    let stream = TcpStream::connect(server.local_addr().unwrap()).await.unwrap();
    subscribe(server, stream).await
}

async fn subscribe<S: AsyncRead + AsyncWrite + Unpin>(
    server: &Server,
    stream: S,
) -> WebSocketStream<S> {
    let (mut client, _) = client_async(server.url(), stream).await.unwrap();
    client.send(Message::text(SUBSCRIBE)).await.unwrap();
    client.send(Message::text(SUBSCRIBE_BEATS)).await.unwrap();
    client
}

async fn frame<S: AsyncRead + AsyncWrite + Unpin>(client: &mut WebSocketStream<S>) -> Value {
    match soon(client.next()).await {
        Some(Ok(Message::Text(text))) => serde_json::from_str(&text).unwrap(),
        other => panic!("no frame but {other:?}"),
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(10), future).await.expect("it comes soon")
}

async fn until(mut done: impl FnMut() -> bool) {
    soon(async {
        while !done() {
            sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_over_loopback_sees_the_truth() {
    let server = Server::start(config()).await.unwrap();
    let mut client = client(&server).await;
    let mut bids: BTreeMap<Decimal, Decimal> = BTreeMap::new();
    let (mut snapshots, mut heartbeats) = (0, 0);
    for sequence in 0..60 {
        let frame = frame(&mut client).await;
        assert_eq!(frame["sequence_num"], sequence);
        heartbeats += u32::from(frame["channel"] == "heartbeats");
        let event = &frame["events"][0];
        snapshots += u32::from(event["type"] == "snapshot");
        if event["product_id"] != "BTC-USD" {
            continue;
        }
        for update in event["updates"].as_array().unwrap() {
            let number = |key: &str| update[key].as_str().unwrap().parse::<Decimal>().unwrap();
            if update["side"] == "bid" {
                bids.insert(number("price_level"), number("new_quantity"));
            }
        }
        bids.retain(|_, size| !size.is_zero());
        let id = server.newest_connection().unwrap();
        let truth = server.with_exchange(|exchange| exchange.truth(id, "BTC-USD", sequence));
        assert_eq!(truth.unwrap().bid, bids.last_key_value().map(|(&p, &s)| (p, s)));
    }
    assert_eq!(snapshots, 2);
    assert!(heartbeats > 0);
    assert_eq!(server.connections(), Connections { dialed: 1, accepted: 1, open: 1 });
    client.close(None).await.unwrap();
    until(|| server.connections().open == 0).await;
    assert_eq!(server.newest_connection(), None);
}

#[tokio::test]
async fn a_stream_of_the_callers_is_served() {
    let server = Server::start(config()).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let near = TcpStream::connect(address).await.unwrap();
    let (far, _) = listener.accept().await.unwrap();
    let serving = tokio::spawn(server.serve(far));
    let (mut client, _) = client_async(format!("ws://{address}"), near).await.unwrap();
    client.send(Message::text(SUBSCRIBE)).await.unwrap();
    assert_eq!(frame(&mut client).await["sequence_num"], 0);
    drop(client);
    soon(serving).await.unwrap();
}

#[tokio::test]
async fn abort_all_breaks_without_a_close_frame() {
    let server = Server::start(config()).await.unwrap();
    let mut first = client(&server).await;
    frame(&mut first).await;
    server.abort_all();
    let end = soon(async {
        loop {
            match first.next().await {
                Some(Ok(Message::Text(_))) => {}
                end => break end,
            }
        }
    })
    .await;
    assert!(matches!(end, Some(Err(Error::Protocol(_) | Error::Io(_)))), "{end:?}");
    let mut second = client(&server).await;
    assert_eq!(frame(&mut second).await["sequence_num"], 0);
}

#[tokio::test]
async fn shutdown_sends_a_close_frame() {
    let server = Server::start(config()).await.unwrap();
    let mut client = client(&server).await;
    frame(&mut client).await;
    let reading = tokio::spawn(async move {
        loop {
            match client.next().await {
                Some(Ok(Message::Close(close))) => break close,
                Some(Ok(_)) => {}
                end => panic!("no close frame but {end:?}"),
            }
        }
    });
    soon(server.shutdown()).await;
    assert_eq!(soon(reading).await.unwrap().unwrap().code, CloseCode::Away);
}

#[tokio::test]
async fn a_dropped_server_is_gone() {
    let server = Server::start(config()).await.unwrap();
    let mut client = client(&server).await;
    frame(&mut client).await;
    let address = server.local_addr().unwrap();
    drop(server);
    soon(async { while let Some(Ok(_)) = client.next().await {} }).await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_stalled_connection_is_silent_and_open() {
    let stall = FaultRates { stall_ppm: 1_000_000, ..FaultRates::default() };
    let server = Server::start(ServerConfig { faults: FaultPlan::new(1, stall), ..config() });
    let server = server.await.unwrap();
    let mut client = client(&server).await;
    client.send(Message::Ping(Vec::new().into())).await.unwrap();
    let silence = timeout(Duration::from_millis(150), client.next()).await;
    assert!(silence.is_err(), "{silence:?}");
    assert_eq!(server.fault_counts().stalls, 1);
    assert_eq!(server.connections().open, 1);
    drop(client);
    until(|| server.connections().open == 0).await;
}

#[tokio::test]
async fn faults_can_be_changed_while_it_runs() {
    let server = Server::start(config()).await.unwrap();
    let mut client = client(&server).await;
    assert_eq!(frame(&mut client).await["sequence_num"], 0);
    server.set_faults(FaultPlan::drops(500_000));
    until(|| server.fault_counts().drops > 3).await;
    let reset = FaultRates { reset_ppm: 100_000, ..FaultRates::default() };
    server.set_faults(FaultPlan::new(1, reset));
    let mut sequence_last = 0;
    let (mut gap, mut restarted) = (false, false);
    soon(async {
        while !gap || !restarted {
            let sequence = frame(&mut client).await["sequence_num"].as_u64().unwrap();
            gap |= sequence > sequence_last + 1;
            restarted |= sequence < sequence_last;
            sequence_last = sequence;
        }
    })
    .await;
    assert!(server.fault_counts().resets > 0);
}

#[tokio::test]
async fn sockets_beyond_the_limit_are_closed() {
    let server = Server::start(ServerConfig { max_connections: 1, ..config() }).await.unwrap();
    let _first = client(&server).await;
    let stream = TcpStream::connect(server.local_addr().unwrap()).await.unwrap();
    assert!(soon(client_async(server.url(), stream)).await.is_err());
    assert_eq!(server.connections().accepted, 1);
}

/// Reads what a server says on one connection until it ends.
async fn ending(server: &Server) -> (u64, Result<Option<Message>, Error>) {
    let mut client = client(server).await;
    let mut frames = 0;
    loop {
        match soon(client.next()).await {
            Some(Ok(Message::Text(_))) => frames += 1,
            end => return (frames, end.transpose()),
        }
    }
}

#[tokio::test]
async fn connections_take_scripts_in_order_and_are_served_without_faults_after_the_last() {
    let server = ServerConfig {
        scripts: vec![Script::new([Step::Serve(7), Step::Fin]), Script::new([])],
        ..config()
    };
    let server = Server::start(server).await.unwrap();
    let (frames, end) = ending(&server).await;
    assert_eq!(frames, 7);
    assert!(matches!(end, Err(Error::Protocol(_))), "{end:?}");

    let mut second = client(&server).await;
    for sequence in 0..40 {
        assert_eq!(frame(&mut second).await["sequence_num"], sequence);
    }
    server.push_script(Script::new([Step::Serve(3), Step::Frame(RawFrame::close(1_006, ""))]));
    let (frames, end) = ending(&server).await;
    assert_eq!(frames, 3);
    assert!(matches!(end, Ok(Some(Message::Close(Some(_))))), "{end:?}");
    let mut fourth = client(&server).await;
    assert_eq!(frame(&mut fourth).await["sequence_num"], 0);
    assert_eq!(server.connections(), Connections { dialed: 4, accepted: 4, open: 2 });
}

#[tokio::test]
async fn frames_after_a_pause_are_those_that_waited() {
    let steps = [Step::Requests(2), Step::Pause(Duration::from_millis(50)), Step::Serve(20)];
    let steps = steps.into_iter().chain([Step::Form(Form::Binary)]);
    let server = ServerConfig { scripts: vec![Script::new(steps)], ..config() };
    let server = Server::start(server).await.unwrap();
    let mut client = client(&server).await;
    for sequence in 0..20 {
        assert_eq!(frame(&mut client).await["sequence_num"], sequence);
    }
    let next = soon(client.next()).await;
    assert!(matches!(next, Some(Ok(Message::Binary(_)))), "{next:?}");
}

#[tokio::test]
async fn shutting_down_ends_a_connection_that_is_held() {
    let scripts = vec![Script::new([Step::Serve(1), Step::Hold])];
    let server = Server::start(ServerConfig { scripts, ..config() }).await.unwrap();
    let mut client = client(&server).await;
    frame(&mut client).await;
    let reading = tokio::spawn(async move { soon(client.next()).await });
    soon(server.shutdown()).await;
    let end = reading.await.unwrap();
    assert!(matches!(end, Some(Ok(Message::Close(Some(_))))), "{end:?}");
}
