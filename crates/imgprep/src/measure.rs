//! The length of an output, without writing it.

use imgprep_engine::Options;
use imgprep_io::{CacheMode, Existing, Sync};
use imgprep_map::Error;

use crate::discard::Discard;
use crate::plan::max_len;
use crate::{Checksum, ConvertOptions, Disk, Target, Verify, convert_to, plan};

/// The length of an image, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measurement {
    /// The length of the file.
    pub required: u64,
    /// Whether `required` is exact. Otherwise it is an upper bound.
    pub is_exact: bool,
    /// An upper bound of the length if all blocks contain data.
    pub fully_allocated: u64,
    /// The virtual size of the image.
    pub virtual_size: u64,
}

/// How the contents of a disk are taken into account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// By its tables: an upper bound, except for formats that store every block uncompressed.
    Tables,
    /// Its contents are read, and compressed if the target is: the exact length.
    Contents,
}

/// Measures the conversion of a disk.
pub fn measure(
    disk: &Disk,
    target: &Target,
    measure: Measure,
    run: &Options<'_>,
) -> Result<Measurement, Error> {
    let options = options(target);
    let empty = measure_size(target, disk.size())?;
    let (required, is_exact) = match measure {
        Measure::Tables => {
            let plan = plan(disk, &options, run)?;
            (plan.len, plan.is_exact)
        }
        Measure::Contents => (convert_to(disk, Discard, &options, run)?.len, empty.is_exact),
    };
    Ok(Measurement { required, is_exact, ..empty })
}

/// Measures an image of a disk of `size` bytes that are all zeros.
pub fn measure_size(target: &Target, size: u64) -> Result<Measurement, Error> {
    let ConvertOptions { uuid, unix_time, .. } = options(target);
    let mut format = target.writer(size, uuid, unix_time)?;
    let fully_allocated = max_len(&*format, size, u64::MAX);
    // A writer that has placed nothing: the tables of an image of zeros, and all blocks if it is linear.
    format.begin(&mut Discard)?;
    let required = format.finish(&mut Discard)?;
    // The descriptor of an image of several files contains their names.
    let is_exact = format.files().is_empty();
    Ok(Measurement { required, is_exact, fully_allocated, virtual_size: target.disk_size(size) })
}

/// The length does not depend on identity and time.
fn options(target: &Target) -> ConvertOptions {
    ConvertOptions {
        target: target.clone(),
        existing: Existing::Refuse,
        sync: Sync::None,
        cache: CacheMode::Auto,
        verify: Verify::Skip,
        checksum: Checksum::Skip,
        bitmap: None,
        uuid: [0; 16],
        unix_time: 0,
    }
}
