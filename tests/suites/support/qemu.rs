//! Images of `qemu-img`, and its reader beside ours.

use std::path::Path;

use testdata_gen::{Noise, disk_of};

use crate::support::program::{has_tool, imgprep, printed, tool};

/// Whether both tools are there.
pub(crate) fn has_qemu() -> bool {
    has_tool("qemu-img") && has_tool("qemu-io")
}

/// Asserts that both tools read the same disk from `image`.
pub(crate) fn same(folder: &Path, image: &str) {
    tool(folder, "qemu-img", &["convert", "-O", "raw", image, "theirs.raw"]);
    let output = imgprep(folder, &["convert", image, "ours.raw", "--force", "--no-sync", "--verify"]);
    assert!(output.status.success(), "{image}: {}", printed(&output));
    let (ours, theirs) =
        (std::fs::read(folder.join("ours.raw")).unwrap(), std::fs::read(folder.join("theirs.raw")).unwrap());
    assert!(ours == theirs, "{image}: {} bytes, {} of theirs, or other contents", ours.len(), theirs.len());
}

/// Writes `src.raw`, a disk with runs of data at odd places.
pub(crate) fn source(folder: &Path) {
    let mut noise = Noise::new(8);
    let pieces: Vec<_> =
        (0..20).map(|n| (n * 250_000 + n * n * 512, noise.half_compressible(n * 3000 + 10))).collect();
    std::fs::write(folder.join("src.raw"), disk_of(6_000_128, &pieces)).unwrap();
}
