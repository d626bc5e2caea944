//! The allocation of a disk as a bar of equal parts.

use std::ops::ControlFlow;

use imgprep::{Disk, ResolvedExtent, Source};

/// Parts of a bar.
const PARTS: u64 = 96;
/// Most extents that are walked: a bar must cost much less than a conversion.
const MOST_EXTENTS: u64 = 200_000;

/// Walks the tables and reports the predominant kind of each part. Empty if that would take long or fails.
pub(crate) fn allocation_bar(disk: &Disk) -> String {
    let mut bar = AllocationBar::new(disk.size());
    let mut extents = 0;
    let walked = disk.visit_extents(&mut |extent| {
        bar.add(&extent);
        extents += 1;
        if extents < MOST_EXTENTS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    if walked.is_ok() && extents < MOST_EXTENTS { bar.text() } else { String::new() }
}

struct AllocationBar {
    size: u64,
    /// Bytes of data, compressed, zeros in each part.
    parts: Vec<[u64; 3]>,
}

impl AllocationBar {
    fn new(size: u64) -> Self {
        // A disk of a few sectors has no more parts than that.
        let parts = PARTS.min(size / 512);
        // OK: at most `PARTS`.
        Self { size, parts: vec![[0; 3]; usize::try_from(parts).unwrap_or(0)] }
    }

    fn add(&mut self, extent: &ResolvedExtent) {
        let kind = match extent.source {
            Source::Data { .. } => 0,
            Source::Compressed { .. } => 1,
            Source::Zero { .. } | Source::Parent => 2,
        };
        let count = self.parts.len() as u64;
        if count == 0 {
            return;
        }
        let each = self.size.div_ceil(count);
        let first = extent.disk.start / each;
        // OK: the index of a part.
        for (index, part) in (first..).zip(self.parts.iter_mut().skip(usize::try_from(first).unwrap_or(0))) {
            let (start, end) = (index * each, (index + 1) * each);
            if start >= extent.disk.end {
                break;
            }
            part[kind] += extent.disk.end.min(end) - extent.disk.start.max(start);
        }
    }

    fn text(&self) -> String {
        let letter = |[data, compressed, zeros]: &[u64; 3]| match data.max(compressed) {
            most if zeros > most => 'z',
            most if most == data => 'd',
            _ => 'p',
        };
        self.parts.iter().map(letter).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_what_most_of_it_is() {
        let mut bar = AllocationBar::new(96 << 20);
        let data = Source::Data { file: imgprep::FileId::SELF, at: 0 };
        let zero = Source::Zero { explicit: false };
        bar.add(&ResolvedExtent { disk: 0..(3 << 19) + 1, layer: 0, source: data });
        bar.add(&ResolvedExtent { disk: (3 << 19) + 1..96 << 20, layer: 0, source: zero });
        assert_eq!(bar.text(), format!("dd{}", "z".repeat(94)));
        assert_eq!(AllocationBar::new(0).text(), "");
        assert_eq!(AllocationBar::new(1024).text().len(), 2);
    }
}
