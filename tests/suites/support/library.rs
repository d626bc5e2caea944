//! The library called within this process: for what is tried hundreds of times.

use std::num::NonZeroUsize;

use imgprep::{
    Checksum, ConvertOptions, Existing, Interrupt, OnLoss, Progress, RunOptions, Sync, Target, Verify,
};

/// To RAW, whatever is there.
pub(crate) fn to_raw() -> ConvertOptions {
    ConvertOptions {
        target: Target::Raw,
        existing: Existing::Replace,
        sync: Sync::None,
        verify: Verify::Skip,
        checksum: Checksum::Skip,
        bitmap: None,
        uuid: [0; 16],
        unix_time: 0,
    }
}

/// On one thread, with little memory.
pub(crate) fn on_one_thread<T>(work: impl FnOnce(&RunOptions<'_>) -> T) -> T {
    work(&RunOptions {
        threads: NonZeroUsize::MIN,
        memory: 64 << 20,
        on_loss: OnLoss::Stop,
        interrupt: &Interrupt::default(),
        progress: &Progress::default(),
        observe: &|_| {},
    })
}
