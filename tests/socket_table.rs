//! Faults that only sockets show: a scripted exchange does each of them to a real feed, over `ws`
//! and over `wss`. Every test has one fault, and checks that books were withdrawn before anything
//! was told, that the feed says what happened, and that it heals on the next connection.

#![cfg(all(feature = "feed", feature = "sim"))]

mod support;
#[path = "support/tls.rs"]
mod tls;

use std::sync::LazyLock;
use std::time::Duration;

use level2::feed::{Feed, FeedConfig, Roots};
use level2::session::{Cause, DialStage, Disconnect, Event};
use level2::sim::{Answer, Form, RawFrame, Script, Server, ServerConfig, ServerTls, Step, Writes};

use self::support::*;
use self::tls::*;

/// So many frames hold every snapshot, every ack and some updates.
const LIVE: u64 = 20;

/// What ends a connection, by the words that tell it over TCP or over TLS.
enum Expected {
    Is(Disconnect),
    Handshake(&'static [&'static str]),
    Transport(&'static [&'static str]),
}

use Expected::{Handshake, Is, Transport};

/// What the system and the libraries say of a connection that was reset, or ended without a word.
const RESET: &[&str] = &["reset by peer", "Broken pipe"];
const ENDED: &[&str] = &["without closing handshake", "close_notify"];
const UNOPENED: &[&str] = &["Handshake not finished", "close_notify"];

/// What a server and its clients need for TLS on this machine.
static AUTHORITY: LazyLock<(Vec<u8>, ServerTls)> = LazyLock::new(|| {
    let authority = Authority::new("the authority");
    let (certificate, key) = authority.identity("localhost", Validity::Sound).pem();
    let tls = ServerTls::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    (authority.root(), tls)
});

async fn server(script: Vec<Step>, has_tls: bool) -> Server {
    start(ServerConfig {
        exchange: busy_exchange(1),
        scripts: vec![Script::new(script)],
        tls: has_tls.then(|| AUTHORITY.1.clone()),
        ..ServerConfig::default()
    })
    .await
}

fn config_of(server: &Server) -> FeedConfig {
    let mut config = config(server.url());
    config.roots = Roots::Custom(vec![AUTHORITY.0.clone()]);
    config.session.connect_timeout = Duration::from_secs(2);
    config.session.max_retry_after = Duration::from_millis(20);
    config.max_message_bytes = 1 << 20;
    config
}

/// Runs a feed into the script and out of it again.
async fn check(script: Vec<Step>, expected: Expected) {
    for has_tls in [false, true] {
        let server = server(script.clone(), has_tls).await;
        let mut feed = Feed::new(config_of(&server)).unwrap();
        let wants_live = script.contains(&Step::Serve(LIVE));
        let reason = first_disconnect(&mut feed, &server, wants_live).await;
        let is_expected = match &expected {
            Is(expected) => reason == *expected,
            Handshake(words) => {
                matches!(&reason, Disconnect::NotConnected { stage: DialStage::Handshake, error }
                    if words.iter().any(|words| error.contains(words)))
            }
            Transport(words) => matches!(&reason, Disconnect::Transport(error)
                if words.iter().any(|words| error.contains(words))),
        };
        assert!(is_expected, "TLS {has_tls}: {reason:?}");
        tokio::time::timeout(PATIENCE, feed.synced()).await.unwrap().unwrap();
        assert_books_become_equal(&mut feed, &server).await;
        assert_eq!(server.connections().dialed, 2);
    }
}

/// Follows a feed to its first loss, where every book has to be gone before that is told.
async fn first_disconnect(feed: &mut Feed, server: &Server, wants_live: bool) -> Disconnect {
    let (mut synced, mut lost) = (0, Vec::new());
    loop {
        match next(feed).await {
            Event::Disconnected { reason } => {
                assert_withdrawn(feed, "after the connection");
                assert_eq!(lost, PRODUCTS.map(product));
                assert_eq!(synced, if wants_live { PRODUCTS.len() } else { 0 });
                return reason;
            }
            Event::Lost { product, cause } => {
                let is_idle = matches!(cause, Cause::Idle);
                assert!(is_idle || cause == Cause::Closed, "{product} was lost ({cause})");
                assert_withdrawn(feed, "after the first loss");
                lost.push(product);
            }
            event => {
                assert!(lost.is_empty(), "{event:?} between the losses and the end");
                synced += usize::from(matches!(event, Event::Synced { .. }));
                assert_readers_see_the_truth(feed, server);
            }
        }
    }
}

/// Makes a test of each row: its name, what the server does, and what the feed says of it.
macro_rules! rows {
    ($($name:ident: [$($step:expr),+ $(,)?] => $expected:expr;)+) => {$(
        #[tokio::test]
        async fn $name() {
            check(vec![$($step),+], $expected).await;
        }
    )+};
}

fn by_venue(code: Option<u16>, reason: &str) -> Expected {
    Is(Disconnect::ByVenue { code, reason: reason.into() })
}

fn rejected(status: u16, retry_after_s: Option<u64>) -> Expected {
    Is(Disconnect::Rejected { status, retry_after: retry_after_s.map(Duration::from_secs) })
}

/// The first bytes of a frame that never becomes whole.
fn half_a_frame() -> Step {
    let frame = RawFrame::text(r#"{"channel":"l2_data","client_id":""}"#).encode();
    Step::Bytes(frame[..20].to_vec())
}

fn text(bytes: impl Into<Vec<u8>>) -> RawFrame {
    RawFrame::new(RawFrame::TEXT, bytes)
}

// The connection ends without a close frame.
rows! {
    fin_before_the_websocket: [Step::Tls, Step::Fin] => Handshake(UNOPENED);
    reset_before_the_websocket: [Step::Tls, Step::Reset] => Handshake(RESET);
    fin_after_the_websocket_opened: [Step::Upgrade, Step::Fin] => Transport(ENDED);
    reset_after_the_websocket_opened: [Step::Upgrade, Step::Reset] => Transport(RESET);
    fin_after_the_requests: [Step::Requests(2), Step::Fin] => Transport(ENDED);
    reset_after_the_requests: [Step::Requests(2), Step::Reset] => Transport(RESET);
    fin_after_frames: [Step::Serve(LIVE), Step::Fin] => Transport(ENDED);
    reset_after_frames: [Step::Serve(LIVE), Step::Reset] => Transport(RESET);
    fin_within_a_frame: [Step::Serve(LIVE), half_a_frame(), Step::Fin] => Transport(ENDED);
    reset_within_a_frame: [Step::Serve(LIVE), half_a_frame(), Step::Reset] => Transport(RESET);
    fin_within_a_header:
        [Step::Serve(LIVE), Step::Bytes(vec![0x81, 127, 0]), Step::Fin] => Transport(ENDED);
    fin_within_a_fragmented_message:
        [Step::Serve(LIVE), Step::Frame(text(*b"{").unfinished()), Step::Fin] => Transport(ENDED);
}

// Frames that are too large, each told with the size that passed the limit.
rows! {
    a_header_that_claims_a_tebibyte:
        [Step::Serve(LIVE), Step::Frame(text([]).claiming(1 << 40))]
        => Is(Disconnect::MessageTooLarge { size: 1 << 40, limit: 1 << 20 });
    a_message_one_byte_above_the_limit:
        [Step::Serve(LIVE), Step::Frame(text(vec![b' '; (1 << 20) + 1]))]
        => Is(Disconnect::MessageTooLarge { size: (1 << 20) + 1, limit: 1 << 20 });
    forty_fragments_whose_sum_passes_the_limit:
        [Step::Serve(LIVE), Step::Frames(RawFrame::fragments(&" ".repeat(40 * 30_000), 40))]
        => Is(Disconnect::MessageTooLarge { size: 35 * 30_000, limit: 1 << 20 });
}

// Frames that the standard forbids.
rows! {
    text_that_is_no_utf_8:
        [Step::Serve(LIVE), Step::Frame(text(*b"{\"channel\":\"\xff\"}"))] => Transport(&["UTF-8"]);
    fragments_that_are_no_utf_8_together:
        [Step::Serve(LIVE), Step::Frames(vec![
            text(*b"\xc3").unfinished(),
            RawFrame::new(RawFrame::CONTINUATION, *b"\x28"),
        ])] => Transport(&["UTF-8"]);
    a_masked_frame:
        [Step::Serve(LIVE), Step::Frame(text(*b"{}").masked([1, 2, 3, 4]))]
        => Transport(&["masked frame from server"]);
    a_compressed_frame:
        [Step::Serve(LIVE), Step::Frame(text(*b"{}").reserved(0b100))]
        => Transport(&["Reserved bits"]);
    the_second_reserved_bit:
        [Step::Serve(LIVE), Step::Frame(text(*b"{}").reserved(0b010))]
        => Transport(&["Reserved bits"]);
    the_third_reserved_bit:
        [Step::Serve(LIVE), Step::Frame(text(*b"{}").reserved(0b001))]
        => Transport(&["Reserved bits"]);
    a_reserved_opcode_of_data:
        [Step::Serve(LIVE), Step::Frame(RawFrame::new(3, *b"{}"))]
        => Transport(&["invalid opcode: 3"]);
    a_reserved_opcode_of_control:
        [Step::Serve(LIVE), Step::Frame(RawFrame::new(11, *b"{}"))]
        => Transport(&["invalid opcode: 11"]);
    a_ping_that_is_too_long:
        [Step::Serve(LIVE), Step::Frame(RawFrame::ping(vec![0; 200]))]
        => Transport(&["Control frame too big"]);
    a_ping_in_fragments:
        [Step::Serve(LIVE), Step::Frame(RawFrame::ping([]).unfinished())]
        => Transport(&["Fragmented control frame"]);
    a_continuation_of_nothing:
        [Step::Serve(LIVE), Step::Frame(RawFrame::new(RawFrame::CONTINUATION, *b"{}"))]
        => Transport(&["nothing to continue"]);
    a_message_within_another:
        [Step::Serve(LIVE), Step::Frames(vec![text(*b"{").unfinished(), text(*b"{}")])]
        => Transport(&["waiting for more fragments"]);
}

// Close frames. Those that the standard allows are in `feed_transport.rs`, code by code.
rows! {
    closed_to_restart:
        [Step::Serve(LIVE), Step::Frame(RawFrame::close(1_012, "restart"))]
        => by_venue(Some(1_012), "restart");
    closed_by_a_code_of_the_venues_own:
        [Step::Serve(LIVE), Step::Frame(RawFrame::close(4_321, ""))] => by_venue(Some(4_321), "");
    closed_without_a_code:
        [Step::Serve(LIVE), Step::Frame(RawFrame::new(RawFrame::CLOSE, []))] => by_venue(None, "");
    closed_before_any_request:
        [Step::Frame(RawFrame::close(1_011, "overload"))] => by_venue(Some(1_011), "overload");
    // A code that must not be sent is answered, and told, as a violation of the protocol.
    closed_by_a_code_that_is_never_sent:
        [Step::Serve(LIVE), Step::Frame(RawFrame::close(1_006, "abnormal"))]
        => by_venue(Some(1_002), "Protocol violation");
    closed_by_a_code_without_meaning:
        [Step::Serve(LIVE), Step::Frame(RawFrame::close(999, ""))]
        => by_venue(Some(1_002), "Protocol violation");
    closed_by_half_a_code:
        [Step::Serve(LIVE), Step::Frame(RawFrame::new(RawFrame::CLOSE, [3]))]
        => Transport(&["Invalid close sequence"]);
    closed_for_a_reason_that_is_no_utf_8:
        [Step::Serve(LIVE), Step::Frame(RawFrame::new(RawFrame::CLOSE, [3, 232, 0xff]))]
        => Transport(&["UTF-8"]);
    // What comes after the close frame is not even looked at.
    data_after_a_close_frame:
        [Step::Serve(LIVE), Step::Frames(vec![RawFrame::close(1_000, "done"), text(*b"\xff")])]
        => by_venue(Some(1_000), "done");
}

// Answers to the handshake. What is told of each is in `feed_transport.rs` too; here they end.
rows! {
    answered_by_too_many_requests:
        [Step::Answer(Answer::status(429).header("Retry-After", "7"))] => rejected(429, Some(7));
    answered_by_unavailable: [Step::Answer(Answer::status(503))] => rejected(503, None);
    answered_by_forbidden: [Step::Answer(Answer::status(403))] => rejected(403, None);
    answered_by_a_redirect:
        [Step::Answer(Answer::status(302).header("Location", "wss://example.com"))]
        => rejected(302, None);
    answered_by_a_web_page:
        [Step::Answer(Answer::status(200).header("Content-Type", "text/html"))]
        => rejected(200, None);
    answered_by_garbage:
        [Step::Tls, Step::Bytes(b"220 mail.example.com ESMTP\r\n".to_vec())]
        => Handshake(&["httparse error"]);
    answered_by_half_an_answer_and_fin:
        [Step::Tls, Step::Bytes(b"HTTP/1.1 101 Switching".to_vec()), Step::Fin]
        => Handshake(UNOPENED);
    answered_for_another_key:
        [Step::Answer(Answer::upgrade().wrong_key())] => Handshake(&["Sec-WebSocket-Accept"]);
    answered_with_a_subprotocol_that_nobody_asked_for:
        [Step::Answer(Answer::upgrade().header("Sec-WebSocket-Protocol", "mqtt"))]
        => Handshake(&["subprotocol"]);
    answered_with_an_extension_that_nobody_asked_for:
        [Step::Answer(Answer::upgrade().header("Sec-WebSocket-Extensions", "permessage-deflate"))]
        => Handshake(&["permessage-deflate"]);
    answered_with_a_header_of_4_mib:
        [Step::Answer(Answer::upgrade().header("X-Long", "x".repeat(4 << 20)))]
        => Handshake(&["Attack attempt"]);
    answered_with_5000_headers:
        [Step::Answer((0..5_000).fold(Answer::upgrade(), |answer, index| {
            answer.header(format!("X-{index}"), "x")
        }))] => Handshake(&["Too many headers"]);
}

// The connection stays and the server says nothing more.
rows! {
    silence_after_the_websocket_opened:
        [Step::Upgrade, Step::Hold] => Is(Disconnect::Idle(IDLE));
    silence_after_the_requests: [Step::Requests(2), Step::Hold] => Is(Disconnect::Idle(IDLE));
    silence_after_frames: [Step::Serve(LIVE), Step::Hold] => Is(Disconnect::Idle(IDLE));
    silence_within_a_frame:
        [Step::Serve(LIVE), half_a_frame(), Step::Hold] => Is(Disconnect::Idle(IDLE));
    pings_without_end: [Step::Serve(LIVE), Step::Flood(RawFrame::ping([7; 125]))]
        => Is(Disconnect::Idle(IDLE));
}

const IDLE: Duration = Duration::from_millis(500);

/// One deadline covers the whole dial, wherever the server stops.
#[tokio::test]
async fn silence_within_a_dial_ends_it_at_its_deadline() {
    for (script, has_tls) in [
        (vec![Step::Hold], false),
        (vec![Step::Hold], true),
        (vec![Step::Tls, Step::Hold], true),
        (vec![Step::Tls, Step::Bytes(b"HTTP/1.1 101".to_vec()), Step::Hold], true),
    ] {
        let server = server(script.clone(), has_tls).await;
        let mut config = config_of(&server);
        config.session.connect_timeout = Duration::from_millis(300);
        let mut feed = Feed::new(config).unwrap();
        let reason = first_disconnect(&mut feed, &server, false).await;
        assert_eq!(reason, Disconnect::TimedOut(Duration::from_millis(300)), "{script:?}");
        tokio::time::timeout(PATIENCE, feed.synced()).await.unwrap().unwrap();
        assert_books_become_equal(&mut feed, &server).await;
    }
}

/// Frames may come in any form and in any pieces: the books are the same, and nothing is lost.
#[tokio::test]
async fn the_form_of_frames_changes_nothing() {
    let pieces = |bytes_max| Step::Writes(Writes::Pieces { seed: 1, bytes_max });
    for script in [
        vec![Step::Form(Form::Binary)],
        vec![Step::Form(Form::Fragments { count: 7 })],
        vec![Step::Writes(Writes::Joined { frames: 10 })],
        vec![pieces(1_000), Step::Form(Form::Fragments { count: 3 })],
        vec![Step::Serve(LIVE), Step::Frame(RawFrame::ping(*b"there")), pieces(1_400)],
        vec![pieces(16), Step::Upgrade, Step::Writes(Writes::Whole)],
    ] {
        for has_tls in [false, true] {
            let server = server(script.clone(), has_tls).await;
            let mut config = config_of(&server);
            config.session.idle_timeout = PATIENCE;
            let mut feed = Feed::new(config).unwrap();
            while feed.session().stats().frames < 3 * LIVE {
                let event = next(&mut feed).await;
                let is_loss = matches!(event, Event::Lost { .. } | Event::Disconnected { .. });
                assert!(!is_loss, "{script:?}: {event:?}");
                assert_readers_see_the_truth(&feed, &server);
            }
            assert_books_become_equal(&mut feed, &server).await;
            assert_eq!(server.connections().dialed, 1, "{script:?}");
        }
    }
}
