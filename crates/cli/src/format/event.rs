//! Session events as text.

use level2::session::SessionEvent;

use super::text::printable;

/// Returns an event as one line of text, or `None` for an update of a book.
pub(crate) fn event_text(event: &SessionEvent) -> Option<String> {
    Some(match event {
        SessionEvent::Aliased { product, canonical } => {
            format!("{product} is sent as {canonical}")
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
            format!("{product} exceeds the limit of products and was left out")
        }
        SessionEvent::Lost { product, cause } => format!("{product} lost ({cause})"),
        SessionEvent::Missed { count } => format!("{count} events were missed"),
        SessionEvent::Quiet { product, .. } => format!("{product} has not changed for a while"),
        SessionEvent::Refused { message, .. } => {
            format!("the venue refused a request: {}", printable(message))
        }
        SessionEvent::Requested { product } => format!("{product} syncing"),
        SessionEvent::Synced { product, sequence } => {
            format!("{product} live from frame {sequence}")
        }
        SessionEvent::Rejected { times } => {
            format!("gave up after {times} rejections by the venue")
        }
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
