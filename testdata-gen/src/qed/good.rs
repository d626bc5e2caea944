//! Images that must be read correctly.

use crate::disk::{Noise, mixed};
use crate::model::{GoodImage, ImageFile};
use crate::qed::encode::{Cell, K, Qed};
use crate::rows::image;

fn qed(name: &str, about: &'static str, recipe: &Qed, disk: Vec<u8>) -> GoodImage {
    image(name, about, "qed", recipe.write().file, disk)
}

/// All of them.
pub(crate) fn good() -> Vec<GoodImage> {
    let mut all = Vec::new();
    for (cluster, table) in
        [(4 * K, 1), (4 * K, 2), (4 * K, 16), (8 * K, 8), (64 * K, 1), (64 * K, 4), (1024 * K, 1)]
    {
        let disk = mixed((2 * cluster).max(300_000) + 1234);
        let recipe = Qed::new(cluster, table, disk.len() as u64).with_disk(&disk);
        let name = |kind| format!("qed-{kind}-{}k-{table}", cluster / K);
        all.push(qed(&name("plain"), "sizes of clusters and tables", &recipe, disk.clone()));
        if cluster < 1024 * K {
            let shuffled = Qed { shuffled: true, ..recipe };
            all.push(qed(&name("shuffled"), "data last to first, before its tables", &shuffled, disk));
        }
    }
    // A table of 1024 entries of 4 KiB covers 4 MiB.
    for size in [0, 1, 512, 4095, 4096, 4097, (4 << 20) - 512, 4 << 20, (4 << 20) + 512] {
        let disk = mixed(size);
        let recipe = Qed::new(4 * K, 2, size as u64).with_disk(&disk);
        all.push(qed(&format!("qed-size-{size}"), "sizes around what a table covers", &recipe, disk));
    }
    all.extend(features());
    all.extend(chains());
    all
}

fn features() -> Vec<GoodImage> {
    let disk = mixed(500_224);
    let base = Qed::new(4 * K, 2, 500_224).with_disk(&disk);
    let mut zeros = base.clone();
    zeros.cells.insert(5, Cell::Zero);
    zeros.cells.insert(6, Cell::Data(vec![0; 4 * K]));
    let mut with_zeros = disk.clone();
    with_zeros[5 * 4 * K..7 * 4 * K].fill(0);
    let mut ends = base.write().file;
    ends.truncate(ends.len() - 4 * K + 500_224 % (4 * K));
    let need_check = Qed { features: [2, 0, 0], ..base.clone() };
    let ignored = Qed { features: [0, u64::MAX, 1 << 63], ..base.clone() };
    let header = Qed { header: 3, ..base };
    vec![
        qed("qed-zero-clusters", "a zero cluster, and a stored one of zeros", &zeros, with_zeros),
        qed("qed-need-check", "not closed properly", &need_check, disk.clone()),
        qed("qed-ignored-features", "unknown compatible and autoclear bits", &ignored, disk.clone()),
        qed("qed-header-of-three", "a header of three clusters", &header, disk.clone()),
        image("qed-ends-with-disk", "a last cluster as long as the disk", "qed", ends, disk),
        qed("qed-nothing-stored", "no cluster at all", &Qed::new(4 * K, 2, 3 << 20), vec![0; 3 << 20]),
    ]
}

/// Overlays that store cluster 2 over other images, and zeros in 3.
fn chains() -> Vec<GoodImage> {
    let mut below = mixed(300_032);
    let stored = Noise::new(9).bytes(4 * K);
    let chain = |name: &str, about, below: &[u8], size: usize, is_raw: bool, base: Vec<ImageFile>| {
        let mut disk = below.to_vec();
        disk.resize(size, 0);
        disk[2 * 4 * K..3 * 4 * K].copy_from_slice(&stored);
        disk[3 * 4 * K..4 * 4 * K].fill(0);
        let mut top = Qed::new(4 * K, 2, size as u64);
        top.cells.insert(2, Cell::Data(stored.clone()));
        top.cells.insert(3, Cell::Zero);
        top.backing = Some((base[0].name.clone(), is_raw));
        let mut image = qed(name, about, &top, disk);
        image.files.extend(base);
        image
    };
    let file = |name: &str, end: &str, bytes: Vec<u8>| ImageFile { name: format!("{name}.{end}"), bytes };
    let raw = |name: &str| vec![file(name, "base", below.clone())];
    let middle = |name: &str| {
        let backing = Some((format!("{name}.base"), true));
        let middle = Qed { backing, ..Qed::new(64 * K, 2, below.len() as u64) };
        file(name, "middle", middle.write().file)
    };
    let mut three = vec![middle("qed-chain-of-three")];
    three.extend(raw("qed-chain-of-three"));
    let under = Qed::new(64 * K, 4, below.len() as u64).with_disk(&below).write().file;
    let mut all = vec![
        chain("qed-over-raw", "a RAW backing file", &below, 300_032, true, raw("qed-over-raw")),
        chain(
            "qed-over-guessed",
            "a backing file whose format is not declared",
            &below,
            300_000,
            false,
            raw("qed-over-guessed"),
        ),
        chain("qed-over-shorter", "a shorter backing file", &below, 500_224, true, raw("qed-over-shorter")),
        chain("qed-over-longer", "a longer backing file", &below, 100_352, true, raw("qed-over-longer")),
        chain(
            "qed-over-qed",
            "QED over QED",
            &below,
            300_000,
            false,
            vec![file("qed-over-qed", "base", under)],
        ),
        chain("qed-chain-of-three", "QED over QED over RAW", &below, 300_032, false, three),
    ];
    // Format detection would read this disk as an image.
    below[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
    let name = "qed-over-raw-like-qcow2";
    let base = vec![file(name, "base", below.clone())];
    all.push(chain(name, "a RAW backing file that looks like QCOW2", &below, 300_032, true, base));
    all
}
