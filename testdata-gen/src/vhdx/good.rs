//! Images that must be read correctly.

use crate::disk::{Noise, disk_of, text};
use crate::model::{GoodImage, ImageFile};
use crate::rows::image;
use crate::vhdx::encode::{
    Block, Change, DATA_WRITE, Entry, HEADERS, LOG, REGION_TABLES, Vhdx, Written, guid, put,
};

const MIB: u64 = 1 << 20;

/// Blocks of text, noise and nothing, and a last one that is not whole.
fn mixed(size: usize) -> Vec<u8> {
    let mut noise = Noise::new(size as u64);
    disk_of(
        size,
        &[
            (0, text(size / 9)),
            (size / 2, noise.bytes(size / 20)),
            (size * 3 / 4, vec![b'Z']),
            (size.saturating_sub(700), noise.bytes(700)),
        ],
    )
}

fn vhdx(name: &str, about: &'static str, written: Written, disk: Vec<u8>) -> GoodImage {
    image(name, about, "vhdx", written.file, disk)
}

fn plain(name: &str, about: &'static str, recipe: &Vhdx, disk: &[u8]) -> GoodImage {
    let recipe = recipe.clone().with_disk(disk);
    vhdx(name, about, recipe.write(), disk.to_vec())
}

/// A dynamic image of four blocks of 1 MiB, of which the third is empty.
fn base() -> (Vhdx, Vec<u8>) {
    let mut disk = mixed(3 * MIB as usize + 1536);
    disk[2 * MIB as usize..3 * MIB as usize].fill(0);
    (Vhdx::new(MIB, disk.len() as u64).with_disk(&disk), disk)
}

pub(crate) fn good() -> Vec<GoodImage> {
    let mut all = shapes();
    all.extend(states());
    all.extend(heads());
    all.extend(logs());
    all.extend(chains());
    all
}

fn shapes() -> Vec<GoodImage> {
    let mut all = Vec::new();
    for block in [1, 2, 32, 256] {
        let disk = mixed(2 * MIB as usize + 512);
        let recipe = Vhdx::new(block * MIB, disk.len() as u64);
        all.push(plain(&format!("vhdx-dynamic-{block}m"), "blocks of one size", &recipe, &disk));
    }
    let disk = mixed(2 * MIB as usize + 4096);
    for block in [1, 256] {
        let recipe = Vhdx { sector: 4096, ..Vhdx::new(block * MIB, disk.len() as u64) };
        all.push(plain(&format!("vhdx-4k-{block}m"), "sectors of 4096 bytes", &recipe, &disk));
    }
    let (recipe, disk) = base();
    let mut fixed = Vhdx { leave_allocated: true, physical: 512, ..recipe.clone() };
    fixed.blocks.insert(2, Block::Data(vec![0; MIB as usize]));
    all.push(vhdx("vhdx-fixed", "every block is there", fixed.write(), disk.clone()));
    let shuffled = Vhdx { shuffled: true, log_len: 2 * MIB, ..recipe };
    all.push(vhdx("vhdx-shuffled", "data last to first, before tables and log", shuffled.write(), disk));
    let empty = Vhdx::new(MIB, 0);
    all.push(vhdx("vhdx-empty", "a disk of size 0", empty.write(), Vec::new()));
    all.push(plain("vhdx-one-sector", "a disk of one sector", &Vhdx::new(MIB, 512), &[7; 512]));
    let nothing = Vhdx::new(MIB, 3 * MIB);
    all.push(vhdx("vhdx-nothing-stored", "no block at all", nothing.write(), vec![0; 3 * MIB as usize]));
    all
}

/// Blocks without data, some of which keep an offset with garbage.
fn states() -> Vec<GoodImage> {
    let noise = Noise::new(11).bytes(MIB as usize);
    let mut recipe = Vhdx::new(MIB, 8 * MIB);
    for (index, state, keeps) in
        [(0, 0, true), (1, 1, false), (2, 1, true), (3, 2, false), (4, 2, true), (5, 3, false), (6, 3, true)]
    {
        recipe.blocks.insert(index, Block::State(state, keeps));
    }
    recipe.blocks.insert(7, Block::Data(noise.clone()));
    let disk = disk_of(8 * MIB as usize, &[(7 * MIB as usize, noise)]);
    vec![vhdx(
        "vhdx-states",
        "not present, undefined, zero, unmapped, with and without a place",
        recipe.write(),
        disk,
    )]
}

/// Damaged copies, and things of a later time.
fn heads() -> Vec<GoodImage> {
    let (recipe, disk) = base();
    let edited = |name: &str, about, recipe: &Vhdx, edit: &dyn Fn(&mut Written)| {
        let mut written = recipe.write();
        edit(&mut written);
        vhdx(name, about, written, disk.clone())
    };
    let newer = |first, second| Vhdx { sequences: [first, second], ..recipe.clone() };
    let bad_log = |which: usize| move |written: &mut Written| written.header(&[which], 48, &guid(LOG));
    let optional = Vhdx {
        regions: vec![("0badcafe-0000-4000-8000-000000000001", false)],
        items: vec![
            ("0badcafe-0000-4000-8000-000000000002", 2, vec![1; 100]),
            // A user's item may have the name of one of the format's.
            (crate::vhdx::encode::DISK_SIZE, 1, vec![2; 8]),
            ("0badcafe-0000-4000-8000-000000000003", 1, Vec::new()),
        ],
        ..recipe.clone()
    };
    vec![
        // The header that does not count names a log that does not exist.
        edited("vhdx-first-header-newer", "the first header counts", &newer(9, 8), &bad_log(1)),
        edited("vhdx-second-header-newer", "the second header counts", &newer(8, u64::MAX), &bad_log(0)),
        edited("vhdx-headers-twins", "the same header twice", &newer(3, 3), &|_| {}),
        edited("vhdx-first-header-damaged", "only the second header is valid", &newer(9, 8), &|written| {
            put(&mut written.file, HEADERS[0] + 900, &[1]);
        }),
        edited("vhdx-second-header-damaged", "only the first header is valid", &newer(8, 9), &|written| {
            put(&mut written.file, HEADERS[1], b"HEAD");
        }),
        edited("vhdx-first-table-damaged", "only the second region table is valid", &recipe, &|written| {
            put(&mut written.file, REGION_TABLES[0] + 16, &[0; 64]);
        }),
        edited("vhdx-second-table-damaged", "only the first region table is valid", &recipe, &|written| {
            put(&mut written.file, REGION_TABLES[1] + 9000, &[1]);
        }),
        edited("vhdx-unknown-optional", "unknown optional regions and items", &optional, &|_| {}),
    ]
}

fn logs() -> Vec<GoodImage> {
    let (recipe, disk) = base();
    let edited = |name: &str, about, edit: &dyn Fn(&mut Written)| {
        let mut written = recipe.write();
        edit(&mut written);
        vhdx(name, about, written, disk.clone())
    };
    let garbage =
        |written: &mut Written, at: u64, len: u64| put(&mut written.file, at, &vec![0xbd; len as usize]);
    vec![
        edited("vhdx-log-data", "one entry that holds the allocation table", &|written| {
            let change = written.withdraw(written.bat);
            written.dirty(0, 1, &[Entry::new(vec![change])]);
        }),
        edited("vhdx-log-tables", "region tables and metadata are in the log only", &|written| {
            let places =
                [REGION_TABLES[0], REGION_TABLES[1], written.metadata, written.metadata + 65536, written.bat];
            let changes = places.map(|at| written.withdraw(at)).to_vec();
            written.dirty(8192, u64::from(u32::MAX), &[Entry::new(changes)]);
        }),
        edited("vhdx-log-zeros", "zero descriptors, one of them in the data", &|written| {
            // What the disk has as zeros in its last block but one stood for something else once.
            let place = written.places[&0] + 700 * 1024;
            garbage(written, place, 65536);
            garbage(written, written.bat + 4096, 4096);
            let changes = vec![Change::Zero(place, 65536), Change::Zero(written.bat + 4096, 4096)];
            written.dirty(4096, 77, &[Entry::new(changes)]);
        }),
        edited("vhdx-log-many-descriptors", "descriptors of three sectors", &|written| {
            let place = written.places[&0] + 400 * 1024;
            garbage(written, place, 280 * 4096 / 8);
            let mut changes: Vec<_> = (0..280u64).map(|n| Change::Zero(place + n / 8 * 4096, 4096)).collect();
            changes.insert(140, written.withdraw(written.bat));
            changes.push(written.withdraw(written.places[&1]));
            written.dirty(0, 5, &[Entry::new(changes)]);
        }),
        edited("vhdx-log-several", "entries that overwrite each other, the last one wins", &|written| {
            let right = written.withdraw(written.bat);
            let wrong = Change::Data(written.bat, vec![0x11; 4096]);
            let zeros = Change::Zero(written.bat, 8192);
            let data = written.withdraw(written.places[&1] + 4096);
            let entries = [vec![wrong.clone(), data], vec![zeros], vec![wrong], vec![right], vec![]];
            written.dirty(12288, 40, &entries.map(Entry::new));
        }),
        edited("vhdx-log-torn", "the last entry never reached the disk whole", &|written| {
            let right = written.withdraw(written.bat);
            let torn = Entry { torn: true, ..Entry::new(vec![Change::Data(written.bat, vec![0x11; 4096])]) };
            written.dirty(0, 6, &[Entry::new(vec![right]), torn]);
        }),
        edited("vhdx-log-wrapped", "entries run over the end of the ring", &|written| {
            let right = written.withdraw(written.bat);
            let data = written.withdraw(written.places[&1] + 8192);
            let wrong = Change::Data(written.bat, vec![0x11; 4096]);
            written.dirty(MIB - 3 * 4096, 9, &[vec![wrong], vec![right], vec![data]].map(Entry::new));
        }),
        edited("vhdx-log-wrapped-in-an-entry", "one entry runs over the end of the ring", &|written| {
            let right = written.withdraw(written.bat);
            let data = [4096, 8192, 12288].map(|at| written.withdraw(written.places[&1] + at));
            written.dirty(MIB - 3 * 4096, 9, &[data.to_vec(), vec![right]].map(Entry::new));
        }),
        edited("vhdx-log-stale", "older sequences and other logs lie around", &|written| {
            let right = written.withdraw(written.bat);
            let wrong = || Entry::new(vec![Change::Data(written.bat, vec![0x11; 4096])]);
            let (a, b, c) = (wrong(), wrong(), wrong());
            written.log_of(LOG, 0, 3, &[a]);
            written.log_of("77777777-0000-4000-8000-000000000000", 65536, 900, &[b]);
            // The tail has moved on: the first entry was replayed already and must not be replayed again.
            let entries = [c, Entry { tail: 1, ..Entry::new(vec![right]) }];
            written.dirty(131_072, 20, &entries);
            written.log_of(LOG, 524_288, 10, &[Entry::new(vec![Change::Zero(written.bat, 4096)])]);
        }),
        {
            // The last block is zeros, the file ends before it and the log gives it its length.
            let mut recipe = recipe.clone();
            recipe.blocks.insert(2, Block::Data(vec![1; MIB as usize]));
            let moved = recipe.blocks.remove(&2);
            let mut written = recipe.write();
            assert!(moved.is_some(), "it was put in");
            let place = written.file.len() as u64;
            let entry = written.bat + 16;
            put(&mut written.file, entry, &(place | 6).to_le_bytes());
            let bat = written.withdraw(written.bat);
            let lengths = Some((place, place + MIB));
            let entry = Entry { lengths, ..Entry::new(vec![bat, Change::Zero(place + 4096, 65536)]) };
            written.dirty(0, 2, &[entry]);
            vhdx("vhdx-log-grows", "the file must be longer than it is", written, disk.clone())
        },
    ]
}

const TOP: &str = "22222222-2222-4333-8444-555555555555";
const MIDDLE: &str = "33333333-2222-4333-8444-555555555555";

/// A differencing image over [`base`]: block 0 in part, block 1 whole, block 2 zeros, the rest below.
fn top(size: u64, below: &[u8]) -> (Vhdx, Vec<u8>) {
    let mut disk = below.to_vec();
    disk.resize(size as usize, 0);
    let mut noise = Noise::new(21);
    let (part, whole) = (noise.bytes(MIB as usize), noise.bytes(MIB as usize));
    // Runs of every kind: single sectors, whole bytes, across bytes, the last sector.
    let mut bits = vec![0; 256];
    for sector in (0..3).chain(5..6).chain(8..24).chain(30..77).chain(1000..1001).chain(2047..2048) {
        bits[sector / 8] |= 1 << (sector % 8);
        disk[sector * 512..(sector + 1) * 512].copy_from_slice(&part[sector * 512..(sector + 1) * 512]);
    }
    disk[MIB as usize..2 * MIB as usize].copy_from_slice(&whole);
    disk[2 * MIB as usize..3 * MIB as usize].fill(0);
    let mut recipe = Vhdx { data_write: TOP, ..Vhdx::new(MIB, size) };
    recipe.blocks.insert(0, Block::Partial(bits, part));
    recipe.blocks.insert(1, Block::Data(whole));
    recipe.blocks.insert(2, Block::State(2, false));
    (recipe, disk)
}

fn chains() -> Vec<GoodImage> {
    let (bottom, below) = base();
    let size = below.len() as u64;
    let chain = |name: &str, about, recipe: &Vhdx, disk: Vec<u8>, files: Vec<ImageFile>| {
        let mut image = vhdx(name, about, recipe.write(), disk);
        image.files.extend(files);
        image
    };
    let file = |name: &str, written: Written| vec![ImageFile { name: name.into(), bytes: written.file }];
    let parent = |name: &str| file(name, bottom.write());
    let (plain, disk) = top(size, &below);
    let over = |name: &str| plain.clone().over(name, DATA_WRITE);
    let mut all = vec![chain(
        "vhdx-over",
        "a block in part, one whole, one of zeros, one of the parent",
        &over("vhdx-over.base"),
        disk.clone(),
        parent("vhdx-over.base"),
    )];
    let keys = |keys: Vec<(&'static str, &str)>| Vhdx {
        parent: Some(keys.into_iter().map(|(key, value)| (key, value.to_string())).collect()),
        ..plain.clone()
    };
    let linkage = &*format!("{{{}}}", DATA_WRITE.to_uppercase());
    let other = "{00000000-2222-4333-8444-555555555555}";
    let by_absolute = keys(vec![
        ("absolute_win32_path", "D:\\Hyper-V\\vhdx-over-absolute.base"),
        ("relative_path", "..\\elsewhere\\gone.vhdx"),
        ("volume_path", "\\\\?\\Volume{11111111-0000-0000-0000-000000000000}\\gone.vhdx"),
        ("parent_linkage", linkage),
        ("a_key_of_later", "times"),
    ]);
    let second = keys(vec![
        ("parent_linkage", other),
        ("parent_linkage2", linkage),
        ("relative_path", "vhdx-over-linkage2.base"),
    ]);
    all.push(chain(
        "vhdx-over-absolute",
        "only the last part of a foreign path is there",
        &by_absolute,
        disk.clone(),
        parent("vhdx-over-absolute.base"),
    ));
    all.push(chain(
        "vhdx-over-linkage2",
        "the parent has the second of two names",
        &second,
        disk.clone(),
        parent("vhdx-over-linkage2.base"),
    ));
    for (name, about, size) in [
        ("vhdx-over-shorter", "a parent shorter than the disk", 5 * MIB),
        ("vhdx-over-longer", "a parent longer than the disk", 3 * MIB),
    ] {
        let (recipe, disk) = top(size, &below);
        let below = format!("{name}.base");
        all.push(chain(name, about, &recipe.over(&below, DATA_WRITE), disk, parent(&below)));
    }
    let undefined = {
        let mut recipe = over("vhdx-over-undefined.base");
        recipe.blocks.insert(0, Block::State(1, false));
        recipe.blocks.insert(1, Block::State(3, true));
        let mut disk = disk.clone();
        disk[..2 * MIB as usize].fill(0);
        let files = parent("vhdx-over-undefined.base");
        chain("vhdx-over-undefined", "undefined and unmapped blocks hide the parent", &recipe, disk, files)
    };
    all.push(undefined);
    let middle = Vhdx { data_write: MIDDLE, ..Vhdx::new(2 * MIB, size) }.over("vhdx-chain.base", DATA_WRITE);
    let mut files = file("vhdx-chain.middle", middle.write());
    files.extend(parent("vhdx-chain.base"));
    let upper = plain.clone().over("vhdx-chain.middle", MIDDLE);
    all.push(chain("vhdx-chain", "three layers, the middle one has nothing", &upper, disk.clone(), files));
    let mut dirty = bottom.write();
    let change = dirty.withdraw(dirty.bat);
    dirty.dirty(0, 1, &[Entry::new(vec![change])]);
    let name = "vhdx-over-dirty.base";
    all.push(chain("vhdx-over-dirty", "the parent's log is replayed", &over(name), disk, file(name, dirty)));
    let name = "vhdx-over-4k.base";
    let (bits, bytes) = (vec![0b0101_0000; 32], Noise::new(4).bytes(MIB as usize));
    let below = mixed(2 * MIB as usize);
    let mut disk = below.clone();
    for sector in (0..256).filter(|sector| matches!(sector % 8, 4 | 6)) {
        disk[sector * 4096..(sector + 1) * 4096].copy_from_slice(&bytes[sector * 4096..(sector + 1) * 4096]);
    }
    let bottom = Vhdx { sector: 4096, ..Vhdx::new(MIB, 2 * MIB) }.with_disk(&below);
    let mut recipe = Vhdx { sector: 4096, data_write: TOP, ..Vhdx::new(MIB, 2 * MIB) }.over(name, DATA_WRITE);
    recipe.blocks.insert(0, Block::Partial(bits, bytes));
    all.push(chain("vhdx-over-4k", "bits of 4096-byte sectors", &recipe, disk, file(name, bottom.write())));
    all
}
