//! Images that the program writes, compared by our own reader and by `qemu-img`.

use std::path::Path;

use testdata_gen::{Noise, disk_of};

use super::loop_device::Loop;
use super::program::{bounded, command, has_tool, imgprep, names, printed, tool};

/// Text, noise, zeros and single bytes, at offsets that no cluster size divides.
pub(crate) fn scattered(seed: u64, size: usize) -> Vec<u8> {
    let mut noise = Noise::new(seed);
    let mut pieces = Vec::new();
    let mut at = usize::from(noise.bytes(1)[0]) * 37;
    while at < size {
        let word = noise.bytes(4);
        let len = (1 + usize::from(word[0]) * usize::from(word[1])).min(size - at);
        let piece = match word[2] % 4 {
            0 => noise.bytes(len),
            1 => noise.half_compressible(len),
            2 => vec![word[3] | 1; len],
            _ => vec![1],
        };
        let end = at + piece.len();
        pieces.push((at, piece));
        at = end + usize::from(word[3]) * 611;
    }
    disk_of(size, &pieces)
}

/// Converts; a source without an extension of its own is a RAW.
pub(crate) fn convert(folder: &Path, args: &[&str]) {
    let from = match args[0].rsplit_once('.') {
        Some((_, extension)) if extension != "img" => extension,
        _ => "raw",
    };
    let fixed = ["convert", "--from", from, "--force", "--no-sync", "-q"];
    let output = imgprep(folder, &[&fixed, args].concat());
    assert!(output.status.success(), "{args:?}: {}", printed(&output));
}

/// Writes a disk as `a.FORMAT` with 1, 2 and 7 threads, and compares what our reader and `qemu-img` read.
///
/// The disk is padded to whole sectors. Options that make an image reproducible are in `options`, if it needs some.
pub(crate) fn written(folder: &Path, disk: &[u8], format: &str, options: &[&str]) -> Vec<u8> {
    written_in_units(folder, disk, format, options, 512)
}

/// The same for a format that pads the disk to a multiple of `unit`.
pub(crate) fn written_in_units(
    folder: &Path,
    disk: &[u8],
    format: &str,
    options: &[&str],
    unit: usize,
) -> Vec<u8> {
    let (name, again) = (format!("a.{format}"), format!("b.{format}"));
    std::fs::write(folder.join("a.raw"), disk).unwrap();
    convert(folder, &[&["a.raw", &name, "--verify"], options].concat());
    let file = std::fs::read(folder.join(&name)).unwrap();
    for threads in ["1", "2", "7"] {
        convert(folder, &[&["a.raw", &again, "--threads", threads], options].concat());
        assert!(std::fs::read(folder.join(&again)).unwrap() == file, "{options:?}: {threads} threads");
    }
    let checked = imgprep(folder, &["check", "--deep", &name]);
    assert_eq!(printed(&checked), format!("{name}: {format}, fine\n"), "{options:?}");
    let mut sectors = disk.to_vec();
    sectors.resize(disk.len().next_multiple_of(unit), 0);
    convert(folder, &[&name, "back.raw"]);
    assert!(std::fs::read(folder.join("back.raw")).unwrap() == sectors, "{options:?}: our reader");
    if has_tool("qemu-img") {
        let theirs = qemu_name(format);
        // It has no check of VHD and QCOW.
        if !["vpc", "qcow"].contains(&theirs) {
            tool(folder, "qemu-img", &["check", "-q", "-f", theirs, &name]);
        }
        tool(folder, "qemu-img", &["convert", "-f", theirs, "-O", "raw", &name, "theirs.raw"]);
        assert!(std::fs::read(folder.join("theirs.raw")).unwrap() == sectors, "{options:?}: qemu-img");
    }
    file
}

/// QEMU's name of a format.
pub(crate) fn qemu_name(format: &str) -> &str {
    if format == "vhd" { "vpc" } else { format }
}

/// Bytes of data at the start of a large disk: a whole block of 32 MiB, and a part of the next one.
const LARGE_DATA: u64 = 40 << 20;

/// Writes a disk with data at both ends and in the middle, within a memory limit; `qemu-img` compares.
pub(crate) fn large_disk_stays_within(memory_mib: u64, format: &str, size_gib: u64, options: &[&str]) {
    if !has_tool("qemu-img") || !has_tool("qemu-io") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let size = format!("{size_gib}G");
    let create = ["create", "-q", "-f", "qcow2", "-o", "cluster_size=2M", "a.qcow2", &size];
    tool(folder.path(), "qemu-img", &create);
    let last = format!("write -P 3 {} 512", (size_gib << 30) - 512);
    let middle = format!("write -P 2 {} 1k", size_gib << 29);
    let start = format!("write -P 1 0 {LARGE_DATA}");
    for write in [&start, &middle, &last] {
        tool(folder.path(), "qemu-io", &["-c", write, "a.qcow2"]);
    }
    let (name, memory) = (format!("b.{format}"), format!("{memory_mib}M"));
    for options in options {
        let args = ["convert", "a.qcow2", &name, "-o", options, "--force", "--memory", &memory, "-q"];
        // Libraries and stacks count as well.
        let output = bounded(&command(folder.path(), &args), (memory_mib + 64) << 10).output().unwrap();
        assert!(output.status.success(), "{options}: {}", printed(&output));
        if ["vhdx", "qcow", "vmdk"].contains(&format) || (format == "qed" && *options != "cluster_size=64k") {
            parts_are_read(folder.path(), format, size_gib << 30);
        } else {
            tool(folder.path(), "qemu-img", &["compare", "-q", "-F", qemu_name(format), "a.qcow2", &name]);
        }
    }
}

/// Reads the parts of the disk that contain data with `qemu-io`, and what surrounds them.
///
/// To compare all of it, QEMU would read zeros for hours, because it does not find out which blocks of VHDX and QCOW are not
/// stored, and reads each grain table of a VMDK. In a QED whose L2 tables cover 4 GiB or more, its search for the next cluster overflows and aborts.
fn parts_are_read(folder: &Path, format: &str, size: u64) {
    let (middle, name) = (size / 2, format!("b.{format}"));
    let parts = [
        (1, 0, LARGE_DATA),
        (0, LARGE_DATA, 1 << 20),
        (0, middle - (1 << 20), 1 << 20),
        (2, middle, 1 << 10),
        (0, middle + (1 << 10), 1 << 20),
        (0, size - (1 << 20), (1 << 20) - 512),
        (3, size - 512, 512),
    ];
    let reads: Vec<_> = parts.iter().map(|(byte, at, len)| format!("read -P {byte} {at} {len}")).collect();
    let commands = reads.iter().flat_map(|read| ["-c", read]);
    let args: Vec<_> = ["-r", "-f", format].into_iter().chain(commands).chain([name.as_str()]).collect();
    tool(folder, "qemu-io", &args);
}

/// Converts RAW files with these arguments: each conversion is rejected with its message, and leaves no output.
pub(crate) fn rejected(folder: &Path, cases: &[(&[&str], &str)]) {
    let before = names(folder);
    for (args, want) in cases {
        let output = imgprep(folder, &[&["convert", "--from", "raw"], *args].concat());
        assert!(output.status.code() == Some(1) && output.stdout.is_empty(), "{args:?}");
        assert!(printed(&output).contains(want), "{args:?}: {}", printed(&output));
        assert_eq!(names(folder), before, "{args:?}");
    }
}

/// The length of `a.raw` in a format as `--dry-run` announces it, and as it is.
pub(crate) fn announced(folder: &Path, format: &str, options: &str) -> (u64, u64) {
    let name = format!("a.{format}");
    let plan = ["convert", "a.raw", &name, "--from", "raw", "-o", options, "--dry-run", "--output", "json"];
    let plan: serde_json::Value = serde_json::from_slice(&imgprep(folder, &plan).stdout).unwrap();
    convert(folder, &["a.raw", &name, "-o", options]);
    let len = std::fs::metadata(folder.join(&name)).unwrap().len();
    std::fs::remove_file(folder.join(&name)).unwrap();
    (plan["output-size"].as_u64().unwrap(), len)
}

/// Converts `a.raw` into a pipe.
pub(crate) fn piped(folder: &Path, format: &str, options: &[&str]) -> std::process::Output {
    let args = ["convert", "--from", "raw", "a.raw", "-", "-O", format, "-q"];
    imgprep(folder, &[&args[..], options].concat())
}

/// Converts `a.raw` into a pipe: it is rejected before anything is written.
pub(crate) fn rejected_in_a_pipe(folder: &Path, format: &str, options: &[&str]) {
    let output = piped(folder, format, options);
    let is_rejected = output.stdout.is_empty() && printed(&output).contains("[convert.needs-file]");
    assert!(is_rejected, "{options:?}: {}", printed(&output));
}

/// Converts `a.raw` onto devices of `len` bytes of noise, where there are devices; `qemu-img` compares.
pub(crate) fn written_on_devices(folder: &Path, format: &str, options: &[&str], len: usize) {
    for options in options {
        let Some((output, _)) = on_a_device(folder, format, options, len) else { return };
        assert!(output.status.success(), "{options}: {}", printed(&output));
    }
}

/// Converts `a.raw` onto a device of `len` bytes of noise, and compares it with `qemu-img` if it was written. Returns the
/// output of the program, and the contents of the device; `None` where there are no devices.
pub(crate) fn on_a_device(
    folder: &Path,
    format: &str,
    options: &str,
    len: usize,
) -> Option<(std::process::Output, Vec<u8>)> {
    let backing = folder.join("device");
    std::fs::write(&backing, Noise::new(1).bytes(len)).unwrap();
    let device = Loop::new(&backing)?;
    let args =
        ["convert", "--from", "raw", "a.raw", &device.0, "-O", format, "-o", options, "--force", "--verify"];
    let output = imgprep(folder, &args);
    if output.status.success() && has_tool("qemu-img") {
        let args = ["compare", "-q", "-f", "raw", "-F", qemu_name(format), "a.raw", &device.0];
        tool(folder, "qemu-img", &args);
    }
    drop(device);
    Some((output, std::fs::read(&backing).unwrap()))
}
