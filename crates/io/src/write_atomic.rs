//! Small files that appear complete or not at all: reports, receipts, manual pages.

use std::path::Path;

use imgprep_map::{Error, Sink as _};

use crate::{OutputFile, OutputOptions};

/// Writes `bytes` to `path`, complete or not at all.
pub fn write_atomic(path: &Path, bytes: &[u8], options: OutputOptions) -> Result<(), Error> {
    let in_path = |error: Error| error.in_path(path.display().to_string());
    let file = OutputFile::create(path, options).map_err(|error| in_path(error.into()))?;
    file.write_at(0, &[bytes]).map_err(|error| in_path(error.into()))?;
    file.publish().map_err(|error| in_path(error.into()))
}
