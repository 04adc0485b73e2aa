//! Words for people: levels, and what a session tells.

use level2::book::Level;
use level2::session::SessionEvent;

/// The most characters of a text from outside that are shown.
const MAX_SHOWN_CHARS: usize = 300;

/// Returns a level as `price x size`, without trailing zeros.
pub(crate) fn level_text(level: Level) -> String {
    format!("{} x {}", level.price.normalize(), level.size.normalize())
}

/// Returns a text from outside, made fit for a terminal: it is cut, and what would move the cursor
/// or change colours is blanked.
pub(crate) fn printable(text: &str) -> String {
    let is_cut = text.chars().nth(MAX_SHOWN_CHARS).is_some();
    let shown = text.chars().take(MAX_SHOWN_CHARS);
    let shown: String = shown.map(|char| if char.is_control() { ' ' } else { char }).collect();
    if is_cut { shown + "..." } else { shown }
}

/// Returns what an event says about the state of the connection or a product, in one line;
/// `None` for the change of a book, of which there are many.
pub(crate) fn event_text(event: &SessionEvent) -> Option<String> {
    let is_update = matches!(event, SessionEvent::Updated { .. });
    (!is_update).then(|| printable(&event.to_string()))
}

/// Returns whether an event is a complaint, which a program that reads only the changes of status
/// and of best prices would miss.
pub(crate) const fn is_complaint(event: &SessionEvent) -> bool {
    matches!(
        event,
        SessionEvent::AuthenticationFailed(_)
            | SessionEvent::LeftOut { .. }
            | SessionEvent::Missed { .. }
            | SessionEvent::Refused { .. }
            | SessionEvent::Undecodable { .. }
            | SessionEvent::LevelRejected { .. }
            | SessionEvent::Unlisted { .. }
    )
}
