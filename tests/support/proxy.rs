//! Two small proxies: HTTP `CONNECT` and SOCKS5, each with a password if it has one.

#![allow(dead_code)] // Each test file uses its own part.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const USER: &str = "aladdin";
pub(crate) const PASSWORD: &str = "open sesame";

/// How a proxy behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Connect,
    /// Says 502 to everything.
    ConnectRefusing,
    /// Accepts and says nothing.
    Silent,
    Socks5,
    /// Says that the host cannot be reached.
    Socks5Refusing,
}

pub(crate) struct TestProxy {
    pub(crate) address: String,
    /// Where it was asked to connect to, as `host:port`.
    pub(crate) targets: Arc<Mutex<Vec<String>>>,
}

impl TestProxy {
    pub(crate) async fn start(kind: Kind, wants_password: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let targets = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&targets);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    match kind {
                        Kind::Connect | Kind::ConnectRefusing => {
                            connect(stream, kind, wants_password, &seen).await
                        }
                        Kind::Silent => {
                            std::future::pending::<()>().await;
                            Ok(())
                        }
                        Kind::Socks5 | Kind::Socks5Refusing => {
                            socks5(stream, kind, wants_password, &seen).await
                        }
                    }
                });
            }
        });
        Self { address, targets }
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.targets.lock().unwrap().clone()
    }
}

async fn relay(mut near: TcpStream, target: &str) -> std::io::Result<()> {
    let mut far = TcpStream::connect(target).await?;
    copy_bidirectional(&mut near, &mut far).await.map(|_| ())
}

async fn connect(
    mut stream: TcpStream,
    kind: Kind,
    wants_password: bool,
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    let request = String::from_utf8(request).unwrap();
    let target = request.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap().to_owned();
    seen.lock().unwrap().push(target.clone());
    let expected = STANDARD.encode(format!("{USER}:{PASSWORD}"));
    if wants_password && !request.contains(&format!("Proxy-Authorization: Basic {expected}\r\n")) {
        return stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
    }
    if kind == Kind::ConnectRefusing {
        return stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await;
    }
    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    relay(stream, &target).await
}

const NO_PASSWORD: u8 = 0;
const WITH_PASSWORD: u8 = 2;
const NONE_ACCEPTABLE: u8 = 0xff;
const HOST_UNREACHABLE: u8 = 4;
const DOMAIN: u8 = 3;

async fn read(stream: &mut TcpStream, len: u8) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::from(len)];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn socks5(
    mut stream: TcpStream,
    kind: Kind,
    wants_password: bool,
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    assert_eq!(stream.read_u8().await?, 5);
    let count = stream.read_u8().await?;
    let methods = read(&mut stream, count).await?;
    let method = if wants_password { WITH_PASSWORD } else { NO_PASSWORD };
    if !methods.contains(&method) {
        return stream.write_all(&[5, NONE_ACCEPTABLE]).await;
    }
    stream.write_all(&[5, method]).await?;
    if wants_password {
        assert_eq!(stream.read_u8().await?, 1);
        let len = stream.read_u8().await?;
        let user = read(&mut stream, len).await?;
        let len = stream.read_u8().await?;
        let password = read(&mut stream, len).await?;
        let is_right = user == USER.as_bytes() && password == PASSWORD.as_bytes();
        stream.write_all(&[1, u8::from(!is_right)]).await?;
        if !is_right {
            return Ok(());
        }
    }
    let head = read(&mut stream, 4).await?;
    assert_eq!(head[..3], [5, 1, 0]);
    let host = if head[3] == DOMAIN {
        let len = stream.read_u8().await?;
        String::from_utf8(read(&mut stream, len).await?).unwrap()
    } else {
        let parts = read(&mut stream, 4).await?;
        parts.iter().map(u8::to_string).collect::<Vec<_>>().join(".")
    };
    let target = format!("{host}:{}", stream.read_u16().await?);
    seen.lock().unwrap().push(target.clone());
    let answer = if kind == Kind::Socks5Refusing { HOST_UNREACHABLE } else { 0 };
    stream.write_all(&[5, answer, 0, 1, 127, 0, 0, 1, 0, 0]).await?;
    if answer == 0 { relay(stream, &target).await } else { Ok(()) }
}
