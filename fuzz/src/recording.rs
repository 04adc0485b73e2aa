//! Recorded lines replayed beside naive books.
//!
//! How the command reads and unpacks files is its own; what a line means is the session's.

use std::time::Instant;

use level2::session::{Input, MAX_PENDING_EVENTS, Output, Session, SessionConfig};

use super::shadow::Shadow;

/// Takes bytes for the lines of a recording.
///
/// # Panics
/// When a book is shown that is not known to be right.
pub fn recording(data: &[u8]) {
    let now = Instant::now();
    let mut session = Session::new(SessionConfig::recording(), now);
    let mut shadow = Shadow::default();
    while !matches!(session.poll(now), Output::Connect | Output::Wait(_)) {}
    session.handle(now, Input::Opened);
    let mut lines = 0;
    for line in data.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.trim_ascii().is_empty() {
            continue;
        }
        lines += 1;
        session.handle(now, Input::Message(line));
        shadow.message(line);
        shadow.check(&session);
        let mut polls = 0;
        while !matches!(session.poll(now), Output::Wait(_)) {
            polls += 1;
            assert!(polls <= MAX_PENDING_EVENTS + 2, "polling does not end");
        }
        assert!(session.is_connected(), "a session that asks for nothing hung up");
    }
    assert_eq!((session.stats().frames, session.stats().late), (lines, 0));
    assert_eq!(session.stats().requests, 0);
}
