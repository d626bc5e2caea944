//! VDI images whose structure is wrong where readers do not read.

use crate::bytes::put;
use crate::disk::{Noise, disk_of, text};
use crate::model::AnomalousImage;
use crate::rows::anomaly;
use crate::vdi::encode::{Head, Vdi, Written};

/// Blocks of 64 KiB: 0, 3 and 16 are stored, and the map has 8 entries that the disk does not need.
fn recipe() -> Vdi {
    let disk = disk_of(
        (1 << 20) + 512,
        &[(0, text(65536)), (3 << 16, Noise::new(1).bytes(65536)), (1 << 20, vec![7; 512])],
    );
    Vdi { spare: 8, head: Head::V1(1), cylinders: 2, ..Vdi::new(1 << 16, disk.len() as u64) }.with_disk(&disk)
}

pub(crate) fn anomalous() -> Vec<AnomalousImage> {
    maps().into_iter().chain(headers()).collect()
}

fn maps() -> Vec<AnomalousImage> {
    let Written { file, map, data } = recipe().write();
    let (end, block) = (file.len() as u64, |number: u64| data + (number << 16));
    // Entries 17 to 24 are not the disk's.
    let spare = map + 20 * 4;
    let with = |allocated: u32, at: u64, entry: u32, more: usize| {
        let mut file = file.clone();
        put(&mut file, at, &entry.to_le_bytes());
        put(&mut file, 388, &allocated.to_le_bytes());
        file.resize(file.len() + more, 0);
        file
    };
    let row = |name, about, code, at, file| anomaly("vdi", (name, about, code, at), file);
    let never = u32::MAX;
    vec![
        row(
            "vdi-spare-stored",
            "a block after the disk",
            "vdi.check.beyond-disk",
            spare,
            with(4, spare, 3, 1 << 16),
        ),
        row(
            "vdi-spare-shared",
            "a block of the disk again",
            "vdi.check.duplicate",
            spare,
            with(4, spare, 1, 0),
        ),
        row(
            "vdi-spare-no-such",
            "a block that no map can have",
            "vdi.check.out-of-range",
            spare,
            with(3, spare, 25, 0),
        ),
        row(
            "vdi-spare-past-allocated",
            "a block that is not allocated",
            "vdi.check.past-allocated",
            spare,
            with(3, spare, 3, 1 << 16),
        ),
        row(
            "vdi-spare-past-end",
            "a block after the file's end",
            "vdi.check.past-end",
            spare,
            with(4, spare, 3, 0),
        ),
        row("vdi-leak", "a block that was lost", "vdi.check.leak", block(1), with(3, map + 12, never, 0)),
        row("vdi-leak-of-two", "the first two blocks were lost", "vdi.check.leak", block(0), {
            let mut file = with(3, map, never, 0);
            put(&mut file, map + 12, &never.to_le_bytes());
            file
        }),
        row(
            "vdi-leak-of-the-last",
            "the last block was lost",
            "vdi.check.leak",
            block(2),
            with(3, map + 64, never, 0),
        ),
        row(
            "vdi-trailing-block",
            "a block after all others",
            "vdi.check.trailing",
            end,
            with(3, map + 4, never, 1 << 16),
        ),
        row(
            "vdi-trailing-bytes",
            "bytes after all blocks",
            "vdi.check.trailing",
            end,
            with(3, map + 4, never, 1000),
        ),
        row(
            "vdi-allocated-more",
            "more blocks than there are",
            "vdi.header.allocated",
            388,
            with(5, map + 4, never, 0),
        ),
    ]
}

fn headers() -> Vec<AnomalousImage> {
    let of = |recipe: &Vdi, at: u64, bytes: &[u8]| {
        let mut file = recipe.write().file;
        put(&mut file, at, bytes);
        file
    };
    let field = |name, about, code, at: u64, bytes: &[u8]| {
        anomaly("vdi", (name, about, code, at), of(&recipe(), at, bytes))
    };
    let moved = |field: u64, more: usize| {
        // The map or the data, and all after them, 100 bytes later.
        let Written { mut file, map, data } = recipe().write();
        let from = if field == 340 { map } else { data } as usize;
        file.splice(from..from, vec![0; more]);
        if field == 340 {
            put(&mut file, 340, &(map as u32 + more as u32).to_le_bytes());
            put(&mut file, 344, &(data as u32 + 512).to_le_bytes());
            file.splice(data as usize + more..data as usize + more, vec![0; 512 - more]);
        } else {
            put(&mut file, 344, &(data as u32 + more as u32).to_le_bytes());
        }
        file
    };
    vec![
        field("vdi-uuid-null", "an image without a name", "vdi.check.uuid", 392, &[0; 16]),
        field("vdi-modified-null", "no revision", "vdi.check.modified-uuid", 408, &[0; 16]),
        field(
            "vdi-parent-modified",
            "a parent revision without a parent",
            "vdi.check.parent-modified",
            440,
            &[5; 16],
        ),
        field("vdi-geometry", "a geometry larger than the disk", "vdi.check.geometry", 348, &[200, 0, 0, 0]),
        field("vdi-text", "another text at the beginning", "vdi.check.text", 0, b"### "),
        field("vdi-comment", "a comment that does not end", "vdi.check.comment", 84, &[b'x'; 256]),
        field("vdi-header-size-392", "an unusual header size", "vdi.check.header-size", 72, &[0x88, 1, 0, 0]),
        anomaly(
            "vdi",
            ("vdi-logical-geometry", "a geometry larger than the disk", "vdi.check.logical-geometry", 456),
            of(&Vdi { head: Head::V1Plus, ..recipe() }, 456, &[200, 0, 0, 0]),
        ),
        anomaly(
            "vdi",
            ("vdi-map-unaligned", "a map between sectors", "vdi.header.map-unaligned", 340),
            moved(340, 100),
        ),
        anomaly(
            "vdi",
            ("vdi-data-unaligned", "data between sectors", "vdi.header.data-unaligned", 344),
            moved(344, 100),
        ),
        anomaly(
            "vdi",
            ("vdi-static-with-holes", "a static image that is not whole", "vdi.check.static-holes", 76),
            of(&recipe(), 76, &[2, 0, 0, 0]),
        ),
        anomaly(
            "vdi",
            ("vdi-nothing-in-map", "no data, and they begin in the map", "vdi.check.data-in-map", 344),
            of(&Vdi { cells: std::collections::BTreeMap::new(), ..recipe() }, 344, &[0, 2, 0, 0]),
        ),
    ]
}
