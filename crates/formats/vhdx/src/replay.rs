//! Changes that the log makes to the file (2.3.3), which itself is never written.

use alloc::sync::Arc;

use imgprep_format_kit::{Fields, Invalid};
use imgprep_map::{Error, Limits, Overlay, ReadAt};

use crate::codes;
use crate::header::Header;
use crate::layout::{DATA_DESCRIPTOR, DESCRIPTOR, ENTRY_HEAD, SECTOR};
use crate::log::{Entry, Log};
use crate::{Corrupt, Unsupported};

/// Approximate memory per patch of the overlay, in addition to its bytes.
const PATCH_COST: u64 = 128;

/// Maximum length of a file: operating systems use 63-bit offsets.
///
/// The ends of ranges inside a file therefore do not overflow.
const MAX_FILE: u64 = (1 << 63) - 1;

/// A replayed log.
#[derive(Clone, Debug)]
pub(crate) struct Replay {
    pub(crate) overlay: Arc<Overlay>,
    pub(crate) entries: usize,
    /// Sequence number of the last replayed entry.
    pub(crate) sequence: u64,
}

/// Replays the log, if it is not empty.
pub(crate) fn replay(file: &dyn ReadAt, header: &Header, limits: &Limits) -> Result<Option<Replay>, Error> {
    if !header.has_log() {
        return Ok(None);
    }
    let log = Log::new(file, header);
    let active = log.active()?;
    let head = &active.head;
    let flushed = head.raw.flushed_file_offset;
    if file.len() < flushed {
        let at = log.place(head.at) + 48;
        return Err(Corrupt::Truncated { at, expected: flushed, file_len: file.len() }.into());
    }
    let last = head.raw.last_file_offset;
    if last > MAX_FILE {
        let (code, at) = (codes::LOG_FIELD, log.place(head.at) + 56);
        let (field, expected) = ("LastFileOffset", "less than 2^63");
        return Err(Invalid::Field { code, at, field, expected, found: last }.into());
    }
    let mut replayer =
        Replayer { log, limits, file_len: file.len(), overlay: Overlay::default(), patches: 0 };
    for at in &active.entries {
        // OK: the entry was valid a moment ago; the opener detects a file that changes.
        if let Some(entry) = replayer.log.entry(*at)? {
            replayer.entry(&entry)?;
        }
    }
    // Only the length in the last entry applies: the file may have been truncated in between.
    replayer.overlay.grow(last);
    Ok(Some(Replay {
        overlay: Arc::new(replayer.overlay),
        entries: active.entries.len(),
        sequence: head.raw.sequence_number,
    }))
}

/// The bytes of a descriptor.
type Descriptor = [u8; DESCRIPTOR];

struct Replayer<'f> {
    log: Log<'f>,
    limits: &'f Limits,
    file_len: u64,
    overlay: Overlay,
    patches: u64,
}

impl Replayer<'_> {
    fn entry(&mut self, entry: &Entry) -> Result<(), Error> {
        let mut left = u64::from(entry.raw.descriptor_count);
        let mut data = entry.at + entry.head_sectors * SECTOR;
        for index in 0..entry.head_sectors {
            let sector_at = entry.at + index * SECTOR;
            let sector = self.log.sector(sector_at)?;
            let skip = if index == 0 { ENTRY_HEAD } else { 0 };
            // OK: a sector has 4096 bytes, a head 64.
            let descriptors = sector[skip..].as_chunks::<DESCRIPTOR>().0;
            let places = (self.log.place(sector_at) + skip as u64..).step_by(DESCRIPTOR);
            for (at, descriptor) in places.zip(descriptors) {
                if left == 0 {
                    return Ok(());
                }
                left -= 1;
                self.check_memory(at)?;
                if descriptor.starts_with(&DATA_DESCRIPTOR) {
                    self.data(entry, at, descriptor, data)?;
                    data += SECTOR;
                } else {
                    self.zeros(entry, at, descriptor)?;
                }
            }
        }
        Ok(())
    }

    /// Applies a data descriptor (2.3.1.3).
    ///
    /// It contains the first 8 and the last 4 bytes of the sector, because the sector in the log has a
    /// signature and sequence numbers there.
    fn data(&mut self, entry: &Entry, at: u64, descriptor: &Descriptor, data: u64) -> Result<(), Error> {
        let descriptor = Fields::le(descriptor);
        let target = descriptor.u64::<16>();
        self.check(entry, at, target, SECTOR)?;
        let mut sector = self.log.sector(data)?.into_owned();
        let end = sector.len();
        // OK: a sector has 4096 bytes.
        sector[..8].copy_from_slice(&descriptor.array::<8, 8>());
        sector[end - 4..].copy_from_slice(&descriptor.array::<4, 4>()); // OK: as above.
        self.overlay.put(target, &sector);
        Ok(())
    }

    /// Applies a zero descriptor (2.3.1.2).
    fn zeros(&mut self, entry: &Entry, at: u64, descriptor: &Descriptor) -> Result<(), Error> {
        let descriptor = Fields::le(descriptor);
        let (len, start) = (descriptor.u64::<8>(), descriptor.u64::<16>());
        self.check(entry, at, start, len)?;
        // OK: `check` ensures that the end is a file offset.
        self.overlay.zero(start..start + len);
        Ok(())
    }

    /// Checks that a change is aligned and lies inside the file.
    ///
    /// The length of the file may be the present one or one that the entry records.
    fn check(&self, entry: &Entry, at: u64, start: u64, len: u64) -> Result<(), Corrupt> {
        let end = start.saturating_add(len);
        let room = self.file_len.max(entry.raw.flushed_file_offset).max(entry.raw.last_file_offset);
        let bad = |reason| Err(Corrupt::Descriptor { at, start, end, reason });
        if !start.is_multiple_of(SECTOR) || !len.is_multiple_of(SECTOR) {
            return bad("not whole sectors of 4096 bytes");
        }
        // The end of the file need not be sector-aligned.
        if start.checked_add(len).is_none() || end.saturating_sub(SECTOR) >= room.min(MAX_FILE) {
            return bad("past the end of the file as recorded in the log");
        }
        Ok(())
    }

    /// Checks the memory limit before the next patch, which is a sector at most.
    fn check_memory(&mut self, at: u64) -> Result<(), Unsupported> {
        self.patches += 1;
        let limit = self.limits.resident_bytes;
        let kept = self.overlay.resident_bytes() + self.patches * PATCH_COST + SECTOR;
        if kept > limit { Err(Unsupported::LogTooLarge { at, limit }) } else { Ok(()) }
    }
}
