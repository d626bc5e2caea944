//! Sparse use counts of the clusters of the file, within a memory budget.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use imgprep_map::usize_of;

use crate::codes;
use crate::header::Header;
use crate::report::Report;

/// Clusters per chunk: 16 KiB of memory.
pub(crate) const CHUNK: u64 = 4096;

/// Use counts of the clusters from `start` to `end`.
///
/// `end` decreases when the memory budget is exhausted.
pub(crate) struct Counts {
    /// Chunk number to index in `counts`.
    chunks: BTreeMap<u64, usize>,
    counts: Vec<Vec<u32>>,
    /// Number and index of the chunk used last: adjacent clusters share a chunk.
    last: Option<(u64, usize)>,
    cluster_bits: u32,
    file_len: u64,
    start: u64,
    end: u64,
    room: usize,
    /// Number of clusters to compare.
    ///
    /// Includes all clusters of the file, and used ones directly after its end.
    pub(crate) clusters: u64,
}

impl Counts {
    pub(crate) fn new(header: &Header, file_len: u64, start: u64, budget: u64) -> Self {
        let chunk_bytes = CHUNK * 4 + 64;
        Self {
            chunks: BTreeMap::new(),
            counts: Vec::new(),
            last: None,
            cluster_bits: header.cluster_bits,
            file_len,
            start,
            end: u64::MAX,
            room: usize_of(budget / chunk_bytes).max(2),
            clusters: file_len.div_ceil(header.cluster_size()),
        }
    }

    /// First cluster that this pass does not count.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// Counts `weight` uses of the clusters that `len` bytes at `at` occupy.
    ///
    /// The reference to them is at file offset `referenced_at`.
    pub(crate) fn add(
        &mut self,
        referenced_at: u64,
        at: u64,
        len: u64,
        weight: u32,
        report: &mut Report<'_>,
    ) {
        let cluster_size = 1u64 << self.cluster_bits;
        let end = at.saturating_add(len);
        if len == 0 {
            return;
        }
        // The last cluster of a file may be truncated. Anything further is an error.
        if end.saturating_sub(self.file_len) >= cluster_size {
            let message = format!("bytes {at}..{end} are used, but the file has {}", self.file_len);
            report.corrupt(codes::USE_PAST_END, referenced_at, weight.into(), message);
            return;
        }
        for cluster in at >> self.cluster_bits..=(end - 1) >> self.cluster_bits {
            self.clusters = self.clusters.max(cluster + 1);
            self.add_cluster(cluster, weight);
        }
    }

    fn add_cluster(&mut self, cluster: u64, weight: u32) {
        if let Some(count) = self.at_mut(cluster) {
            *count = count.saturating_add(weight);
        }
    }

    /// Allocates the chunk of a cluster, whether or not the cluster is used.
    pub(crate) fn touch(&mut self, cluster: u64) {
        let _ = self.at_mut(cluster);
    }

    fn at_mut(&mut self, cluster: u64) -> Option<&mut u32> {
        if cluster < self.start || cluster >= self.end {
            return None;
        }
        let number = cluster / CHUNK;
        let place = match self.last.filter(|(last, _)| *last == number) {
            Some((_, place)) => place,
            None => self.place(number)?,
        };
        self.last = Some((number, place));
        let within = usize::try_from(cluster % CHUNK).ok()?;
        self.counts.get_mut(place)?.get_mut(within)
    }

    /// Index of a chunk in `counts`, which is allocated if necessary.
    ///
    /// If there is no room, the highest chunk is dropped. `None` if `number` is higher than all chunks.
    fn place(&mut self, number: u64) -> Option<usize> {
        if let Some(place) = self.chunks.get(&number) {
            return Some(*place);
        }
        // OK: 4096.
        let len = usize_of(CHUNK);
        let place = if self.counts.len() < self.room {
            self.counts.push(vec![0; len]);
            self.counts.len() - 1
        } else {
            let (highest, _) = self.chunks.last_key_value()?;
            // The next pass counts the dropped chunk from the beginning.
            self.end = (*highest).max(number) * CHUNK;
            self.last = None;
            if *highest < number {
                return None;
            }
            let (_, place) = self.chunks.pop_last()?;
            self.counts.get_mut(place)?.fill(0);
            place
        };
        self.chunks.insert(number, place);
        Some(place)
    }

    /// Number of uses of a cluster.
    pub(crate) fn get(&self, cluster: u64) -> u32 {
        let within = usize::try_from(cluster % CHUNK).ok();
        within.and_then(|within| self.chunk(cluster)?.get(within).copied()).unwrap_or(0)
    }

    /// Counts of the chunk that contains `cluster`, if it is allocated.
    pub(crate) fn chunk(&self, cluster: u64) -> Option<&[u32]> {
        self.counts.get(*self.chunks.get(&(cluster / CHUNK))?).map(Vec::as_slice)
    }

    /// Whether the chunk that contains `cluster` is allocated.
    pub(crate) fn has_chunk(&self, cluster: u64) -> bool {
        self.chunks.contains_key(&(cluster / CHUNK))
    }

    /// First cluster at or after `cluster` whose chunk is allocated.
    pub(crate) fn next_chunk(&self, cluster: u64) -> Option<u64> {
        let (number, _) = self.chunks.range(cluster / CHUNK..).next()?;
        Some((number * CHUNK).max(cluster))
    }
}

#[cfg(test)]
mod tests {
    use core::ops::ControlFlow;

    use imgprep_map::StructureCounts;

    use super::*;

    fn counts(start: u64, room: usize) -> Counts {
        Counts {
            chunks: BTreeMap::new(),
            counts: Vec::new(),
            last: None,
            cluster_bits: 16,
            file_len: 1 << 40,
            start,
            end: u64::MAX,
            room,
            clusters: 1 << 24,
        }
    }

    #[test]
    fn clusters_beyond_the_budget_are_counted_in_a_later_pass() {
        let mut found = |_| ControlFlow::Continue(());
        let mut report = Report::new(&mut found);
        let mut counts = counts(0, 2);
        for chunk in [5, 1, 3, 0] {
            counts.add(7, (chunk * CHUNK) << 16, 3 << 16, 2, &mut report);
        }
        assert_eq!(counts.end(), 3 * CHUNK);
        assert_eq!([0, 1, 3, 5].map(|chunk| counts.get(chunk * CHUNK + 2)), [2, 2, 0, 0]);
        let mut later = Counts { start: 3 * CHUNK, ..self::counts(0, 2) };
        for chunk in [5, 1, 3, 0] {
            later.add(7, (chunk * CHUNK) << 16, 3 << 16, 2, &mut report);
        }
        assert_eq!(later.end(), u64::MAX);
        assert_eq!([0, 1, 3, 5].map(|chunk| later.get(chunk * CHUNK + 2)), [0, 0, 2, 2]);
        assert_eq!(report.counts, StructureCounts::default());
    }

    #[test]
    fn a_use_after_the_last_cluster_is_a_corruption() {
        let mut found = |_| ControlFlow::Continue(());
        let mut report = Report::new(&mut found);
        let mut counts = counts(0, 9);
        counts.add(7, (1 << 40) - 1, 65536, 1, &mut report);
        assert_eq!((report.counts.corruptions, counts.clusters), (0, (1 << 24) + 1));
        counts.add(7, (1 << 40) - 1, 65537, 1, &mut report);
        counts.add(7, u64::MAX, 9, 1, &mut report);
        assert_eq!(report.counts.corruptions, 2);
    }
}
