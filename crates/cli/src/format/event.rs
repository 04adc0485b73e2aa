//! Session events as text.

use level2::session::SessionEvent;

use super::text::printable;

/// Returns an event as one line of text, or `None` for an update of a book.
pub(crate) fn event_text(event: &SessionEvent) -> Option<String> {
    match event {
        SessionEvent::Updated { .. } => None,
        event => Some(printable(&event.to_string())),
    }
}
