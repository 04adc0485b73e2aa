//! The WebSocket handshake, and what the venue's response to it says.

use std::time::{Duration, SystemTime};

use tokio_tungstenite::tungstenite::http::header::{
    DATE, HeaderMap, HeaderName, RETRY_AFTER, SEC_WEBSOCKET_EXTENSIONS,
};
use tokio_tungstenite::tungstenite::http::{Response, Uri};
use tokio_tungstenite::tungstenite::{self, client::IntoClientRequest as _};

use super::dial::Dialing;
use super::error::DialError;
use super::socket::{Socket, socket_config};
use crate::session::{DialStage, Disconnect};

/// The result of a handshake.
pub(super) struct Opened {
    pub(super) socket: Socket,
    /// How far the venue's clock is ahead of this machine's, in seconds. `None` if the response
    /// has no readable `Date`.
    pub(super) clock_offset_s: Option<i64>,
}

/// Awaits the transport, and opens a WebSocket on it.
pub(super) async fn open_socket(
    dialing: Dialing,
    uri: Uri,
    max_message_bytes: usize,
) -> Result<Opened, Disconnect> {
    let stream = dialing.await?;
    let failed = |error: String| Disconnect::from(DialError::new(DialStage::Handshake, error));
    let request = uri.into_client_request().map_err(|error| failed(error.to_string()))?;
    let config = socket_config(max_message_bytes);
    let opened = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await;
    let now = SystemTime::now();
    let (socket, response) = opened.map_err(|error| match error {
        tungstenite::Error::Http(response) => rejection(&response, now),
        other => failed(other.to_string()),
    })?;
    // None was offered, and frames of an extension would be unreadable.
    if let Some(extensions) = response.headers().get(SEC_WEBSOCKET_EXTENSIONS) {
        return Err(failed(format!("the venue requires the extension {extensions:?}")));
    }
    Ok(Opened { socket, clock_offset_s: clock_offset_s(response.headers(), now) })
}

/// Reads a response that is not a WebSocket's. Its body is ignored, as nothing vouches for it.
fn rejection<T>(response: &Response<T>, now: SystemTime) -> Disconnect {
    let headers = response.headers();
    let retry_after = text(headers, &RETRY_AFTER).and_then(|text| match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        // A date is by the venue's clock, which the response shows in `Date`.
        Err(_) => {
            let from = date(headers, &DATE).unwrap_or(now);
            let until = date(headers, &RETRY_AFTER)?;
            Some(until.duration_since(from).unwrap_or(Duration::ZERO))
        }
    });
    Disconnect::Rejected { status: response.status().as_u16(), retry_after }
}

/// Returns how far the clock in `Date` is ahead of `now`, in seconds.
fn clock_offset_s(headers: &HeaderMap, now: SystemTime) -> Option<i64> {
    let theirs = date(headers, &DATE)?;
    // A date is of the years 1970 to 9999, so the distance fits unless this clock is absurd.
    let seconds = |distance: Duration| i64::try_from(distance.as_secs());
    match theirs.duration_since(now) {
        Ok(ahead) => seconds(ahead).ok(),
        Err(behind) => seconds(behind.duration()).ok().map(|seconds| -seconds),
    }
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(text(headers, name)?).ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT, the example of the standard.
    fn moment() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
    }

    fn headers(fields: &[(&HeaderName, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| ((*name).clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_venues_clock_is_compared_with_ours() {
        for (date, expected) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:51:37 GMT", Some(120)),
            ("Sun, 06 Nov 1994 08:47:37 GMT", Some(-120)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(0)),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(clock_offset_s(&headers(&[(&DATE, date)]), moment()), expected, "{date}");
        }
        assert_eq!(clock_offset_s(&HeaderMap::new(), moment()), None);
    }

    #[test]
    fn a_pause_is_asked_for_in_seconds_or_as_a_moment() {
        let dated = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (fields, expected) in [
            (&[(&RETRY_AFTER, "7")][..], Some(7)),
            (&[(&RETRY_AFTER, " 0 ")], Some(0)),
            (&[(&RETRY_AFTER, "Sun, 06 Nov 1994 08:50:07 GMT")], Some(30)),
            // The venue's clock and ours are apart; the pause is by its own.
            (&[(&RETRY_AFTER, "Sun, 06 Nov 1994 08:52:07 GMT"), (&DATE, dated)], Some(150)),
            (&[(&RETRY_AFTER, "Sun, 06 Nov 1994 08:00:00 GMT")], Some(0)),
            (&[(&RETRY_AFTER, "-1")], None),
            (&[(&RETRY_AFTER, "1e9")], None),
            (&[(&RETRY_AFTER, "99999999999999999999999")], None),
            (&[], None),
        ] {
            let mut response = Response::new(());
            *response.status_mut() = tungstenite::http::StatusCode::SERVICE_UNAVAILABLE;
            *response.headers_mut() = headers(fields);
            let retry_after = expected.map(Duration::from_secs);
            let expected = Disconnect::Rejected { status: 503, retry_after };
            assert_eq!(rejection(&response, moment()), expected, "{fields:?}");
        }
    }
}
