//! Whom a feed believes: every server that cannot prove itself is refused, by its own reason.

use std::sync::Arc;
use std::time::Duration;

use level2::feed::{Feed, Roots};
use level2::session::{DialStage, Disconnect, SessionEvent};
use level2_sim::{Server, ServerConfig};
use rustls::version::{TLS12, TLS13};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use crate::support::*;
use crate::tls::*;

/// The first byte of a TLS connection: a record of the handshake.
const TLS_HANDSHAKE: u8 = 0x16;

async fn exchange(seed: u64) -> Arc<Server> {
    let exchange = busy_exchange(seed);
    Arc::new(start(ServerConfig { exchange, ..ServerConfig::default() }).await)
}

async fn disconnects(feed: &mut Feed, count: usize) -> Vec<Disconnect> {
    let mut reasons = Vec::new();
    while reasons.len() < count {
        if let SessionEvent::Disconnected { reason } = next(feed).await {
            reasons.push(reason);
        }
    }
    reasons
}

#[tokio::test]
async fn a_server_that_proves_itself_is_believed_in_either_version() {
    let server = exchange(2).await;
    let authority = Authority::new("the authority");
    for version in [&TLS13, &TLS12] {
        let identity = authority.identity("localhost", Validity::Sound);
        let port = TlsPort::serve(&server, identity.acceptor(&[version])).await;
        let mut config = config(port.url());
        config.roots = Roots::Custom(vec![authority.root()]);
        let mut feed = Feed::new(config).unwrap();
        tokio::time::timeout(PATIENCE, feed.synced()).await.unwrap().unwrap();
        assert_books_become_equal(&mut feed, &server).await;
        server.with_exchange(|exchange| exchange.hold_markets(false));
    }
}

#[tokio::test]
async fn a_server_that_does_not_prove_itself_is_refused_by_its_own_reason() {
    let server = exchange(3).await;
    let (authority, other) = (Authority::new("the authority"), Authority::new("another"));
    let trusted = || Roots::Custom(vec![authority.root()]);
    let sound = |host| authority.identity(host, Validity::Sound);
    for (identity, roots, expected) in [
        (
            other.identity("localhost", Validity::Sound),
            trusted(),
            "from an authority that is not among",
        ),
        (sound("localhost"), Roots::Bundled, "not among the roots"),
        (sound("localhost"), Roots::Platform, "not among the roots"),
        (sound("elsewhere.example"), trusted(), "for another host"),
        (sound("127.0.0.1"), trusted(), "for another host"),
        (authority.identity("localhost", Validity::Expired), trusted(), "has expired"),
        (authority.identity("localhost", Validity::Unborn), trusted(), "not valid yet"),
        (Identity::self_signed("localhost"), trusted(), "self-signed, and not itself"),
        (Identity::self_signed("localhost"), Roots::Bundled, "self-signed, and not itself"),
    ] {
        let port = TlsPort::serve(&server, identity.acceptor(rustls::ALL_VERSIONS)).await;
        let mut config = config(port.url());
        config.roots = roots;
        let mut feed = Feed::new(config).unwrap();
        for reason in disconnects(&mut feed, 2).await {
            let Disconnect::NotConnected { stage, error } = &reason else { panic!("{reason:?}") };
            assert_eq!(*stage, DialStage::Certificate, "{reason}");
            assert!(error.contains(expected), "expected {expected:?}, got {reason}");
        }
        // Every dial began with TLS: none fell back to plain text.
        let first_bytes = port.first_bytes.lock().unwrap().clone();
        assert!(first_bytes.len() >= 2);
        assert!(first_bytes.iter().all(|byte| *byte == TLS_HANDSHAKE), "{first_bytes:?}");
    }
    assert_eq!(server.connections().accepted, 0);
}

#[tokio::test]
async fn the_right_certificate_without_its_key_is_refused() {
    let server = exchange(6).await;
    let authority = Authority::new("the authority");
    let identity = authority.identity("localhost", Validity::Sound);
    let thief = authority.identity("thief.example", Validity::Sound);
    for version in [&TLS12, &TLS13] {
        let port = TlsPort::serve(&server, identity.stolen(&thief, version)).await;
        let mut config = config(port.url());
        config.roots = Roots::Custom(vec![authority.root()]);
        let mut feed = Feed::new(config).unwrap();
        let reason = disconnects(&mut feed, 1).await.swap_remove(0);
        assert!(reason.to_string().contains("does not hold its key"), "{reason}");
    }
    assert_eq!(server.connections().accepted, 0);
}

#[tokio::test]
async fn a_certificate_is_trusted_by_itself_only_if_it_is_named_a_root() {
    let server = exchange(4).await;
    let identity = Identity::self_signed("localhost");
    let port = TlsPort::serve(&server, identity.acceptor(rustls::ALL_VERSIONS)).await;
    let mut config = config(port.url());
    config.roots = Roots::Custom(vec![identity.certificate.to_vec()]);
    let mut feed = Feed::new(config).unwrap();
    tokio::time::timeout(PATIENCE, feed.synced()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_without_tls_gets_nothing_in_plain_text() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
    let plain = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = vec![0; 16];
        stream.read_exact(&mut seen).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        stream.read_to_end(&mut seen).await.unwrap_or_default();
        seen
    });
    let mut feed = Feed::new(config(url)).unwrap();
    let reason = disconnects(&mut feed, 1).await.swap_remove(0);
    assert!(
        matches!(&reason, Disconnect::NotConnected { stage: DialStage::Tls, .. }),
        "{reason:?}"
    );
    let seen = plain.await.unwrap();
    assert_eq!(seen[0], TLS_HANDSHAKE);
    assert!(!seen.windows(3).any(|window| window == b"GET"));
}

/// One deadline covers name look-up, TCP, TLS and the WebSocket handshake together.
#[tokio::test]
async fn a_server_that_stops_in_the_middle_of_tls_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
    let mut config = config(url);
    config.policy.connect_timeout = Duration::from_millis(200);
    let mut feed = Feed::new(config).unwrap();
    let reason = disconnects(&mut feed, 1).await.swap_remove(0);
    assert_eq!(reason, Disconnect::TimedOut(Duration::from_millis(200)));
}

/// What the operating system trusts is a matter of a process, so a child dials: this test, run
/// once more with other roots named by the environment.
#[tokio::test]
async fn the_systems_roots_count_and_the_bundled_ones_only_where_there_are_none() {
    const CHILD: &str = "LEVEL2_TEST_DIALS_WITH_ROOTS";
    const NAME: &str =
        "secure::the_systems_roots_count_and_the_bundled_ones_only_where_there_are_none";

    if let Ok(choice) = std::env::var(CHILD) {
        let (url, roots) = choice.split_once(' ').unwrap();
        let mut config = config(url.to_owned());
        config.roots = if roots == "alone" { Roots::PlatformOnly } else { Roots::Platform };
        match Feed::new(config) {
            Ok(mut feed) => loop {
                match next(&mut feed).await {
                    SessionEvent::Connected => break println!("@connected"),
                    SessionEvent::Disconnected { reason } => break println!("@{reason}"),
                    _ => {}
                }
            },
            Err(error) => println!("@{error}"),
        }
        return;
    }
    let server = exchange(5).await;
    let authority = Authority::new("the authority");
    let identity = authority.identity("localhost", Validity::Sound);
    let port = TlsPort::serve(&server, identity.acceptor(rustls::ALL_VERSIONS)).await;
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("feed_tls");
    std::fs::create_dir_all(directory.join("none")).unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let ours = file("ours.pem", &authority.root_pem());
    let none = file("none.pem", "");
    for (roots, file, expected) in [
        ("alone", &ours, "connected"),
        ("or the bundled", &ours, "connected"),
        ("alone", &none, "the operating system has none"),
        ("or the bundled", &none, "not among the roots"),
    ] {
        let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
        let child = child.args(["--exact", NAME, "--nocapture"]);
        let child = child.env(CHILD, format!("{} {roots}", port.url()));
        let child = child.env("SSL_CERT_FILE", file).env("SSL_CERT_DIR", directory.join("none"));
        let output = child.output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let (_, said) = said.split_once('@').unwrap();
        assert!(said.contains(expected), "{roots}, {}: {said}", file.display());
    }
}
