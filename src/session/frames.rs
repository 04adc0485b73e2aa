//! The path of a frame: counted first, read next, applied whole, then published.

use std::time::Instant;

use smallvec::SmallVec;

use super::answers::{acknowledged, refused};
use super::changes::{ChangeLog, LevelChange};
use super::coordinator::Coordinator;
use super::event::SessionEvent;
use super::policy::{Resync, SequenceScope};
use super::products::{ApplyError, Finished, FrameMark, Touched};
use super::stats::Fate;
use super::status::Cause;
use crate::sequence::Arrival;
use crate::wire::{Body, DecodeError, Frame, ProductId, TimeReader, Update, Updates};

/// Frames seen hold one event, so a list of this many products never leaves the stack.
const USUAL_PRODUCTS_PER_FRAME: usize = 4;

/// What frames need beside the session's parts.
#[derive(Debug, Default)]
pub(super) struct FramePath {
    /// What the last message changed, if anyone collects it.
    changes: ChangeLog,
    /// Reads the times of the venue's engine.
    times: TimeReader,
}

impl FramePath {
    pub(super) fn collect_changes(&mut self, is_on: bool) {
        self.changes.switch(is_on);
    }

    /// Iterates over what the last message changed of the product at a place.
    pub(super) fn changes_of(&self, index: usize) -> impl Iterator<Item = LevelChange> {
        self.changes.of(index)
    }

    /// Forgets what the last message changed.
    #[inline]
    pub(super) fn forget_changes(&mut self) {
        self.changes.clear();
    }

    /// Takes an order-book frame of one event: its number before anything else.
    pub(super) fn update(
        &mut self,
        session: &mut Coordinator,
        now: Instant,
        sequence: u64,
        update: &Update<'_>,
    ) {
        let arrival = arrival_of(session, Some(sequence));
        if !has_use_for_frame(session, now, arrival) {
            return;
        }
        session.stats_mut().record(Fate::Book { is_expected_shape: true });
        if let Some(index) = find(session, now, update) {
            let mut touched = touch(session, now, sequence, index);
            self.apply(session, now, update, &mut touched);
            self.finish(session, now, sequence, &touched);
        }
    }

    /// Takes any other frame: its number before anything else, whatever its channel is.
    #[inline(never)]
    pub(super) fn frame(&mut self, session: &mut Coordinator, now: Instant, frame: &Frame<'_>) {
        let arrival = arrival_of(session, frame.sequence());
        if !has_use_for_frame(session, now, arrival) {
            return;
        }
        match frame.body() {
            Body::Level2 { sequence, updates } => {
                let is_expected_shape = frame.is_expected_shape();
                session.stats_mut().record(Fate::Book { is_expected_shape });
                self.updates(session, now, sequence, updates);
            }
            Body::Subscriptions(subscriptions) => {
                session.stats_mut().record(Fate::Answer);
                acknowledged(session, now, &subscriptions);
            }
            Body::Heartbeat { .. } => session.stats_mut().record(Fate::Heartbeat),
            Body::Error { kind, message } => {
                session.stats_mut().record(Fate::Refused);
                refused(session, now, kind, message);
            }
            Body::Other { .. } => session.stats_mut().record(Fate::OtherChannel),
        }
    }

    fn updates(
        &mut self,
        session: &mut Coordinator,
        now: Instant,
        sequence: u64,
        updates: Updates<'_>,
    ) {
        let mut all_touched: SmallVec<[Touched<'_>; USUAL_PRODUCTS_PER_FRAME]> = SmallVec::new();
        for update in updates {
            let update = match update {
                Ok(update) => update,
                Err(error) => return lose_to_undecodable(session, now, error),
            };
            // Places hold within a frame: a product that it brings comes last, and a name that is
            // learnt from it moves none.
            let Some(index) = find(session, now, &update) else { continue };
            let position = all_touched.iter().position(|touched| touched.index() == index);
            let position = position.unwrap_or_else(|| {
                all_touched.push(touch(session, now, sequence, index));
                all_touched.len() - 1
            });
            self.apply(session, now, &update, &mut all_touched[position]);
        }
        for touched in all_touched {
            self.finish(session, now, sequence, &touched);
        }
    }

    /// Applies one event to its book. Nothing is published here.
    #[inline]
    fn apply<'f>(
        &mut self,
        session: &mut Coordinator,
        now: Instant,
        update: &Update<'f>,
        touched: &mut Touched<'f>,
    ) {
        if touched.is_duplicate() || !session.is_open() {
            return;
        }
        let (products, stats, _) = session.books();
        if let Err(fault) = products.apply(update, touched, &mut self.changes, stats) {
            lose_to_fault(session, now, touched.index(), fault);
        }
    }

    /// Checks and publishes a book after the whole frame was applied to it.
    fn finish(
        &mut self,
        session: &mut Coordinator,
        now: Instant,
        sequence: u64,
        touched: &Touched<'_>,
    ) {
        if touched.is_duplicate() || !session.is_open() {
            return;
        }
        let index = touched.index();
        let mark = FrameMark { sequence, connection: session.uplink().number(), received: now };
        let (products, _, policy) = session.books();
        match products.finish(touched, mark, &mut self.times, policy) {
            Finished::NotLive | Finished::Unchanged => {}
            Finished::Updated => session.report_updated(index, sequence),
            Finished::Synced => session.synced(now, index, sequence),
            Finished::Crossed => lose_to_crossing(session, now, index),
        }
    }
}

/// Takes a message that is no frame. Its number is unknown, and so is what it was for.
#[cold]
pub(super) fn unreadable(session: &mut Coordinator, now: Instant, error: DecodeError) {
    session.skip_unreadable();
    session.stats_mut().record(Fate::Unreadable);
    lose_to_undecodable(session, now, error);
}

/// Returns how the number of a frame arrived, where all frames of the connection share a counter.
#[inline]
fn arrival_of(session: &mut Coordinator, sequence: Option<u64>) -> Arrival {
    match sequence {
        Some(sequence) if session.policy().sequence_scope == SequenceScope::Connection => {
            session.observe(sequence)
        }
        _ => Arrival::InOrder,
    }
}

/// Does what the number of a frame asks for. Returns whether there is a use for the frame.
#[inline]
fn has_use_for_frame(session: &mut Coordinator, now: Instant, arrival: Arrival) -> bool {
    session.stats_mut().record_arrival(arrival);
    if arrival == Arrival::Duplicate {
        return false;
    }
    match cause_of(arrival) {
        Some(cause) => has_use_after_loss(session, now, cause),
        None => true,
    }
}

/// Loses every book. The frame itself is sound: on a connection that is kept, a snapshot in it
/// heals its product.
#[cold]
fn has_use_after_loss(session: &mut Coordinator, now: Instant, cause: Cause) -> bool {
    session.lose_sync(now, cause);
    let is_open = session.is_open();
    if !is_open {
        session.stats_mut().record(Fate::Discarded);
    }
    is_open
}

/// Returns why the books are lost when a number arrives so, if they are.
#[inline]
const fn cause_of(arrival: Arrival) -> Option<Cause> {
    match arrival {
        Arrival::InOrder | Arrival::Duplicate => None,
        Arrival::Gap { .. } => Some(Cause::Gap),
        Arrival::Reset => Some(Cause::Reset),
    }
}

/// Returns the place of the product that an event is for, learning names on the way, or counts the
/// event as one for a product that was not requested.
#[inline]
fn find(session: &mut Coordinator, now: Instant, update: &Update<'_>) -> Option<usize> {
    let (products, ..) = session.books();
    let index = products.find_in_frame(update);
    if index.is_some() { index } else { find_unknown(session, now, update) }
}

#[cold]
fn find_unknown(session: &mut Coordinator, now: Instant, update: &Update<'_>) -> Option<usize> {
    let index = learn_name(session, now, update);
    if index.is_none() {
        session.stats_mut().record_unasked();
    }
    index
}

fn learn_name(session: &mut Coordinator, now: Instant, update: &Update<'_>) -> Option<usize> {
    let product = ProductId::new(update.product_id()).ok()?;
    // A snapshot may be the last frame of a stream that was ended, if any was.
    if session.may_learn_names()
        && let Some(index) = session.products().find_alias_of(update)
    {
        session.adopt_alias(index, &product);
        return Some(index);
    }
    if !session.config().adopt_products {
        return None;
    }
    session.add(now, product).ok()?;
    session.products().find(update.product_id())
}

/// Returns what the first event of a frame for a product begins.
#[inline]
fn touch<'f>(session: &mut Coordinator, now: Instant, sequence: u64, index: usize) -> Touched<'f> {
    let is_duplicate = session.policy().sequence_scope == SequenceScope::Product
        && session.is_open()
        && is_duplicate_of_product(session, now, index, sequence);
    Touched::new(index, is_duplicate)
}

/// Observes the number of a frame for its product alone. Returns whether it is a duplicate.
fn is_duplicate_of_product(
    session: &mut Coordinator,
    now: Instant,
    index: usize,
    sequence: u64,
) -> bool {
    let (products, stats, policy) = session.books();
    let arrival = products.observe(index, sequence);
    stats.record_arrival(arrival);
    let resync = policy.resync;
    if let Some(cause) = cause_of(arrival) {
        match resync {
            // One product's numbers say nothing of the others, yet a new connection is what the
            // policy trusts to heal it.
            Resync::Reconnect => session.lose_sync(now, cause),
            Resync::Passive | Resync::Resubscribe => session.lose_product(now, index, cause),
        }
    }
    arrival == Arrival::Duplicate
}

#[cold]
fn lose_to_crossing(session: &mut Coordinator, now: Instant, index: usize) {
    session.stats_mut().record_crossed();
    session.lose_product(now, index, Cause::Crossed);
}

#[cold]
fn lose_to_undecodable(session: &mut Coordinator, now: Instant, error: DecodeError) {
    session.stats_mut().record_undecodable();
    session.lose_sync(now, Cause::Decode);
    session.report(SessionEvent::Undecodable { product: None, error });
}

#[cold]
fn lose_to_fault(session: &mut Coordinator, now: Instant, index: usize, fault: ApplyError) {
    let product = session.products().at(index).first_name().id().clone();
    match fault {
        ApplyError::Decode(error) => {
            session.stats_mut().record_undecodable();
            session.lose_product(now, index, Cause::Decode);
            session.report(SessionEvent::Undecodable { product: Some(product), error });
        }
        ApplyError::Book(error) => {
            session.stats_mut().record_undecodable();
            session.lose_product(now, index, Cause::Limit);
            session.report(SessionEvent::LevelRejected { product, error });
        }
        ApplyError::Premature => session.lose_product(now, index, Cause::Premature),
    }
}
