//! Text that is to be a secret key.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    level2_fuzz::key_text(data);
});
