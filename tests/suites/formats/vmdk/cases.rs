//! VMDKs from reports of users: blank descriptors, redundant tables, fields without flags, and limits.

use std::fs::write;

use imgprep::{Disk, Limits, OpenOptions, ParseOptions};
use testdata_gen::vmdk_cases as cases;

use crate::formats::vmdk::commands::{checked, disk, find, refused, row};
use crate::support::program::{has_tool, imgprep, printed, tool};

#[test]
fn blank_descriptor_is_an_extent_without_a_descriptor() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let texts: [(&str, &[u8]); 7] = [
        ("newline", b"\n"),
        ("comment", b"# nothing here\n"),
        ("magic", b"# Disk DescriptorFile\n"),
        ("garbage", b"\x80\x81 garbage that is no text\n"),
        ("version", b"# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\n"),
        ("data-base", b"#DDB\nddb.adapterType = \"ide\"\n"),
        ("zeros", b""),
    ];
    for (name, text) in texts {
        let file = format!("{name}.vmdk");
        write(folder.join(&file), cases::extent_with_text(text)).unwrap();
        let (code, at, _) = refused(folder, &file, &[]);
        assert_eq!((&*code, at), ("vmdk.extent.alone", Some(0)), "{name}");
        let (exit, found) = checked(folder, &file, &[]);
        assert!(exit == 2 && found.contains(&row("vmdk.extent.alone", "error", 0)), "{name}: {found:?}");
        // No remedy makes a disk out of a part.
        let text = printed(&imgprep(folder, &["check", &file]));
        assert!(!text.contains("remedy") && !text.contains("--salvage"), "{text}");
    }
    // With a descriptor it is a disk.
    write(folder.join("whole.vmdk"), cases::extent_with_text(cases::text_of_extent().as_bytes())).unwrap();
    assert_eq!(disk(folder, "whole.vmdk", &[]).len(), 1 << 20);
}

#[test]
fn redundant_tables_that_differ_are_a_warning_of_convert() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let case = cases::redundant();
    write(folder.join("a.vmdk"), &case.file).unwrap();
    let output = imgprep(folder, &["convert", "a.vmdk", "a.raw", "--no-sync"]);
    assert!(
        output.status.success() && !printed(&output).contains("vmdk.check.redundant"),
        "{}",
        printed(&output)
    );
    // The table that is read, its copy, the redundant directory: whichever was damaged.
    let copy = case.entries[1] as u64;
    for (at, place) in
        [(case.entries[0], copy), (case.entries[1], copy), (case.directory, case.directory as u64)]
    {
        let mut damaged = case.file.clone();
        damaged[at..at + 4].fill(0);
        write(folder.join("a.vmdk"), damaged).unwrap();
        let output = imgprep(folder, &["convert", "a.vmdk", "b.raw", "--no-sync", "--force"]);
        let text = printed(&output);
        assert!(output.status.success(), "{text}");
        assert!(text.contains(&format!("[vmdk.check.redundant, file offset {place}]")), "{at}: {text}");
        let (_, found) = checked(folder, "a.vmdk", &[]);
        assert!(found.contains(&row("vmdk.check.redundant", "warning", place)), "{at}: {found:?}");
    }
}

/// The header's flag decides whether there is a redundant directory, and whether the newline bytes count.
#[test]
fn fields_without_their_flag_are_ignored() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let case = cases::redundant();
    write(folder.join("a.vmdk"), &case.file).unwrap();
    let whole = disk(folder, "a.vmdk", &[]);
    let mut damaged = case.file.clone();
    damaged[case.entries[1]..case.entries[1] + 4].fill(0xff);
    damaged[73..77].copy_from_slice(b"\r\n \r");
    write(folder.join("a.vmdk"), &damaged).unwrap();
    assert_eq!(refused(folder, "a.vmdk", &[]).0, "vmdk.header.newlines");
    // Neither flag: the copy is not compared, and its place outside of the file is no finding.
    damaged[8] = 0;
    damaged[48..56].copy_from_slice(&(1u64 << 40).to_le_bytes());
    write(folder.join("a.vmdk"), &damaged).unwrap();
    assert!(disk(folder, "a.vmdk", &[]) == whole);
    let (exit, found) = checked(folder, "a.vmdk", &[]);
    let is_about_copy = |found: &&(String, String, Option<u64>)| found.0.contains("redundant");
    assert!(exit != 2 && !found.iter().any(|found| is_about_copy(&found)), "{found:?}");
    // With the redundant directory's flag its place is one.
    damaged[8] = 2;
    write(folder.join("a.vmdk"), &damaged).unwrap();
    let (_, found) = checked(folder, "a.vmdk", &[]);
    assert!(found.contains(&row("vmdk.redundant.past-end", "warning", 48)), "{found:?}");
}

#[test]
fn codes_of_limits_and_unusual_offsets() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    // A text of the limit is read, one of a byte more is not.
    let mut text = cases::text_descriptor("vmfs", &[("ZERO", "")]).replace(" \"\"", "");
    text = text.replace("\"vmfs\"", "\"custom\"");
    let room = (1 << 20) - text.len();
    text += &"#".repeat(room);
    write(folder.join("a.vmdk"), &text).unwrap();
    assert_eq!(disk(folder, "a.vmdk", &[]).len(), 2048 * 512);
    write(folder.join("a.vmdk"), text + "#").unwrap();
    let (code, at, message) = refused(folder, "a.vmdk", &[]);
    assert_eq!((&*code, at), ("vmdk.limit.descriptor", Some(0)));
    assert!(message.contains("1048577"), "{message}");
    // A cut stream of more grains than may be kept: 24 bytes each.
    write(folder.join("a.vmdk"), cases::cut_stream(11)).unwrap();
    let opened = |grains: u64| {
        let limits = Limits { resident_bytes: grains * 24, ..Limits::default() };
        let parse = ParseOptions { limits, salvage: true, ..ParseOptions::default() };
        Disk::open(&folder.join("a.vmdk"), &OpenOptions { parse, ..OpenOptions::default() })
    };
    assert_eq!(opened(11).unwrap().size(), 11 * 4096);
    let error = opened(10).err().unwrap();
    assert_eq!((error.code().id, error.at()), ("vmdk.limit.grains", Some(128 * 512 + 10 * 512)));
    // An extent of more than 2 GiB in a disk of parts of 2 GiB.
    let (text, part) = cases::large_extent();
    write(folder.join("large.vmdk"), &text).unwrap();
    write(folder.join("large-s001.vmdk"), part).unwrap();
    let (_, found) = checked(folder, "large.vmdk", &["--follow", "beside"]);
    let at = find(text.as_bytes(), "RW ");
    assert!(found.contains(&row("vmdk.check.extent-large", "warning", at)), "{found:?}");
    let (text, part, directory) = cases::sesparse_table_outside();
    write(folder.join("out.vmdk"), text).unwrap();
    write(folder.join("out-sesparse.vmdk"), part).unwrap();
    let (_, found) = checked(folder, "out.vmdk", &["--follow", "beside"]);
    assert!(found.contains(&row("vmdk.check.table-outside", "warning", directory)), "{found:?}");
}

/// QEMU reads the streams and the version that we read, with the same bytes.
#[test]
fn cases_readable_by_qemu_img_give_the_same_disk() {
    if !has_tool("qemu-img") {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let case = cases::streams();
    write(folder.join("a.vmdk"), &case.directory_in_header).unwrap();
    tool(folder, "qemu-img", &["convert", "-f", "vmdk", "-O", "raw", "a.vmdk", "theirs.raw"]);
    assert!(std::fs::read(folder.join("theirs.raw")).unwrap() == case.disk);
    write(folder.join("srv-flat.vmdk"), vec![7; 1 << 20]).unwrap();
    let text = cases::text_descriptor("vmfs", &[("VMFS", "srv-flat.vmdk")]).replace("version=1", "version=4");
    write(folder.join("srv.vmdk"), text).unwrap();
    tool(folder, "qemu-img", &["convert", "-f", "vmdk", "-O", "raw", "srv.vmdk", "theirs.raw"]);
    assert!(std::fs::read(folder.join("theirs.raw")).unwrap() == vec![7; 1 << 20]);
}
