//! A session that anything may happen to, beside naive books.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    level2_fuzz::session(data);
});
