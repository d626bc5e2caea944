//! A walk over the grains that tables name.

use imgprep_map::{Error, ReadAt, usize_of};

use crate::holes::Holes;
use crate::tables::{Grain, Tables};

/// Walks the grains that tables name: place of the entry, first byte in the extent, state.
pub(crate) fn walk_grains(
    file: &dyn ReadAt,
    tables: &Tables,
    see: &mut dyn FnMut(u64, u64, Grain),
) -> Result<(), Error> {
    let mut holes = Holes::new(file);
    let mut index = 0;
    while index < tables.count() {
        let skipped = holes.entries(tables.directory + index * tables.entry_bytes(), tables.entry_bytes());
        if skipped > 0 {
            index += skipped;
            continue;
        }
        // Read errors are reported where the data is read.
        if let Ok(Some(table)) = tables.table(file, index)
            && !holes.has(&table)
        {
            // OK: at most 4096 entries of 8 bytes, inside the file.
            let bytes = file.slice(table.start, usize_of(table.end - table.start))?;
            let step = if tables.entry_bytes() == 8 { 8 } else { 4 };
            let starts =
                (tables.described(index).start..).step_by(usize::try_from(tables.grain).unwrap_or(1));
            for ((at, entry), start) in
                (table.start..).step_by(step).zip(bytes.chunks_exact(step)).zip(starts)
            {
                match tables.grain(entry, at) {
                    Ok(Grain::Unallocated) | Err(_) => {}
                    Ok(grain) => see(at, start, grain),
                }
            }
        }
        index += 1;
    }
    Ok(())
}
