//! The log: a ring of entries, one sequence of which is replayed (2.3).

use alloc::borrow::Cow;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::ops::Range;

use imgprep_format_kit::Fields;
use imgprep_map::{Error, ReadAt, ReadError, usize_of};

use crate::Corrupt;
use crate::crc::{Crc32c, update_sealed};
use crate::guid::Guid;
use crate::header::Header;
use crate::layout::{
    DATA_DESCRIPTOR, DATA_SECTOR, DESCRIPTOR, ENTRY, ENTRY_HEAD, RawEntry, SECTOR, ZERO_DESCRIPTOR,
};

/// The ring, and the GUID of its valid entries.
pub(crate) struct Log<'f> {
    file: &'f dyn ReadAt,
    /// File range of the ring, inside the file; both ends are multiples of 1 MiB.
    ring: Range<u64>,
    guid: Guid,
}

/// A complete entry: the checksum and the numbers of all sectors are valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Offset in the ring.
    pub(crate) at: u64,
    pub(crate) raw: RawEntry,
    /// Number of sectors of the head and the descriptors.
    pub(crate) head_sectors: u64,
}

impl Entry {
    /// Offset after the entry, not wrapped.
    fn end(&self) -> u64 {
        self.at + u64::from(self.raw.entry_length)
    }
}

/// Consecutive entries.
pub(crate) struct Sequence {
    /// Offsets in the ring of the entries to replay, in order. At least one.
    pub(crate) entries: Vec<u64>,
    /// The last entry.
    pub(crate) head: Entry,
}

impl<'f> Log<'f> {
    pub(crate) fn new(file: &'f dyn ReadAt, header: &Header) -> Self {
        Self { file, ring: header.log.clone(), guid: header.raw.log_guid }
    }

    pub(crate) fn len(&self) -> u64 {
        self.ring.end - self.ring.start
    }

    /// File offset of an offset in the ring.
    pub(crate) fn place(&self, at: u64) -> u64 {
        self.ring.start + at % self.len()
    }

    /// The sector at an offset in the ring, which consists of whole sectors.
    pub(crate) fn sector(&self, at: u64) -> Result<Cow<'f, [u8]>, ReadError> {
        // OK: 4096.
        self.file.slice(self.place(at), usize_of(SECTOR))
    }

    /// The active sequence (2.3.2), from its tail on.
    ///
    /// Of all sequences whose last entry references one of the sequence's own entries as its tail, this is
    /// the one with the highest sequence number.
    pub(crate) fn active(&self) -> Result<Sequence, Error> {
        let mut best: Option<Sequence> = None;
        let mut at = 0;
        while at < self.len() {
            at = self.skip_hole(at);
            let Some(found) = self.sequence(at)? else {
                at += SECTOR;
                continue;
            };
            at = found.head.end() + self.wraps(&found, at);
            let is_newer = best
                .as_ref()
                .is_none_or(|best| found.head.raw.sequence_number > best.head.raw.sequence_number);
            if is_newer && let Some(found) = from_tail(found) {
                best = Some(found);
            }
        }
        let none = || Corrupt::NoSequence { at: self.ring.start, guid: self.guid.to_string() };
        Ok(best.ok_or_else(none)?)
    }

    /// The ring's length if the sequence that begins at `start` wraps around, else 0.
    fn wraps(&self, found: &Sequence, start: u64) -> u64 {
        if found.head.at < start { self.len() } else { 0 }
    }

    /// The first sector at or after `at` that is not in a hole of the file.
    pub(crate) fn skip_hole(&self, at: u64) -> u64 {
        let data = self.file.next_data(self.place(at)).clamp(self.place(at), self.ring.end);
        let skipped = (data - self.ring.start) / SECTOR * SECTOR;
        // If the hole extends to the end of the ring, the last sector is read unnecessarily.
        skipped.clamp(at, self.len() - SECTOR)
    }

    /// The sequence of consecutive entries from `start` on.
    fn sequence(&self, start: u64) -> Result<Option<Sequence>, ReadError> {
        let Some(mut head) = self.entry(start)? else { return Ok(None) };
        let mut entries = Vec::from([start]);
        let mut total = u64::from(head.raw.entry_length);
        while total < self.len() {
            let at = head.end() % self.len();
            let Some(next) = self.entry(at)? else { break };
            let is_next = head.raw.sequence_number.checked_add(1) == Some(next.raw.sequence_number);
            total += u64::from(next.raw.entry_length);
            if !is_next || total > self.len() {
                break;
            }
            entries.push(at);
            head = next;
        }
        Ok(Some(Sequence { entries, head }))
    }

    /// The entry at an offset in the ring, if it is complete.
    ///
    /// The walk reads sector by sector and stops at the first sector that cannot belong to the entry. No
    /// sector can belong to two entries, because each kind has its own first bytes. All walks together
    /// therefore read the ring a few times at most, however many heads declare a large length.
    pub(crate) fn entry(&self, at: u64) -> Result<Option<Entry>, ReadError> {
        let first = self.sector(at)?;
        let Some((head, descriptors)) = first.split_first_chunk() else { return Ok(None) };
        let Some(entry) = RawEntry::decode(head).and_then(|raw| self.plausible(raw, at)) else {
            return Ok(None);
        };
        let mut walk = Walk {
            sequence: entry.raw.sequence_number,
            descriptors: entry.raw.descriptor_count.into(),
            data_sectors: 0,
            crc: Crc32c::new(),
        };
        update_sealed(&mut walk.crc, &first);
        if !walk.descriptors(descriptors) {
            return Ok(None);
        }
        for index in 1..u64::from(entry.raw.entry_length) / SECTOR {
            let sector = self.sector(at + index * SECTOR)?;
            walk.crc.update(&sector);
            let is_own =
                if index < entry.head_sectors { walk.descriptors(&sector) } else { walk.data(&sector) };
            if !is_own {
                return Ok(None);
            }
        }
        let is_whole = walk.data_sectors == 0 && walk.crc.finish() == entry.raw.checksum;
        Ok(is_whole.then_some(entry))
    }

    /// Validates the fields of a head; `None` if they are invalid (2.3.1.1).
    fn plausible(&self, raw: RawEntry, at: u64) -> Option<Entry> {
        let (len, tail) = (u64::from(raw.entry_length), u64::from(raw.tail));
        let head_bytes = ENTRY_HEAD as u64 + u64::from(raw.descriptor_count) * DESCRIPTOR as u64;
        let head_sectors = head_bytes.div_ceil(SECTOR);
        let fits = len.is_multiple_of(SECTOR) && len <= self.len() && head_sectors * SECTOR <= len;
        let has_tail = tail.is_multiple_of(SECTOR) && tail < self.len();
        let is_ours = raw.log_guid == self.guid && raw.sequence_number > 0;
        (fits && has_tail && is_ours).then_some(Entry { at, raw, head_sectors })
    }
}

/// Removes the entries before the tail that the last entry references.
///
/// `None` if that tail is not inside the sequence.
fn from_tail(mut found: Sequence) -> Option<Sequence> {
    let tail = u64::from(found.head.raw.tail);
    let index = found.entries.iter().position(|at| *at == tail)?;
    found.entries.drain(..index);
    Some(found)
}

/// The state of a walk through one entry.
struct Walk {
    sequence: u64,
    /// Number of remaining descriptors.
    descriptors: u64,
    /// Number of data sectors that the descriptors so far require.
    data_sectors: u64,
    crc: Crc32c,
}

impl Walk {
    /// Whether all descriptors in `bytes` belong to this entry.
    fn descriptors(&mut self, bytes: &[u8]) -> bool {
        for bytes in bytes.as_chunks::<DESCRIPTOR>().0 {
            if self.descriptors == 0 {
                return true;
            }
            self.descriptors -= 1;
            let is_data = bytes.starts_with(&DATA_DESCRIPTOR);
            let is_known = is_data || bytes.starts_with(&ZERO_DESCRIPTOR);
            if !is_known || Fields::le(bytes).u64::<24>() != self.sequence {
                return false;
            }
            self.data_sectors += u64::from(is_data);
        }
        true
    }

    /// Whether a sector after the descriptors belongs to this entry.
    ///
    /// Data sectors (2.3.1.4) come first, as many as the descriptors require. Any later sector is accepted
    /// unless it is the head of another entry.
    fn data(&mut self, sector: &[u8]) -> bool {
        if self.data_sectors == 0 {
            return !sector.starts_with(&ENTRY);
        }
        self.data_sectors -= 1;
        let (Some(head), Some(low)) = (sector.first_chunk::<8>(), sector.last_chunk()) else { return false };
        let (high, low) = (u64::from(Fields::le(head).u32::<4>()), u64::from(u32::from_le_bytes(*low)));
        sector.starts_with(&DATA_SECTOR) && high << 32 | low == self.sequence
    }
}
