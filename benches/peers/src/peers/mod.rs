//! The peers, one file each: how their public interfaces are given the same frames.

mod barter_data;
mod cbadv;
mod hftbacktest;
mod level2;
mod nautilus;
mod ninjabook;
mod tickvault;

use ::hftbacktest::depth::{BTreeMarketDepth, HashMapMarketDepth, ROIVectorMarketDepth};

use crate::contest::{Contestant, Measure, applied};
use crate::feed::Feed;

/// A way into the race.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    /// The name of the package.
    pub(crate) package: &'static str,
    /// Which of its books, if it has several.
    pub(crate) book: &'static str,
    pub(crate) measure: Measure,
    /// Prepares it for a feed, outside of all timing.
    pub(crate) prepare: fn(&Feed) -> Box<dyn Contestant + '_>,
}

impl Entry {
    const fn new(
        package: &'static str,
        book: &'static str,
        measure: Measure,
        prepare: fn(&Feed) -> Box<dyn Contestant + '_>,
    ) -> Self {
        Self { package, book, measure, prepare }
    }
}

/// Of each measure this library comes first, for the others to be compared with.
pub(crate) const ENTRIES: [Entry; 14] = [
    Entry::new("level2", "", Measure::WholePath, level2::whole_path),
    Entry::new("tickvault", "", Measure::WholePath, tickvault::whole_path),
    Entry::new("nautilus-coinbase", "", Measure::WholePath, nautilus::whole_path),
    Entry::new("level2", "", Measure::ApplyOnly, applied::<::level2::Book>),
    Entry::new(
        "hftbacktest",
        "ROIVectorMarketDepth",
        Measure::ApplyOnly,
        applied::<hftbacktest::Hft<ROIVectorMarketDepth>>,
    ),
    Entry::new(
        "hftbacktest",
        "HashMapMarketDepth",
        Measure::ApplyOnly,
        applied::<hftbacktest::Hft<HashMapMarketDepth>>,
    ),
    Entry::new(
        "hftbacktest",
        "BTreeMarketDepth",
        Measure::ApplyOnly,
        applied::<hftbacktest::Hft<BTreeMarketDepth>>,
    ),
    Entry::new(
        "hftbacktest",
        "FusedHashMapMarketDepth",
        Measure::ApplyOnly,
        applied::<hftbacktest::Fused>,
    ),
    Entry::new("tickvault", "", Measure::ApplyOnly, applied::<tickvault::Tickvault>),
    Entry::new("ninjabook", "", Measure::ApplyOnly, applied::<ninjabook::Ninjabook>),
    Entry::new("nautilus-model", "", Measure::ApplyOnly, applied::<nautilus::Nautilus>),
    Entry::new("barter-data", "", Measure::ApplyOnly, applied::<barter_data::Barter>),
    Entry::new("level2", "", Measure::DecodeOnly, level2::decode_only),
    Entry::new("cbadv", "", Measure::DecodeOnly, cbadv::decode_only),
];
