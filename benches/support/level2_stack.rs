//! This library in the race: a session that is handed frames and polled until it waits.

use std::time::Instant;

use level2::session::{Input, Output, Session, SessionConfig};
use level2::{Bbo, Level};

use super::stack::{Books, FinalBook, Pair, Stack};

pub(crate) struct Level2 {
    session: Session,
    /// Every frame comes at one moment: reading the clock is the driver's work, in every stack.
    now: Instant,
}

impl Level2 {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let mut session = Session::new(SessionConfig::recording(), now);
        assert_eq!(session.poll(now), Output::Connect);
        session.handle(now, Input::Opened);
        let mut stack = Self { session, now };
        stack.settle();
        stack
    }

    pub(crate) fn boxed() -> Box<dyn Stack> {
        Box::new(Self::new())
    }

    #[inline]
    pub(crate) fn take_one(&mut self, frame: &[u8]) {
        self.session.handle(self.now, Input::Message(frame));
        self.settle();
    }

    #[inline]
    fn settle(&mut self) {
        while !matches!(self.session.poll(self.now), Output::Wait(_)) {}
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }
}

impl Stack for Level2 {
    fn take(&mut self, frames: &[String]) {
        for frame in frames {
            self.take_one(frame.as_bytes());
        }
    }

    fn books(&self) -> Option<Books> {
        let stats = self.session.stats();
        assert_eq!((stats.gaps, stats.resets, stats.undecodable, stats.crossed), (0, 0, 0, 0));
        let products = self.session.products().map(|product| {
            let book = product.book().expect("no frame of the stream took the book back");
            let published = product.bbo().load().map(tops);
            let (bids, asks) = (book.bids().map(pair).collect(), book.asks().map(pair).collect());
            (product.name().as_str().to_owned(), FinalBook { bids, asks, published })
        });
        Some(products.collect())
    }
}

fn tops(bbo: Bbo) -> (Option<Pair>, Option<Pair>) {
    (bbo.bid.map(pair), bbo.ask.map(pair))
}

fn pair(level: Level) -> Pair {
    (level.price, level.size)
}
