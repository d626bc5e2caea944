//! Read-ahead of extents that are scattered over their files, so that a device works on several requests at once.

use std::ops::Range;

use imgprep_map::FileId;

use crate::{ResolvedExtent, Stack};

/// Largest gap between two extents of a file that are read together, in bytes.
const NEAR: u64 = 256 << 10;

/// Extents that are read ahead at once for one chunk: enough to keep a disk busy. `io` keeps as many windows as four
/// threads prefetch; with more, an extent may be dropped before it is used, and is read once more.
const AT_ONCE: usize = 32;

/// Prefetches extents except the first one, and except those that follow the previous one and are read together with it.
pub(crate) fn prefetch(stack: &Stack, extents: &[ResolvedExtent]) {
    for (layer, file, range) in scattered(extents).take(AT_ONCE) {
        if let Ok(file) = stack.layers()[layer].file(file) {
            file.will_read_soon(range);
        }
    }
}

/// Layer, file and range of the extents that do not follow the previous one.
fn scattered(extents: &[ResolvedExtent]) -> impl Iterator<Item = (usize, FileId, Range<u64>)> {
    let mut before: Option<(usize, FileId, Range<u64>)> = None;
    extents.iter().filter_map(move |extent| {
        let (file, range) = extent.stored()?;
        // The next payload may begin before the upper bound of the previous one.
        let follows = before.as_ref().is_none_or(|(layer, of, before)| {
            (*layer, *of) == (extent.layer, file)
                && (before.start..=before.end.saturating_add(NEAR)).contains(&range.start)
        });
        before = Some((extent.layer, file, range.clone()));
        (!follows).then_some((extent.layer, file, range))
    })
}

#[cfg(test)]
mod tests {
    use imgprep_map::{Codec, CompressedLen, Source};

    use super::*;

    const K: u64 = 1 << 10;

    fn extent(layer: usize, source: Source) -> ResolvedExtent {
        ResolvedExtent { disk: 0..64 * K, layer, source }
    }

    fn data(layer: usize, at: u64) -> ResolvedExtent {
        extent(layer, Source::Data { file: FileId::SELF, at })
    }

    fn prefetched(extents: &[ResolvedExtent]) -> Vec<(usize, Range<u64>)> {
        scattered(extents).map(|(layer, _, range)| (layer, range)).collect()
    }

    #[test]
    fn contiguous_pieces_are_not_prefetched() {
        let zeros = extent(0, Source::Zero { explicit: false });
        let near = data(0, 128 * K + NEAR);
        assert_eq!(prefetched(&[data(0, 0), zeros, data(0, 64 * K), near]), []);
        assert_eq!(prefetched(&[]), []);
    }

    #[test]
    fn scattered_pieces_are_prefetched() {
        let far = 64 * K + NEAR + 1;
        let extents = [data(0, 0), data(0, far), data(0, 0), data(1, 64 * K)];
        let want = [(0, far..far + 64 * K), (0, 0..64 * K), (1, 64 * K..128 * K)];
        assert_eq!(prefetched(&extents), want);
    }

    #[test]
    fn the_stored_length_of_a_payload_counts() {
        let compressed = |at, len| {
            let (codec, block) = (Codec::Zlib, 0..64 * K);
            extent(0, Source::Compressed { codec, file: FileId::SELF, at, len, block })
        };
        let extents = [
            compressed(0, CompressedLen::Exact(1000)),
            compressed(1000, CompressedLen::AtMost(512)),
            compressed(1500, CompressedLen::AtMost(512)),
            compressed(u64::MAX, CompressedLen::AtMost(512)),
        ];
        assert_eq!(prefetched(&extents), [(0, u64::MAX..u64::MAX)]);
    }
}
