//! A server in memory is that on loopback, without a socket and in paused time.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::time::Instant;

use super::*;
use crate::side::Side;

/// Mostly quiet markets at the intervals of the venue.
fn calm() -> ServerConfig {
    let products = [ProductSpec::btc_usd(), ProductSpec::eth_usd()];
    ServerConfig {
        exchange: ExchangeConfig {
            products: products.map(|spec| spec.levels(20).quiet(950)).to_vec(),
            ..ExchangeConfig::default()
        },
        ..ServerConfig::default()
    }
}

async fn memory_client(server: &Server) -> WebSocketStream<DuplexStream> {
    subscribe(server, server.connect()).await
}

/// Reads until the connection ends. Returns how many frames came before.
async fn read_out(mut client: WebSocketStream<DuplexStream>) -> (u64, Option<Message>) {
    let mut frames = 0;
    loop {
        match client.next().await {
            Some(Ok(Message::Text(_))) => frames += 1,
            Some(Ok(other)) => return (frames, Some(other)),
            Some(Err(_)) | None => return (frames, None),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_hour_passes_in_no_time_and_every_frame_is_true() {
    let real = std::time::Instant::now();
    let server = Server::in_memory(calm());
    assert_eq!((server.local_addr(), server.url().as_str()), (None, "ws://localhost/"));
    let started = Instant::now();
    let mut client = memory_client(&server).await;
    let mut bids: BTreeMap<Decimal, Decimal> = BTreeMap::new();
    let (mut sequence, mut heartbeats) = (0, 0);
    while started.elapsed() < Duration::from_secs(3_600) {
        let frame = frame(&mut client).await;
        assert_eq!(frame["sequence_num"], sequence);
        heartbeats += u64::from(frame["channel"] == "heartbeats");
        if frame["events"][0]["product_id"] == "BTC-USD" {
            for update in frame["events"][0]["updates"].as_array().unwrap() {
                let number = |key: &str| update[key].as_str().unwrap().parse::<Decimal>().unwrap();
                if update["side"] == "bid" {
                    bids.insert(number("price_level"), number("new_quantity"));
                }
            }
            bids.retain(|_, size| !size.is_zero());
        }
        if !bids.is_empty() {
            let id = server.newest_connection().unwrap();
            let truth = server.with_exchange(|exchange| exchange.truth(id, "BTC-USD", sequence));
            assert_eq!(truth.unwrap().bid, bids.last_key_value().map(|(&p, &s)| (p, s)));
        }
        sequence += 1;
    }
    assert!((3_599..=3_601).contains(&heartbeats) && sequence > 8_000, "{heartbeats} {sequence}");
    assert!(real.elapsed() < Duration::from_secs(360), "{:?}", real.elapsed());
}

#[tokio::test(start_paused = true)]
async fn runs_in_paused_time_repeat_exactly() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let server = Server::in_memory(ServerConfig { faults: FaultPlan::all(5), ..calm() });
        let started = Instant::now();
        let mut run = Vec::new();
        while run.len() < 2_000 {
            let mut client = memory_client(&server).await;
            while let Ok(Some(Ok(Message::Text(text)))) =
                timeout(Duration::from_secs(5), client.next()).await
            {
                run.push((started.elapsed(), text.to_string()));
            }
        }
        assert!(server.fault_counts().faults() > 10);
        runs.push((run, server.connections()));
    }
    assert!(runs[0] == runs[1], "the runs differ");
}

#[tokio::test(start_paused = true)]
async fn scripts_are_taken_as_on_loopback() {
    let server = Server::in_memory(ServerConfig {
        scripts: vec![
            Script::new([Step::Serve(4), Step::Fin]),
            Script::new([Step::Answer(Answer::status(429).header("Retry-After", "7"))]),
            Script::new([Step::Serve(2), Step::Reset]),
            Script::new([Step::Serve(1), Step::Frame(RawFrame::close(1_012, "restart"))]),
            Script::new([Step::Writes(Writes::Pieces { seed: 1, max_bytes: 100 }), Step::Serve(9)]),
        ],
        ..calm()
    });
    assert_eq!(read_out(memory_client(&server).await).await, (4, None));
    let refused = client_async(server.url(), server.connect()).await;
    assert!(matches!(refused, Err(Error::Http(answer)) if answer.status() == 429));
    assert_eq!(read_out(memory_client(&server).await).await, (2, None));
    let (frames, close) = read_out(memory_client(&server).await).await;
    assert!(frames == 1 && matches!(close, Some(Message::Close(Some(_)))), "{close:?}");
    let mut last = memory_client(&server).await;
    for sequence in 0..40 {
        assert_eq!(frame(&mut last).await["sequence_num"], sequence);
    }
    assert_eq!(server.connections(), Connections { dialed: 5, accepted: 4, open: 1 });
    drop(last);
    until(|| server.connections().open == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_test_moves_the_market_of_a_client_in_memory() {
    let products = vec![ProductSpec::scripted("BTC-USD")];
    let exchange = ExchangeConfig { products, ..ExchangeConfig::default() };
    let server = Server::in_memory(ServerConfig { exchange, ..ServerConfig::default() });
    let mut client = memory_client(&server).await;
    let snapshot = frame(&mut client).await;
    assert_eq!(snapshot["events"][0]["updates"], Value::Array(Vec::new()));
    let started = Instant::now();
    let (price, size) = (Decimal::new(995, 1), Decimal::TWO);
    server.with_exchange(|exchange| exchange.set_levels("BTC-USD", [(Side::Ask, price, size)]));
    let update = loop {
        let frame = frame(&mut client).await;
        if frame["events"][0]["type"] == "update" {
            break frame;
        }
    };
    assert!(started.elapsed() <= Duration::from_millis(60), "{:?}", started.elapsed());
    let level = &update["events"][0]["updates"][0];
    assert_eq!((&level["price_level"], &level["new_quantity"]), (&"99.5".into(), &"2".into()));
    let id = server.newest_connection().unwrap();
    let sequence = update["sequence_num"].as_u64().unwrap();
    let truth = server.with_exchange(|exchange| exchange.truth(id, "BTC-USD", sequence)).unwrap();
    assert_eq!((truth.bid, truth.ask), (None, Some((price, size))));
}

#[tokio::test(start_paused = true)]
async fn streams_beyond_the_limit_are_closed_and_make_room_when_they_end() {
    let server = Server::in_memory(ServerConfig { max_connections: 1, ..calm() });
    let first = memory_client(&server).await;
    assert!(client_async(server.url(), server.connect()).await.is_err());
    drop(first);
    until(|| server.connections().open == 0).await;
    frame(&mut memory_client(&server).await).await;
    assert_eq!(server.connections().dialed, 2);
}

#[tokio::test(start_paused = true)]
async fn shutdown_sends_a_close_frame_in_memory() {
    let server = Server::in_memory(calm());
    let client = memory_client(&server).await;
    // This one does not read, and is not waited for.
    let _deaf = memory_client(&server).await;
    let reading = tokio::spawn(read_out(client));
    server.shutdown().await;
    let (_, close) = reading.await.unwrap();
    let Some(Message::Close(Some(close))) = close else { panic!("no close frame but {close:?}") };
    assert_eq!(close.code, CloseCode::Away);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_server_in_memory_ends_its_connections() {
    let server = Server::in_memory(calm());
    let client = memory_client(&server).await;
    drop(server);
    soon(read_out(client)).await;
}

#[tokio::test]
async fn a_server_on_loopback_serves_memory_too_from_any_thread() {
    let server = Server::start(config()).await.unwrap();
    let server = std::sync::Arc::new(server);
    let outside = std::sync::Arc::clone(&server);
    let stream = std::thread::spawn(move || outside.connect()).join().unwrap();
    let mut in_memory = subscribe(&server, stream).await;
    let mut on_loopback = client(&server).await;
    assert_eq!(frame(&mut in_memory).await["sequence_num"], 0);
    assert_eq!(frame(&mut on_loopback).await["sequence_num"], 0);
    assert_eq!(server.connections(), Connections { dialed: 2, accepted: 2, open: 2 });
}

#[tokio::test(start_paused = true)]
async fn the_handshake_says_what_time_it_is_on_the_exchange() {
    let server = Server::in_memory(calm());
    tokio::time::advance(Duration::from_secs(90)).await;
    let (_, answer) = client_async(server.url(), server.connect()).await.unwrap();
    assert_eq!(answer.headers()["date"], "Mon, 02 Nov 2026 00:01:30 GMT");
}

#[tokio::test(start_paused = true)]
async fn garbage_in_memory_ends_the_connection() -> io::Result<()> {
    let server = Server::in_memory(calm());
    let mut stream = server.connect();
    stream.write_all(b"\x16\x03\x01 hello\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    assert_eq!(server.connections().accepted, 0);
    Ok(())
}

#[cfg(feature = "tls")]
#[tokio::test(start_paused = true)]
async fn a_server_with_a_certificate_speaks_tls_in_memory() {
    use std::sync::Arc;

    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, RootCertStore};
    use tokio_rustls::TlsConnector;

    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let tls = ServerTls::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    let server = Server::in_memory(ServerConfig { tls: Some(tls), ..calm() });
    assert_eq!(server.url(), "wss://localhost/");

    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, server.connect()).await;
    let mut client = subscribe(&server, stream.unwrap()).await;
    for sequence in 0..20 {
        assert_eq!(frame(&mut client).await["sequence_num"], sequence);
    }
}
