//! Parents that are found by their id or given by the user.

use std::fs::{create_dir, write};
use std::os::unix::fs::symlink;
use std::path::Path;

use testdata_gen::write_files;

use super::chains::{disk, image, refused, thin};
use crate::support::program::imgprep;

#[test]
fn unnamed_parent_is_found_by_its_id() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let chain = image("vdi-over-vdi");
    write_files(&chain.files, folder).unwrap();
    let base = folder.join("vdi-over-vdi-base.vdi");
    for name in ["another name.vdi", "UPPER.VDI"] {
        std::fs::rename(&base, folder.join(name)).unwrap();
        assert!(disk(folder, "vdi-over-vdi.vdi", &[]) == chain.disk, "{name}");
        std::fs::rename(folder.join(name), &base).unwrap();
    }
    // Other images beside it, one of them broken, are looked at and left alone.
    write(folder.join("noise.vdi"), [9; 5000]).unwrap();
    write_files(&image("vdi-4096").files, folder).unwrap();
    write_files(&image("vdi-undo").files, folder).unwrap();
    assert!(disk(folder, "vdi-over-vdi.vdi", &[]) == chain.disk);
    // A link to it is the same file, not a second one.
    symlink("vdi-over-vdi-base.vdi", folder.join("link.vdi")).unwrap();
    assert!(disk(folder, "vdi-over-vdi.vdi", &[]) == chain.disk);
    refused(folder, "vdi-over-vdi.vdi", &["--follow", "none"], "open.follow.denied");
    // A copy may have been written to: the parent is ambiguous.
    std::fs::copy(&base, folder.join("copy.vdi")).unwrap();
    let printed = refused(folder, "vdi-over-vdi.vdi", &["--accept-parent"], "open.parent.several");
    assert!(printed.contains("copy.vdi") && printed.contains("vdi-over-vdi-base.vdi"), "{printed}");
    std::fs::remove_file(folder.join("copy.vdi")).unwrap();
    // Another extension is not looked at.
    std::fs::rename(&base, folder.join("base.img")).unwrap();
    std::fs::remove_file(folder.join("link.vdi")).unwrap();
    let printed = refused(folder, "vdi-over-vdi.vdi", &[], "open.parent.not-found");
    assert!(printed.contains("12121212-1212-1212-1212-121212121212"), "{printed}");
}

/// `VirtualBox` keeps snapshots in a folder of their own, and their base in the one above.
#[test]
fn base_of_a_snapshot_folder_is_found_in_its_parent_folder() {
    let temp = tempfile::tempdir().unwrap();
    let (root, folder) = (temp.path(), temp.path().join("Snapshots"));
    create_dir(&folder).unwrap();
    let chain = image("vdi-chain-of-three");
    write_files(&chain.files[..2], &folder).unwrap();
    write_files(&chain.files[2..], root).unwrap();
    let printed = refused(&folder, "vdi-chain-of-three.vdi", &[], "open.parent.not-found");
    assert!(printed.contains("--follow any"), "{printed}");
    assert!(disk(&folder, "vdi-chain-of-three.vdi", &["--follow", "any"]) == chain.disk);
    assert!(disk(root, "Snapshots/vdi-chain-of-three.vdi", &["--follow", "any"]) == chain.disk);
    // A link that leads to it is outside as well.
    symlink("../vdi-chain-of-three-base.vdi", folder.join("base.vdi")).unwrap();
    refused(&folder, "vdi-chain-of-three.vdi", &[], "open.parent.not-found");
    assert!(disk(&folder, "vdi-chain-of-three.vdi", &["--follow", "any"]) == chain.disk);
}

#[test]
fn changed_parent_is_a_finding() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let mut chain = image("vdi-over-vdi");
    let findings = |folder: &Path| {
        let output = imgprep(folder, &["info", "vdi-over-vdi.vdi", "--follow", "beside", "--output", "json"]);
        let info: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let findings = info["findings"].as_array().unwrap().clone();
        findings.into_iter().find(|finding| finding["code"] == "open.parent.changed")
    };
    write_files(&chain.files, folder).unwrap();
    assert_eq!(findings(folder), None);
    // The parent's own modification uuid.
    chain.files[1].bytes[408] = 0x77;
    write_files(&chain.files, folder).unwrap();
    let finding = findings(folder).expect("it is reported");
    assert_eq!((&finding["severity"], &finding["offset"]), (&"error".into(), &424.into()));
    assert!(disk(folder, "vdi-over-vdi.vdi", &[]) == chain.disk);
    // A child that does not note it has nothing to compare.
    chain.files[0].bytes[440..456].fill(0);
    write_files(&chain.files, folder).unwrap();
    assert_eq!(findings(folder), None);
}

/// A parent that its child cannot name, in another folder and under another extension.
#[test]
fn parent_named_by_the_user_is_used() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let chain = image("vdi-over-vdi");
    write_files(&chain.files, folder).unwrap();
    create_dir(folder.join("elsewhere")).unwrap();
    std::fs::rename(folder.join("vdi-over-vdi-base.vdi"), folder.join("elsewhere/base.bin")).unwrap();
    let printed = refused(folder, "vdi-over-vdi.vdi", &[], "open.parent.not-found");
    assert!(printed.contains("--parent"), "{printed}");
    let base = ["--parent", "elsewhere/base.bin"];
    assert!(disk(folder, "vdi-over-vdi.vdi", &base) == chain.disk);
    // A parent named by the user is opened even if the name in the image is unusable.
    assert!(disk(folder, "vdi-over-vdi.vdi", &[&base[..], &["--follow", "none"]].concat()) == chain.disk);
    // Another image is rejected as the parent unless the user accepts it.
    write_files(&image("vdi-4096").files, folder).unwrap();
    let other = ["--parent", "vdi-4096.vdi"];
    refused(folder, "vdi-over-vdi.vdi", &other, "open.parent.mismatch");
    assert_eq!(
        disk(folder, "vdi-over-vdi.vdi", &[&other[..], &["--accept-parent"]].concat()).len(),
        chain.disk.len()
    );
    refused(folder, "vdi-over-vdi.vdi", &["--parent", "gone"], "io.open.not-found");
    refused(folder, "vdi-over-vdi.vdi", &["--parent", "vdi-over-vdi.vdi"], "open.chain.cycle");
    refused(folder, "vdi-4096.vdi", &base, "open.parent.none");
    refused(folder, "vdi-over-vdi.vdi", &[base, base].concat(), "open.parent.none");
}

/// Several that call themselves the same; a chain of three of which the user names both.
#[test]
fn every_parent_of_a_chain_can_be_named() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let chain = image("vdi-chain-of-three");
    write_files(&chain.files, folder).unwrap();
    for name in ["middle", "base"] {
        let file = folder.join(format!("vdi-chain-of-three-{name}.vdi"));
        std::fs::copy(&file, folder.join(format!("{name}-copy.vdi"))).unwrap();
    }
    let printed = refused(folder, "vdi-chain-of-three.vdi", &[], "open.parent.several");
    assert!(printed.contains("select the parent with --parent"), "{printed}");
    let middle = ["--parent", "middle-copy.vdi"];
    refused(folder, "vdi-chain-of-three.vdi", &middle, "open.parent.several");
    let both = [&middle[..], &["--parent", "base-copy.vdi"]].concat();
    assert!(disk(folder, "vdi-chain-of-three.vdi", &both) == chain.disk);
    // Names in images are ignored where the user gives another.
    write(folder.join("base"), vec![1; 2 << 16]).unwrap();
    write(folder.join("other"), vec![4; 2 << 16]).unwrap();
    write(folder.join("top.qcow2"), thin("base", "raw", 2 << 16)).unwrap();
    assert!(disk(folder, "top.qcow2", &["--parent", "other"]) == vec![4; 2 << 16]);
    let info = imgprep(folder, &["info", "top.qcow2", "base", "--parent", "other"]);
    let printed = crate::support::program::printed(&info);
    assert!(info.status.code() == Some(1) && printed.contains("--parent applies to one image"), "{printed}");
}
