//! QCOW2 against `qemu-img` and `qemu-io`: images of another writer, read by another reader.

use testdata_gen::{good, write_files};

use crate::support::program::{has_tool, imgprep, printed, tool};
use crate::support::qemu::{same, source};

#[test]
fn qcow2_of_every_cluster_size_version_and_compression() {
    if !has_tool("qemu-img") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    source(folder.path());
    for size in ["512", "1k", "4k", "64k", "2M"] {
        for options in ["compat=0.10", "compat=1.1", "compression_type=zstd"] {
            // No tool writes zstd clusters of 512 bytes.
            for compressed in
                [&[][..], &["-c"]].into_iter().filter(|_| size != "512" || options != "compression_type=zstd")
            {
                let options = format!("cluster_size={size},{options}");
                let args = [
                    &["convert", "-f", "raw", "-O", "qcow2", "-o", &options],
                    compressed,
                    &["src.raw", "a.qcow2"],
                ]
                .concat();
                tool(folder.path(), "qemu-img", &args);
                same(folder.path(), "a.qcow2");
            }
        }
    }
}

#[test]
fn qcow2_preallocated_at_odd_sizes() {
    if !has_tool("qemu-img") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for mode in ["off", "metadata", "falloc", "full"] {
        for size in ["0", "512", "65024", "65536", "66048", "536870912", "536871424"] {
            if size.len() > 6 && mode != "off" && mode != "metadata" {
                continue;
            }
            let options = format!("preallocation={mode}");
            tool(
                folder.path(),
                "qemu-img",
                &["create", "-q", "-f", "qcow2", "-o", &options, "a.qcow2", size],
            );
            same(folder.path(), "a.qcow2");
        }
    }
}

#[test]
fn qcow2_with_subclusters_written_in_part() {
    if !has_tool("qemu-img") || !has_tool("qemu-io") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for size in ["16k", "64k", "2M"] {
        let options = format!("cluster_size={size},extended_l2=on");
        tool(folder.path(), "qemu-img", &["create", "-q", "-f", "qcow2", "-o", &options, "a.qcow2", "20M"]);
        for (pattern, at) in [(1, 123), (2, 3123), (3, 9000)] {
            let write = format!("write -P {pattern} {at}k 3k");
            let zero = format!("write -z {}k 70k", at + 40);
            let drop = format!("discard {}k 8k", at + 64);
            tool(folder.path(), "qemu-io", &["-c", &write, "-c", &zero, "-c", &drop, "a.qcow2"]);
            same(folder.path(), "a.qcow2");
        }
    }
}

#[test]
fn qcow2_chains_and_data_files() {
    if !has_tool("qemu-img") || !has_tool("qemu-io") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    source(folder.path());
    let create =
        |args: &[&str]| tool(folder.path(), "qemu-img", &[&["create", "-q", "-f", "qcow2"], args].concat());
    create(&["-b", "src.raw", "-F", "raw", "a.qcow2"]);
    tool(folder.path(), "qemu-io", &["-c", "write -P 7 1M 2M", "-c", "write -z 4M 64k", "a.qcow2"]);
    same(folder.path(), "a.qcow2");
    create(&["-b", "a.qcow2", "-F", "qcow2", "longer.qcow2", "9M"]);
    tool(folder.path(), "qemu-io", &["-c", "write -P 9 8M 300k", "longer.qcow2"]);
    same(folder.path(), "longer.qcow2");
    create(&["-b", "longer.qcow2", "-F", "qcow2", "shorter.qcow2", "2M"]);
    same(folder.path(), "shorter.qcow2");
    for is_raw in ["on", "off"] {
        let (image, data) =
            (format!("{is_raw}.qcow2"), format!("data_file={is_raw}.data,data_file_raw={is_raw}"));
        create(&["-o", &data, &image, "10M"]);
        tool(folder.path(), "qemu-io", &["-c", "write -P 9 0 2M", "-c", "write -P 3 5M 64k", &image]);
        same(folder.path(), &image);
    }
}

/// `qemu-img convert -l` gives a snapshot the size that the disk has now. The specification
/// keeps the snapshot's own size in its table (extra data, bytes 8 to 15), and a snapshot
/// taken before the disk grew is as long as the disk was then: ours is the specification's.
#[test]
fn qcow2_snapshots_have_their_own_size_unlike_qemu_img() {
    if !has_tool("qemu-img") || !has_tool("qemu-io") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, args: &[&str]| tool(folder.path(), name, args);
    run("qemu-img", &["create", "-q", "-f", "qcow2", "s.qcow2", "4M"]);
    run("qemu-io", &["-c", "write -P 1 0 3M", "s.qcow2"]);
    run("qemu-img", &["snapshot", "-c", "one", "s.qcow2"]);
    run("qemu-img", &["resize", "-q", "s.qcow2", "6M"]);
    run("qemu-io", &["-c", "write -P 2 1M 4M", "s.qcow2"]);
    same(folder.path(), "s.qcow2");
    run("qemu-img", &["convert", "-l", "one", "-O", "raw", "s.qcow2", "theirs.raw"]);
    let output = imgprep(folder.path(), &["convert", "-l", "one", "s.qcow2", "ours.raw", "--force"]);
    assert!(output.status.success(), "{}", printed(&output));
    let (ours, theirs) = (
        std::fs::read(folder.path().join("ours.raw")).unwrap(),
        std::fs::read(folder.path().join("theirs.raw")).unwrap(),
    );
    assert_eq!((ours.len(), theirs.len()), (4 << 20, 6 << 20));
    assert!(theirs.starts_with(&ours));
    assert!(theirs[4 << 20..].iter().all(|byte| *byte == 0));
}

/// The encoder of the test images, compared with the same reader.
#[test]
fn test_images_are_read_by_qemu_img() {
    if !has_tool("qemu-img") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for image in good().into_iter().filter(|image| image.format == "qcow2" && image.snapshot.is_none()) {
        let path = write_files(&image.files, folder.path()).unwrap().display().to_string();
        tool(folder.path(), "qemu-img", &["convert", "-f", "qcow2", "-O", "raw", &path, "theirs.raw"]);
        let theirs = std::fs::read(folder.path().join("theirs.raw")).unwrap();
        // qemu-img leaves out the last part of a sector, though the header's size is in bytes.
        let want = &image.disk[..image.disk.len() / 512 * 512];
        assert!(theirs == want, "{}: {} bytes of {}", image.name, theirs.len(), want.len());
    }
}

/// The crate `qcow2-rs`, where it can read the image: clusters of 4 KiB and up, no zstd, no
/// extended entries, no external data file, no dirty image, no RAW below, whole sectors.
#[test]
fn qcow2_rs_reads_the_same_disks() {
    let folder = tempfile::tempdir().unwrap();
    let mut compared = 0;
    for image in good().into_iter().filter(|image| image.format == "qcow2" && image.snapshot.is_none()) {
        let beyond = ["-9", "-10", "zstd", "subclusters", "data-file", "dirty", "over", "chain", "empty"];
        if beyond.iter().any(|part| image.name.contains(part)) {
            continue;
        }
        let path = write_files(&image.files, folder.path()).unwrap();
        let params = qcow2_rs::dev::Qcow2DevParams::new(9, None, None, true, false);
        let device = qcow2_rs::utils::qcow2_setup_dev_sync(&path, &params).unwrap();
        pollster::block_on(device.qcow2_prep_io()).unwrap();
        let want = &image.disk[..image.disk.len() / 512 * 512];
        // Read in pieces: one read through all of a large disk is slow in that crate.
        for (at, piece) in (0..).step_by(1 << 20).zip(want.chunks(1 << 20)) {
            let mut buf = qcow2_rs::helpers::Qcow2IoBuf::<u8>::new(piece.len());
            let read = pollster::block_on(device.read_at(&mut buf, at)).unwrap();
            assert_eq!(read, piece.len(), "{} at {at}", image.name);
            assert!(buf[..] == *piece, "{} at {at}: other contents", image.name);
        }
        compared += 1;
    }
    assert!(compared >= 20, "{compared}");
}
