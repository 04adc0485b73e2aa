//! Reading the BBO of one product, and waiting for it to change.

use std::pin::pin;
use std::sync::Arc;

use super::cell::ProductCell;
use super::error::Closed;
use crate::bbo::Bbo;
use crate::wire::ProductId;

/// Reads the BBO of one product, from any thread, without a lock.
///
/// Made by [`Books::bbo`](super::Books::bbo). Cloning one copies a pointer. It stays valid when
/// the product moves to another connection, and under
/// [`Redundancy::Standby`](super::Redundancy::Standby) when another connection takes over.
#[derive(Clone, Debug)]
#[must_use = "a watch does nothing unless it is read"]
pub struct BboWatch {
    cell: Arc<ProductCell>,
    /// The version that [`BboWatch::changed`] returned last.
    seen: u64,
}

impl BboWatch {
    pub(super) fn new(cell: Arc<ProductCell>) -> Self {
        let seen = cell.version();
        Self { cell, seen }
    }

    /// Returns the requested name of the product.
    #[must_use]
    pub fn product(&self) -> &ProductId {
        self.cell.name()
    }

    /// Returns the BBO, or `None` while the book is not live. Once the product was unsubscribed or
    /// the books were closed it stays `None`.
    ///
    /// What is returned was true in the book at the frame that it names. From one connection it
    /// never goes back in time. When a standby takes over, it goes on from that connection's
    /// newest frame, which may be older by as much as the two connections differ;
    /// [`Bbo::connection`] shows that they changed, [`Bbo::event_time`] by how much.
    #[must_use]
    #[inline]
    pub fn load(&self) -> Option<Bbo> {
        self.cell.load()
    }

    /// Waits for the BBO to change since the previous call, or since this watch was made, and
    /// returns the newest: `None` when the book was withdrawn.
    ///
    /// Several changes between two calls are returned as one; none is missed.
    ///
    /// # Errors
    /// [`Closed`] when nothing will come any more: the product was unsubscribed, the books were
    /// closed, or its connection has given up.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn changed(&mut self) -> Result<Option<Bbo>, Closed> {
        loop {
            // Made before the look at the version, or a change between the two would be missed.
            let announced = pin!(self.cell.announced());
            let version = self.cell.version();
            if let Some(reason) = self.cell.ended() {
                return Err(reason.clone());
            }
            if version != self.seen {
                self.seen = version;
                return Ok(self.cell.load());
            }
            announced.await;
        }
    }
}
