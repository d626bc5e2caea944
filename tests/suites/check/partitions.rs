//! `imgprep check` of what is inside a disk: partitions and their file systems.

use serde_json::{Value, json};
use testdata_gen::{Cell, Qcow2};

use crate::support::checks::{json_of, rules, violations};

/// A disk of 4 MiB with an MBR and these bytes at the start of its two partitions, at 1 and 2 MiB.
fn partitioned(first: &[u8], second: &[u8]) -> Vec<u8> {
    let mut disk = vec![0; 4 << 20];
    disk[..2].copy_from_slice(&[0xeb, 0x63]);
    for (at, sector) in [(446, 2048u32), (462, 4096)] {
        disk[at + 4] = 0x83;
        disk[at + 8..at + 12].copy_from_slice(&sector.to_le_bytes());
        disk[at + 12..at + 16].copy_from_slice(&2048u32.to_le_bytes());
    }
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    disk[1 << 20..(1 << 20) + first.len()].copy_from_slice(first);
    disk[2 << 20..(2 << 20) + second.len()].copy_from_slice(second);
    disk
}

/// An image hidden in a partition is reported with its disk offset, for every format.
#[test]
fn contents_of_partitions_are_judged() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let inner = Qcow2::new(16, 1 << 20).write().file;
    let bitlocker = b"\xeb\x58\x90-FVE-FS-\0\x02";
    let luks = b"LUKS\xba\xbe\0\x02";
    let cases: [(&str, &[u8], &str, &str, i32); 5] = [
        ("hidden", &inner[..4096], "safety/nested-format", "partition 2 begins like a qcow2 image", 2),
        ("vmdk", b"KDMV\x01\0\0\0", "safety/nested-format", "partition 2 begins like a vmdk image", 2),
        ("luks", luks, "safety/encrypted", "partition 2 is encrypted with LUKS2", 0),
        ("bitlocker", bitlocker, "safety/encrypted", "partition 2 is encrypted with BitLocker", 0),
        ("plain", b"x", "", "", 0),
    ];
    for (name, start, rule, fact, exit) in cases {
        let mut boot = start.to_vec();
        // A volume of Windows has the signature of a boot sector.
        boot.resize(512.max(boot.len()), 0);
        boot[510..512].copy_from_slice(&[0x55, 0xaa]);
        let disk = partitioned(b"", &boot);
        let qcow2 = Qcow2::new(16, disk.len() as u64).with_disk(&disk, |_, data| Cell::Compressed(data));
        std::fs::write(folder.join(format!("{name}.raw")), &disk).unwrap();
        std::fs::write(folder.join(format!("{name}.qcow2")), qcow2.write().file).unwrap();
        for file in [format!("{name}.raw"), format!("{name}.qcow2")] {
            let (json, code) = json_of(folder, &[&file]);
            let of_safety: Vec<_> = violations(&json)
                .into_iter()
                .filter(|found| found["rule"].as_str().unwrap().starts_with("safety/"))
                .collect();
            assert_eq!(of_safety.len(), usize::from(!rule.is_empty()), "{file}: {json:#}");
            for found in of_safety {
                assert_eq!((found["rule"].as_str(), &found["disk"]["start"]), (Some(rule), &json!(2 << 20)));
                assert!(found["fact"].as_str().unwrap().starts_with(fact), "{found:#}");
            }
            assert_eq!(code, Some(exit), "{file}: {json:#}");
            let (json, _) = json_of(folder, &["--profile", "otc", &file]);
            let is_locked = rules(&json, "error").contains(&"import/encrypted".into());
            assert_eq!(is_locked, rule == "safety/encrypted", "{file}: {json:#}");
            let boots = |found: &&Value| {
                found["rule"] == "import/boot"
                    && found["fact"] == "an MBR with boot code: register it as BIOS"
            };
            assert!(violations(&json).iter().any(boots), "{file}: {json:#}");
        }
    }
}

/// A truncated RAW is recognised by its partitions only.
#[test]
fn disk_that_ends_before_its_partitions_is_reported_as_truncated() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let whole = partitioned(b"x", b"y");
    let cut = &whole[..(2 << 20) + 4096];
    std::fs::write(folder.join("whole.raw"), &whole).unwrap();
    std::fs::write(folder.join("cut.raw"), cut).unwrap();
    let qcow2 = Qcow2::new(16, cut.len() as u64).with_disk(cut, |_, data| Cell::Compressed(data));
    std::fs::write(folder.join("cut.qcow2"), qcow2.write().file).unwrap();
    for (name, code, at) in [
        ("cut.raw", "raw.partition-past-end", json!(462)),
        ("cut.qcow2", "disk.partition-past-end", Value::Null),
    ] {
        let (json, exit) = json_of(folder, &["--profile", "otc", name]);
        let is_it = |found: &&Value| {
            found["rule"] == "structure/cut" && found["code"] == code && found["offset"] == at
        };
        assert!(violations(&json).iter().any(is_it), "{name}: {json:#}");
        assert_eq!(exit, Some(2), "{name}: {json:#}");
        let reasons = json["routes"].as_array().unwrap().iter().map(|route| &route["reason"]);
        for reason in reasons {
            assert!(
                reason.as_str().unwrap().starts_with("the disk is incomplete (structure/cut): "),
                "{reason}"
            );
        }
    }
    assert_eq!(rules(&json_of(folder, &["whole.raw"]).0, "error"), Vec::<String>::new());
}

/// Without its backing file the boot sector is unknown.
#[test]
fn incomplete_disk_is_not_reported_as_bootable() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::write(folder.join("base.raw"), partitioned(b"", b"")).unwrap();
    let backing = Some(("base.raw".to_string(), Some("raw".to_string())));
    let over = Qcow2 { backing, ..Qcow2::new(16, 4 << 20) };
    std::fs::write(folder.join("over.qcow2"), over.write().file).unwrap();
    let boots = |follow: &str| {
        let (json, _) = json_of(folder, &["--profile", "otc", "--follow", follow, "over.qcow2"]);
        violations(&json).iter().any(|found| found["rule"] == "import/boot")
    };
    assert_eq!((boots("none"), boots("beside")), (false, true));
}
