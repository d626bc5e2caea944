//! Images from reports of users: single bytes that the format does not protect, and a map that names one block many times.

use crate::bytes::put;
use crate::disk::{Noise, disk_of, text};
use crate::model::AnomalousImage;
use crate::rows::anomaly;
use crate::vdi::encode::{Vdi, Written};

/// Blocks of 64 KiB: 0, 3 and 16 are stored, the disk ends in the last one.
fn recipe() -> Vdi {
    let disk = disk_of(
        (1 << 20) + 512,
        &[(0, text(65536)), (3 << 16, Noise::new(1).bytes(65536)), (1 << 20, vec![7; 512])],
    );
    Vdi { cylinders: 2, ..Vdi::new(1 << 16, disk.len() as u64) }.with_disk(&disk)
}

/// Header fields that were changed, one byte each, and give another disk.
pub fn vdi_cases() -> Vec<AnomalousImage> {
    let row = |name, about, code, at: u64, changed: u64, byte: u8| {
        let mut bytes = recipe().write().file;
        put(&mut bytes, changed, &[byte]);
        anomaly("vdi", (name, about, code, at), bytes)
    };
    let Written { map, data, .. } = recipe().write();
    let (map, data) = (map.to_le_bytes(), data.to_le_bytes());
    vec![
        row(
            "vdi-data-between-sectors",
            "data 64 bytes later",
            "vdi.header.data-unaligned",
            344,
            344,
            data[0] ^ 64,
        ),
        row("vdi-data-sector-later", "data a sector later", "vdi.file.length", 344, 345, data[1] ^ 2),
        row(
            "vdi-map-between-sectors",
            "a map 4 bytes later",
            "vdi.header.map-unaligned",
            340,
            340,
            map[0] ^ 4,
        ),
        row("vdi-extra", "extra space before each block", "vdi.header.block-extra", 380, 380, 1),
        row("vdi-disk-smaller", "a disk of half the size", "vdi.map.longer", 384, 370, 8),
        row("vdi-block-of-96-kib", "blocks of 96 KiB", "vdi.header.block-size", 376, 377, 0x80),
        row("vdi-allocated-less", "fewer blocks than there are", "vdi.header.allocated", 388, 388, 2),
    ]
}

/// A VDI whose map declares so many entries for blocks of 1 MiB, of which the first ones are stored zeros: all name
/// block 0. The rest of the map is a hole. Its length, and what is not a hole.
pub fn repeated_entries_vdi(entries: u32, stored: u64) -> (u64, Vec<(u64, Vec<u8>)>) {
    let size = u64::from(entries) << 20;
    let mut head = Vdi { cylinders: 2, ..Vdi::new(1 << 20, 1 << 20) }.write().file[..512].to_vec();
    let data = (512 + u64::from(entries) * 4).next_multiple_of(512);
    for (at, value) in [(344, data as u32), (384, entries), (388, entries)] {
        put(&mut head, at, &value.to_le_bytes());
    }
    put(&mut head, 368, &size.to_le_bytes());
    head.resize(512 + stored as usize * 4, 0);
    (data + (2 << 20), vec![(0, head)])
}
