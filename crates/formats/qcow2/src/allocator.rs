//! Allocates the clusters of a written file and counts their references.
//!
//! Source: section "Host cluster management".
//!
//! Clusters are allocated in ascending order and never freed. A refcount block is therefore final once all clusters
//! that it covers are allocated. It is then written to the next free cluster.

use alloc::vec;
use alloc::vec::Vec;

use imgprep_map::{Emit, Error, usize_of};

use crate::cluster_size::{ClusterSize, ENTRY};
use crate::table_writer::write_table;

/// Bytes of a reference count.
const COUNT: u64 = 2;

pub(crate) struct Allocator {
    cluster: ClusterSize,
    /// Number of the next free cluster.
    next: u64,
    /// Free space after the last compressed cluster.
    ///
    /// File offsets of its start and of the end of the host cluster.
    packing: Option<(u64, u64)>,
    /// The refcount block that is being filled.
    counts: Vec<u16>,
    /// The refcount table: offsets of the blocks that are written.
    table: Vec<u64>,
}

impl Allocator {
    pub(crate) fn new(cluster: ClusterSize) -> Self {
        Self { cluster, next: 0, packing: None, counts: empty_block(cluster), table: Vec::new() }
    }

    /// File offset of the first free cluster.
    pub(crate) fn end(&self) -> u64 {
        self.next * self.cluster.bytes()
    }

    /// Allocates a cluster with one reference. Returns its file offset.
    pub(crate) fn cluster(&mut self, out: &mut dyn Emit) -> Result<u64, Error> {
        if self.next == self.counts_end() {
            self.write_block(out)?;
        }
        Ok(self.take())
    }

    /// Allocates contiguous clusters, for a table.
    ///
    /// Refcount blocks that become complete meanwhile are written after them.
    pub(crate) fn contiguous(&mut self, clusters: u64, out: &mut dyn Emit) -> Result<u64, Error> {
        let at = self.end();
        let mut complete = Vec::new();
        for _ in 0..clusters {
            if self.next == self.counts_end() {
                complete.push((self.table.len(), self.complete_block(0)));
            }
            self.take();
        }
        for (index, bytes) in complete {
            let at = self.cluster(out)?;
            // OK: the entry of a block that was completed above.
            self.table[index] = at;
            out.write(at, &bytes)?;
        }
        Ok(at)
    }

    /// Allocates space for a compressed cluster and returns its file offset.
    ///
    /// `len` is in bytes and less than a cluster. The space directly follows the previous compressed cluster
    /// if possible.
    pub(crate) fn bytes(&mut self, len: u64, out: &mut dyn Emit) -> Result<u64, Error> {
        let at = if let Some(at) = self.packed(len) {
            at
        } else {
            let at = self.cluster(out)?;
            self.packing = Some((at, at + self.cluster.bytes()));
            at
        };
        if let Some((free, _)) = &mut self.packing {
            *free = at + len;
        }
        Ok(at)
    }

    /// Allocates space directly after the last compressed cluster.
    ///
    /// The space may extend into the next host cluster if that is free and covered by the same refcount
    /// block.
    fn packed(&mut self, len: u64) -> Option<u64> {
        let (at, end) = self.packing.filter(|(at, end)| at < end)?;
        let index = self.index_of(at)?;
        let raised = self.counts.get(index)?.checked_add(1)?;
        if at + len > end {
            if end != self.end() || self.next == self.counts_end() {
                return None;
            }
            self.take();
            self.packing = Some((at, end + self.cluster.bytes()));
        }
        *self.counts.get_mut(index)? = raised;
        Some(at)
    }

    /// Writes the remaining refcount blocks and the refcount table.
    ///
    /// Returns the file offset of the table and its size in clusters.
    pub(crate) fn finish(&mut self, out: &mut dyn Emit) -> Result<(u64, u64), Error> {
        let (blocks, table) = refcount_structures(self.cluster, self.next, self.table.len() as u64);
        let first = self.next;
        let end = first + blocks + table;
        for index in 0..blocks {
            let from = self.counts_end() - self.per_block();
            for number in first.max(from)..end.min(self.counts_end()) {
                // OK: less than the number of counts in a block.
                self.counts[usize_of(number - from)] = 1;
            }
            self.put_block((first + index) * self.cluster.bytes(), out)?;
        }
        self.next = end;
        let at = (first + blocks) * self.cluster.bytes();
        write_table(out, at, &self.table)?;
        Ok((at, table))
    }

    /// Allocates the next cluster, which the current refcount block covers.
    fn take(&mut self) -> u64 {
        let at = self.end();
        self.next += 1;
        if let Some(count) = self.index_of(at).and_then(|index| self.counts.get_mut(index)) {
            *count = 1;
        }
        at
    }

    /// Writes the complete refcount block to the next cluster.
    fn write_block(&mut self, out: &mut dyn Emit) -> Result<(), Error> {
        self.put_block(self.end(), out)?;
        self.take();
        Ok(())
    }

    fn put_block(&mut self, at: u64, out: &mut dyn Emit) -> Result<(), Error> {
        let bytes = self.complete_block(at);
        out.write(at, &bytes)
    }

    /// Starts the next refcount block. Returns the bytes of the current one, which is at `at`.
    fn complete_block(&mut self, at: u64) -> Vec<u8> {
        let counts = core::mem::replace(&mut self.counts, empty_block(self.cluster));
        self.table.push(at);
        counts.iter().flat_map(|count| count.to_be_bytes()).collect()
    }

    fn per_block(&self) -> u64 {
        self.cluster.bytes() / COUNT
    }

    /// Number of the first cluster after those that the current refcount block covers.
    fn counts_end(&self) -> u64 {
        (self.table.len() as u64 + 1) * self.per_block()
    }

    /// Index of a cluster's count in the current refcount block.
    ///
    /// `None` if an earlier block covers the cluster: that block is already written.
    fn index_of(&self, at: u64) -> Option<usize> {
        let from = self.counts_end() - self.per_block();
        (at / self.cluster.bytes()).checked_sub(from).map(usize_of)
    }
}

fn empty_block(cluster: ClusterSize) -> Vec<u16> {
    // OK: a block is a cluster, 2 MiB at most.
    vec![0; usize_of(cluster.bytes() / COUNT)]
}

/// Number of refcount blocks left to write and size of the refcount table.
///
/// The size is in clusters. The file has `clusters` clusters before these structures, and `written` blocks
/// are already written. The blocks also cover themselves and the table.
pub(crate) fn refcount_structures(cluster: ClusterSize, clusters: u64, written: u64) -> (u64, u64) {
    let per_block = cluster.bytes() / COUNT;
    let mut blocks = written + 1;
    loop {
        let table = (blocks * ENTRY).div_ceil(cluster.bytes());
        let needed = (clusters + (blocks - written) + table).div_ceil(per_block);
        if needed <= blocks {
            return (blocks - written, table);
        }
        blocks = needed;
    }
}
