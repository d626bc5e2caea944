//! The stored bytes of a compressed block, and how long it may be.

use std::borrow::Cow;
use std::ops::Range;

use imgprep_map::{CompressedLen, Error, FileId};

use crate::{EngineError, Layer};

/// Bytes that a compressed block may have: ZVHD2 allows blocks of 32 MiB, nothing has more.
pub(crate) const LARGEST_BLOCK: u64 = 32 << 20;

/// The length of a compressed block, held against what may be decompressed at once.
pub(crate) fn check_block(block: &Range<u64>) -> Result<usize, Error> {
    let len = block.end.saturating_sub(block.start);
    match usize::try_from(len) {
        Ok(fits) if len <= LARGEST_BLOCK => Ok(fits),
        _ => Err(EngineError::BlockTooLarge { len, limit: LARGEST_BLOCK }.into()),
    }
}

/// A compressed payload. One of which only a bound is known ends at the file's end at the latest.
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
