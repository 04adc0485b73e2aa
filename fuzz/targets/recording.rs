//! Recorded lines replayed beside naive books.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    level2_fuzz::recording(data);
});
