//! Memory, file descriptors and processor time of this process.
//!
//! They are read from `/proc/self`, and unknown where that does not exist. The heap is counted by
//! the allocator.

use std::fs;

use stats_alloc::INSTRUMENTED_SYSTEM;

/// The clock ticks of `/proc/self/stat` in a second, on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Returns the bytes allocated on the heap, in kB. Unlike resident memory they leave out what the
/// allocator keeps for reuse, and so show a leak earlier. Zero unless the counting allocator is the
/// program's global one, as in the binary.
pub(super) fn held_kb() -> u64 {
    let stats = INSTRUMENTED_SYSTEM.stats();
    // Other threads allocate between the two counts.
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated) as u64 / 1_024
}

/// Returns the resident memory in kB.
pub(super) fn resident_kb() -> Option<u64> {
    // `statm` counts in pages and does not give their size.
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// Returns the number of open file descriptors, with the one that lists them.
pub(super) fn open_descriptors() -> Option<u64> {
    Some(fs::read_dir("/proc/self/fd").ok()?.count() as u64)
}

/// Returns the processor time used so far in seconds.
pub(super) fn processor_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program, in brackets, may hold any character.
    let mut fields = stat.rsplit(')').next()?.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use std::alloc::System;

    use stats_alloc::StatsAlloc;

    use super::*;

    /// The library sets no allocator. The binary's counts, and so does that of these tests.
    #[global_allocator]
    static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

    #[test]
    fn memory_is_counted_until_it_is_freed() {
        // Other tests run at the same time, and allocate far less than this.
        const SIZE: usize = 256 << 20;
        let before = held_kb();
        let mut bytes = Vec::<u8>::with_capacity(SIZE);
        let with_half = held_kb();
        bytes.reserve_exact(2 * SIZE);
        let with_all = held_kb();
        drop(bytes);
        let (half, slack) = (SIZE as u64 / 1_024, SIZE as u64 / 4_096);
        assert!(with_half.abs_diff(before + half) < slack, "{before} {with_half}");
        assert!(with_all.abs_diff(before + 2 * half) < slack, "{before} {with_all}");
        assert!(held_kb().abs_diff(before) < slack, "{before} {}", held_kb());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_has_every_figure() {
        assert!(resident_kb().unwrap() > 100);
        assert!(open_descriptors().unwrap() >= 3);
        assert!(processor_seconds().is_some());
    }
}
