//! Reads the stored bytes of compressed blocks.

use std::borrow::Cow;
use std::ops::Range;

use imgprep_map::{CompressedLen, Error, FileId};

use crate::{EngineError, Layer};

/// Maximum size of a compressed block in bytes: that of ZVHD2, which is the largest of all formats.
pub(crate) const LARGEST_BLOCK: u64 = 32 << 20;

/// The length of a compressed block, which must not exceed [`LARGEST_BLOCK`].
pub(crate) fn check_block(block: &Range<u64>) -> Result<usize, Error> {
    let len = block.end.saturating_sub(block.start);
    match usize::try_from(len) {
        Ok(fits) if len <= LARGEST_BLOCK => Ok(fits),
        _ => Err(EngineError::BlockTooLarge { len, limit: LARGEST_BLOCK }.into()),
    }
}

/// Reads a compressed payload. If only an upper bound of its length is known, it may end at the end of the file.
pub(crate) fn payload(
    layer: &Layer,
    id: FileId,
    at: u64,
    len: CompressedLen,
) -> Result<Cow<'_, [u8]>, Error> {
    let file = layer.file(id)?;
    let wanted = match len {
        CompressedLen::Exact(len) => u64::from(len),
        CompressedLen::AtMost(len) => u64::from(len).min(file.len().saturating_sub(at)),
    };
    let limit = 2 * LARGEST_BLOCK;
    match usize::try_from(wanted) {
        Ok(fits) if wanted <= limit => Ok(file.slice(at, fits)?),
        _ => Err(EngineError::BlockTooLarge { len: wanted, limit }.into()),
    }
}
