//! Images of optical discs (ECMA-119, ECMA-167).

use imgprep_map::{Evidence, Probe};

use crate::foreign::{Foreign, Treatment};

const REMEDY: Treatment =
    Treatment::NoDisk("register an ISO as an ISO image instead of importing it as a disk");
const SECTORS: Treatment = Treatment::NoDisk("contains raw CD sectors: extract the ISO first");

/// Whether an image of this name may be a disk as well: a hybrid image has a partition table.
pub(crate) fn may_be_hybrid(name: &str) -> bool {
    matches!(name, "iso9660" | "udf")
}

/// Offset of the first volume descriptor, and the distance between descriptors.
const FIRST: usize = 32768;
const STEP: usize = 2048;

pub(crate) fn recognise(probe: &Probe<'_>) -> Option<Foreign> {
    let udf = udf_at(probe);
    let hybrid =
        if has_partitions(probe.head) { "; it has a partition table, too: a hybrid image" } else { "" };
    let iso = |at: usize, words: &str| {
        let bridge = if udf.is_some() { ", and UDF" } else { "" };
        found("iso9660", at, 5, format!("{words}{bridge}{hybrid}"), REMEDY)
    };
    if is_descriptor(probe, FIRST, b"CD001") {
        return Some(iso(FIRST + 1, "\"CD001\""));
    }
    if probe.has(FIRST + 9, b"CDROM\x01") {
        return Some(iso(FIRST + 9, "\"CDROM\" (High Sierra)"));
    }
    if let Some(at) = udf {
        return Some(found(
            "udf",
            at,
            5,
            format!("\"NSR0\" in a volume recognition sequence{hybrid}"),
            REMEDY,
        ));
    }
    // Sync bytes, address 00:02:00, a mode: the first sector of a CD as a drive sees it.
    let sync = b"\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\x02\0";
    let is_bin = probe.has(0, sync) && matches!(probe.head.get(15), Some(1 | 2));
    is_bin.then(|| found("cd-sectors", 0, 16, "sync bytes of a CD sector".into(), SECTORS))
}

fn found(name: &'static str, at: usize, len: u64, description: String, treatment: Treatment) -> Foreign {
    Foreign { name, evidence: Evidence { at: at as u64, len, description }, treatment }
}

/// Type (0 to 3, or 255 at the end), identifier, version 1.
fn is_descriptor(probe: &Probe<'_>, at: usize, identifier: &[u8]) -> bool {
    matches!(probe.head.get(at), Some(0..=3 | 255))
        && probe.has(at + 1, identifier)
        && probe.head.get(at + 6) == Some(&1)
}

/// The offset of an `NSR` identifier after a `BEA01` descriptor.
fn udf_at(probe: &Probe<'_>) -> Option<usize> {
    let mut begun = (FIRST..probe.head.len()).step_by(STEP).skip_while(|at| !probe.has(at + 1, b"BEA01\x01"));
    let nsr = begun.find(|at| probe.has(at + 1, b"NSR02\x01") || probe.has(at + 1, b"NSR03\x01"));
    nsr.map(|at| at + 1)
}

/// A boot record with at least one entry, as hybrid images have it.
fn has_partitions(head: &[u8]) -> bool {
    let Some(table) = head.get(446..512).filter(|table| table.ends_with(&[0x55, 0xaa])) else { return false };
    let mut entries = table[..64].chunks_exact(16);
    entries.clone().all(|entry| matches!(entry[0], 0 | 0x80))
        && entries.any(|entry| entry[12..].iter().any(|byte| *byte != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(parts: &[(usize, &[u8])]) -> Option<Foreign> {
        let mut head = vec![0; 65536];
        for (at, bytes) in parts {
            head[*at..*at + bytes.len()].copy_from_slice(bytes);
        }
        recognise(&Probe { head: &head, tail: &[], file_len: 1 << 20 })
    }

    const ISO: (usize, &[u8]) = (32768, b"\x01CD001\x01");
    const UDF: [(usize, &[u8]); 2] = [(34816, b"\0BEA01\x01"), (36864, b"\0NSR03\x01")];

    #[test]
    fn disc_images_and_hybrids_are_recognised() {
        let found = |parts: &[(usize, &[u8])]| {
            image(parts).map(|found| (found.name, found.evidence.at, found.evidence.description))
        };
        assert_eq!(found(&[ISO]), Some(("iso9660", 32769, "\"CD001\"".into())));
        assert_eq!(found(&[ISO, UDF[0], UDF[1]]), Some(("iso9660", 32769, "\"CD001\", and UDF".into())));
        let boot: [(usize, &[u8]); 2] =
            [(446, &[0x80, 0, 0, 0, 0x17, 0, 0, 0, 0, 0, 0, 0, 0, 8]), (510, &[0x55, 0xaa])];
        let (_, _, hybrid) = found(&[ISO, boot[0], boot[1]]).unwrap();
        assert!(hybrid.ends_with("a hybrid image"), "{hybrid}");
        let (name, at, _) = found(&UDF).unwrap();
        assert_eq!((name, at), ("udf", 36865));
        assert_eq!(found(&[(32777, b"CDROM\x01")]).unwrap().0, "iso9660");
        assert_eq!(
            found(&[(0, b"\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\x02\0\x01")]).unwrap().0,
            "cd-sectors"
        );
    }

    #[test]
    fn similar_bytes_are_not_recognised_as_discs() {
        for parts in [
            &[(32768, &b"\x01CD001\x02"[..])][..],
            &[(32768, b"\x07CD001\x01")],
            &[(32769, b"CD002\x01")],
            &[(36864, b"\0NSR03\x01")],
            &[(34816, b"\0BEA01\x01")],
            &[(34817, b"\0BEA01\x01"), (36865, b"\0NSR03\x01")],
            &[(0, b"\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\x02\0\x03")],
        ] {
            assert!(image(parts).is_none(), "{parts:?}");
        }
    }
}
