//! Positioned writes to an open file.

use std::fs::File;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use imgprep_map::WriteError;

/// Writes all parts with as few calls as the system allows.
pub(crate) fn write_parts(file: &File, at: u64, parts: &[&[u8]]) -> Result<(), WriteError> {
    let slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    let total: usize = parts.iter().map(|part| part.len()).sum();
    let done = rustix::io::pwritev(file, &slices, at).map_err(|error| write_error(at, &error.into()))?;
    if done == total {
        return Ok(());
    }
    // Partial write: continue with the rest.
    let (mut skip, mut place) = (done, at);
    for part in parts {
        let rest = &part[skip.min(part.len())..];
        let from = place + (part.len() - rest.len()) as u64;
        file.write_all_at(rest, from).map_err(|error| write_error(from, &error))?;
        skip = skip.saturating_sub(part.len());
        place += part.len() as u64;
    }
    Ok(())
}

/// Zeros that are written if nothing cheaper is supported.
pub(crate) const ZEROS: &[u8] = &[0; 1 << 20];

pub(crate) fn write_zeros(file: &File, range: Range<u64>) -> Result<(), WriteError> {
    let mut at = range.start;
    while at < range.end {
        let len = usize::try_from(range.end - at).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
        file.write_all_at(&ZEROS[..len], at).map_err(|error| write_error(at, &error))?;
        at += len as u64;
    }
    Ok(())
}

/// Converts an I/O error.
pub(crate) fn write_error(at: u64, error: &io::Error) -> WriteError {
    use rustix::io::Errno;
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC | Errno::DQUOT) => WriteError::NoSpace { at },
        Some(Errno::PIPE) => WriteError::Closed { at },
        Some(Errno::FAULT) => WriteError::SourceFault { at },
        _ => WriteError::Failed { at, reason: crate::reason(error) },
    }
}
