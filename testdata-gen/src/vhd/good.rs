//! Images that must be read correctly.

use crate::disk::{Noise, disk_of, mixed, text};
use crate::model::{GoodImage, ImageFile};
use crate::rows::image;
use crate::vhd::encode::{Parent, Stored, Vhd, seal, wide};

const DYNAMIC: u32 = 3;
const DIFFERENCING: u32 = 4;

/// All of them.
pub(crate) fn good() -> Vec<GoodImage> {
    let mut all = fixed();
    all.extend(dynamic());
    all.extend(sizes());
    all.extend(footers());
    all.extend(xenserver());
    all.extend(chains());
    all
}

fn vhd(name: &str, about: &'static str, recipe: &Vhd, disk: Vec<u8>) -> GoodImage {
    image(name, about, "vhd", recipe.write().file, disk)
}

fn fixed() -> Vec<GoodImage> {
    let plain = |name: &str, about, disk: Vec<u8>| {
        let recipe = Vhd::new(2, disk.len() as u64, 0);
        image(name, about, "vhd", recipe.fixed(&disk).file, disk)
    };
    let disk = mixed(1_000_001);
    let short = Vhd { short: true, ..Vhd::new(2, 300_032, 0) };
    let nested = Vhd::new(DYNAMIC, 20_480, 4096).with_disk(&mixed(20_480)).write().file;
    vec![
        plain("vhd-fixed-odd", "a fixed disk of an odd size", disk),
        plain("vhd-fixed-empty", "a footer and nothing else", Vec::new()),
        plain("vhd-fixed-sector", "a disk of one sector", text(512)),
        plain("vhd-fixed-mib", "a fixed disk of whole MiB, as Azure requires", mixed(1 << 20)),
        plain("vhd-fixed-of-a-dynamic", "a fixed disk whose contents are a dynamic image", nested),
        image(
            "vhd-fixed-511",
            "a footer of 511 bytes",
            "vhd",
            short.fixed(&mixed(300_032)).file,
            mixed(300_032),
        ),
    ]
}

fn dynamic() -> Vec<GoodImage> {
    let mut all = Vec::new();
    for (bits, size) in
        [(12, 300_032), (14, 1 << 20), (19, (3 << 19) + 1536), (21, (2 << 21) + 512), (22, 5 << 20)]
    {
        let disk = mixed(size);
        let recipe = Vhd::new(DYNAMIC, size as u64, 1 << bits).with_disk(&disk);
        all.push(vhd(
            &format!("vhd-dynamic-{bits}"),
            "garbage in sectors that are not set",
            &recipe,
            disk.clone(),
        ));
        let shuffled = Vhd { shuffled: true, spare_entries: 300, ..recipe };
        all.push(vhd(
            &format!("vhd-shuffled-{bits}"),
            "blocks last to first, the table after them",
            &shuffled,
            disk,
        ));
    }
    // A page of the table has 1024 entries.
    for blocks in [1023, 1024, 1025] {
        let size = blocks * 4096;
        let disk = disk_of(size, &[(0, text(5000)), (size - 9000, Noise::new(2).bytes(9000))]);
        let recipe = Vhd::new(DYNAMIC, size as u64, 4096).with_disk(&disk);
        all.push(vhd(&format!("vhd-dynamic-{blocks}-blocks"), "about a page of entries", &recipe, disk));
    }
    let mut zeros = Vhd::new(DYNAMIC, 40_960, 4096).with_disk(&mixed(40_960));
    zeros.blocks.insert(5, Stored { bytes: vec![0; 4096], sectors: vec![true; 8] });
    zeros.blocks.insert(6, Stored { bytes: vec![0xee; 4096], sectors: vec![false; 8] });
    let mut disk = mixed(40_960);
    disk[5 * 4096..7 * 4096].fill(0);
    all.extend([
        vhd("vhd-dynamic-zeros", "a block of zeros, and one of which no sector is set", &zeros, disk),
        vhd("vhd-dynamic-empty", "a disk of size 0", &Vhd::new(DYNAMIC, 0, 2 << 20), Vec::new()),
        vhd(
            "vhd-dynamic-nothing-stored",
            "no block at all",
            &Vhd::new(DYNAMIC, 3 << 20, 2 << 20),
            vec![0; 3 << 20],
        ),
        vhd(
            "vhd-dynamic-sector",
            "a disk of one sector",
            &Vhd::new(DYNAMIC, 512, 4096).with_disk(&text(512)),
            text(512),
        ),
        vhd(
            "vhd-dynamic-bytes",
            "a disk that ends in a sector",
            &Vhd::new(DYNAMIC, 9001, 4096).with_disk(&mixed(9001)),
            mixed(9001),
        ),
    ]);
    all
}

/// Field and geometry differ: the creator decides which one counts.
fn sizes() -> Vec<GoodImage> {
    let (field, geometry) = (600_064, (8u16, 4u8, 17u8));
    let by_geometry = 8 * 4 * 17 * 512;
    let mut all = Vec::new();
    for (name, creator, size) in [
        ("vpc", *b"vpc ", by_geometry),
        ("vs", *b"vs  ", field),
        ("qemu", *b"qemu", by_geometry),
        ("qem2", *b"qem2", field),
        ("win", *b"win ", field),
        ("vbox", *b"vbox", field),
        ("other", *b"abcd", field),
    ] {
        let disk = mixed(field);
        let dynamic = Vhd { creator, geometry, ..Vhd::new(DYNAMIC, field as u64, 1 << 16) };
        let fixed = Vhd { creator, geometry, ..Vhd::new(2, field as u64, 0) };
        let want = disk[..size].to_vec();
        all.push(vhd(&format!("vhd-size-{name}"), "two sizes", &dynamic.with_disk(&disk), want.clone()));
        all.push(image(&format!("vhd-fixed-size-{name}"), "two sizes", "vhd", fixed.fixed(&disk).file, want));
    }
    let disk = mixed(field);
    for (name, geometry) in
        [("vhd-size-maximal-geometry", (65535, 16, 255)), ("vhd-size-no-geometry", (0, 0, 0))]
    {
        let recipe = Vhd { creator: *b"vpc ", geometry, ..Vhd::new(DYNAMIC, field as u64, 1 << 16) };
        all.push(vhd(name, "an empty geometry", &recipe.with_disk(&disk), disk.clone()));
    }
    all
}

fn footers() -> Vec<GoodImage> {
    let disk = mixed(500_224);
    let recipe = Vhd::new(DYNAMIC, disk.len() as u64, 1 << 15).with_disk(&disk);
    let edited = |name: &str, about, edit: &dyn Fn(&mut Vec<u8>, usize)| {
        let mut written = recipe.write();
        edit(&mut written.file, written.footer as usize);
        image(name, about, "vhd", written.file, disk.clone())
    };
    let short = Vhd { short: true, ..recipe.clone() };
    let marked = Vhd { features: 3, saved_state: 1, ..recipe.clone() };
    vec![
        vhd("vhd-dynamic-511", "a footer of 511 bytes", &short, disk.clone()),
        vhd("vhd-marked", "temporary, in a saved state", &marked, disk.clone()),
        edited("vhd-end-damaged", "a wrong checksum at the end", &|file, at| file[at + 100] ^= 1),
        edited("vhd-end-without-cookie", "no cookie at the end", &|file, at| file[at] = 0),
        edited("vhd-end-missing", "the footer at the end is gone", &|file, at| file.truncate(at)),
        edited("vhd-end-cut", "half of the footer at the end is gone", &|file, at| file.truncate(at + 200)),
        edited("vhd-end-followed", "zeros after the footer", &|file, at| file.resize(at + 2048, 0)),
        edited("vhd-start-damaged", "a wrong checksum at the start", &|file, _| file[100] ^= 1),
        edited("vhd-start-without-cookie", "no cookie at the start", &|file, _| file[..8].fill(0)),
        edited("vhd-times-differ", "another time in the copy", &|file, _| {
            file[24] ^= 1;
            seal(&mut file[..512], 64);
        }),
    ]
}

fn xenserver() -> Vec<GoodImage> {
    let disk = mixed(900_096);
    let base = Vhd {
        creator: *b"tap\0",
        creator_version: 0x0001_0003,
        paged: true,
        ..Vhd::new(DYNAMIC, 900_096, 1 << 15)
    };
    let base = base.with_disk(&disk);
    let with = |name: &str, about, version| {
        vhd(name, about, &Vhd { batmap: Some(version), ..base.clone() }, disk.clone())
    };
    let old = Vhd { creator_version: 1, ..base.clone() };
    let mut bad = Vhd { batmap: Some(0x0001_0002), ..base.clone() }.write();
    bad.file[bad.batmap as usize + 24] ^= 1;
    // Early td-util set the mark without a new checksum.
    let mut hidden = Vhd { creator_version: 0x0001_0001, ..base.clone() }.write();
    let footer = hidden.footer as usize;
    hidden.file[footer + 85] = 1;
    hidden.file[85] = 1;
    vec![
        with("vhd-batmap", "a map of full blocks", 0x0001_0002),
        with("vhd-batmap-1.1", "a map of full blocks, summed up as signed bytes", 0x0001_0001),
        image(
            "vhd-batmap-checksum",
            "a map of full blocks with a wrong checksum",
            "vhd",
            bad.file,
            disk.clone(),
        ),
        image("vhd-hidden", "hidden without a new checksum", "vhd", hidden.file, disk.clone()),
        vhd("vhd-tapdisk-0.1", "bits of a bitmap in the other order", &old, disk),
    ]
}

/// The uuid of the parents here: not that of the children.
const BASE: [u8; 16] = [0xb5; 16];

fn child(name: &str, size: usize, parent: Parent) -> Vhd {
    let parent = Parent { uuid: BASE, timestamp: 700_000_000, name: format!("{name}.base.vhd"), ..parent };
    Vhd { parent: Some(parent), ..Vhd::new(DIFFERENCING, size as u64, 1 << 14) }
}

fn chains() -> Vec<GoodImage> {
    let below = mixed(400_384);
    let mut changed = below.clone();
    changed[5000..9000].fill(0);
    changed[200_000..203_000].copy_from_slice(&Noise::new(7).bytes(3000));
    changed[399_900..].fill(b'x');
    let base = Vhd { uuid: BASE, ..Vhd::new(DYNAMIC, 400_384, 1 << 15) }.with_disk(&below).write().file;
    let over = |name: &str, about, size: usize, parent: Parent, base: &[u8]| {
        let mut disk = changed.clone();
        disk.resize(size, 0);
        let recipe = child(name, size, parent).with_difference(&disk, &below);
        let mut image = vhd(name, about, &recipe, disk);
        image.files.push(ImageFile { name: format!("{name}.base.vhd"), bytes: base.to_vec() });
        image
    };
    let named = |locators: Vec<([u8; 4], Vec<u8>)>| Parent { locators, ..Parent::default() };
    let fixed = Vhd { uuid: BASE, ..Vhd::new(2, 400_384, 0) }.fixed(&below).file;
    let mut all = vec![
        over("vhd-over-dynamic", "named in the header only", 400_384, named(vec![]), &base),
        over("vhd-over-fixed", "a fixed parent", 400_384, named(vec![]), &fixed),
        over("vhd-over-smaller", "a parent smaller than the disk", 700_416, named(vec![]), &base),
        over("vhd-over-larger", "a parent larger than the disk", 250_368, named(vec![]), &base),
    ];
    for (name, about, code, locator) in [
        ("vhd-w2ru", "a relative name", *b"W2ru", wide(".\\vhd-w2ru.base.vhd")),
        (
            "vhd-w2ku",
            "an absolute name of another machine",
            *b"W2ku",
            wide("C:\\Projects\\x\\vhd-w2ku.base.vhd"),
        ),
        ("vhd-macx", "a URL", *b"MacX", b"file://./vhd%2dmacx.base.vhd".to_vec()),
        ("vhd-wi2r", "a relative name, deprecated", *b"Wi2r", b".\\vhd-wi2r.base.vhd\0".to_vec()),
    ] {
        let mut parent = named(vec![(code, locator), (*b"Mac ", vec![1, 2, 3])]);
        parent.locators.insert(0, (*b"W2ku", wide("D:\\nowhere\\gone.vhd")));
        let mut image = over(name, about, 400_384, Parent { ..parent.clone() }, &base);
        // Only the locator leads to the parent.
        let recipe = Vhd {
            parent: Some(Parent { uuid: BASE, name: "other.vhd".into(), ..parent }),
            ..child(name, 400_384, Parent::default())
        };
        image.files[0].bytes = recipe.with_difference(&image.disk, &below).write().file;
        all.push(image);
    }
    all.push(three());
    all.push(over_raw());
    all
}

/// Differencing over differencing over dynamic.
fn three() -> GoodImage {
    let name = "vhd-chain-of-three";
    let (bottom, middle_disk, top_disk) = (mixed(300_032), mixed(350_208), mixed(380_416));
    let base = Vhd { uuid: [1; 16], ..Vhd::new(DYNAMIC, 300_032, 1 << 19) }.with_disk(&bottom).write().file;
    let over = |uuid: [u8; 16], below: [u8; 16], below_name: &str, size| Vhd {
        uuid,
        parent: Some(Parent { uuid: below, name: below_name.into(), ..Parent::default() }),
        ..Vhd::new(DIFFERENCING, size, 1 << 13)
    };
    let middle =
        over([2; 16], [1; 16], "vhd-chain-of-three.base.vhd", 350_208).with_difference(&middle_disk, &bottom);
    let top = over([3; 16], [2; 16], "vhd-chain-of-three.middle.vhd", 380_416)
        .with_difference(&top_disk, &middle_disk);
    let mut image = vhd(name, "three layers of growing size", &top, top_disk);
    image.files.push(ImageFile { name: format!("{name}.middle.vhd"), bytes: middle.write().file });
    image.files.push(ImageFile { name: format!("{name}.base.vhd"), bytes: base });
    image
}

/// `XenServer` writes no uuid over a RAW parent.
fn over_raw() -> GoodImage {
    let (below, disk) = (mixed(262_144), mixed(262_144 + 4096));
    let parent = Parent { name: "vhd-over-raw.base".into(), ..Parent::default() };
    let recipe = Vhd {
        creator: *b"tap\0",
        parent: Some(parent),
        ..Vhd::new(DIFFERENCING, disk.len() as u64, 1 << 14)
    };
    let mut image =
        vhd("vhd-over-raw", "a RAW parent without a uuid", &recipe.with_difference(&disk, &below), disk);
    image.files.push(ImageFile { name: "vhd-over-raw.base".into(), bytes: below });
    image
}
