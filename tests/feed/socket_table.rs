//! Faults that only sockets show: a scripted exchange does each of them to a real feed, over `ws`
//! and over `wss`. Every test has one fault, and checks that books were withdrawn before anything
//! was told, that the feed says what happened, and that it heals on the next connection.
//!
//! Each fault that a client of a market data feed has to survive is held somewhere, and this is
//! where: a test as `file::name`, or a script of a session in `fixtures/scenarios`. The numbers
//! are the project's own; 29, 46 to 49, 58 and 59 are not given. A test checks that all of these
//! exist.
//!
//! | | fault | held by |
//! |---|---|---|
//! | F1 | a dropped message | `feed/faults::a_gap_is_one_loss_of_every_book_and_heals_alone`, `a_gap_loses_every_book.txt` |
//! | F2 | a message twice | `a_duplicate_is_not_applied.txt`, `feed/faults::duplicates_are_counted_and_lose_nothing` |
//! | F3 | an older message | `an_older_number_is_not_applied.txt`, `swapped_frames_cost_one_resync.txt` |
//! | F4 | the counter starts again | `a_counter_that_starts_again_loses_every_book.txt`, `a_silent_restart_is_found_out.txt` |
//! | F5 | a number that is none | `numbers_that_are_none_lose_every_book.txt`, `src/wire/tests::an_envelope_that_cannot_be_trusted_is_refused` |
//! | F6 | an update before the snapshot | `an_update_before_the_snapshot.txt` |
//! | F7 | no snapshot after the ack | `a_snapshot_that_does_not_come.txt`, `feed/stop::acks_without_snapshots_end_in_a_new_connection` |
//! | F8 | a second snapshot | `a_second_snapshot_replaces_the_book.txt`, `src/bbo::reads_are_whole_in_every_order` |
//! | F9 | a snapshot in any order, with duplicates | `levels_come_in_any_order.txt`, `src/book/tests::a_snapshot_equals_its_levels_set_one_by_one` |
//! | F10 | a delete of no level | `a_delete_of_no_level_is_normal.txt`, `src/book/tests::equals_the_naive_book_after_every_operation` |
//! | F11 | malformed numbers | `a_malformed_number_loses_its_product.txt`, `exponents_are_read_exactly.txt`, `src/wire/tests::a_bad_level_names_what_came_and_where` |
//! | F12 | numbers that do not fit | `nothing_is_ever_rounded.txt`, `src/book/tests::a_number_that_does_not_fit_changes_nothing` |
//! | F13 | unknown and missing fields | `an_unknown_side_loses_its_product.txt`, `an_unknown_kind_of_event_loses_its_product.txt`, `a_missing_field_loses_its_product.txt`, `unknown_keys_and_any_order_are_read.txt`, `every_channel_takes_a_number.txt` |
//! | F14 | a key twice | `a_key_given_twice_is_refused.txt`, `hostile::a_key_twice_is_refused_by_one_rule` |
//! | F15 | aliases | `a_usdc_product_is_answered_under_its_usd_name.txt`, `an_alias_is_learnt_from_the_ack.txt`, `books/reading::an_alias_and_the_name_it_is_answered_under_find_the_same_book` |
//! | F16 | a product nobody asked for | `products_nobody_asked_for_get_no_book.txt`, `hostile::products_that_nobody_asked_for_cost_no_memory` |
//! | F17 | a crossed or locked book | `a_book_may_cross_within_a_frame.txt`, `a_book_crossed_after_a_frame_is_lost.txt`, `a_locked_book_is_lost.txt` |
//! | F18 | times of any kind | `event_times_decide_nothing.txt` |
//! | F19 | times that are none | `event_times_decide_nothing.txt` |
//! | F20 | damaged text | `text_that_is_no_frame_loses_every_book.txt`, `an_unreadable_frame_is_one_loss.txt`, `fuzz_corpus::sessions_show_nothing_that_is_not_known_to_be_right`, `feed/socket_table::an_empty_message`, `feed/socket_table::a_message_that_is_no_json` |
//! | F21 | an error in the middle of a message | `a_frame_is_applied_whole_or_its_book_is_gone.txt` |
//! | F22 | FIN, RST, data after close | `feed/socket_table::fin_within_a_frame`, `feed/socket_table::reset_within_a_frame`, `feed/socket_table::fin_after_frames`, `feed/socket_table::reset_after_frames`, `feed/socket_table::data_after_a_close_frame` |
//! | F23 | messages that are too large | `feed/socket_table::a_header_that_claims_a_tebibyte`, `feed/socket_table::a_message_one_byte_above_the_limit`, `feed/socket_table::forty_fragments_whose_sum_passes_the_limit`, `feed/hostile::a_message_in_endless_pieces_ends_at_the_same_limit`, `a_message_too_large_is_told_with_its_limit.txt`, `failed_dials_wait_ever_longer.txt` |
//! | F24 | any splits and fragments | `feed/socket_table::the_form_of_frames_changes_nothing`, `feed/stop::a_stream_in_any_pieces_makes_the_same_books` |
//! | F25 | binary frames | `feed/socket_table::the_form_of_frames_changes_nothing`, `feed/socket_table::a_binary_message_that_is_no_text` |
//! | F26 | frames that the standard forbids | `feed/socket_table::text_that_is_no_utf_8`, `feed/socket_table::a_masked_frame`, `feed/socket_table::a_compressed_frame`, `feed/socket_table::a_reserved_opcode_of_data`, `feed/socket_table::a_ping_that_is_too_long` |
//! | F27 | an unasked extension | `feed/socket_table::answered_with_an_extension_that_nobody_asked_for` |
//! | F28 | floods of pings | `feed/socket_table::pings_without_end`, `feed/hostile::floods_without_a_message_are_silence`, `feed/hostile::a_venue_that_pings_and_never_reads_cannot_hold_the_feed_up` |
//! | F30 | a connection that is half open | `feed/socket_table::silence_after_frames`, `feed/stop::a_network_that_stops_at_any_stage_is_noticed_in_time_and_healed`, `src/feed/dial::the_system_watches_the_connection` |
//! | F31 | heartbeats that jump | `a_gap_shows_on_any_channel.txt`, `a_heartbeats_own_counter_means_nothing.txt` |
//! | F32 | a quiet product | `a_quiet_product_stays_live.txt`, `a_limit_of_quiet_makes_it_a_fault.txt` |
//! | F33 | closed to come back | `feed/socket_table::closed_to_restart`, `feed/transport::every_close_code_is_told_as_it_came`, `a_restarting_venue_is_dialled_soon_once.txt` |
//! | F34 | closed for the client's fault | `feed/socket_table::closed_by_a_code_of_the_venues_own`, `a_client_at_fault_waits_long.txt`, `rejected_too_often_is_the_end.txt` |
//! | F35 | closed for the venue's fault | `feed/socket_table::closed_before_any_request`, `feed/socket_table::closed_by_a_code_that_is_never_sent`, `a_closed_connection_is_dialled_again.txt` |
//! | F36 | refused, no name, a dead address | `feed/transport::dials_that_fail_say_how_far_they_came_and_may_be_limited`, `proxy::the_environment_names_a_proxy_and_exceptions`, `src/feed/dial::every_address_of_a_name_is_tried` |
//! | F37 | a handshake that hangs | `feed/socket_table::silence_within_a_dial_ends_it_at_its_deadline`, `proxy::a_proxy_that_is_not_there_or_silent_is_bounded_by_the_same_deadline`, `a_dial_has_a_deadline.txt` |
//! | F38 | certificates that prove nothing | `feed/secure::a_server_that_does_not_prove_itself_is_refused_by_its_own_reason`, `src/session/dialer::rejections_in_a_row_have_an_end_and_another_reason_starts_the_count_over` |
//! | F39 | an HTTP status for an answer | `feed/socket_table::answered_by_too_many_requests`, `feed/socket_table::answered_by_a_redirect`, `feed/transport::a_retry_after_is_waited_for`, `a_retry_after_is_kept_to.txt` |
//! | F40 | accepted and closed at once | `waits_start_over_after_half_a_minute_live.txt`, `src/session/tests/connection::a_venue_that_opens_and_closes_is_dialled_after_growing_waits` |
//! | F41 | many clients at once | `src/session/tests::many_clients_do_not_dial_in_step`, `books/reading::many_connections_stay_within_the_limits_of_the_venue_together` |
//! | F42 | no subscribe in time | `feed/stop::a_sound_venue_never_has_a_reason_to_hang_up`, `feed/transport::pings_are_answered_and_requests_go_out_at_once` |
//! | F43 | a network that stops anywhere | `feed/stop::a_network_that_stops_again_and_again_is_outlasted`, `feed/network::a_network_that_stops_at_any_moment_is_noticed_and_healed`, `feed/network::storms_are_outlasted`, `feed/stop::closing_takes_at_most_a_second_in_every_state`, `books/reading::closing_is_bounded_while_the_venue_says_nothing` |
//! | F44 | a clock that jumps, a machine that sleeps | `a_clock_that_jumps_loses_every_book.txt`, `src/feed/link::a_machine_that_has_slept_has_no_connection_any_more` |
//! | F45 | two connections | `src/books/tests/simulation::with_a_standby_no_reader_is_ever_without_a_book_nor_with_a_wrong_one`, `books/reading::a_reader_never_notices_that_one_connection_after_the_other_fails` |
//! | F50 | a refused token | `a_refused_token_is_tried_afresh_once_then_left_out.txt`, `feed/tokens::a_key_that_the_venue_does_not_know_ends_in_books_without_a_token` |
//! | F51 | clocks that differ | `a_clock_that_is_off_is_named.txt`, `feed/tokens::a_clock_that_is_off_is_named_with_its_seconds`, `every_request_has_a_token_of_its_own.txt` |
//! | F52 | too many streams | `books/reading::a_venue_that_serves_fewer_products_on_a_connection_makes_them_spread_out` |
//! | F53 | too many requests | `eight_requests_a_second.txt`, `a_refused_request_is_made_again.txt` |
//! | F54 | an ack that lists fewer | `an_ack_without_the_asked_product_loses_a_live_book.txt` |
//! | F55 | an unknown product | `a_product_that_is_not_listed_is_refused.txt`, `books/reading::a_product_that_is_refused_beside_live_ones_moves_and_they_stay` |
//! | F56 | updates after unsubscribing | `updates_after_unsubscribing_are_ignored.txt` |
//! | F57 | keys of every form | `core/auth_keys::every_form_of_a_key_signs_tokens_that_its_public_key_verifies`, `core/auth_keys::no_text_makes_a_key_panic_or_quote_it` |
//! | F60 | a slow consumer | `books/events::a_slow_consumer_is_told_exactly_how_many_it_missed` |
//! | F61 | a reader that is starved | `feed/stop::a_feed_that_was_not_looked_at_shows_nothing_old`; how far it falls behind is a matter of the machine, and of the command `soak` |
//! | F62 | a consumer that panics or leaves | `books/reading::a_reader_that_panics_harms_nobody_else`, `books/events::a_dropped_consumer_costs_nothing_and_a_stream_is_a_stream` |
//! | F63 | futures dropped anywhere | `feed/stop::futures_dropped_at_any_await_lose_nothing`, `feed/stop::closing_may_be_given_up_at_any_moment`, `feed/faults::cancelling_next_thousands_of_times_loses_nothing` |
//! | F64 | a runtime that goes | `feed/stop::a_runtime_that_goes_withdraws_the_books_of_its_feeds`, `books/reading::books_whose_runtime_is_gone_are_withdrawn` |
//! | F65 | memory | `zero_alloc::heartbeats_unknown_channels_and_duplicates_allocate_nothing`, `books_memory::nothing_is_left_of_what_has_gone`, `memory::books_cost_a_bounded_number_of_bytes` |

use std::sync::LazyLock;
use std::time::Duration;

use level2::feed::{Feed, FeedConfig, Roots};
use level2::session::{Cause, DialStage, Disconnect, SessionEvent};
use level2_sim::{Answer, Form, RawFrame, Script, Server, ServerConfig, ServerTls, Step, Writes};

use crate::sources::{Source, root, sources_in};
use crate::support::*;
use crate::tls::*;

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
    let mut exchange = busy_exchange(1);
    for product in &mut exchange.products {
        // The buffers of the system hold all that is sent before a connection is reset.
        *product = product.clone().levels(50);
    }
    start(ServerConfig {
        exchange,
        scripts: vec![Script::new(script)],
        tls: has_tls.then(|| AUTHORITY.1.clone()),
        ..ServerConfig::default()
    })
    .await
}

fn config_of(server: &Server) -> FeedConfig {
    let mut config = config(server.url());
    config.roots = Roots::Custom(vec![AUTHORITY.0.clone()]);
    config.policy.connect_timeout = Duration::from_secs(2);
    config.policy.max_retry_after = Duration::from_millis(20);
    config.max_message_bytes = 1 << 20;
    config
}

/// Runs a feed into the script and out of it again.
async fn check(script: Vec<Step>, expected: Expected) {
    for has_tls in [false, true] {
        let server = server(script.clone(), has_tls).await;
        let mut config = config_of(&server);
        if !matches!(expected, Is(Disconnect::Idle(_))) {
            // A machine with much to do may take long over what is not silence.
            config.policy.idle_timeout = PATIENCE;
        }
        let mut feed = Feed::new(config).unwrap();
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
            SessionEvent::Disconnected { reason } => {
                assert_withdrawn(feed, "after the connection");
                let cause = match reason {
                    Disconnect::ForResync(cause) => cause,
                    Disconnect::Idle(_) => Cause::Idle,
                    _ => Cause::Closed,
                };
                assert_eq!(lost, PRODUCTS.map(|name| (product(name), cause)));
                assert_eq!(synced, if wants_live { PRODUCTS.len() } else { 0 });
                return reason;
            }
            SessionEvent::Lost { product, cause } => {
                assert_withdrawn(feed, "after the first loss");
                lost.push((product, cause));
            }
            event => {
                let is_told_why = matches!(event, SessionEvent::Undecodable { .. });
                assert!(lost.is_empty() || is_told_why, "{event:?} between the losses and the end");
                synced += usize::from(matches!(event, SessionEvent::Synced { .. }));
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

fn for_resync() -> Expected {
    Is(Disconnect::ForResync(Cause::Decode))
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

// Messages that are sound for the WebSocket and no frames of the venue.
rows! {
    an_empty_message: [Step::Serve(LIVE), Step::Frame(text([]))] => for_resync();
    a_message_that_is_no_json: [Step::Serve(LIVE), Step::Frame(text(*b"hello"))] => for_resync();
    a_binary_message_that_is_no_text:
        [Step::Serve(LIVE), Step::Frame(RawFrame::new(RawFrame::BINARY, [0xff, 0, 0xfe]))]
        => for_resync();
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
        config.policy.connect_timeout = Duration::from_millis(300);
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
    let pieces = |max_bytes| Step::Writes(Writes::Pieces { seed: 1, max_bytes });
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
            config.policy.idle_timeout = PATIENCE;
            let mut feed = Feed::new(config).unwrap();
            while feed.session().stats().frames < 3 * LIVE {
                let event = next(&mut feed).await;
                let is_loss =
                    matches!(event, SessionEvent::Lost { .. } | SessionEvent::Disconnected { .. });
                assert!(!is_loss, "{script:?}: {event:?}");
                assert_readers_see_the_truth(&feed, &server);
            }
            assert_books_become_equal(&mut feed, &server).await;
            assert_eq!(server.connections().dialed, 1, "{script:?}");
        }
    }
}

/// The table at the head of this file names tests and scripts that exist.
#[test]
fn every_fault_is_held_somewhere() {
    let rows: Vec<&str> = include_str!("socket_table.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//! | F"))
        .collect();
    let numbers = rows.iter().map(|row| row.split_once(' ').unwrap().0.parse::<u32>().unwrap());
    let given = (1..=28).chain(30..=45).chain(50..=57).chain(60..=65);
    assert!(numbers.eq(given), "a fault is missing, or there twice");
    let sources: Vec<Source> =
        ["src", "tests", "crates"].into_iter().flat_map(sources_in).collect();
    for row in rows {
        let places: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        assert!(places.iter().any(|place| *place != "soak"), "nothing holds F{row}");
        for place in places {
            let Some((file, test)) = place.rsplit_once("::") else {
                let is_script = root().join("fixtures/scenarios").join(place).is_file();
                assert!(is_script || place == "soak", "no script {place} for F{row}");
                continue;
            };
            // The rows of this file are named without the keyword.
            let is_there = sources.iter().any(|source| {
                let text = &source.text;
                source.shown().contains(file)
                    && (text.contains(&format!("fn {test}("))
                        || file == "feed/socket_table" && text.contains(&format!("\n    {test}:")))
            });
            assert!(is_there, "no test {place} for F{row}");
        }
    }
}
