//! Changes of a book beside a naive one.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    level2_fuzz::book_ops(data);
});
