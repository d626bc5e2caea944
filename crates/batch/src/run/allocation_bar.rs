//! The allocation of a disk as a bar of equal parts.

use imgprep::{PartAllocation, TableScan};

/// The predominant kind of each part of the disk: `d`ata, com`p`ressed or `z`eros. Empty if a range of the
/// disk cannot be read.
pub(crate) fn allocation_bar(table_scan: &TableScan) -> String {
    table_scan
        .allocation
        .as_ref()
        .map_or(String::new(), |allocation| allocation.parts().iter().map(letter).collect())
}

fn letter(part: &PartAllocation) -> char {
    match part.data.max(part.compressed) {
        most if part.zeros > most => 'z',
        most if most == part.data => 'd',
        _ => 'p',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_what_most_of_it_is() {
        let part = |data, compressed, zeros| letter(&PartAllocation { data, compressed, zeros });
        assert_eq!([part(3, 1, 2), part(1, 3, 2), part(1, 2, 3)], ['d', 'p', 'z']);
        assert_eq!([part(2, 2, 2), part(0, 2, 2), part(0, 0, 0)], ['d', 'p', 'd']);
    }

    #[test]
    fn a_disk_with_lost_ranges_has_no_bar() {
        assert_eq!(allocation_bar(&TableScan { allocation: None, ..TableScan::default() }), "");
    }
}
