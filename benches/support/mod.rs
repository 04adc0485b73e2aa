//! What the benches share: recordings, streams derived from them, and the stacks that race.

#![allow(dead_code)] // Each bench uses its own part.

pub(crate) mod changes;
pub(crate) mod estimates;
pub(crate) mod first_draft;
pub(crate) mod frame_text;
pub(crate) mod ladder_pair;
pub(crate) mod level2_stack;
pub(crate) mod many_products;
pub(crate) mod mode;
pub(crate) mod recording;
pub(crate) mod regroup;
pub(crate) mod rival_book;
pub(crate) mod rivals;
pub(crate) mod rounds;
pub(crate) mod stack;
pub(crate) mod stream;
pub(crate) mod twelve;
pub(crate) mod undo;
pub(crate) mod venue_form;
