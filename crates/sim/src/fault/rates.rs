//! How often each fault strikes, and how often it has struck.

/// How often each fault strikes, in parts per million of the frames.
///
/// A frame suffers one fault at most. The rates are taken in the order of the fields; if they add
/// up to more than a million, the last ones are cut short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultRates {
    /// The frame is lost.
    pub drop_ppm: u32,
    /// The frame arrives twice.
    pub duplicate_ppm: u32,
    /// The frame arrives after the one that follows it.
    pub reorder_ppm: u32,
    /// One to three bytes of the frame are overwritten.
    pub garble_ppm: u32,
    /// The frame ends early.
    pub truncate_ppm: u32,
    /// The connection breaks in place of the frame, without a close frame.
    pub abort_ppm: u32,
    /// Nothing is sent from this frame on, while the connection stays open.
    pub stall_ppm: u32,
    /// The counter of the connection begins again at zero after this frame.
    pub reset_ppm: u32,
    /// The frame arrives in two parts, as if they were two frames.
    pub split_ppm: u32,
}

impl FaultRates {
    /// Returns every rate, in the order of the fields.
    #[must_use]
    pub fn ppm(&self) -> [u32; 9] {
        [
            self.drop_ppm,
            self.duplicate_ppm,
            self.reorder_ppm,
            self.garble_ppm,
            self.truncate_ppm,
            self.abort_ppm,
            self.stall_ppm,
            self.reset_ppm,
            self.split_ppm,
        ]
    }
}

/// How often each fault has struck.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// Frames that went through a plan, faulty or not.
    pub frames: u64,
    /// Frames lost.
    pub drops: u64,
    /// Frames sent twice.
    pub duplicates: u64,
    /// Frames swapped with the one after them.
    pub reorders: u64,
    /// Frames with overwritten bytes.
    pub garbles: u64,
    /// Frames cut short.
    pub truncates: u64,
    /// Connections broken.
    pub aborts: u64,
    /// Connections gone silent.
    pub stalls: u64,
    /// Counters begun again.
    pub resets: u64,
    /// Frames that arrived in two parts.
    pub splits: u64,
}

impl FaultCounts {
    /// Returns how many faults of any kind there were.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.drops
            + self.duplicates
            + self.reorders
            + self.garbles
            + self.truncates
            + self.aborts
            + self.stalls
            + self.resets
            + self.splits
    }

    /// Adds the counts of another plan to these.
    pub fn add(&mut self, other: &Self) {
        self.frames += other.frames;
        self.drops += other.drops;
        self.duplicates += other.duplicates;
        self.reorders += other.reorders;
        self.garbles += other.garbles;
        self.truncates += other.truncates;
        self.aborts += other.aborts;
        self.stalls += other.stalls;
        self.resets += other.resets;
        self.splits += other.splits;
    }
}
