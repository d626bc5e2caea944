//! `cargo xtask bench --count [--accept]`: instructions of the hot loops, counted by callgrind. Noise does not touch
//! them: a loop that got longer shows on any machine with the same compiler.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::Command;

use super::inputs::{Inputs, must};

/// What was counted last, beside this crate's manifest.
const ACCEPTED: &str = "xtask/counts.json";

/// In thousandths: how far a count may move before it is another one. Addresses and names of temporary files differ
/// from run to run.
const TOLERANCE: u64 = 20;

const DATA: u64 = 16 << 20;

/// Name, what runs; `$` stands for the folder of the inputs. One thread: the order of work is always the same.
const LOOPS: [(&str, &str); 4] = [
    ("zero scan: bitmap of 16 MiB of zeros", "bitmap $zeros.raw $o.mf -q -j 1"),
    ("map walk: dry run of a QCOW2 with 64 GiB of clusters", "convert $wide.qcow2 $o.raw --dry-run -q -j 1"),
    ("compression: 16 MiB to ZVHD2", "convert $full.raw $o.zvhd2 -q --no-sync -j 1"),
    ("inflating: a QCOW2 of 16 MiB, zlib, to RAW", "convert $compressed.qcow2 $o.raw -q --no-sync -j 1"),
];

/// Counts, and fails if one grew. `accepts`: what was counted is what is right from now on.
pub(crate) fn run(root: &Path, accepts: bool) -> io::Result<()> {
    let inputs = Inputs::make(root, DATA)?;
    let (wide, full) = (inputs.path("wide.qcow2"), inputs.path("full.raw"));
    must(Command::new("qemu-img").args([
        "create",
        "-q",
        "-f",
        "qcow2",
        "-o",
        "preallocation=metadata",
        &wide,
        "64G",
    ]))?;
    let compressed = inputs.path("compressed.qcow2");
    must(Command::new("qemu-img").args([
        "convert",
        "-q",
        "-c",
        "-f",
        "raw",
        "-O",
        "qcow2",
        &full,
        &compressed,
    ]))?;
    let accepted: BTreeMap<String, u64> = match File::open(root.join(ACCEPTED)) {
        Ok(file) => serde_json::from_reader(file)?,
        Err(_) => BTreeMap::new(),
    };
    let start = count(&inputs, "--version")?;
    let mut counted = BTreeMap::new();
    let mut grew = Vec::new();
    println!("| loop | instructions | accepted |\n|---|---|---|");
    for (name, line) in LOOPS {
        let now = count(&inputs, line)?.saturating_sub(start);
        let before = accepted.get(name).copied();
        println!("| {name} | {now} | {} |", before.map_or("-".into(), |before| before.to_string()));
        if before.is_none_or(|before| now > before / 1000 * (1000 + TOLERANCE)) {
            grew.push(name);
        }
        counted.insert(name, now);
    }
    fs::remove_dir_all(&inputs.folder)?;
    if accepts {
        return fs::write(root.join(ACCEPTED), format!("{:#}\n", serde_json::json!(counted)));
    }
    if grew.is_empty() {
        Ok(())
    } else {
        Err(io::Error::other(format!("more than before: {}", grew.join("; "))))
    }
}

/// Instructions that a run of the program takes.
fn count(inputs: &Inputs, line: &str) -> io::Result<u64> {
    let report = inputs.path("callgrind.out");
    let words = line.split(' ').map(|word| match word.strip_prefix('$') {
        Some(file) => inputs.path(file),
        None => word.to_string(),
    });
    for output in ["o.raw", "o.mf", "o.zvhd2"] {
        let _ = fs::remove_file(inputs.path(output));
    }
    let mut counted = Command::new("valgrind");
    counted.args(["--tool=callgrind", "--quiet", &format!("--callgrind-out-file={report}")]);
    must(counted.arg(&inputs.ours).args(words))?;
    let text = fs::read_to_string(report)?;
    let total =
        text.lines().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
    total
        .and_then(|total| total.trim().parse().ok())
        .ok_or_else(|| io::Error::other("callgrind gave no total"))
}
