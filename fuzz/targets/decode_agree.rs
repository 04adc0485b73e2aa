//! Frames read by both tiers of the parser, and by a third reader.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    level2_fuzz::decode_agree(data);
});
