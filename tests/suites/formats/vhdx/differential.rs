//! VHDX against `qemu-img` and `qemu-io`, and against the crate `vhdx`.

use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use testdata_gen::{GoodImage, Noise, disk_of, good, write_files};

use crate::support::program::{imgprep, printed, tool};
use crate::support::qemu::{has_qemu, same};

fn images() -> impl Iterator<Item = GoodImage> {
    good().into_iter().filter(|image| image.format == "vhdx")
}

#[test]
fn vhdx_of_every_block_size_and_subformat() {
    if !has_qemu() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut noise = Noise::new(8);
    let pieces: Vec<_> =
        (0..9).map(|n| (n * 650_000 + n * n * 512, noise.half_compressible(n * 9000 + 10))).collect();
    std::fs::write(folder.path().join("src.raw"), disk_of(6_000_128, &pieces)).unwrap();
    for size in ["0", "1M", "2M", "32M", "256M"] {
        for subformat in ["dynamic", "fixed"] {
            for zero in ["on", "off"] {
                let options = format!("block_size={size},subformat={subformat},block_state_zero={zero}");
                let args = ["convert", "-f", "raw", "-O", "vhdx", "-o", &options, "src.raw", "a.vhdx"];
                tool(folder.path(), "qemu-img", &args);
                same(folder.path(), "a.vhdx");
            }
        }
    }
}

#[test]
fn vhdx_written_in_place_with_every_log_size_and_preallocation() {
    if !has_qemu() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for options in [
        "block_size=1M",
        "block_size=1M,log_size=3M",
        "block_size=2M,block_state_zero=off",
        "block_size=1M,subformat=fixed",
        "block_size=1M,subformat=fixed,preallocation=falloc",
        "block_size=1M,subformat=fixed,preallocation=full",
    ] {
        tool(folder.path(), "qemu-img", &["create", "-q", "-f", "vhdx", "-o", options, "a.vhdx", "7M"]);
        let writes = ["write -P 1 0 70k", "write -P 2 3145216 1k", "write -P 3 6M 1M", "write -z 4M 64k"];
        let args: Vec<_> = writes.iter().flat_map(|write| ["-c", write]).chain(["a.vhdx"]).collect();
        tool(folder.path(), "qemu-io", &args);
        same(folder.path(), "a.vhdx");
    }
}

/// Whole MiB and what is not, and disks around one chunk (4 GiB of 512-byte sectors), after
/// which the table has a sector bitmap's entry.
#[test]
fn vhdx_of_odd_sizes_and_of_more_than_a_chunk() {
    if !has_qemu() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for size in ["0", "512", "1048064", "1048576", "1049088"] {
        tool(
            folder.path(),
            "qemu-img",
            &["create", "-q", "-f", "vhdx", "-o", "block_size=1M", "a.vhdx", size],
        );
        if size != "0" {
            tool(folder.path(), "qemu-io", &["-c", "write -P 7 0 512", "a.vhdx"]);
        }
        same(folder.path(), "a.vhdx");
    }
    for block in [1u64 << 20, 64 << 20, 256 << 20] {
        for size in [(4u64 << 30) - block, 4 << 30, (4 << 30) + 512, (9 << 30) + block] {
            let options = format!("block_size={block}");
            let create = ["create", "-q", "-f", "vhdx", "-o", &options, "a.vhdx", &size.to_string()];
            tool(folder.path(), "qemu-img", &create);
            // Across the end of the chunk if the disk continues, otherwise at its own end.
            let near = (4u64 << 30).min(size) - 8192;
            let len = 12288.min(size - near - 512);
            let written = [(3, size - 512, 512), (4, near, len), (5, 5 << 20, 4096)];
            let writes = written.map(|(fill, at, len)| format!("write -P {fill} {at} {len}"));
            let args: Vec<_> = writes.iter().flat_map(|write| ["-c", write]).chain(["a.vhdx"]).collect();
            tool(folder.path(), "qemu-io", &args);
            let args = ["convert", "a.vhdx", "ours.raw", "--force", "--no-sync", "--verify"];
            let output = imgprep(folder.path(), &args);
            assert!(output.status.success(), "{block} {size}: {}", printed(&output));
            let ours = std::fs::File::open(folder.path().join("ours.raw")).unwrap();
            let stored = ours.metadata().unwrap();
            // No reader of so large a disk is quick: what is stored is looked at, and that it is all.
            assert_eq!(stored.len(), size);
            assert!(stored.blocks() * 512 <= 64 << 10, "{block} {size}: {} sectors", stored.blocks());
            for (fill, at, len) in written {
                let mut bytes = vec![0; usize::try_from(len).unwrap()];
                ours.read_exact_at(&mut bytes, at).unwrap();
                assert!(bytes.iter().all(|byte| *byte == fill), "{block} {size}: at {at}");
            }
        }
    }
}

/// The encoder of the test images, compared with the same reader.
///
/// `qemu-img` does not read these, and the specification allows all of them:
/// * logical sectors of 4096 bytes and differencing images: it says "not supported";
/// * a disk of 0 bytes: by 2.5 its table has no entry, QEMU counts one less than none blocks and
///   wants (and writes) 2^32 of them divided by the chunk ratio;
/// * an image whose first region table is damaged: it never reads the second copy;
/// * a user's metadata item that has the name of one of the format's: names are unique together
///   with the flag `IsUser` only (2.6.1.2), it confuses the two.
#[test]
fn test_images_are_read_by_qemu_img() {
    if !has_qemu() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let refused = ["vhdx-4k", "vhdx-over", "vhdx-chain", "vhdx-empty", "vhdx-first-table", "vhdx-unknown"];
    let mut compared = 0;
    for image in images().filter(|image| !image.name.contains("-log-")) {
        let path = write_files(&image.files, folder.path()).unwrap().display().to_string();
        let args = ["convert", "-f", "vhdx", "-O", "raw", &path, "theirs.raw"];
        if refused.iter().any(|name| image.name.starts_with(name)) {
            let output =
                std::process::Command::new("qemu-img").args(args).current_dir(folder.path()).output();
            assert!(!output.unwrap().status.success(), "{}: qemu-img has learned to read it", image.name);
            continue;
        }
        tool(folder.path(), "qemu-img", &args);
        assert_disk(folder.path(), &image);
        compared += 1;
    }
    assert!(compared >= 12, "{compared}");
}

fn assert_disk(folder: &Path, image: &GoodImage) {
    let theirs = std::fs::read(folder.join("theirs.raw")).unwrap();
    assert!(theirs == image.disk, "{}: {} bytes, {} expected", image.name, theirs.len(), image.disk.len());
}

/// `qemu-img check -r all` replays a log into the file; then the disk must be ours.
///
/// Of three images QEMU makes something else:
/// * entries that run over the end of the ring: QEMU takes the part at the ring's start for a
///   sequence of its own, though the tail that its head names is not in it. By 2.3.2 the tail of
///   a sequence's head is one of its entries, so only the whole sequence counts. It replays the
///   last entries only: blocks that the first ones allocate are lost.
/// * `LastFileOffset` beyond the file's end: the file must be made as long (2.3.1.1). QEMU does so only
///   if the number is no multiple of 1 MiB, which it always is; then it finds its file too short.
/// * more than 126 descriptors, which need a second sector: QEMU refuses the entry.
#[test]
fn vhdx_logs_replayed_by_qemu_give_the_same_disk() {
    if !has_qemu() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut compared = 0;
    for image in images().filter(|image| image.name.contains("-log-")) {
        let path = write_files(&image.files, folder.path()).unwrap();
        let name = path.display().to_string();
        let check = ["check", "-q", "-f", "vhdx", "-r", "all", &name];
        let checked = std::process::Command::new("qemu-img").args(check).output().unwrap().status;
        match image.name.as_str() {
            "vhdx-log-grows" | "vhdx-log-many-descriptors" => {
                assert!(!checked.success(), "{}: qemu-img has learned to replay it", image.name);
                continue;
            }
            _ => assert!(checked.success(), "{}", image.name),
        }
        let replayed = std::fs::read(&path).unwrap();
        assert!(replayed != image.files[0].bytes, "{}: nothing was replayed", image.name);
        tool(folder.path(), "qemu-img", &["convert", "-f", "vhdx", "-O", "raw", &name, "theirs.raw"]);
        if image.name.contains("wrapped") {
            assert!(std::fs::read(folder.path().join("theirs.raw")).unwrap() != image.disk, "{}", image.name);
            continue;
        }
        assert_disk(folder.path(), &image);
        compared += 1;
    }
    assert!(compared >= 6, "{compared}");
}

/// The crate `vhdx`, where it can read the image. It opens files for writing and writes its
/// replay of a log into them, and panics on what it does not know; so it gets no logs here. It
/// reads neither parents nor damaged copies, no disk of 0 bytes, none of more than a chunk and no
/// item without a byte (whose offset must be 0, it wants one after the table as well).
#[test]
fn crate_vhdx_reads_the_same_disks() {
    let folder = tempfile::tempdir().unwrap();
    let beyond = ["-log-", "-over", "-chain", "-damaged", "-empty", "-unknown"];
    let mut compared = 0;
    for image in images().filter(|image| !beyond.iter().any(|part| image.name.contains(part))) {
        let path = write_files(&image.files, folder.path()).unwrap();
        let mut disk = vhdx::Vhdx::load(&path);
        let mut got = vec![0; image.disk.len()];
        let mut reader = disk.reader();
        // It reads up to the end of a block at once.
        let mut at = 0;
        while at < got.len() {
            let end = got.len().min(at + 4096);
            reader
                .read_exact(&mut got[at..end])
                .unwrap_or_else(|error| panic!("{} at {at}: {error}", image.name));
            at = end;
        }
        assert!(got == image.disk, "{}: other contents", image.name);
        compared += 1;
    }
    assert!(compared >= 10, "{compared}");
}
