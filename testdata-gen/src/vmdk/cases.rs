//! VMDKs from reports of users: snapshots of `VirtualBox`, folders of ESX, descriptors in other encodings, streams
//! of other writers, and extents whose descriptor is blank.

use std::collections::BTreeMap;

use crate::disk::{Noise, text};
use crate::model::ImageFile;
use crate::vmdk::encode::{Cell, Hosted, Order, Written, cowd, descriptor, file, recipe, sectors, sesparse};

const SECTOR: usize = 512;
/// Bytes of a grain in most of these.
const GRAIN: usize = 1 << 16;
/// The uuids of the two images of [`virtualbox`].
pub const VIRTUALBOX: [&str; 2] =
    ["3f1c2b6a-0d7e-4a55-9a0b-6a1d2c3e4f50", "b7d2a9e4-5c31-4f0e-8e6d-112233445566"];

const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// A base and a snapshot of it as `VirtualBox` writes them: by its `parentCID` it has no parent.
#[derive(Clone, Debug)]
pub struct VirtualBox {
    /// `vm.vmdk`.
    pub base: Vec<u8>,
    /// The snapshot, named by its uuid in braces.
    pub snapshot: ImageFile,
    /// The disk of the snapshot.
    pub disk: Vec<u8>,
}

/// The third grain differs; the snapshot stores no other.
pub fn virtualbox() -> VirtualBox {
    let below = sectors(500_224);
    let name = format!("{{{}}}.vmdk", VIRTUALBOX[1]);
    let mut disk = below.clone();
    let written = Noise::new(5).bytes(GRAIN);
    disk[2 * GRAIN..3 * GRAIN].copy_from_slice(&written);
    let write = |name: &str, cells: Option<BTreeMap<u64, Cell>>, own: &str, parent: &str| {
        let line = format!("RW {} SPARSE \"{name}\"", below.len() / SECTOR);
        let text = descriptor("monolithicSparse", 0x0a1b_2c3d, None, &[line])
            .replace("encoding=\"UTF-8\"\n", "")
            + &format!("ddb.uuid.image=\"{own}\"\nddb.uuid.parent=\"{parent}\"\n")
            + &format!("ddb.uuid.modification=\"{NIL}\"\nddb.uuid.parentmodification=\"{NIL}\"\n");
        let recipe = Hosted { descriptor: Some(text), ..Hosted::new(128, &below) };
        Hosted { cells: cells.unwrap_or(recipe.cells.clone()), ..recipe }.write().file
    };
    let cells = BTreeMap::from([(2, Cell::Data(written))]);
    VirtualBox {
        base: write("vm.vmdk", None, VIRTUALBOX[0], NIL),
        snapshot: file(name.clone(), write(&name, Some(cells), VIRTUALBOX[1], VIRTUALBOX[0])),
        disk,
    }
}

/// A sparse extent of 1 MiB with these bytes in the place of its descriptor.
pub fn extent_with_text(text: &[u8]) -> Vec<u8> {
    let mut file = Hosted { descriptor: Some(String::new()), ..recipe() }.write().file;
    file[SECTOR..SECTOR + text.len()].copy_from_slice(text);
    file
}

/// The text of the descriptor inside [`extent_with_text`] that makes it a disk.
pub fn text_of_extent() -> String {
    recipe().descriptor.unwrap_or_default()
}

/// A text descriptor of extents `RW SECTORS KIND "NAME"`, each of 2048 sectors.
pub fn text_descriptor(create_type: &str, extents: &[(&str, &str)]) -> String {
    let lines: Vec<_> = extents.iter().map(|(kind, name)| format!("RW 2048 {kind} \"{name}\"")).collect();
    descriptor(create_type, 0x1f0a_2b3c, None, &lines)
}

/// Streams of one disk.
#[derive(Clone, Debug)]
pub struct Streams {
    /// The disk.
    pub disk: Vec<u8>,
    /// The header leaves the directory to the footer.
    pub plain: Vec<u8>,
    /// The header names the directory, too.
    pub directory_in_header: Vec<u8>,
    /// Offset of the footer.
    pub footer: usize,
    /// Offset of the grain directory.
    pub directory: usize,
    /// Offset of the table entry of the first grain.
    pub entry: usize,
}

/// A stream as a tool writes it that knows where the directory is before the end, and the usual one.
pub fn streams() -> Streams {
    let disk = sectors(1_000_448);
    let recipe = Hosted::new(128, &disk).stream().embedded("streamOptimized", "x.vmdk");
    let Written { file: plain, directory, entries, .. } = recipe.write();
    let mut directory_in_header = plain.clone();
    for header in [0, plain.len() - 2 * SECTOR] {
        let sector = directory / SECTOR as u64;
        directory_in_header[header + 56..header + 64].copy_from_slice(&sector.to_le_bytes());
    }
    let (footer, directory) = (plain.len() - 2 * SECTOR, directory as usize);
    Streams { disk, plain, directory_in_header, footer, directory, entry: entries[&0] as usize }
}

/// A sparse disk with a redundant directory.
#[derive(Clone, Debug)]
pub struct Redundant {
    /// The file.
    pub file: Vec<u8>,
    /// Offsets of the entry of the second grain: in the table that is read, in its copy.
    pub entries: [usize; 2],
    /// Offset of the redundant directory.
    pub directory: usize,
}

/// A disk of 1 MiB in one file, three of its 16 grains stored.
pub fn redundant() -> Redundant {
    let written = recipe().write();
    let (read, copy) = (written.entries[&1] as usize, written.redundant as usize + SECTOR + 4);
    Redundant { file: written.file, entries: [read, copy], directory: written.redundant as usize }
}

/// The bytes of a folder as ESX and Workstation leave it, and the disks in it.
pub fn esx_folder() -> (Vec<ImageFile>, BTreeMap<&'static str, Vec<u8>>) {
    let disk = [text(GRAIN), vec![0; GRAIN], Noise::new(7).bytes((1 << 20) - 2 * GRAIN)].concat();
    let half = disk.len() / 2;
    let (first, second) = disk.split_at(half);
    let mut tracking = b"\x72\x6f\x64\xa2".to_vec();
    tracking.extend(Noise::new(9).bytes(2000));
    let tracked =
        |text: String| text.replace("version=1", "version=3") + "changeTrackPath=\"web-ctk.vmdk\"\n";
    let mut delta = disk.clone();
    delta[5 * SECTOR..6 * SECTOR].copy_from_slice(&Noise::new(8).bytes(SECTOR));
    let mut changed = vec![0; disk.len()];
    changed[5 * SECTOR..6 * SECTOR].copy_from_slice(&delta[5 * SECTOR..6 * SECTOR]);
    let child = |kind: &str, extent: &str| {
        let line = format!("RW 2048 {kind} \"{extent}\"");
        descriptor("custom", 0x2222, Some((0x1f0a_2b3c, "web.vmdk")), &[line])
    };
    let halves = |kind: &str, names: [&str; 2]| {
        let lines: Vec<_> = names.iter().map(|name| format!("RW 1024 {kind} \"{name}\"")).collect();
        let create_type = if kind == "FLAT" { "twoGbMaxExtentFlat" } else { "twoGbMaxExtentSparse" };
        descriptor(create_type, 0x33, None, &lines)
    };
    let sparse =
        |part: &[u8]| Hosted { descriptor: Some(String::new()), ..Hosted::new(128, part) }.write().file;
    let cells = BTreeMap::from([(0, Cell::Data(delta[..4096].to_vec()))]);
    let mut thin = disk.clone();
    thin[..4096].copy_from_slice(&delta[..4096]);
    let files = vec![
        file("web.vmdk", tracked(text_descriptor("vmfs", &[("VMFS", "web-flat.vmdk")]))),
        file("web-flat.vmdk", disk.clone()),
        file("web-ctk.vmdk", tracking.clone()),
        file("web-000001.vmdk", child("VMFSSPARSE", "web-000001-delta.vmdk")),
        file("web-000001-delta.vmdk", cowd(1, &changed).file),
        file("web-000001-ctk.vmdk", tracking),
        file("web-000002.vmdk", child("SESPARSE", "web-000002-sesparse.vmdk")),
        file("web-000002-sesparse.vmdk", sesparse(disk.len(), &cells).file),
        file("db.vmdk", halves("SPARSE", ["db-s001.vmdk", "db-s002.vmdk"])),
        file("db-s001.vmdk", sparse(first)),
        file("db-s002.vmdk", sparse(second)),
        file("old.vmdk", halves("FLAT", ["old-f001.vmdk", "old-f002.vmdk"])),
        file("old-f001.vmdk", first.to_vec()),
        file("old-f002.vmdk", second.to_vec()),
        file("web.vmx", "config.version = \"8\"\n"),
        file("web.vmsd", "snapshot.numSnapshots = \"2\"\n"),
        file("vmware.log", "log\n"),
    ];
    let disks = BTreeMap::from([
        ("web.vmdk", disk.clone()),
        ("web-000001.vmdk", delta),
        ("web-000002.vmdk", thin),
        ("db.vmdk", disk.clone()),
        ("old.vmdk", disk),
    ]);
    (files, disks)
}

/// An extent of a split disk, whose descriptor is in another file.
pub fn sparse_part() -> Vec<u8> {
    Hosted { descriptor: Some(String::new()), ..Hosted::new(128, &text(1 << 20)) }.write().file
}

/// An extent of 1 MiB that stores nothing.
pub fn empty_part() -> Vec<u8> {
    Hosted { descriptor: Some(String::new()), ..Hosted::new(128, &vec![0; 1 << 20]) }.write().file
}

/// A disk of `parts` extents of a sector each, in a file each; `gap` puts an extent of zeros after every one.
pub fn many_extents(parts: usize, gap: bool) -> String {
    let line = |part: usize| {
        let zeros = if gap { "\nRW 1 ZERO" } else { "" };
        format!("RW 1 FLAT \"part-{part:05}\" 0{zeros}")
    };
    descriptor("custom", 1, None, &(0..parts).map(line).collect::<Vec<_>>())
}

/// A stream without its end that stores `grains` grains of 4 KiB, each almost nothing.
pub fn cut_stream(grains: usize) -> Vec<u8> {
    let cells = (0..grains as u64).map(|index| (index, Cell::Data(vec![1; 8 * SECTOR]))).collect();
    let recipe = Hosted { cells, order: Order::Stream, ..Hosted::new(8, &[]) }.stream();
    let recipe = Hosted { capacity: grains as u64 * 8, ..recipe }.embedded("streamOptimized", "x.vmdk");
    let mut file = recipe.write().file;
    file.truncate(file.len() - 3 * SECTOR);
    file
}

/// A split disk with one extent of 2 GiB and a sector, in a file that is all holes but for its tables.
pub fn large_extent() -> (String, Vec<u8>) {
    let sectors = (2u64 << 30) / 512 + 1;
    let line = format!("RW {sectors} SPARSE \"large-s001.vmdk\"");
    let recipe = Hosted { capacity: sectors, descriptor: None, ..Hosted::new(128, &[]) };
    (descriptor("twoGbMaxExtentSparse", 1, None, &[line]), recipe.write().file)
}

/// A disk in an seSparse extent whose header declares a sector for its tables, and the offset of its directory.
pub fn sesparse_table_outside() -> (String, Vec<u8>, u64) {
    let cells = BTreeMap::from([(1, Cell::Data(text(4096)))]);
    let Written { mut file, .. } = sesparse(1 << 20, &cells);
    let directory = u64::from_le_bytes(file[128..136].try_into().unwrap_or_default()) * SECTOR as u64;
    file[152..160].copy_from_slice(&1u64.to_le_bytes());
    (text_descriptor("seSparse", &[("SESPARSE", "out-sesparse.vmdk")]), file, directory)
}
