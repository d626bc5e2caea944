//! The look itself: what is read, and in which order the evidence counts.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use imgprep_map::{ReadAt, ReadError, Severity};

use crate::gpt::{Header, MOST_ENTRY_BYTES, crc32};
use crate::kind::is_extended;
use crate::mbr::{self, Frame, RECORD};
use crate::volume::{Start, recognise};
use crate::{Contents, DiskFacts, Oddity, Partition, PartitionKind, Volume};

/// Read of the disk's beginning: some file systems say who they are behind 64 KiB.
const HEAD: usize = (64 << 10) + LATER;
const LATER: usize = 4096;
/// Read of its end: one sector of any size.
const TAIL: u64 = 4096;
/// Read of a partition's beginning: nearly all say who they are there.
const START: usize = 20 << 10;
/// Partitions that are looked into.
const LOOKED_INTO: usize = 16;
/// The type of an entry that protects a GPT.
const PROTECTIVE: u8 = 0xee;

/// Bytes that a look reads at most.
pub const MOST_READ: u64 = 1 << 20;

// Head and tail, an array of entries, the partitions' beginnings, 60 records of logical partitions.
const _: () = assert!(
    (HEAD + LOOKED_INTO * (START + LATER) + 60 * RECORD) as u64 + TAIL + MOST_ENTRY_BYTES <= MOST_READ
);

/// How far to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Bytes of a logical sector that the image declares.
    pub sector: u32,
    /// The disk offset behind which it costs too much to read: in a stream all that stands before must
    /// be unpacked. What lies there is left out.
    pub reach: u64,
}

impl Default for Wanted {
    /// Sectors of 512 bytes, all of the disk.
    fn default() -> Self {
        Self { sector: 512, reach: u64::MAX }
    }
}

/// Looks at a disk. Fails only if its beginning can't be read.
pub fn look(disk: &dyn ReadAt, wanted: Wanted) -> Result<DiskFacts, ReadError> {
    let size = disk.len();
    let facts = DiskFacts {
        size,
        contents: Contents::Unknown,
        sector: wanted.sector,
        partitions: Vec::new(),
        has_boot_code: false,
        oddities: Vec::new(),
        unread: Vec::new(),
    };
    // OK: clipped to a constant.
    let len = usize::try_from(size.min(HEAD as u64)).unwrap_or(HEAD);
    let head = disk.slice(0, len)?.into_owned();
    let mut look = Look { disk, reach: wanted.reach, facts };
    look.decide(&head);
    look.check_ends();
    look.look_into_partitions();
    Ok(look.facts)
}

struct Look<'d> {
    disk: &'d dyn ReadAt,
    reach: u64,
    facts: DiskFacts,
}

impl Look<'_> {
    /// A partition table counts more than what is left of a file system under it.
    fn decide(&mut self, head: &[u8]) {
        let entries = mbr::entries(head);
        let has_signature = mbr::has_signature(head);
        self.facts.has_boot_code = has_signature && head[..440].iter().any(|byte| *byte != 0);
        let is_protective = entries.iter().flatten().any(|entry| entry.kind == PROTECTIVE);
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
        if let (Some(_), Some(volume)) = (self.facts.table(), whole(head)) {
            let message = format!("beside its partition table the disk begins like a bare {}", volume.name);
            self.odd("disk.also", Severity::Note, 0, message);
        }
    }

    /// The GPT at the beginning; if there is only a protective MBR, or zeros, the copy at the end.
    fn find_gpt(&mut self, head: &[u8], is_protective: bool) -> bool {
        let sector = |size: usize| head.get(size..2 * size).and_then(Header::decode);
        if let Some(header) = sector(512).or_else(|| sector(4096)) {
            self.take_gpt(&header, header.sector);
            self.check_copy(&header);
            return true;
        }
        if !is_protective {
            return false;
        }
        let Some((at, header)) = self.copy_at_the_end() else { return false };
        self.odd(
            "disk.gpt-backup-only",
            Severity::Warning,
            u64::from(self.facts.sector),
            "the GPT at the beginning is gone, the copy at the end is there".into(),
        );
        self.take_gpt(&header, at);
        true
    }

    /// The header in the last sector, of either size.
    fn copy_at_the_end(&mut self) -> Option<(u64, Header)> {
        let size = self.facts.size;
        let tail = self.read(size.saturating_sub(TAIL), TAIL.min(size))?;
        [512, 4096].into_iter().find_map(|sector| {
            let at = tail.len().checked_sub(sector)?;
            Some((size - sector as u64, Header::decode(&tail[at..])?))
        })
    }

    /// Holds the place of the copy against the disk's end.
    fn check_copy(&mut self, header: &Header) {
        let size = self.facts.size;
        let at = header.sector + 32;
        let copy_end = header.alternate.saturating_add(1).saturating_mul(header.sector);
        if copy_end > size {
            let message = format!(
                "the GPT's copy ends at {copy_end}, the disk at {size}: the end of the disk is missing"
            );
            self.odd("disk.gpt-past-end", Severity::Error, at, message);
        } else if copy_end < size {
            let message =
                format!("the GPT's copy ends at {copy_end}, the disk at {size}: the disk was made larger");
            self.odd("disk.gpt-not-at-end", Severity::Note, at, message);
        } else if size <= self.reach && self.copy_at_the_end().is_none() && self.facts.unread.is_empty() {
            let message = "the GPT has no copy at the end of the disk".into();
            self.odd("disk.gpt-no-copy", Severity::Warning, at, message);
        }
    }

    /// `at`: where the header stands.
    fn take_gpt(&mut self, header: &Header, at: u64) {
        // OK: 512 or 4096.
        self.facts.sector = u32::try_from(header.sector).unwrap_or(512);
        if !header.is_sound {
            self.odd("disk.gpt-header", Severity::Warning, at, "the GPT header's checksum is wrong".into());
        }
        let Some((start, len)) = header.entry_range() else {
            let message = format!("{} entries of {} bytes are no table", header.count, header.entry_size);
            return self.odd("disk.gpt-entries", Severity::Warning, at + 80, message);
        };
        let Some(array) = self.read(start, len as u64) else { return };
        if array.len() < len {
            let message = format!("the GPT's entries reach past the end of the disk at {}", self.facts.size);
            return self.odd("disk.gpt-entries", Severity::Error, at + 72, message);
        }
        if crc32(&array) != header.entries_crc {
            let message = "the checksum of the GPT's entries is wrong".into();
            self.odd("disk.gpt-entries", Severity::Warning, at + 88, message);
        }
        self.facts.partitions = header.partitions(start, &array);
    }

    fn take_mbr(&mut self, entries: &[mbr::Entry]) {
        let sector = u64::from(self.facts.sector);
        let frame = Frame { sector, record: 0, base: 0 };
        let numbered = entries.iter().map(|entry| {
            // OK: one of four.
            let number = (entry.at - 446) / 16 + 1;
            mbr::partition(u32::try_from(number).unwrap_or(0), entry, frame)
        });
        self.facts.partitions = numbered.collect();
        for entry in entries.iter().filter(|entry| is_extended(entry.kind)) {
            let logical = mbr::logical(entry.first, sector, &mut |at| self.read(at, RECORD as u64));
            self.facts.partitions.extend(logical);
        }
    }

    fn check_ends(&mut self) {
        let size = self.facts.size;
        for partition in core::mem::take(&mut self.facts.partitions) {
            let end = partition.end();
            if end > size {
                let (number, start, missing) = (partition.number, partition.start, end - size);
                let message = format!(
                    "partition {number} lies from {start} to {end}, the disk ends at {size}: {missing} bytes are missing"
                );
                self.odd("disk.partition-past-end", Severity::Error, partition.entry_at, message);
            }
            self.facts.partitions.push(partition);
        }
    }

    fn look_into_partitions(&mut self) {
        let places: Vec<_> = self.facts.partitions.iter().map(may_be_looked_into).collect();
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

    /// Bytes of the disk, as many as it has; nothing where it can't or need not be read.
    fn read(&mut self, at: u64, len: u64) -> Option<Vec<u8>> {
        let end = at.saturating_add(len).min(self.facts.size);
        let at = at.min(end);
        if end > self.reach {
            return None;
        }
        // OK: every caller asks for a constant number of bytes at most.
        let mut bytes = vec![0; usize::try_from(end - at).ok()?];
        match self.disk.read_exact_at(&mut bytes, at) {
            Ok(()) => Some(bytes),
            Err(error) => {
                self.facts.unread.push(error);
                None
            }
        }
    }

    fn odd(&mut self, code: &'static str, severity: Severity, at: u64, message: String) {
        self.facts.oddities.push(Oddity { code, severity, at, message });
    }
}

fn whole(head: &[u8]) -> Option<Volume> {
    let (head, at_64k) = head.split_at(head.len().min(65536));
    recognise(&Start { head, at_64k })
}

/// Place and length of a partition that has a beginning of its own.
fn may_be_looked_into(partition: &Partition) -> Option<(u64, u64)> {
    let has_none =
        matches!(partition.kind, PartitionKind::Mbr(kind) if is_extended(kind)) || partition.len == 0;
    (!has_none).then_some((partition.start, partition.len))
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn disk(len: usize, parts: &[(usize, &[u8])]) -> Vec<u8> {
        let mut disk = vec![0; len];
        for (at, bytes) in parts {
            disk[*at..*at + bytes.len()].copy_from_slice(bytes);
        }
        disk
    }

    fn entry(flag: u8, kind: u8, first: u32, count: u32) -> Vec<u8> {
        [&[flag, 0, 0, 0, kind, 0, 0, 0][..], &first.to_le_bytes(), &count.to_le_bytes()].concat()
    }

    const SIGNATURE: (usize, &[u8]) = (510, &[0x55, 0xaa]);
    const ESP: [u8; 16] =
        [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b];

    /// A GPT with an EFI system partition of sectors 8 to 15 and one of `last` after it, and its copy.
    fn gpt(sector: usize, sectors: usize, last: u64) -> Vec<u8> {
        let mut array = vec![0; 1024];
        for (at, kind, first, last) in [(0, ESP, 8, 15), (128, [7; 16], 16, last)] {
            array[at..at + 16].copy_from_slice(&kind);
            array[at + 32..at + 40].copy_from_slice(&u64::to_le_bytes(first));
            array[at + 40..at + 48].copy_from_slice(&u64::to_le_bytes(last));
        }
        let header = |alternate: u64, entries: u64| {
            let mut header = vec![0; sector];
            header[..8].copy_from_slice(b"EFI PART");
            header[12] = 92;
            header[32..40].copy_from_slice(&alternate.to_le_bytes());
            header[72..80].copy_from_slice(&entries.to_le_bytes());
            (header[80], header[84]) = (8, 128);
            let crc = crc32(&array);
            header[88..92].copy_from_slice(&crc.to_le_bytes());
            let crc = crc32(&header[..92]);
            header[16..20].copy_from_slice(&crc.to_le_bytes());
            header
        };
        let (end, copy) = (sectors as u64 - 1, sectors as u64 - 4);
        let mbr = entry(0, 0xee, 1, u32::MAX);
        disk(
            sector * sectors,
            &[
                SIGNATURE,
                (446, &mbr),
                (sector, &header(end, 2)),
                (2 * sector, &array),
                ((sectors - 4) * sector, &array),
                ((sectors - 1) * sector, &header(1, copy)),
            ],
        )
    }

    fn seen(disk: &[u8]) -> DiskFacts {
        look(&disk.to_vec(), Wanted::default()).unwrap()
    }

    fn codes(facts: &DiskFacts) -> Vec<&'static str> {
        facts.oddities.iter().map(|oddity| oddity.code).collect()
    }

    #[test]
    fn a_disk_without_a_table_is_named() {
        for (disk, want) in [
            (disk(0, &[]), Contents::Empty),
            (disk(1, &[]), Contents::Zeros),
            (disk(1 << 20, &[]), Contents::Zeros),
            (disk(1, &[(0, b"x")]), Contents::Unknown),
            (disk(512, &[SIGNATURE]), Contents::BootSector),
            (disk(512, &[SIGNATURE, (446, &[1])]), Contents::BootSector),
            (
                disk(1 << 20, &[(65600, b"_BHRfS_M")]),
                Contents::Volume(Volume { name: "Btrfs", is_encrypted: false }),
            ),
        ] {
            let facts = seen(&disk);
            assert_eq!((facts.contents, facts.table(), facts.oddities.len()), (want, None, 0));
        }
    }

    #[test]
    fn an_mbr_is_read_with_its_logical_partitions_and_what_is_in_them() {
        let (first, extended) = (entry(0x80, 0xef, 100, 100), entry(0, 5, 1000, 500));
        let logical = entry(0, 0x83, 10, 100);
        let disk = disk(
            2000 * 512,
            &[
                (0, &[0xfa]),
                SIGNATURE,
                (446, &first),
                (478, &extended),
                (1000 * 512 + 446, &logical),
                (1000 * 512 + 510, &[0x55, 0xaa]),
                (1010 * 512, b"LUKS\xba\xbe\0\x02"),
            ],
        );
        let facts = seen(&disk);
        assert_eq!((facts.contents, facts.table(), codes(&facts).len()), (Contents::Mbr, Some("mbr"), 0));
        assert!(facts.has_boot_code && facts.has_efi_system() && !facts.has_bios_boot());
        let places: Vec<_> =
            facts.partitions.iter().map(|found| (found.number, found.start / 512, found.len / 512)).collect();
        assert_eq!(places, [(1, 100, 100), (3, 1000, 500), (5, 1010, 100)]);
        assert_eq!(
            facts.partitions.iter().map(|found| found.is_active).collect::<Vec<_>>(),
            [true, false, false]
        );
        assert_eq!(facts.encrypted().map(|volume| volume.name).collect::<Vec<_>>(), ["LUKS2"]);
    }

    #[test]
    fn a_partition_past_the_end_is_found_at_its_entry() {
        let last = entry(0, 0x83, 100, 100);
        let whole = disk(200 * 512, &[SIGNATURE, (462, &last)]);
        assert_eq!(codes(&seen(&whole)).len(), 0);
        let facts = seen(&whole[..whole.len() - 1]);
        let [odd] = &facts.oddities[..] else { panic!("{:?}", facts.oddities) };
        assert_eq!((odd.code, odd.at, odd.severity), ("disk.partition-past-end", 462, Severity::Error));
        assert!(odd.message.ends_with("1 bytes are missing"), "{}", odd.message);
    }

    #[test]
    fn a_gpt_is_read_in_sectors_of_both_sizes() {
        for sector in [512, 4096] {
            let facts = seen(&gpt(sector, 64, 40));
            assert_eq!((facts.contents, u64::from(facts.sector)), (Contents::Gpt, sector as u64));
            assert_eq!(codes(&facts), [""; 0]);
            assert!(facts.has_efi_system());
            assert_eq!(facts.partitions[1].end(), 41 * sector as u64);
            assert_eq!(facts.partitions[1].entry_at, 2 * sector as u64 + 128);
        }
    }

    #[test]
    fn what_is_odd_about_a_gpt_is_told() {
        let whole = gpt(512, 64, 60);
        let grown = [&whole[..], &[0; 512]].concat();
        assert_eq!(codes(&seen(&grown)), ["disk.gpt-not-at-end"]);
        assert_eq!(codes(&seen(&whole[..63 * 512])), ["disk.gpt-past-end"]);
        assert_eq!(codes(&seen(&whole[..60 * 512])), ["disk.gpt-past-end", "disk.partition-past-end"]);
        let edited = |at: usize, byte: u8| {
            let mut disk = whole.clone();
            disk[at] = byte;
            let facts = seen(&disk);
            (codes(&facts), facts.partitions.len())
        };
        assert_eq!(edited(63 * 512, 0), (vec!["disk.gpt-no-copy"], 2));
        assert_eq!(edited(512, 0), (vec!["disk.gpt-backup-only"], 2));
        assert_eq!(edited(512 + 60, 1), (vec!["disk.gpt-header"], 2));
        assert_eq!(edited(1024 + 60, 1), (vec!["disk.gpt-entries"], 2));
        assert_eq!(edited(512 + 84, 127), (vec!["disk.gpt-header", "disk.gpt-entries"], 0));
        assert_eq!(edited(512 + 74, 1), (vec!["disk.gpt-header", "disk.gpt-entries"], 0));
    }

    #[test]
    fn a_protective_record_without_a_gpt_is_told() {
        let mut disk = gpt(512, 64, 60);
        disk[512] = 0;
        disk[63 * 512] = 0;
        assert_eq!(seen(&disk).contents, Contents::Protective);
    }

    #[test]
    fn a_table_counts_more_than_what_is_left_under_it() {
        let used = entry(0, 0x83, 100, 50);
        let facts = seen(&disk(200 * 512, &[SIGNATURE, (446, &used), (32768, b"\x01CD001\x01")]));
        assert_eq!((facts.contents, codes(&facts)), (Contents::Mbr, vec!["disk.also"]));
    }

    /// Counts what is read, and fails behind a place.
    struct Watched {
        disk: Vec<u8>,
        fails_from: u64,
        read: AtomicU64,
    }

    impl ReadAt for Watched {
        fn len(&self) -> u64 {
            self.disk.len() as u64
        }

        fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
            self.read.fetch_add(buf.len() as u64, Ordering::Relaxed);
            if at + buf.len() as u64 > self.fails_from {
                return Err(ReadError::Failed { at, reason: "gone".into() });
            }
            self.disk.as_slice().read_exact_at(buf, at)
        }
    }

    #[test]
    fn a_look_is_bounded() {
        let sector = gpt(512, 40_000, 60)[512..1024].to_vec();
        let mut disk = gpt(512, 40_000, 60);
        // 1024 entries of 128 bytes, all used.
        let array: Vec<u8> = (0..1024_u64)
            .flat_map(|n| {
                let place = [(300 + 30 * n).to_le_bytes(), (600 + 30 * n).to_le_bytes()].concat();
                [&[7; 32][..], &place, &[0; 80]].concat()
            })
            .collect();
        disk[1024..1024 + array.len()].copy_from_slice(&array);
        disk[512..1024].copy_from_slice(&sector);
        disk[592..596].copy_from_slice(&1024_u32.to_le_bytes());
        let watched = Watched { disk, fails_from: u64::MAX, read: AtomicU64::new(0) };
        let facts = look(&watched, Wanted::default()).unwrap();
        assert_eq!(facts.partitions.len(), 1024);
        assert!(watched.read.load(Ordering::Relaxed) <= MOST_READ);
    }

    #[test]
    fn what_can_t_be_read_is_left_out_and_told() {
        let disk = gpt(512, 400, 300);
        let watched = Watched { disk, fails_from: 100_000, read: AtomicU64::new(0) };
        let facts = look(&watched, Wanted::default()).unwrap();
        assert_eq!((facts.contents, facts.partitions.len()), (Contents::Gpt, 2));
        assert!(!facts.unread.is_empty() && facts.oddities.is_empty(), "{facts:?}");
        let near = look(&watched, Wanted { reach: 100_000, ..Wanted::default() }).unwrap();
        assert_eq!((near.unread.len(), near.oddities.len()), (0, 0), "behind the reach nothing is read");
        let watched = Watched { fails_from: 100, ..watched };
        assert!(look(&watched, Wanted::default()).is_err(), "the beginning is needed");
    }

    #[test]
    fn facts_are_told_in_the_common_vocabulary() {
        use imgprep_map::Value;
        let details = seen(&gpt(512, 64, 40)).details();
        let keys: Vec<_> = details.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, ["contents", "partition-table", "sector-size", "boot", "partitions"]);
        assert_eq!(details[0].1, Value::Text("GPT partitions".into()));
    }
}
