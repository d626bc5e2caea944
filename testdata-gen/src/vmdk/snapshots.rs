//! Children over parents, which must be read correctly: what the child stores, else what is below.

use std::collections::BTreeMap;

use crate::disk::Noise;
use crate::model::{GoodImage, ImageFile};
use crate::rows::image;
use crate::vmdk::encode::{Cell, Hosted, SECTOR, cells_of, cowd, descriptor, file, sectors, sesparse};

/// Bytes of the parent's disk.
const SIZE: usize = 500_224;
/// Bytes of a grain.
const GRAIN: usize = 1 << 16;
/// The id of the sparse parent.
const PARENT: u32 = 0x1234_abcd;

pub(crate) fn snapshots() -> Vec<GoodImage> {
    let mut all = children();
    all.push(chain_of_three());
    all.extend(deltas());
    all.push(stream());
    all
}

/// Grain 2 of the children.
fn written() -> Vec<u8> {
    Noise::new(11).bytes(GRAIN)
}

/// Grain 2 and nothing else.
fn cells() -> BTreeMap<u64, Cell> {
    BTreeMap::from([(2, Cell::Data(written()))])
}

/// The disk of a child of `size` bytes that stores grain 2.
fn merged(size: usize) -> Vec<u8> {
    let mut disk = sectors(SIZE);
    disk.resize(size, 0);
    disk[2 * GRAIN..3 * GRAIN].copy_from_slice(&written());
    disk
}

/// The sparse parent.
fn base(name: &str) -> ImageFile {
    let recipe = Hosted::new(128, &sectors(SIZE)).embedded("monolithicSparse", name);
    file(name, recipe.write().file)
}

/// A sparse child of a parent with this id, which `hint` names.
fn child(name: &str, hint: &str, size: usize, cells: BTreeMap<u64, Cell>, parent: u32) -> Vec<u8> {
    let line = format!("RW {} SPARSE \"{name}.vmdk\"", size / SECTOR);
    let text = descriptor("monolithicSparse", 0x99, Some((parent, hint)), &[line]);
    let recipe = Hosted { has_zeroed: true, cells, ..Hosted::new(128, &vec![0; size]) };
    Hosted { descriptor: Some(text), ..recipe }.write().file
}

/// A child with grain 4 zeroed, and its parent.
fn over(name: &str, about: &'static str, hint: &str, size: usize, base_name: &str) -> GoodImage {
    let mut cells = cells();
    cells.insert(4, Cell::Zero);
    let mut disk = merged(size);
    disk[4 * GRAIN..5 * GRAIN].fill(0);
    let mut image = image(name, about, "vmdk", child(name, hint, size, cells, PARENT), disk);
    image.files.push(base(base_name));
    image
}

fn children() -> Vec<GoodImage> {
    let (first, second, third) = ("vmdk-base.vmdk", "vmdk-base-2.vmdk", "vmdk-base-3.vmdk");
    let foreign = "C:\\vm\\vmdk-base-3.vmdk";
    vec![
        over("vmdk-over", "a child, a zeroed grain hides its parent", first, SIZE, first),
        over("vmdk-over-shorter", "a parent shorter than the disk", second, 800_256, second),
        over("vmdk-over-foreign", "a parent by a foreign path", foreign, SIZE, third),
    ]
}

fn chain_of_three() -> GoodImage {
    let top = child("vmdk-chain-of-three", "vmdk-chain-2.vmdk", SIZE, cells(), 0x99);
    let middle = child("vmdk-chain-2", "vmdk-chain-1.vmdk", SIZE, BTreeMap::new(), PARENT);
    let mut chain = image("vmdk-chain-of-three", "a child of a child", "vmdk", top, merged(SIZE));
    chain.files.push(file("vmdk-chain-2.vmdk", middle));
    chain.files.push(base("vmdk-chain-1.vmdk"));
    chain
}

/// A disk of grain 2 only.
fn only() -> Vec<u8> {
    let mut only = vec![0; SIZE];
    only[2 * GRAIN..3 * GRAIN].copy_from_slice(&written());
    only
}

/// A delta over a flat disk, as ESX writes it.
fn delta(name: &str, about: &'static str, create_type: &str, kind: &str, extent: Vec<u8>) -> GoodImage {
    let line = format!("RW {} {kind} \"{name}-delta\"", SIZE / SECTOR);
    let text = descriptor(create_type, 7, Some((6, &format!("{name}-base.vmdk"))), &[line]);
    let flat = [format!("RW {} VMFS \"{name}-flat\"", SIZE / SECTOR)];
    let mut delta = image(name, about, "vmdk", text.into_bytes(), merged(SIZE));
    delta.files.extend([
        file(format!("{name}-delta"), extent),
        file(format!("{name}-base.vmdk"), descriptor("vmfs", 6, None, &flat)),
        file(format!("{name}-flat"), sectors(SIZE)),
    ]);
    delta
}

fn deltas() -> Vec<GoodImage> {
    let cow = cowd(1, &only()).file;
    let se = sesparse(SIZE, &cells_of(&only(), 4096)).file;
    vec![
        delta("vmdk-over-cowd", "a redo log over a flat disk", "vmfsSparse", "VMFSSPARSE", cow),
        delta("vmdk-over-sesparse", "an seSparse delta over a flat disk", "seSparse", "SESPARSE", se),
    ]
}

fn stream() -> GoodImage {
    let line = format!("RW {} SPARSE \"x\"", SIZE / SECTOR);
    let text = descriptor("streamOptimized", 7, Some((PARENT, "vmdk-stream-base.vmdk")), &[line]);
    let stream = Hosted { descriptor: Some(text), ..Hosted::new(128, &only()).stream() }.write().file;
    let mut stream = image("vmdk-over-stream", "a stream over a sparse disk", "vmdk", stream, merged(SIZE));
    stream.files.push(base("vmdk-stream-base.vmdk"));
    stream
}
