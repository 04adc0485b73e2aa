//! From a stream of bytes to an open WebSocket, and what the venue's answer says besides.

use std::time::{Duration, SystemTime};

use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::http::header::{
    DATE, HeaderMap, HeaderName, RETRY_AFTER, SEC_WEBSOCKET_EXTENSIONS,
};
use tokio_tungstenite::tungstenite::http::{Response, Uri};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, client::IntoClientRequest as _};

use super::dial::{DialError, Dialing, Transport};
use crate::session::{DialStage, Disconnect};

/// How many bytes of requests may wait for a venue that does not read.
const MAX_WRITE_BUFFER_BYTES: usize = 1 << 20;

/// How many bytes of requests are gathered before they are written: none, each goes at once.
const WRITE_BUFFER_BYTES: usize = 0;

/// An open WebSocket.
pub(super) type Socket = WebSocketStream<Box<dyn Transport>>;

/// A handshake that succeeded.
pub(super) struct Opened {
    pub(super) socket: Socket,
    /// How far the venue's clock is ahead of this machine's, in seconds, if it told its time.
    pub(super) clock_offset_s: Option<i64>,
}

/// Waits for a transport, and then makes a WebSocket of it.
pub(super) async fn open_socket(
    dialing: Dialing,
    uri: Uri,
    max_message_bytes: usize,
) -> Result<Opened, Disconnect> {
    let stream = dialing.await?;
    let failed = |error: String| Disconnect::from(DialError::new(DialStage::Handshake, error));
    let request = uri.into_client_request().map_err(|error| failed(error.to_string()))?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(max_message_bytes))
        .max_frame_size(Some(max_message_bytes))
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES);
    let answer = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await;
    let now = SystemTime::now();
    let (socket, response) = answer.map_err(|error| match error {
        tungstenite::Error::Http(response) => rejection(&response, now),
        other => failed(other.to_string()),
    })?;
    // None was offered. A frame of an extension would be unreadable, so it is better said now.
    if let Some(extensions) = response.headers().get(SEC_WEBSOCKET_EXTENSIONS) {
        return Err(failed(format!("the venue insists on the extension {extensions:?}")));
    }
    Ok(Opened { socket, clock_offset_s: clock_offset_s(response.headers(), now) })
}

/// Reads an answer that is no WebSocket's. Its body is left unread: nobody can trust it.
fn rejection<T>(response: &Response<T>, now: SystemTime) -> Disconnect {
    let headers = response.headers();
    let retry_after = text(headers, &RETRY_AFTER).and_then(|text| match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        // A moment is meant by the clock that the venue shows, if it shows one.
        Err(_) => {
            let from = date(headers, &DATE).unwrap_or(now);
            let pause = date(headers, &RETRY_AFTER)?.duration_since(from);
            Some(pause.unwrap_or_default())
        }
    });
    Disconnect::Rejected { status: response.status().as_u16(), retry_after }
}

fn clock_offset_s(headers: &HeaderMap, now: SystemTime) -> Option<i64> {
    let theirs = date(headers, &DATE)?;
    let seconds = |distance: Duration| i64::try_from(distance.as_secs()).unwrap_or(i64::MAX);
    Some(match theirs.duration_since(now) {
        Ok(ahead) => seconds(ahead),
        Err(behind) => -seconds(behind.duration()),
    })
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
