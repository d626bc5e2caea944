//! Descriptors of VMDKs: encodings, versions, names of files, and codes.

use std::ffi::OsStr;
use std::fs::write;
use std::os::unix::ffi::OsStrExt as _;

use testdata_gen::vmdk_cases as cases;

use crate::formats::vmdk::commands::{checked, disk, find, refused, row};
use crate::support::program::{imgprep, printed};

#[test]
fn descriptor_version_4_is_read_and_5_is_rejected() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let bytes = vec![7; 1 << 20];
    write(folder.join("srv-flat.vmdk"), &bytes).unwrap();
    let text = cases::text_descriptor("vmfs", &[("VMFS", "srv-flat.vmdk")]);
    for version in 1..=4 {
        write(folder.join("srv.vmdk"), text.replace("version=1", &format!("version={version}"))).unwrap();
        assert!(disk(folder, "srv.vmdk", &[]) == bytes, "{version}");
        assert!(imgprep(folder, &["info", "srv.vmdk"]).status.success());
    }
    write(folder.join("srv.vmdk"), text.replace("version=1", "version=5")).unwrap();
    let (code, at, message) = refused(folder, "srv.vmdk", &[]);
    assert_eq!((&*code, at), ("vmdk.header.version", Some(find(text.as_bytes(), "version"))));
    assert!(message.contains("version 5 of the descriptor: supported are 1 to 4"), "{message}");
}

/// A descriptor in `label` of a flat extent that has this name in it.
fn encoded(label: &str, name: &[u8]) -> Vec<u8> {
    let text = cases::text_descriptor("monolithicFlat", &[("FLAT", "@")]).replace("UTF-8", label);
    let at = text.find('@').unwrap();
    [&text.as_bytes()[..at], name, &text.as_bytes()[at + 1..]].concat()
}

/// Labels and names in them, as bytes and in UTF-8.
const ENCODED: [(&str, &[u8], &str); 6] = [
    ("GBK", b"\xb7\xfe\xce\xf1\xc6\xf7-flat.vmdk", "服务器-flat.vmdk"),
    ("Big5", b"\xa6\xf8\xaaA\xbe\xb9-flat.vmdk", "伺服器-flat.vmdk"),
    ("Shift_JIS", b"\x89\xbc\x91\x7a-flat.vmdk", "仮想-flat.vmdk"),
    ("EUC-KR", b"\xbc\xad\xb9\xf6-flat.vmdk", "서버-flat.vmdk"),
    ("windows-1251", b"\xd1\xe5\xf0\xe2\xe5\xf0-flat.vmdk", "Сервер-flat.vmdk"),
    ("windows-1252", b"B\xfcro-flat.vmdk", "Büro-flat.vmdk"),
];

#[test]
fn descriptor_encodings_are_decoded_or_kept_unchanged() {
    for (label, raw, decoded) in ENCODED {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path();
        write(folder.join("disk.vmdk"), encoded(label, raw)).unwrap();
        let (code, _, message) = refused(folder, "disk.vmdk", &[]);
        assert_eq!(code, "open.name.missing");
        assert!(message.contains(&format!("{decoded:?}")), "{label}: {message}");
        assert!(message.contains(&format!("its name is in {label}")), "{message}");
        // The unchanged bytes, as a copy over a network without conversion leaves them.
        write(folder.join(OsStr::from_bytes(raw)), vec![1; 1 << 20]).unwrap();
        assert!(disk(folder, "disk.vmdk", &[]) == vec![1; 1 << 20], "{label}");
        // The decoded name comes first.
        write(folder.join(decoded), vec![2; 1 << 20]).unwrap();
        assert!(disk(folder, "disk.vmdk", &[]) == vec![2; 1 << 20], "{label}");
    }
    // UTF-8 under a label that it is not.
    let temp = tempfile::tempdir().unwrap();
    write(temp.path().join("disk.vmdk"), encoded("windows-1252", "Büro".as_bytes())).unwrap();
    write(temp.path().join("Büro"), vec![3; 1 << 20]).unwrap();
    assert!(disk(temp.path(), "disk.vmdk", &[]) == vec![3; 1 << 20]);
    // An unknown label: the bytes are kept, with a finding.
    write(temp.path().join("disk.vmdk"), encoded("IBM850", b"B\x81ro")).unwrap();
    write(temp.path().join(OsStr::from_bytes(b"B\x81ro")), vec![4; 1 << 20]).unwrap();
    assert!(disk(temp.path(), "disk.vmdk", &[]) == vec![4; 1 << 20]);
    let (_, found) = checked(temp.path(), "disk.vmdk", &[]);
    assert!(found.contains(&row("vmdk.descriptor.encoding", "warning", 0)), "{found:?}");
}

#[test]
fn descriptor_encodings_of_parents_are_decoded_too() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let (label, raw, decoded) = ENCODED[0];
    let base = cases::text_descriptor("monolithicFlat", &[("FLAT", "base-flat.vmdk")]);
    write(folder.join("base-flat.vmdk"), vec![5; 1 << 20]).unwrap();
    let child = cases::text_descriptor("custom", &[("SPARSE", "child-s001.vmdk")]).replace("UTF-8", label);
    let at = child.find("\n# Extent").unwrap();
    let hint = [b"parentFileNameHint=\"", raw, b"\"\n"].concat();
    let child = [&child.as_bytes()[..at], &hint, &child.as_bytes()[at..]].concat();
    let at = find(&child, "parentCID=ffffffff") as usize + 10;
    let child = [&child[..at], b"1f0a2b3c", &child[at + 8..]].concat();
    write(folder.join("child.vmdk"), child).unwrap();
    write(folder.join("child-s001.vmdk"), cases::empty_part()).unwrap();
    let (code, _, message) = refused(folder, "child.vmdk", &[]);
    assert_eq!(code, "open.name.missing");
    assert!(message.contains(&format!("{decoded:?}")) && message.contains("its name is in GBK"), "{message}");
    for name in [OsStr::from_bytes(raw), OsStr::new(decoded)] {
        write(folder.join(name), &base).unwrap();
        assert!(disk(folder, "child.vmdk", &[]) == vec![5; 1 << 20], "{name:?}");
        std::fs::remove_file(folder.join(name)).unwrap();
    }
}

#[test]
fn similar_file_names_are_suggested_in_the_error() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    for (wanted, there, why) in [
        (
            "B\u{fc}ro-flat.vmdk",
            "Bu\u{308}ro-flat.vmdk",
            "has the same name in another Unicode normalization",
        ),
        (
            "Ca\u{301}fe-flat.vmdk",
            "C\u{e1}fe-flat.vmdk",
            "has the same name in another Unicode normalization",
        ),
        ("Win7-flat.vmdk", "win7-FLAT.VMDK", "differs in upper and lower case"),
        ("web 01-flat.vmdk", "web%2001-flat.vmdk", "has the same name with other percent-encoding"),
        ("web%2002-flat.vmdk", "web 02-flat.vmdk", "has the same name with other percent-encoding"),
        ("C:\\VMs\\server-flat.vmdk", "serevr-flat.vmdk", "differs in 2 characters"),
    ] {
        write(folder.join(there), vec![1; 1 << 20]).unwrap();
        write(folder.join("disk.vmdk"), cases::text_descriptor("vmfs", &[("VMFS", wanted)])).unwrap();
        let (code, _, message) = refused(folder, "disk.vmdk", &[]);
        assert_eq!(code, "open.name.missing");
        assert!(message.contains(&format!("{there:?} next to the image {why}")), "{message}");
        std::fs::remove_file(folder.join(there)).unwrap();
    }
    // Nothing near: no guess. Another part of the disk is not meant.
    write(folder.join("disk-s001.vmdk"), cases::sparse_part()).unwrap();
    let text =
        cases::text_descriptor("custom", &[("SPARSE", "disk-s001.vmdk"), ("SPARSE", "disk-s002.vmdk")]);
    write(folder.join("disk.vmdk"), text).unwrap();
    let (_, _, message) = refused(folder, "disk.vmdk", &[]);
    assert!(message.contains("\"disk-s002.vmdk\", which does not exist ["), "{message}");
}

#[test]
fn fulldevice_descriptor_over_a_file_error_names_the_file_as_the_disk() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    write(folder.join("pc.img"), vec![9; 1 << 20]).unwrap();
    let text = cases::text_descriptor("fullDevice", &[("FLAT", "pc.img")]);
    write(folder.join("fulldevice.vmdk"), &text).unwrap();
    let (code, at, message) = refused(folder, "fulldevice.vmdk", &[]);
    assert_eq!((&*code, at), ("vmdk.descriptor.physical", Some(find(text.as_bytes(), "createType"))));
    assert!(message.contains(": the disk is in pc.img, as a RAW disk ["), "{message}");
    assert!(disk(folder, "pc.img", &["--from", "raw"]) == vec![9; 1 << 20]);
    let device = cases::text_descriptor("fullDevice", &[("FLAT", "/dev/sdb")]);
    write(folder.join("fulldevice.vmdk"), device).unwrap();
    let (_, _, message) = refused(folder, "fulldevice.vmdk", &[]);
    assert!(message.contains("a device of another machine"), "{message}");
}

#[test]
fn descriptor_with_a_nul_is_rejected() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let text = cases::text_of_extent();
    let whole = cases::extent_with_text(text.as_bytes());
    write(folder.join("a.vmdk"), &whole).unwrap();
    let disk_bytes = disk(folder, "a.vmdk", &[]);
    // Some of everywhere, and every byte of the line that names the extent.
    let line = text.find("RW ").unwrap();
    for at in (0..text.len()).filter(|at| at % 31 == 0 || (line - 2..line + 12).contains(at)) {
        let mut cut = whole.clone();
        cut[512 + at] = 0;
        write(folder.join("a.vmdk"), cut).unwrap();
        let output = imgprep(folder, &["convert", "a.vmdk", "b.raw", "--no-sync", "--force"]);
        let printed = printed(&output);
        if output.status.success() {
            // The last byte, or a line of the data base that begins with the NUL.
            let is_read = std::fs::read(folder.join("b.raw")).unwrap() == disk_bytes;
            let is_reported = printed.contains("vmdk.descriptor.after-end") || at + 1 == text.len();
            assert!(is_read && is_reported, "{at}: {printed}");
        } else {
            let place = format!("[vmdk.descriptor.nul, file offset {}]", 512 + at);
            assert!(
                printed.contains(&place) || at == 0 && printed.contains("[vmdk.extent.alone"),
                "{at}: {printed}"
            );
        }
    }
}

#[test]
fn codes_of_unusual_descriptors() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let text = cases::text_of_extent();
    let put = |text: &str| write(folder.join("a.vmdk"), cases::extent_with_text(text.as_bytes())).unwrap();
    let second = text.replace("\n\n# The Disk Data Base", "\nRW 1 ZERO\n\n# The Disk Data Base");
    put(&second);
    let (code, at, _) = refused(folder, "a.vmdk", &[]);
    assert_eq!(
        (&*code, at),
        ("vmdk.descriptor.embedded-extents", Some(512 + find(second.as_bytes(), "RW 1 ZERO")))
    );
    put(&text.replace("isNativeSnapshot=\"no\"", "isNativeSnapshot=\"yes\""));
    let (exit, found) = checked(folder, "a.vmdk", &[]);
    let at = 512 + find(text.as_bytes(), "isNative");
    assert!(exit == 0 && found.contains(&row("vmdk.descriptor.native-snapshot", "warning", at)), "{found:?}");
    put(&text.replace("\nCID=", "\nxID="));
    let (_, found) = checked(folder, "a.vmdk", &[]);
    assert!(found.contains(&row("vmdk.descriptor.no-cid", "warning", 512)), "{found:?}");
    put(&text.replace("RW 2048", "RW 2047"));
    let (exit, found) = checked(folder, "a.vmdk", &[]);
    assert!(exit == 0 && found.contains(&row("vmdk.extent.rounded", "note", 12)), "{found:?}");
    assert_eq!(disk(folder, "a.vmdk", &[]).len(), 2047 * 512);
}
