//! The library called within this process: for what is tried hundreds of times.

use std::num::NonZeroUsize;
use std::path::Path;

use imgprep::{
    Checksum, ConvertOptions, Disk, Existing, FollowPolicy, Interrupt, OnLoss, OpenOptions, ParseOptions,
    Progress, RunOptions, SizeChoice, Sync, Target, Verify,
};

use super::program::cache_mode;

/// Opens an image at its original size, and what it names in its folder.
pub(crate) fn open(path: &Path, snapshot: Option<&str>) -> Result<Disk, imgprep::Error> {
    let parse = ParseOptions {
        snapshot: snapshot.map(str::to_string),
        size: SizeChoice::Original,
        ..ParseOptions::default()
    };
    Disk::open(path, &OpenOptions { parse, follow: FollowPolicy::Beside, ..OpenOptions::default() })
}

/// Options of a conversion to RAW that replaces an existing file.
pub(crate) fn to_raw() -> ConvertOptions {
    ConvertOptions {
        target: Target::Raw,
        existing: Existing::Replace,
        sync: Sync::None,
        cache: cache_mode(),
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
