//! Small files that appear whole or not at all: reports, receipts.

use std::path::Path;

use imgprep_io::{OutputFile, OutputOptions};
use imgprep_map::{Error, Sink as _};

/// Writes `bytes` under the name `path`, whole or not at all.
pub fn write_whole(path: &Path, bytes: &[u8], options: OutputOptions) -> Result<(), Error> {
    let in_path = |error: Error| error.in_path(path.display().to_string());
    let file = OutputFile::create(path, options).map_err(|error| in_path(error.into()))?;
    file.write_at(0, &[bytes]).map_err(|error| in_path(error.into()))?;
    file.publish().map_err(|error| in_path(error.into()))
}
