//! Delivery of events to their consumers, without waiting for any of them.
//!
//! Each consumer has a bounded queue of its own. Feeding it costs a short lock that its owner
//! holds only to take an event out.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures_util::Stream;

use super::event::{Delivery, Event, EventConfig, Interest};
use crate::sync::lock;
use crate::wire::ProductId;

/// All consumers.
#[derive(Debug, Default)]
pub(super) struct Hub {
    /// Counts how often the list has changed, so that lanes copy it only then.
    version: AtomicU64,
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    consumers: Vec<Arc<Consumer>>,
    is_closed: bool,
}

impl Hub {
    pub(super) fn subscribe(self: &Arc<Self>, config: EventConfig) -> EventStream {
        let consumer = Arc::new(Consumer { config, queue: Mutex::default() });
        let mut list = lock(&self.list);
        if list.is_closed {
            consumer.close();
        } else {
            list.consumers.push(Arc::clone(&consumer));
            self.version.fetch_add(1, Ordering::Release);
        }
        drop(list);
        EventStream { consumer, hub: Arc::clone(self) }
    }

    #[inline]
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    pub(super) fn consumers(&self) -> Vec<Arc<Consumer>> {
        lock(&self.list).consumers.clone()
    }

    /// Sends an event to every consumer that wants it.
    pub(super) fn notify(&self, event: &Event) {
        for consumer in self.consumers() {
            consumer.notify(event);
        }
    }

    /// Lets every stream end once the events that it holds were taken.
    pub(super) fn close(&self) {
        let mut list = lock(&self.list);
        list.is_closed = true;
        let consumers = std::mem::take(&mut list.consumers);
        drop(list);
        for consumer in consumers {
            consumer.close();
        }
        self.version.fetch_add(1, Ordering::Release);
    }

    fn remove(&self, consumer: &Arc<Consumer>) {
        lock(&self.list).consumers.retain(|other| !Arc::ptr_eq(other, consumer));
        self.version.fetch_add(1, Ordering::Release);
    }
}

/// One consumer of events, shared with its [`EventStream`].
pub(super) struct Consumer {
    config: EventConfig,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Event>,
    /// With [`Delivery::Conflate`], the ticket of each product's event, and how many earlier
    /// events it replaced.
    tickets: BTreeMap<ProductId, (u64, u64)>,
    /// How many events have left the front of the queue, which is the ticket of the event there.
    front: u64,
    /// How many were dropped since the consumer last got [`Event::Missed`].
    missed: u64,
    waker: Option<Waker>,
    is_closed: bool,
}

impl Consumer {
    pub(super) const fn interest(&self) -> Interest {
        self.config.interest
    }

    /// Returns whether the levels that change have to be collected for it.
    pub(super) const fn needs_levels(&self) -> bool {
        match self.config.interest {
            Interest::Bbo | Interest::Status => false,
            Interest::Levels => self.hands_over_levels(),
            Interest::Top(_) => true,
        }
    }

    /// Returns whether its events carry levels. Where one event stands for several, the levels of
    /// the last frame alone would mislead.
    pub(super) const fn hands_over_levels(&self) -> bool {
        matches!(self.config.delivery, Delivery::Queue { .. })
    }

    pub(super) fn wants_product(&self, product: &ProductId) -> bool {
        self.config.products.as_ref().is_none_or(|products| products.contains(product))
    }

    /// Hands over an event, unless it is of a product that is not wanted.
    pub(super) fn notify(&self, event: &Event) {
        if event.product().is_none_or(|product| self.wants_product(product)) {
            self.push(event.clone());
        }
    }

    /// Hands over an event of a product that is wanted.
    pub(super) fn push(&self, event: Event) {
        let mut queue = lock(&self.queue);
        if queue.is_closed {
            return;
        }
        match self.config.delivery {
            Delivery::Conflate => queue.replace(event),
            Delivery::Queue { capacity } => {
                if queue.events.len() >= capacity.max(1) {
                    queue.events.pop_front();
                    queue.missed += 1;
                }
                queue.events.push_back(event);
            }
        }
        let waker = queue.waker.take();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn close(&self) {
        let mut queue = lock(&self.queue);
        queue.is_closed = true;
        if let Some(waker) = queue.waker.take() {
            drop(queue);
            waker.wake();
        }
    }

    fn take(&self, waker: Option<&Waker>) -> Poll<Option<Event>> {
        let mut queue = lock(&self.queue);
        if queue.missed > 0 {
            let count = std::mem::take(&mut queue.missed);
            return Poll::Ready(Some(Event::Missed { count }));
        }
        if let Some(event) = queue.pop() {
            return Poll::Ready(Some(event));
        }
        if queue.is_closed {
            return Poll::Ready(None);
        }
        if let Some(waker) = waker {
            match &mut queue.waker {
                Some(known) => known.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
        }
        Poll::Pending
    }
}

impl Queue {
    /// Replaces the event of the same product, or adds one at the end.
    fn replace(&mut self, mut event: Event) {
        let Some(product) = event.product().cloned() else { return };
        let next = self.front + self.events.len() as u64;
        match self.tickets.get_mut(&product) {
            Some((ticket, merged)) => {
                *merged += 1;
                if let Event::Changed(change) = &mut event {
                    change.conflated = *merged;
                }
                debug_assert!(*ticket >= self.front, "a ticket leaves with its event");
                self.events[(*ticket - self.front) as usize] = event;
            }
            None => {
                self.tickets.insert(product, (next, 0));
                self.events.push_back(event);
            }
        }
    }

    fn pop(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        self.front += 1;
        if !self.tickets.is_empty()
            && let Some(product) = event.product()
        {
            self.tickets.remove(product);
        }
        Some(event)
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("config", &self.config)
            .field("waiting", &lock(&self.queue).events.len())
            .finish_non_exhaustive()
    }
}

/// A consumer's events, in order. Ends once the books were closed and all events were taken.
///
/// A consumer that reads slowly or not at all delays neither the feed nor another consumer: its
/// queue is bounded, and dropped events are counted. Dropping the stream unsubscribes from events.
#[derive(Debug)]
#[must_use = "dropping a stream ends it"]
pub struct EventStream {
    consumer: Arc<Consumer>,
    hub: Arc<Hub>,
}

impl EventStream {
    /// Waits for the next event; `None` once the books were closed.
    ///
    /// # Cancel safety
    /// Cancel safe: no event is lost.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|cx| self.consumer.take(Some(cx.waker()))).await
    }

    /// Returns the next event if there is one already. Does not wait.
    pub fn try_next(&mut self) -> Option<Event> {
        match self.consumer.take(None) {
            Poll::Ready(event) => event,
            Poll::Pending => None,
        }
    }
}

impl Stream for EventStream {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.consumer.take(Some(cx.waker()))
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.hub.remove(&self.consumer);
    }
}
