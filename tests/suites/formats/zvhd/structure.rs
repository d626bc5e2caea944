//! Rules about the structure of a ZVHD2.

use serde_json::Value;
use testdata_gen::good;

use crate::support::checks::{json_of, violations};

/// A ZVHD2 of two records, and the offset of its last page.
fn zvhd2() -> (Vec<u8>, usize) {
    let image = good().into_iter().find(|image| image.name == "zvhd2-zstd").expect("it is there");
    let bytes = image.files[0].bytes.clone();
    let last = bytes.len() - 4096;
    (bytes, last)
}

fn number(bytes: &[u8], at: usize) -> usize {
    usize::try_from(u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())).unwrap()
}

/// Puts the right checksum into a header page.
fn seal(page: &mut [u8]) {
    page[64..68].fill(0);
    let sum: u32 = page[..512].iter().map(|byte| u32::from(*byte)).sum();
    page[64..68].copy_from_slice(&(!sum).to_le_bytes());
}

/// What the vendor's reader relies on, and reading the disk does not.
#[test]
fn zvhd2_structure_rules_are_reported() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let (good, last) = zvhd2();
    let (index, count) = (number(&good, last + 96), number(&good, last + 136) & 0xffff_ffff);
    let both = |edit: &dyn Fn(&mut [u8])| {
        let mut file = good.clone();
        for page in [0, last] {
            edit(&mut file[page..page + 4096]);
            seal(&mut file[page..page + 4096]);
        }
        file
    };
    let with = |at: usize, byte: u8| {
        let mut file = good.clone();
        file[at] = byte;
        file
    };
    // A page of nothing before the second record, with all offsets moved.
    let mut gap = good.clone();
    let second = number(&good, index + 16);
    gap.splice(second..second, [0; 4096]);
    for rank in 1..count {
        let at = index + 4096 + rank * 16;
        let moved = number(&gap, at) as u64 + 4096;
        gap[at..at + 8].copy_from_slice(&moved.to_le_bytes());
    }
    for field in [96, 104] {
        let at = last + 4096 + field;
        let moved = number(&gap, at) as u64 + 4096;
        gap[at..at + 8].copy_from_slice(&moved.to_le_bytes());
    }
    seal(&mut gap[last + 4096..]);
    let cases = [
        (
            "current size",
            both(&|page| page[48..56].copy_from_slice(&(5u64 << 30).to_le_bytes())),
            "zvhd.header.current-size",
            2,
            last + 48,
        ),
        ("disk type", both(&|page| page[60] = 3), "zvhd.header.disk-type", 0, last + 60),
        (
            "application",
            both(&|page| page[28..32].copy_from_slice(b"vpc ")),
            "zvhd.header.application",
            0,
            last + 28,
        ),
        ("page after the records", with(index - 4096, b'Z'), "zvhd.header.middle", 2, index - 4096),
        (
            "index after its end",
            with(index + count * 16 + 100, 1),
            "zvhd.index.rest",
            0,
            index + count * 16 + 100,
        ),
        ("gap between records", gap, "zvhd.record.gap", 2, second + 4096),
    ];
    for (name, file, code, exit, at) in cases {
        std::fs::write(folder.join("a.zvhd2"), file).unwrap();
        let (json, got) = json_of(folder, &["a.zvhd2"]);
        let is_it = |found: &&Value| found["code"] == code && found["offset"] == at;
        assert!(violations(&json).iter().any(is_it), "{name}: {json:#}");
        assert_eq!(got, Some(exit), "{name}: {json:#}");
    }
    std::fs::write(folder.join("a.zvhd2"), good).unwrap();
    assert!(violations(&json_of(folder, &["--deep", "a.zvhd2"]).0).is_empty());
}
