//! `level2 sim`: the simulated exchange, as a server and as a recording.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

use crate::support::*;

#[test]
fn a_mood_decides_what_the_markets_do() {
    let moods = ["measured", "calm", "busy", "crash", "illiquid", "changing"];
    let recordings = moods.map(|mood| {
        let output = run(&["sim", "--frames", "40", "--levels", "20", "--mood", mood]);
        assert_eq!(printed(&output).lines().count(), 40);
        output.stdout
    });
    for (index, recording) in recordings.iter().enumerate() {
        assert!(!recordings[..index].contains(recording), "{}", moods[index]);
    }
}

#[test]
fn a_reader_that_leaves_ends_the_command_quietly() {
    let mut command = level2(&["sim", "--frames", "100000000", "--levels", "5"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("{\"channel\":\"l2_data\""), "{line}");
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(text(&output.stderr), "");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_simulated_exchange() {
    let mut exchange = Exchange::start(&[]);
    interrupt(&exchange.child);
    assert!(exchange.child.wait().unwrap().success());
    let mut rest = String::new();
    exchange.stdout.read_to_string(&mut rest).unwrap();
    assert!(rest.starts_with("served 0 connections"), "{rest}");
}

#[test]
fn the_simulated_exchange_lives_in_the_present_unless_its_date_is_asked_for() {
    let date = |arguments: &[&str]| {
        let exchange = Exchange::start(arguments);
        let address = exchange.url.trim_start_matches("ws://");
        let mut stream = TcpStream::connect(address).unwrap();
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
        lines.find(|line| line.to_ascii_lowercase().starts_with("date: ")).unwrap()
    };
    assert!(date(&["--seed-date"]).contains("Mon, 02 Nov 2026 00:0"));
    assert!(!date(&[]).contains("02 Nov 2026 00:0"));
}
