//! The inspection: which bytes are read, and the precedence of the evidence.

use alloc::format;
use alloc::vec::Vec;

use imgprep_map::{ReadAt, ReadError, Severity, usize_of};

use crate::codes;
use crate::gpt::MAX_ENTRY_BYTES;
use crate::inspect::inspector::{Inspector, TAIL};
use crate::kind::is_extended;
use crate::mbr::{Frame, RECORD};
use crate::volume::{Start, recognise};
use crate::{Contents, DiskFacts, Partition, PartitionKind, Volume, mbr};

mod guid_table;
mod inspector;

/// Bytes read at the start of the disk: some file systems have their superblock after 64 KiB.
const HEAD: usize = (64 << 10) + LATER;
const LATER: usize = 4096;
/// Bytes read at the start of a partition: nearly all file systems are recognised there.
const START: usize = 20 << 10;
/// Maximum number of inspected partitions.
const LOOKED_INTO: usize = 16;
/// Primary partitions of an MBR, each tried with both sector sizes.
const TRIED: usize = 2 * 4;

/// Maximum number of bytes that an inspection reads.
pub const MAX_READ: u64 = 1 << 20;

// Head and tail, two arrays of entries. An MBR has none: there it is the beginnings that are tried and 60
// records of logical partitions. In both cases the partitions' beginnings.
const BEGINNINGS: usize = LOOKED_INTO * (START + LATER);
const _: () = assert!((HEAD + BEGINNINGS) as u64 + TAIL + 2 * MAX_ENTRY_BYTES <= MAX_READ);
const _: () = assert!((HEAD + BEGINNINGS + TRIED * (START + LATER) + 60 * RECORD) as u64 + TAIL <= MAX_READ);

/// The limits of an inspection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Bytes of a logical sector, as declared by the image.
    pub sector: u32,
    /// The disk offset after which reading is too expensive: in a stream, everything before must
    /// be decompressed. Everything after it is skipped.
    pub reach: u64,
}

impl Default for Wanted {
    /// Sectors of 512 bytes, all of the disk.
    fn default() -> Self {
        Self { sector: 512, reach: u64::MAX }
    }
}

/// Inspects a disk. Fails only if its first bytes cannot be read.
pub fn inspect(disk: &dyn ReadAt, wanted: Wanted) -> Result<DiskFacts, ReadError> {
    let size = disk.len();
    let facts = DiskFacts {
        size,
        contents: Contents::Unknown,
        sector: wanted.sector,
        partitions: Vec::new(),
        has_boot_code: false,
        has_hybrid_mbr: false,
        is_table_valid: true,
        oddities: Vec::new(),
        unread: Vec::new(),
    };
    // OK: clipped to a constant.
    let len = usize_of(size.min(HEAD as u64));
    let head = disk.slice(0, len)?.into_owned();
    let mut inspector = Inspector { disk, reach: wanted.reach, declared: wanted.sector, facts };
    inspector.decide(&head);
    inspector.check_ends();
    inspector.inspect_partitions();
    Ok(inspector.facts)
}

impl Inspector<'_> {
    /// A partition table counts more than what is left of a file system under it.
    fn decide(&mut self, head: &[u8]) {
        let entries = mbr::entries(head);
        let has_signature = mbr::has_signature(head);
        self.facts.has_boot_code = has_signature && head[..440].iter().any(|byte| *byte != 0);
        let is_protective = mbr::is_protective(head);
        self.facts.contents = if self.find_gpt(head, is_protective) {
            Contents::Gpt
        } else if is_protective {
            Contents::Protective
        } else if let Some(entries) = entries {
            self.take_mbr(&entries);
            Contents::Mbr
        } else if let Some(volume) = whole(head) {
            Contents::Volume(volume)
        } else if head.is_empty() {
            Contents::Empty
        } else if has_signature {
            Contents::BootSector
        } else if head.iter().all(|byte| *byte == 0) {
            Contents::Zeros
        } else {
            Contents::Unknown
        };
        if self.facts.table() != Some("gpt") && !is_protective {
            self.report_unprotected_gpt(head);
        }
        if let (Some(_), Some(volume)) = (self.facts.table(), whole(head)) {
            let message =
                format!("in addition to its partition table, the disk begins like a bare {}", volume.name);
            self.odd(codes::ALSO, Severity::Note, 0, message);
        }
    }

    fn take_mbr(&mut self, entries: &[mbr::Entry]) {
        self.facts.sector = self.sector_of_mbr(entries);
        let sector = u64::from(self.facts.sector);
        let frame = Frame { sector, record: 0, base: 0 };
        let numbered = entries.iter().map(|entry| {
            // OK: one of four.
            let number = (entry.at - 446) / 16 + 1;
            // OK: as above.
            mbr::partition(u32::try_from(number).unwrap_or(0), entry, frame)
        });
        self.facts.partitions = numbered.collect();
        for entry in entries.iter().filter(|entry| is_extended(entry.kind)) {
            let logical = mbr::logical(entry.first, sector, &mut |at| self.read(at, RECORD as u64));
            self.facts.partitions.extend(logical);
        }
    }

    /// The unit of an MBR, which it does not state: the sector size that the image declares, unless volumes
    /// begin only where the entries lead in sectors of the other size.
    fn sector_of_mbr(&mut self, entries: &[mbr::Entry]) -> u32 {
        let declared = self.facts.sector;
        let other = match declared {
            512 => 4096,
            4096 => 512,
            _ => return declared,
        };
        if self.finds_volumes(entries, declared) || !self.finds_volumes(entries, other) {
            return declared;
        }
        other
    }

    /// Whether all partitions lie on the disk and one of them begins like a volume, in sectors of this size.
    fn finds_volumes(&mut self, entries: &[mbr::Entry], sector: u32) -> bool {
        let frame = Frame { sector: sector.into(), record: 0, base: 0 };
        let partitions: Vec<_> = entries.iter().map(|entry| mbr::partition(0, entry, frame)).collect();
        let lies_inside = partitions.iter().all(|partition| partition.end() <= self.facts.size);
        let places = partitions.iter().filter_map(inspectable);
        lies_inside && places.into_iter().any(|(start, len)| self.volume_at(start, len).is_some())
    }

    fn check_ends(&mut self) {
        let size = self.facts.size;
        for partition in core::mem::take(&mut self.facts.partitions) {
            let end = partition.end();
            if end > size {
                let (number, start, missing) = (partition.number, partition.start, end - size);
                let message = format!(
                    "partition {number} is at {start} to {end}, but the disk ends at {size}: {missing} bytes are missing"
                );
                self.odd(codes::PARTITION_PAST_END, Severity::Error, partition.entry_at, message);
            }
            self.facts.partitions.push(partition);
        }
    }

    fn inspect_partitions(&mut self) {
        let places: Vec<_> = self.facts.partitions.iter().map(inspectable).collect();
        let found = places.into_iter().enumerate().filter_map(|(index, place)| Some((index, place?)));
        for (index, (start, len)) in found.take(LOOKED_INTO).collect::<Vec<_>>() {
            let volume = self.volume_at(start, len);
            self.facts.partitions[index].volume = volume;
        }
    }

    fn volume_at(&mut self, start: u64, len: u64) -> Option<Volume> {
        let head = self.read(start, len.min(START as u64))?;
        let found = recognise(&Start { head: &head, at_64k: &[] });
        if found.is_some() || len <= 65536 {
            return found;
        }
        let later = self.read(start.checked_add(65536)?, (len - 65536).min(LATER as u64))?;
        recognise(&Start { head: &head, at_64k: &later })
    }
}

fn whole(head: &[u8]) -> Option<Volume> {
    let (head, at_64k) = head.split_at(head.len().min(65536));
    recognise(&Start { head, at_64k })
}

/// Place and length of a partition that has a beginning of its own.
fn inspectable(partition: &Partition) -> Option<(u64, u64)> {
    let has_none =
        matches!(partition.kind, PartitionKind::Mbr(kind) if is_extended(kind)) || partition.len == 0;
    (!has_none).then_some((partition.start, partition.len))
}

#[cfg(test)]
mod tests;
