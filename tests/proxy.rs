//! The feed through proxies: `CONNECT` and SOCKS5, with and without a password.

#![cfg(feature = "auth")]

#[path = "support/proxy.rs"]
mod proxy;
mod support;
#[path = "support/tls.rs"]
mod tls;

use std::sync::Arc;
use std::time::Duration;

use level2::feed::{ConfigError, Feed, Proxy, Roots};
use level2::session::{DialStage, Disconnect, SessionEvent};
use level2_sim::ServerConfig;

use self::proxy::{Kind, PASSWORD, TestProxy, USER};
use self::support::*;
use self::tls::*;

#[tokio::test]
async fn tls_is_spoken_with_the_venue_through_either_kind_of_proxy() {
    let exchange = busy_exchange(21);
    let server = Arc::new(start(ServerConfig { exchange, ..ServerConfig::default() }).await);
    let authority = Authority::new("the authority");
    let identity = authority.identity("localhost", Validity::Sound);
    let port = TlsPort::serve(&server, identity.acceptor(rustls::ALL_VERSIONS)).await;
    let password = PASSWORD.replace(' ', "%20");
    for (kind, scheme, wants_password) in [
        (Kind::Connect, "http", false),
        (Kind::Connect, "http", true),
        (Kind::Socks5, "socks5", false),
        (Kind::Socks5, "socks5h", true),
    ] {
        let proxy = TestProxy::start(kind, wants_password).await;
        let user = if wants_password { format!("{USER}:{password}@") } else { String::new() };
        let mut config = config(port.url());
        config.roots = Roots::Custom(vec![authority.root()]);
        config.proxy = Proxy::Url(format!("{scheme}://{user}{}", proxy.address));
        let mut feed = Feed::new(config).unwrap();
        tokio::time::timeout(PATIENCE, feed.synced()).await.unwrap().unwrap();
        assert_books_become_equal(&mut feed, &server).await;
        server.with_exchange(|exchange| exchange.hold_markets(false));
        assert_eq!(proxy.asked(), [format!("localhost:{}", port.port)], "the name goes there");
    }
}

async fn first_disconnect(feed: &mut Feed) -> Disconnect {
    loop {
        if let SessionEvent::Disconnected { reason } = next(feed).await {
            return reason;
        }
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_is_told_of_and_never_gone_around() {
    let server = start(ServerConfig { exchange: busy_exchange(22), ..Default::default() }).await;
    let wrong = format!("{USER}:wrong@");
    for (kind, scheme, user, expected) in [
        (Kind::ConnectRefusing, "http", "", "unsuccessful"),
        (Kind::Connect, "http", "", "authorization required"),
        (Kind::Connect, "http", &*wrong, "authorization required"),
        (Kind::Socks5Refusing, "socks5", "", ""),
        (Kind::Socks5, "socks5", "", ""),
        (Kind::Socks5, "socks5", &*wrong, ""),
    ] {
        let wants_password = matches!(kind, Kind::Connect | Kind::Socks5);
        let proxy = TestProxy::start(kind, wants_password).await;
        let mut config = config(server.url());
        config.proxy = Proxy::Url(format!("{scheme}://{user}{}", proxy.address));
        let mut feed = Feed::new(config).unwrap();
        let reason = first_disconnect(&mut feed).await;
        let Disconnect::NotConnected { stage: DialStage::Proxy, error } = &reason else {
            panic!("{reason:?}")
        };
        assert!(error.contains(&proxy.address) && error.contains(expected), "{error}");
        assert!(!format!("{reason} {reason:?} {feed:?}").contains("wrong"), "{reason}");
    }
    assert_eq!(server.connections().accepted, 0);
}

#[tokio::test]
async fn a_proxy_that_is_not_there_or_silent_is_bounded_by_the_same_deadline() {
    let silent = TestProxy::start(Kind::Silent, false).await;
    let mut config = config("ws://127.0.0.1:9/".to_owned());
    config.policy.connect_timeout = Duration::from_millis(200);
    config.proxy = Proxy::Url(format!("http://{}", silent.address));
    let mut feed = Feed::new(config).unwrap();
    let reason = first_disconnect(&mut feed).await;
    assert_eq!(reason, Disconnect::TimedOut(Duration::from_millis(200)));

    let mut config = support::config("ws://127.0.0.1:9/".to_owned());
    config.proxy = Proxy::Url("socks5://127.0.0.1:9".to_owned());
    let reason = first_disconnect(&mut Feed::new(config).unwrap()).await;
    assert!(
        matches!(&reason, Disconnect::NotConnected { stage: DialStage::Proxy, error }
            if error.contains("refused")),
        "{reason:?}"
    );
}

#[test]
fn a_proxy_that_cannot_be_used_is_refused_before_anything_is_dialled() {
    let mut config = config("ws://127.0.0.1:9/".to_owned());
    config.proxy = Proxy::Url("https://user:hunter2@proxy.example".to_owned());
    assert!(!format!("{config:?}").contains("hunter2"));
    let error = Feed::new(config).unwrap_err();
    assert!(matches!(error, ConfigError::Proxy { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

/// The environment belongs to a process, so a child reads it: this test, run once more.
#[tokio::test]
async fn the_environment_names_a_proxy_and_exceptions() {
    const CHILD: &str = "LEVEL2_TEST_DIALS";
    const HOST: &str = "venue.invalid";

    if let Ok(url) = std::env::var(CHILD) {
        match Feed::new(config(url)) {
            Ok(mut feed) => println!("@{}", first_disconnect(&mut feed).await),
            Err(error) => println!("@{error}"),
        }
        return;
    }
    let proxy = TestProxy::start(Kind::ConnectRefusing, false).await;
    let socks = TestProxy::start(Kind::Socks5Refusing, false).await;
    let (http, socks_url) =
        (format!("http://{}", proxy.address), format!("socks5://{}", socks.address));
    let venue = format!("wss://{HOST}/");
    let local = "ws://127.0.0.1:9/".to_owned();
    for (variables, url, expected) in [
        (&[("HTTPS_PROXY", &*http)][..], &venue, "proxy"),
        (&[("https_proxy", &*http)], &venue, "proxy"),
        (&[("ALL_PROXY", &*socks_url)], &venue, "proxy"),
        (&[("ALL_PROXY", &*socks_url), ("HTTPS_PROXY", &*http)], &venue, "proxy"),
        (&[("HTTPS_PROXY", &*http), ("NO_PROXY", HOST)], &venue, "name look-up"),
        (&[], &venue, "name look-up"),
        (&[("ALL_PROXY", &*http)], &local, "(TCP)"),
        (&[("ALL_PROXY", "ftp://user:hunter2@x")], &venue, "in ALL_PROXY cannot be used"),
    ] {
        let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
        let name = "the_environment_names_a_proxy_and_exceptions";
        child.args(["--exact", name, "--nocapture"]).env(CHILD, url);
        for name in ["HTTPS_PROXY", "ALL_PROXY", "HTTP_PROXY", "NO_PROXY"] {
            child.env_remove(name).env_remove(name.to_lowercase());
        }
        let output = child.envs(variables.iter().copied()).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let (_, said) = said.split_once('@').unwrap();
        assert!(said.contains(expected), "{variables:?}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    let target = format!("{HOST}:443");
    assert_eq!(proxy.asked(), [&*target; 3]);
    assert_eq!(socks.asked(), [&*target]);
}
