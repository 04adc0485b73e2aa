//! What the venue's answers to requests say of the products.

use std::time::Instant;

use super::coordinator::Coordinator;
use super::event::SessionEvent;
use super::products::Unlisted;
use super::status::Cause;
use crate::wire::{ProductId, RefusalKind, Subscriptions, venue};

/// Refusal texts are cut to this many bytes, because event queues are bounded by count, not size.
const MAX_REFUSAL_LEN: usize = 1_024;

/// Reconciles the venue's list of subscriptions with what was requested and with the live books.
///
/// The venue lists everything that is subscribed to when it answers, and answers in the order of
/// the requests. A live book that it does not list receives no further updates and goes stale.
pub(super) fn acknowledged(session: &mut Coordinator, now: Instant, listed: &Subscriptions<'_>) {
    let answered = session.count_answer();
    let is_listed = |name: &str| listed.products(venue::LEVEL2).any(|listed| listed == name);
    let mut index = 0;
    while index < session.products().len() {
        let subscription = session.products().at(index);
        let unlisted = subscription.asked().unlisted(answered);
        let name = subscription.wire_name().as_str();
        if unlisted == Unlisted::NotDue || is_listed(name) {
            index += 1;
            continue;
        }
        let alias = venue::usdc_alias(name)
            .filter(|alias| is_listed(alias) && !session.products().are_apart(index, alias))
            .and_then(|alias| ProductId::new(alias).ok());
        if let Some(alias) = alias {
            // What has this place next is looked at next: this product under its new name, which
            // is listed, or the one after it, if this one has become one with another.
            session.adopt_alias(index, &alias);
            continue;
        }
        match unlisted {
            Unlisted::NotDue => unreachable!("it was passed over"),
            Unlisted::EndedEarlier => session.lose_to_earlier_end(now, index),
            Unlisted::Refused => {
                session.report_each(index, |product| SessionEvent::Unlisted { product });
                session.lose_product(now, index, Cause::Refused);
            }
        }
        index += 1;
    }
}

/// Takes the venue's word that it refuses a request.
pub(super) fn refused(session: &mut Coordinator, now: Instant, kind: RefusalKind, message: &str) {
    session.count_answer();
    let shown = beginning(message, MAX_REFUSAL_LEN);
    session.report(SessionEvent::Refused { kind, message: shown.into() });
    if kind == RefusalKind::Authentication {
        session.reject_token(now);
    }
}

/// Returns the beginning of a text, cut between two characters.
fn beginning(text: &str, max_len: usize) -> &str {
    let mut end = text.len().min(max_len);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        assert_eq!(beginning("xéé", 4), "xé");
        assert_eq!(beginning("xéé", 5), "xéé");
        assert_eq!(beginning("é", 1), "");
        assert_eq!(beginning("short", 1_024), "short");
    }
}
