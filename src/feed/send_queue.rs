//! Requests on their way into the socket, each at its turn.

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::SinkExt as _;
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::Message;

use super::error::FeedError;
use super::signer::Signer;
use super::socket::{Socket, reason_of};
use crate::clock::now;
use crate::rate_limiter::RateLimited;
use crate::session::Disconnect;
use crate::wire::Request;

/// The most requests that wait for a venue that does not read. The session makes at most 8 a
/// second, and gives up on a silent venue long before that many wait.
const MAX_WAITING_REQUESTS: usize = 256;

/// The requests of one connection that the socket has yet to take.
#[derive(Debug, Default)]
pub(super) struct SendQueue {
    /// Requests and the times from which they may be sent. They get their tokens when they leave.
    waiting: VecDeque<(Instant, Request)>,
    /// Wakes the task when the first of them may be sent.
    turn: Option<Pin<Box<Sleep>>>,
    /// Whether a request got no turn at the rate limiter.
    is_rate_limited: bool,
    /// Why a request could not be signed, until it is reported.
    sign_error: Option<FeedError>,
    /// Whether the socket holds bytes that are not written yet.
    must_flush: bool,
}

impl SendQueue {
    /// Appends a request that may be sent from `turn` on.
    pub(super) fn push(&mut self, turn: Instant, request: Request) {
        self.waiting.push_back((turn, request));
    }

    /// Notes that a request got no turn, which ends the connection.
    pub(super) const fn note_rate_limited(&mut self) {
        self.is_rate_limited = true;
    }

    /// Notes that the socket has queued bytes of its own, such as the answer to a ping.
    pub(super) const fn note_unflushed(&mut self) {
        self.must_flush = true;
    }

    /// Takes the reason why a request could not be signed, once.
    pub(super) const fn take_sign_error(&mut self) -> Option<FeedError> {
        self.sign_error.take()
    }

    /// Forgets the requests of a connection that has ended.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.is_rate_limited = false;
        self.must_flush = false;
    }

    /// Moves requests into the socket, and bytes out of it, as far as both take them.
    ///
    /// # Errors
    /// [`Disconnect`] if the connection cannot go on.
    pub(super) fn drive(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut Socket,
        signer: &Signer,
        max_message_bytes: usize,
    ) -> Result<(), Disconnect> {
        if self.waiting.len() > MAX_WAITING_REQUESTS {
            return Err(Disconnect::Transport("the venue reads no requests".into()));
        }
        if self.is_rate_limited {
            return Err(Disconnect::Transport(RateLimited.to_string().into()));
        }
        let reason = |error| reason_of(&error, max_message_bytes);
        while let Some(&(turn, _)) = self.waiting.front() {
            if self.poll_turn(cx, turn).is_pending() {
                break;
            }
            let Poll::Ready(ready) = socket.poll_ready_unpin(cx) else { break };
            ready.map_err(reason)?;
            let (_, request) = self.waiting.pop_front().expect("the queue has a front");
            match signer.encode(&request) {
                Ok(text) => {
                    socket.start_send_unpin(Message::text(text)).map_err(reason)?;
                    self.must_flush = true;
                }
                Err(error) => self.sign_error = Some(error),
            }
        }
        if self.must_flush
            && let Poll::Ready(flushed) = socket.poll_flush_unpin(cx)
        {
            flushed.map_err(reason)?;
            self.must_flush = false;
        }
        Ok(())
    }

    /// Waits for a turn.
    fn poll_turn(&mut self, cx: &mut Context<'_>, turn: Instant) -> Poll<()> {
        if turn <= now() {
            return Poll::Ready(());
        }
        let turn = turn.into();
        let timer = self.turn.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(turn)));
        if timer.deadline() != turn {
            timer.as_mut().reset(turn);
        }
        timer.as_mut().poll(cx)
    }
}
