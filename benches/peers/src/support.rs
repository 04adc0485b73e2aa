//! What this package shares with the benches of the library: recordings, streams, rounds.

#![allow(dead_code)] // The benches use the rest.

#[path = "../../support/frame_text.rs"]
pub(crate) mod frame_text;
#[path = "../../support/level2_stack.rs"]
pub(crate) mod level2_stack;
#[path = "../../support/many_products.rs"]
pub(crate) mod many_products;
#[path = "../../support/recording.rs"]
pub(crate) mod recording;
#[path = "../../support/rounds.rs"]
pub(crate) mod rounds;
#[path = "../../support/stack.rs"]
pub(crate) mod stack;
#[path = "../../support/stream.rs"]
pub(crate) mod stream;
#[path = "../../support/undo.rs"]
pub(crate) mod undo;
#[path = "../../support/venue_form.rs"]
pub(crate) mod venue_form;
