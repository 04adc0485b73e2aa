//! What goes into a session and what comes out of it.

use std::time::Instant;

use super::disconnect::Disconnect;
use super::event::SessionEvent;
use crate::wire::Request;

/// What happened to the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Input<'a> {
    /// The venue reported its time. A session reports the offset when the venue rejects tokens,
    /// which are valid for two minutes.
    ClockOffset {
        /// How far the venue's clock is ahead of this machine's, in seconds.
        seconds: i64,
    },
    /// The connection ended, or a dial failed.
    Closed(Disconnect),
    /// The requested dial, or the last request, is held back until this moment to stay within the
    /// venue's limits. Its deadline counts from then, and no other request is made before.
    Held(Instant),
    /// A message arrived, text or binary.
    Message(&'a [u8]),
    /// The requested dial succeeded; messages can be sent.
    Opened,
    /// The moment named by [`Output::Wait`] has come.
    Timeout,
}

/// What the caller has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an output is lost unless the caller carries it out"]
#[non_exhaustive]
pub enum Output {
    /// Begin to dial. Report [`Input::Opened`] or [`Input::Closed`].
    Connect,
    /// Drop the connection, or the dial in progress. There is nothing to report.
    Disconnect,
    /// Take note of this event.
    Event(SessionEvent),
    /// Send this request, with a fresh token if it wants one and there are credentials.
    Send(Request),
    /// Nothing is to be done before this moment unless something happens.
    Wait(Instant),
}
