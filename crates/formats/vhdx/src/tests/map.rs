//! Extents of the map, and the cost of walking it.

use super::*;

fn visit(file: &Sparse, range: Range<u64>) -> (Vec<Extent>, Result<(), Error>) {
    let image = parsed(file).unwrap();
    let mut extents = Vec::new();
    let walked = image.map.visit(&(file as &dyn ReadAt), range, &mut |extent| {
        extents.push(extent);
        ControlFlow::Continue(())
    });
    (extents, walked)
}

fn data(at: u64) -> Source {
    Source::Data { file: FileId::SELF, at }
}

#[test]
fn an_invalid_entry_is_reported_with_the_lost_range() {
    let mut file = sample(SMALL);
    file.put(BAT, &((4 * MIB) | 6).to_le_bytes());
    file.put(BAT + 8, &((5 * MIB) | 6).to_le_bytes());
    file.put(BAT + 16, &((4 * MIB) | 5).to_le_bytes());
    file.len = 5 * MIB;
    let (extents, walked) = visit(&file, 0..u64::MAX);
    assert_eq!(extents, [Extent { disk: 0..MIB, source: data(4 * MIB) }]);
    let error = walked.unwrap_err();
    let (code, table) = (crate::codes::BAT_PAST_END, "the block");
    let want =
        Invalid::TablePastEnd { code, at: BAT + 8, table, start: 5 * MIB, end: 6 * MIB, file_len: 5 * MIB };
    assert_eq!((error.detail(), error.disk()), (Some(&want), Some(MIB..2 * MIB)));
    let error = visit(&file, 2 * MIB..u64::MAX).1.unwrap_err();
    assert_eq!((error.at(), error.disk()), (Some(BAT + 16), Some(2 * MIB..3 * MIB)));
    assert!(visit(&file, 3 * MIB..u64::MAX).1.is_ok());
}

/// Blocks of 256 MiB, 16 per chunk.
///
/// There are more than two chunks, of which the second has a sector bitmap.
#[test]
fn a_bitmap_after_the_first_chunk() {
    let block = 256 * MIB;
    let recipe = Recipe { block_size: block, sector: 512, size: 40 * block, has_parent: true };
    let mut file = sample(recipe);
    let (place, bitmap) = (16 * MIB, 8 * MIB);
    file.put(BAT + 20 * 8, &(place | 7).to_le_bytes()); // block 19, the fourth of chunk 1
    file.put(BAT + 33 * 8, &(bitmap | 6).to_le_bytes());
    file.put(BAT + 2 * 8, &1u64.to_le_bytes());
    let per_block = block / 512 / 8;
    file.put(bitmap + 3 * per_block, &[0b0000_0110]);
    file.put(bitmap + 4 * per_block - 1, &[0b1000_0000]);
    file.put(place + block - 1, &[1]);
    let start = 19 * block;
    let extent = |disk: Range<u64>, source| Extent { disk, source };
    let want = [
        extent(0..2 * block, Source::Parent),
        extent(2 * block..3 * block, Source::Zero { explicit: false }),
        extent(3 * block..start + 512, Source::Parent),
        extent(start + 512..start + 1536, data(place + 512)),
        extent(start + 1536..start + block - 512, Source::Parent),
        extent(start + block - 512..start + block, data(place + block - 512)),
        extent(start + block..40 * block, Source::Parent),
    ];
    let (extents, walked) = visit(&file, 0..u64::MAX);
    walked.unwrap();
    assert_eq!(extents, want);
    // Any part of the range yields the same extents, clipped.
    for range in [
        start..start + 513,
        start + 700..start + 1400,
        start + 1024..start + 5000,
        start + block - 600..start + block + 1,
        start + 4096 * 9..start + 4096 * 10,
    ] {
        let (extents, walked) = visit(&file, range.clone());
        walked.unwrap();
        let inside = |extent: &&Extent| extent.disk.start < range.end && range.start < extent.disk.end;
        let clipped: Vec<_> = want
            .iter()
            .filter(inside)
            .map(|extent| extent.part(extent.disk.start.max(range.start), extent.disk.end.min(range.end)))
            .collect();
        assert_eq!(extents, clipped, "{range:?}");
    }
}

#[test]
fn a_partially_present_block_needs_its_bitmap() {
    let mut file = sample(CHILD);
    file.put(BAT + 8, &((4 * MIB) | 7).to_le_bytes());
    file.len = 6 * MIB;
    let at = BAT + 4096 * 8;
    let mut refused = |entry: u64| {
        file.put(at, &entry.to_le_bytes());
        let error = visit(&file, 0..u64::MAX).1.unwrap_err();
        assert_eq!(error.disk(), Some(MIB..2 * MIB));
        error.detail::<Invalid>().unwrap().clone()
    };
    let entry = |found, reason| crate::bat::invalid(at, found, reason);
    assert_eq!(refused(0), entry(0, "no sector bitmap, but a block is partially present"));
    assert_eq!(refused((5 * MIB) | 1), entry((5 * MIB) | 1, "a reserved state of a sector bitmap"));
    assert_eq!(refused(6), entry(6, "points into the headers"));
    assert!(matches!(refused((6 * MIB) | 6), Invalid::TablePastEnd { table: "the sector bitmap", .. }));
}

#[test]
fn a_disk_of_64_tib_costs_what_is_stored() {
    let size = 64 << 40;
    let mut file = sample(Recipe { size, ..SMALL });
    let far = (1 << 26) - 5;
    let entry = BAT + (far + far / 4096) * 8;
    let place = 600 * MIB;
    file.put(entry, &(place | 6).to_le_bytes());
    file.put(place + MIB - 1, &[1]);
    file.read.store(0, Ordering::Relaxed);
    let image = parsed(&file).unwrap();
    assert!(file.read.load(Ordering::Relaxed) < 300 << 10);
    let mut extents = Vec::new();
    let files = &file as &dyn ReadAt;
    let mut take = |extent| {
        extents.push(extent);
        ControlFlow::Continue(())
    };
    image.map.visit(&files, 0..size, &mut take).unwrap();
    let hole = Source::Zero { explicit: false };
    let want = [
        Extent { disk: 0..far * MIB, source: hole.clone() },
        Extent { disk: far * MIB..(far + 1) * MIB, source: data(place) },
        Extent { disk: (far + 1) * MIB..size, source: hole },
    ];
    assert_eq!(extents, want);
    let mut uses = 0;
    image
        .map
        .file_usage(&files, &mut |_| {
            uses += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(uses, 5);
    let read = file.read.load(Ordering::Relaxed);
    assert!(read < 512 << 10, "{read}");
}
