//! Checks the contents of a disk: boot method, encrypted volumes, and images hidden at the start of a partition.

use std::ops::Range;

use imgprep_catalog::{DetectError, Hints, detect};
use imgprep_disk::{Contents, DiskFacts, MAX_READ};
use imgprep_engine::BoundedReader;
use imgprep_map::{Finding, ReadAt, usize_of};
use imgprep_policy::{Boot, PartitionTable, Place, RuleId, Sectors, Violation};

use crate::Disk;
use crate::contents::{STREAM_REACH, inspect};
use crate::safety::under;

/// Bytes at the start of the disk and of a partition that are searched for the header of another image.
const HEAD: u64 = 64 << 10;
const PARTITION_HEAD: u64 = 4096;
/// Partitions that are inspected: the usual number of entries of a GPT.
const PARTITIONS: usize = 128;

/// Findings and facts about the contents of a disk.
#[derive(Default)]
pub(crate) struct Inside {
    /// The boot method; unknown if files are missing.
    pub(crate) boot: Boot,
    /// Sector sizes of the image and of the partition table.
    pub(crate) sectors: Sectors,
    /// Descriptions of encrypted volumes.
    pub(crate) locked: Vec<String>,
    /// Encrypted volumes and hidden images.
    pub(crate) violations: Vec<Violation>,
    /// Anomalies of the partitions, such as a partition past the end of the disk.
    pub(crate) findings: Vec<Finding>,
}

/// Inspects a disk. Data in files that are not open is not inspected.
pub(crate) fn inside(disk: &Disk) -> Inside {
    let top = &disk.layers()[0]; // OK: a disk has at least the layer that the user named.
    let inspection = inspect(disk.stack(), top.sector, top.facts.format);
    let Some(facts) = inspection.facts else { return Inside::default() };
    let is_complete = disk.unopened().is_empty();
    // The walk over the tables reports read errors.
    let findings = if is_complete { inspection.findings } else { Vec::new() };
    let volumes = locked(&facts);
    let words: Vec<_> = volumes.iter().map(|(_, words)| words.clone()).collect();
    let locked = volumes.into_iter().map(|(disk, words)| {
        let place = Place { disk: Some(disk), ..Place::default() };
        under(RuleId::SafetyEncrypted, words).at(place)
    });
    let violations = locked.chain(hidden(disk, &facts)).collect();
    let boot = if is_complete { boot(&facts) } else { Boot::default() };
    let table = facts.table().map(|_| facts.sector).filter(|_| is_complete);
    let sectors = Sectors { declared: Some(top.sector), table };
    Inside { boot, sectors, locked: words, violations, findings }
}

fn boot(facts: &DiskFacts) -> Boot {
    let table = match facts.contents {
        // The table itself is missing: its contents are unknown.
        Contents::Gpt | Contents::Protective => PartitionTable::Gpt,
        Contents::Mbr => PartitionTable::Mbr,
        _ => PartitionTable::None,
    };
    let is_partial = facts.contents == Contents::Protective
        || !facts.unread.is_empty()
        || !facts.is_table_valid
        || facts.has_invalid_gpt_entries();
    // Firmware ignores a GPT if both copies are damaged.
    let has_efi = facts.has_efi_system() && facts.is_table_valid;
    Boot {
        table: Some(table),
        has_boot_code: Some(facts.has_boot_code),
        has_efi_partition: (has_efi || !is_partial).then_some(has_efi),
        starts_from_bios: Some(facts.starts_from_bios()),
    }
}

/// Encrypted volumes: their ranges and descriptions.
fn locked(facts: &DiskFacts) -> Vec<(Range<u64>, String)> {
    let whole = match facts.contents {
        Contents::Volume(volume) if volume.is_encrypted => {
            Some((0..facts.size, format!("the disk is a volume encrypted with {}", volume.name)))
        }
        _ => None,
    };
    let parts = facts.partitions.iter().filter_map(|partition| {
        let volume = partition.volume.filter(|volume| volume.is_encrypted)?;
        let words = format!("partition {} is encrypted with {}", partition.number, volume.name);
        Some((partition.start..partition.end().min(facts.size), words))
    });
    whole.into_iter().chain(parts).collect()
}

/// Headers of other images where a guest or the creator of the disk could place them.
fn hidden(disk: &Disk, facts: &DiskFacts) -> Vec<Violation> {
    let stack = disk.stack();
    let is_stream = stack.layers().iter().any(|layer| layer.map.is_stream());
    let reach = if is_stream { STREAM_REACH } else { u64::MAX };
    let reader = BoundedReader::new(stack, MAX_READ);
    let reader: &dyn ReadAt = &reader;
    let mut found = Vec::new();
    let mut search = |at: u64, len: u64, what: &str| {
        let len = len.min(facts.size.saturating_sub(at));
        if len == 0 || at.saturating_add(len) > reach {
            return;
        }
        // OK: both lengths are constants of a few pages.
        let Ok(head) = reader.slice(at, usize_of(len)) else { return };
        found.extend(nested(&head, at, what));
    };
    search(0, HEAD, "the disk");
    for partition in facts.partitions.iter().filter(|it| it.start > 0 && it.len > 0).take(PARTITIONS) {
        search(
            partition.start,
            PARTITION_HEAD.min(partition.len),
            &format!("partition {}", partition.number),
        );
    }
    found
}

// The start of the disk, and those of all partitions.
const _: () = assert!(HEAD + PARTITION_HEAD * PARTITIONS as u64 <= MAX_READ);

/// The header of another image at this offset of the disk. Archives are ignored: no program confuses a disk with one.
fn nested(head: &[u8], at: u64, what: &str) -> Option<Violation> {
    // Only the header: the footer of a format may also be the end of a disk.
    let mut shown = head.to_vec();
    shown.resize(head.len() + 8192, 0);
    let place = Place { disk: Some(at..at.saturating_add(512)), ..Place::default() };
    let fact = match detect(&shown, Hints::default()) {
        Ok(detection) => {
            let evidence = detection.evidence?;
            format!("{what} begins like a {} image ({})", detection.format.name, evidence.description)
        }
        Err(error) => match error.detail::<DetectError>()? {
            DetectError::Unsupported { name, description, .. } => {
                format!("{what} begins like a {name} image ({description})")
            }
            DetectError::Ambiguous { matches } => format!("{what} begins like several images: {matches}"),
            _ => return None,
        },
    };
    Some(under(RuleId::SafetyNestedFormat, fact).at(place))
}

#[cfg(test)]
mod tests {
    use imgprep_disk::{Wanted, inspect};

    use super::*;

    /// A disk of 1 MiB with these bytes in it.
    fn facts(parts: &[(usize, &[u8])]) -> DiskFacts {
        let mut disk = vec![0; 1 << 20];
        for (at, bytes) in parts {
            disk[*at..*at + bytes.len()].copy_from_slice(bytes);
        }
        inspect(&disk, Wanted::default()).unwrap()
    }

    const SIGNED: (usize, &[u8]) = (510, &[0x55, 0xaa]);

    /// An MBR's entry for sectors 64 to 127.
    fn entry(kind: u8) -> [u8; 16] {
        [0, 0, 0, 0, kind, 0, 0, 0, 64, 0, 0, 0, 64, 0, 0, 0]
    }

    #[test]
    fn tables_and_firmware() {
        let of = |parts: &[(usize, &[u8])]| {
            let Boot { table, has_boot_code, has_efi_partition, .. } = boot(&facts(parts));
            (table.unwrap(), has_boot_code.unwrap(), has_efi_partition)
        };
        assert_eq!(of(&[]), (PartitionTable::None, false, Some(false)));
        assert_eq!(of(&[SIGNED, (0, &[0xeb])]), (PartitionTable::None, true, Some(false)));
        let (linux, efi, gpt) = (entry(0x83), entry(0xef), entry(0xee));
        assert_eq!(of(&[SIGNED, (0, &[0xeb]), (446, &linux)]), (PartitionTable::Mbr, true, Some(false)));
        assert_eq!(of(&[SIGNED, (446, &efi)]), (PartitionTable::Mbr, false, Some(true)));
        assert_eq!(of(&[SIGNED, (446, &gpt)]), (PartitionTable::Gpt, false, None), "the GPT is gone");
        let mut header = [0; 96];
        header[..8].copy_from_slice(b"EFI PART");
        header[12] = 92;
        header[72] = 2;
        header[80] = 128;
        header[84] = 128;
        let of_header = |header: &[u8]| of(&[SIGNED, (446, &entry(0xee)), (512, header)]);
        assert_eq!(of_header(&header), (PartitionTable::Gpt, false, None), "a wrong checksum");
        header[80..84].fill(0xff);
        assert_eq!(of_header(&header), (PartitionTable::Gpt, false, None), "an oversized table");
        assert_eq!(
            of(&[SIGNED, (512, &header)]),
            (PartitionTable::None, false, Some(false)),
            "not protected"
        );
    }

    #[test]
    fn locked_volumes_are_seen_on_the_disk_and_in_its_partitions() {
        let words = |parts: &[(usize, &[u8])]| locked(&facts(parts));
        assert_eq!(words(&[SIGNED, (446, &entry(0x83))]), []);
        let luks = b"LUKS\xba\xbe\0\x02";
        let found = words(&[(0, luks)]);
        assert_eq!(found, [(0..1 << 20, "the disk is a volume encrypted with LUKS2".to_string())]);
        let found = words(&[SIGNED, (446, &entry(0x83)), (32768, luks)]);
        assert_eq!(found, [(32768..65536, "partition 1 is encrypted with LUKS2".to_string())]);
    }

    #[test]
    fn a_hidden_head_is_seen_and_a_disk_is_not() {
        let mut head = vec![0; 65536];
        assert_eq!(nested(&head, 0, "the disk"), None);
        head[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
        let found = nested(&head, 1024, "partition 1").unwrap();
        assert!(found.fact.starts_with("partition 1 begins like a qcow2 image"), "{}", found.fact);
        assert_eq!(found.place.disk, Some(1024..1536));
        head[..4].copy_from_slice(b"KDMV");
        assert!(nested(&head, 0, "the disk").unwrap().fact.contains("vmdk"));
        head[..4].copy_from_slice(&[0x1f, 0x8b, 8, 0]);
        assert_eq!(nested(&head, 0, "the disk"), None);
        assert_eq!(nested(&[], 0, "the disk"), None);
    }
}
