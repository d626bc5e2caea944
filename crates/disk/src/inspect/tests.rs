//! Disks of a few sectors, one for each result of an inspection.

use alloc::vec;
use core::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::gpt::crc32;

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
    inspect(&disk.to_vec(), Wanted::default()).unwrap()
}

fn codes(facts: &DiskFacts) -> Vec<&'static str> {
    facts.oddities.iter().map(|oddity| oddity.code.id).collect()
}

#[test]
fn a_disk_without_a_partition_table_is_recognised() {
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
fn an_mbr_is_read_with_logical_partitions_and_volumes() {
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
fn a_partition_past_the_end_is_reported_at_its_entry() {
    let last = entry(0, 0x83, 100, 100);
    let whole = disk(200 * 512, &[SIGNATURE, (462, &last)]);
    assert_eq!(codes(&seen(&whole)).len(), 0);
    let facts = seen(&whole[..whole.len() - 1]);
    let [odd] = &facts.oddities[..] else { panic!("{:?}", facts.oddities) };
    assert_eq!((odd.code.id, odd.at, odd.severity), ("disk.partition-past-end", 462, Severity::Error));
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
fn anomalies_of_a_gpt_are_reported() {
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
    // The copy at the end is used.
    assert_eq!(edited(512 + 84, 127), (vec!["disk.gpt-header", "disk.gpt-entries"], 2));
    assert_eq!(edited(512 + 74, 1), (vec!["disk.gpt-header", "disk.gpt-entries"], 2));
}

#[test]
fn the_backup_gpt_is_used_if_the_primary_checksum_is_wrong() {
    let whole = gpt(512, 64, 60);
    // The first entry of the second partition's name, in the array at the beginning and in the header.
    for (at, code) in [(1024 + 128 + 32, "disk.gpt-entries"), (512 + 60, "disk.gpt-header")] {
        let mut disk = whole.clone();
        disk[at] ^= 1;
        let facts = seen(&disk);
        assert_eq!(codes(&facts), [code]);
        assert!(
            facts.is_table_valid
                && facts.oddities[0].message.ends_with("copy at the end of the disk is used")
        );
        assert_eq!((facts.partitions[1].start, facts.partitions[1].entry_at), (16 * 512, 60 * 512 + 128));
        disk[63 * 512 + 60] ^= 1;
        let facts = seen(&disk);
        assert_eq!((codes(&facts), facts.is_table_valid), (vec![code], false));
        assert_eq!(facts.partitions[1].entry_at, 2 * 512 + 128, "the first one is shown");
    }
    let mut only = whole.clone();
    only[512] = 0;
    only[63 * 512 + 60] ^= 1;
    let facts = seen(&only);
    assert_eq!(
        (codes(&facts), facts.is_table_valid),
        (vec!["disk.gpt-header", "disk.gpt-backup-only"], false)
    );
}

#[test]
fn a_gpt_requires_a_protective_mbr() {
    let whole = gpt(512, 64, 60);
    let with = |mbr: &[u8]| {
        let mut disk = whole.clone();
        disk[446..510].fill(0);
        disk[446..446 + mbr.len()].copy_from_slice(mbr);
        disk
    };
    let linux = entry(0x80, 0x83, 8, 8);
    let facts = seen(&with(&linux));
    assert_eq!((facts.contents, codes(&facts)), (Contents::Mbr, vec!["disk.gpt-unprotected"]));
    assert_eq!((facts.oddities[0].severity, facts.oddities[0].at), (Severity::Note, 512));
    assert_eq!((facts.partitions.len(), facts.partitions[0].start), (1, 8 * 512));
    let facts = seen(&with(&[]));
    assert_eq!((facts.contents, facts.partitions.len()), (Contents::BootSector, 0));
    assert_eq!(
        (codes(&facts), facts.oddities[0].severity),
        (vec!["disk.gpt-unprotected"], Severity::Warning)
    );
    let facts = seen(&with(&[entry(0, 0xee, 1, 7), linux].concat()));
    assert_eq!((facts.contents, codes(&facts)), (Contents::Gpt, vec!["disk.hybrid-mbr"]));
    assert!(facts.has_hybrid_mbr && facts.partitions.len() == 2);
    let mut end_only = with(&entry(0x80, 0x83, 8, 8));
    end_only[512] = 0;
    assert_eq!(codes(&seen(&end_only)), [""; 0], "an old copy at the end is no table");
}

#[test]
fn the_gpt_at_the_declared_sector_size_is_preferred() {
    let mut disk = gpt(4096, 64, 40);
    let old = gpt(512, 512, 60);
    disk[512..2048].copy_from_slice(&old[512..2048]);
    for (sector, want) in [(512, 512), (4096, 4096)] {
        let facts = inspect(&disk, Wanted { sector, ..Wanted::default() }).unwrap();
        assert_eq!((facts.contents, facts.sector), (Contents::Gpt, want));
    }
}

#[test]
fn the_sector_size_of_an_mbr_is_that_of_its_volumes() {
    let used = entry(0, 0x83, 8, 8);
    let xfs: (usize, &[u8]) = (8 * 4096, b"XFSB\0\0\x10\0");
    let sector = |parts: &[(usize, &[u8])], declared| {
        let disk = disk(16 * 4096, &[&[SIGNATURE, (446, &used)][..], parts].concat());
        let facts = inspect(&disk, Wanted { sector: declared, ..Wanted::default() }).unwrap();
        (facts.sector, facts.partitions[0].start)
    };
    assert_eq!(sector(&[xfs], 512), (4096, 8 * 4096));
    assert_eq!(sector(&[xfs], 4096), (4096, 8 * 4096));
    assert_eq!(sector(&[], 512), (512, 8 * 512));
    assert_eq!(sector(&[], 4096), (4096, 8 * 4096));
    assert_eq!(sector(&[(8 * 512, xfs.1)], 4096), (512, 8 * 512));
    assert_eq!(sector(&[(8 * 512, xfs.1), xfs], 512), (512, 8 * 512));
    let short = disk(15 * 4096, &[SIGNATURE, (446, &used), xfs]);
    assert_eq!(seen(&short).sector, 512, "in large sectors it would end after the disk");
}

#[test]
fn bios_boot_from_gpt_requires_a_bios_boot_partition() {
    let mut disk = gpt(512, 64, 60);
    assert!(!seen(&disk).starts_from_bios(), "no code");
    disk[0] = 0xeb;
    assert!(!seen(&disk).starts_from_bios(), "the code leads nowhere");
    let mut hybrid = disk.clone();
    hybrid[462..478].copy_from_slice(&entry(0x80, 0x0c, 8, 8));
    assert!(seen(&hybrid).starts_from_bios());
}

#[test]
fn a_protective_mbr_without_a_gpt_is_reported() {
    let mut disk = gpt(512, 64, 60);
    disk[512] = 0;
    disk[63 * 512] = 0;
    assert_eq!(seen(&disk).contents, Contents::Protective);
}

#[test]
fn a_partition_table_takes_precedence_over_an_old_volume() {
    let used = entry(0, 0x83, 100, 50);
    let facts = seen(&disk(200 * 512, &[SIGNATURE, (446, &used), (32768, b"\x01CD001\x01")]));
    assert_eq!((facts.contents, codes(&facts)), (Contents::Mbr, vec!["disk.also"]));
}

/// Counts reads, and fails after an offset.
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
fn an_inspection_is_bounded() {
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
    // The copy at the end would be used, since the checksums are wrong.
    let last = disk.len() - 512;
    disk[last] = 0;
    let watched = Watched { disk, fails_from: u64::MAX, read: AtomicU64::new(0) };
    let facts = inspect(&watched, Wanted::default()).unwrap();
    assert_eq!(facts.partitions.len(), 1024);
    assert!(watched.read.load(Ordering::Relaxed) <= MAX_READ);
}

#[test]
fn unreadable_sectors_are_skipped_and_reported() {
    let disk = gpt(512, 400, 300);
    let watched = Watched { disk, fails_from: 100_000, read: AtomicU64::new(0) };
    let facts = inspect(&watched, Wanted::default()).unwrap();
    assert_eq!((facts.contents, facts.partitions.len()), (Contents::Gpt, 2));
    assert!(!facts.unread.is_empty() && facts.oddities.is_empty(), "{facts:?}");
    let near = inspect(&watched, Wanted { reach: 100_000, ..Wanted::default() }).unwrap();
    assert_eq!((near.unread.len(), near.oddities.len()), (0, 0), "after the reach nothing is read");
    let watched = Watched { fails_from: 100, ..watched };
    assert!(inspect(&watched, Wanted::default()).is_err(), "the beginning is needed");
}

#[test]
fn facts_use_the_standard_names() {
    use imgprep_map::Value;
    let details = seen(&gpt(512, 64, 40)).details();
    let keys: Vec<_> = details.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, ["contents", "partition-table", "sector-size", "boot", "partitions"]);
    assert_eq!(details[0].1, Value::Text("GPT partitions".into()));
}
