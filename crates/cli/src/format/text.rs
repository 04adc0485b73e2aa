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
    Some(match event {
        SessionEvent::Aliased { product, canonical } => {
            format!("{product} is answered as {canonical}")
        }
        SessionEvent::AuthenticationFailed(failure) => failure.to_string(),
        SessionEvent::Connected => "connected".to_owned(),
        SessionEvent::Disconnected { reason } => {
            format!("disconnected: {}", printable(&reason.to_string()))
        }
        SessionEvent::GaveUp { failed_dials } => {
            format!("gave up after {failed_dials} failed dials")
        }
        SessionEvent::LeftOut { product } => {
            format!("{product} is one product too many, and left out")
        }
        SessionEvent::Lost { product, cause } => format!("{product} lost ({cause})"),
        SessionEvent::Missed { count } => format!("{count} events were missed"),
        SessionEvent::Quiet { product, .. } => format!("{product} has not changed for a while"),
        SessionEvent::Refused { message, .. } => {
            format!("the venue refuses: {}", printable(message))
        }
        SessionEvent::Requested { product } => format!("{product} syncing"),
        SessionEvent::Synced { product, sequence } => {
            format!("{product} live from frame {sequence}")
        }
        SessionEvent::Rejected { times } => format!("turned away {times} times, and gave up"),
        SessionEvent::Undecodable { product: None, error } => {
            format!("a frame could not be read: {}", printable(&error.to_string()))
        }
        SessionEvent::Undecodable { product: Some(product), error } => {
            format!("{product}: a frame could not be read: {}", printable(&error.to_string()))
        }
        SessionEvent::LevelRejected { product, error } => format!("{product}: {error}"),
        SessionEvent::Unlisted { product } => format!("the venue does not list {product}"),
        _ => return None,
    })
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
