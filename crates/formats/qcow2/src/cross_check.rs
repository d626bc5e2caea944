//! Compares the tables that a conversion reads with other parts of the image.
//!
//! These are reference counts, COPIED, the size of the disk and other entries.
//!
//! One walk over the L1 and L2 tables of the disk, with one lookup of the reference count of each cluster
//! that an entry references: 8 and 2 bytes per cluster, where a conversion reads 64 KiB of payload for the
//! same entry. Nothing is counted, so the walk needs no memory and does not detect leaks (which every crash
//! leaves); the full check detects them. Payloads in the order of the disk, as `qemu-img convert -c` writes
//! them, need no further work. Otherwise a second walk sorts their offsets.

use alloc::format;
use alloc::vec::Vec;
use core::ops::ControlFlow;

use imgprep_format_kit::{EntryRun, Flow, Step, TableVisitor};
use imgprep_map::{
    Contradictions, CoverageSweep, Error, FileId, Files, Finding, ReadAt, RevisitLimiter, Severity, Swept,
    Use, usize_of,
};

use crate::codes;
use crate::layout::{COPIED, DIRTY};
use crate::map::Map;
use crate::refcounts::Refcounts;
use crate::tables::{Cluster, Entry};

/// Bytes of memory for one payload offset while the offsets are sorted.
const PLACE_BYTES: u64 = 64;

pub(crate) fn cross_check(map: &Map, files: &dyn Files) -> Result<Vec<Finding>, Error> {
    // If the image was not closed, its counts, and COPIED with them, may be stale (section "Header", bit 0).
    let has_counts = map.header.raw.incompatible & DIRTY == 0;
    match files.get(FileId::SELF).filter(|_| map.header.refusal().is_none()) {
        Some(file) => walked(map, file, has_counts),
        None => Ok(Vec::new()),
    }
}

/// Checks that need no counts: entries past the disk, shared payloads.
pub(crate) fn check_places(map: &Map, file: &dyn ReadAt) -> Result<Vec<Finding>, Error> {
    walked(map, file, false)
}

fn walked(map: &Map, file: &dyn ReadAt, has_counts: bool) -> Result<Vec<Finding>, Error> {
    let mut walk = Walk {
        map,
        file,
        refcounts: Refcounts::new(&map.header, file),
        has_counts,
        found: Contradictions::default(),
        revisits: RevisitLimiter::new(file.len()),
        has_saved_state: map.tables.snapshots.iter().any(|entry| entry.shown.vm_state_size > 0),
        is_saved_state: false,
        last_payload: None,
        are_payloads_in_order: true,
    };
    walk_all(map, file, &mut walk)?;
    if !walk.are_payloads_in_order {
        walk.payloads()?;
    }
    Ok(walk.found.into_findings())
}

struct Walk<'w, 'f> {
    map: &'w Map,
    file: &'f dyn ReadAt,
    refcounts: Refcounts<'f>,
    /// Whether to look up reference counts and check COPIED.
    has_counts: bool,
    found: Contradictions,
    revisits: RevisitLimiter,
    /// Whether a snapshot has a VM state.
    ///
    /// QEMU stores the state after the disk, from the next L2 table on (section "Snapshots").
    has_saved_state: bool,
    /// Whether the current table stores a VM state.
    is_saved_state: bool,
    /// File offset of the last payload.
    last_payload: Option<u64>,
    are_payloads_in_order: bool,
}

/// Walks every L2 table that the L1 table references, also after the disk.
fn walk_all(map: &Map, file: &dyn ReadAt, visitor: &mut impl TableVisitor<Entry>) -> Result<(), Error> {
    // OK: an L1 table has at most 2^22 entries, an L2 table 2^18.
    let clusters = 0..map.disk.l1_entries * map.header.l2_entries();
    if map.header.has_extended_l2() {
        map.shape().walk(file, clusters, Entry::decode::<16>, visitor)
    } else {
        map.shape().walk(file, clusters, Entry::decode::<8>, visitor)
    }
}

/// Step of a walk at an L1 entry: into the L2 table that it references, if any.
///
/// `revisits` bounds the walk by the length of the file. `visit` reports invalid entries.
fn step(map: &Map, file: &dyn ReadAt, revisits: &mut RevisitLimiter, l1: &EntryRun) -> Step {
    match map.table(file, l1) {
        Ok(Some(table)) if revisits.may_walk(table, map.header.cluster_size()) => Step::Enter(table),
        Ok(Some(_)) => Step::End,
        _ => Step::Skip,
    }
}

impl TableVisitor<Entry> for Walk<'_, '_> {
    fn table(&mut self, l1: &EntryRun) -> Result<Step, Error> {
        let step = step(self.map, self.file, &mut self.revisits, l1);
        if let Step::Enter(table) = step {
            self.is_saved_state = self.has_saved_state && self.map.shape().described(l1).is_empty();
            self.counted("L2 table", l1.at, l1.value, table)?;
        }
        Ok(step)
    }

    fn cluster(&mut self, l2: &EntryRun<Entry>, cluster: u64) -> Flow {
        if !l2.value.is_zero() {
            self.cluster_at(l2, cluster.saturating_mul(self.map.header.cluster_size()))?;
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Collects the offsets of compressed clusters.
struct Payloads<'p, 'a> {
    map: &'p Map,
    file: &'p dyn ReadAt,
    revisits: RevisitLimiter,
    add: &'p mut (dyn FnMut(Use) + 'a),
}

impl TableVisitor<Entry> for Payloads<'_, '_> {
    fn table(&mut self, l1: &EntryRun) -> Result<Step, Error> {
        Ok(step(self.map, self.file, &mut self.revisits, l1))
    }

    fn cluster(&mut self, l2: &EntryRun<Entry>, _: u64) -> Flow {
        if let Ok(Cluster::Compressed { at, .. }) = self.map.rules.l2(l2.value.descriptor, l2.at) {
            (self.add)(Use { bytes: at..at.saturating_add(1), by: l2.at });
        }
        Ok(ControlFlow::Continue(()))
    }
}

impl Walk<'_, '_> {
    fn cluster_at(&mut self, l2: &EntryRun<Entry>, disk: u64) -> Result<(), Error> {
        let Ok(cluster) = self.map.rules.l2(l2.value.descriptor, l2.at) else { return Ok(()) };
        self.entry(l2.at, l2.value.descriptor, cluster)?;
        let size = self.map.disk.size;
        if disk >= size && !self.is_saved_state && stores(cluster) {
            let message = || format!("a cluster is allocated for byte {disk}, but the disk has {size} bytes");
            self.found.add(codes::SIZE_BEYOND, Severity::Warning, l2.at, message);
        }
        Ok(())
    }

    fn entry(&mut self, at: u64, entry: u64, cluster: Cluster) -> Result<(), Error> {
        match cluster {
            Cluster::Unallocated | Cluster::Zero { kept: None } => Ok(()),
            Cluster::Data { at: place } | Cluster::Zero { kept: Some(place) } => {
                if self.map.header.has_data_file() {
                    // The data file belongs to this image alone: the count is 1.
                    self.copied("data cluster", at, entry, 1);
                    return Ok(());
                }
                self.counted("data cluster", at, entry, place)
            }
            Cluster::Compressed { at: place, len } => self.payload(at, entry, place, len),
        }
    }

    fn payload(&mut self, at: u64, entry: u64, place: u64, len: u32) -> Result<(), Error> {
        if self.has_counts && entry & COPIED != 0 {
            let message = || format!("COPIED is set for a compressed cluster: entry {entry:#018x}");
            self.found.add(codes::COPIED, Severity::Warning, at, message);
        }
        self.are_payloads_in_order &= self.last_payload.is_none_or(|last| last < place);
        self.last_payload = Some(place);
        if !self.has_counts {
            return Ok(());
        }
        let bits = self.map.header.cluster_bits;
        let last = place.saturating_add(len.into()).min(self.file.len()).saturating_sub(1);
        for cluster in place >> bits..=last >> bits {
            let count = self.refcounts.get(cluster)?;
            self.used("compressed cluster", at, cluster << bits, count);
        }
        Ok(())
    }

    /// Checks the count of a referenced cluster: at least 1, and COPIED exactly if 1.
    fn counted(&mut self, what: &str, at: u64, entry: u64, place: u64) -> Result<(), Error> {
        if !self.has_counts {
            return Ok(());
        }
        let count = self.refcounts.get(place >> self.map.header.cluster_bits)?;
        self.used(what, at, place, count);
        if let Some(count) = count.filter(|count| *count > 0) {
            self.copied(what, at, entry, count);
        }
        Ok(())
    }

    fn used(&mut self, what: &str, at: u64, place: u64, count: Option<u64>) {
        if count == Some(0) {
            let message = || format!("the {what} at {place} is used, but its reference count is 0");
            self.found.add(codes::REFCOUNT_LOW, Severity::Error, at, message);
        } else if count.is_none() {
            let message = || format!("the reference count of the {what} at {place} cannot be read");
            self.found.add(codes::REFCOUNT_UNREADABLE, Severity::Warning, at, message);
        }
    }

    fn copied(&mut self, what: &str, at: u64, entry: u64, count: u64) {
        let is_copied = entry & COPIED != 0;
        // The flag is kept up to date in the tables of the current disk only (section "L1 table entry").
        if self.map.disk.is_active && self.has_counts && is_copied != (count == 1) {
            let is = if is_copied { "set" } else { "clear" };
            let message =
                || format!("the COPIED flag of the {what} is {is}, but its reference count is {count}");
            self.found.add(codes::COPIED, Severity::Warning, at, message);
        }
    }

    /// Reports entries that share one payload.
    ///
    /// Payloads may share a sector, but not a start (section "Compressed Clusters Descriptor"). Reference
    /// counts cannot detect this, since every payload in a cluster adds to its count.
    fn payloads(&mut self) -> Result<(), Error> {
        let room = usize_of(self.map.budget / PLACE_BYTES);
        let sweep = CoverageSweep { block: 1, step: self.map.entry_bytes(), room };
        let mut found = core::mem::take(&mut self.found);
        let map = self.map;
        sweep.run(
            0,
            &mut |add: &mut dyn FnMut(Use)| {
                let (file, revisits) = (self.file, RevisitLimiter::new(self.file.len()));
                walk_all(map, file, &mut Payloads { map, file, revisits, add })
            },
            &mut |swept| {
                if let Swept::Shared { bytes, first, second } = swept {
                    let place = bytes.start;
                    let message = || {
                        format!(
                            "the compressed cluster at {place} is referenced here and at {first}, expected once"
                        )
                    };
                    found.add(codes::L2_PAYLOAD_SHARED, Severity::Warning, second, message);
                }
            },
        )?;
        self.found = found;
        Ok(())
    }
}

/// Whether an entry occupies space in a file.
fn stores(cluster: Cluster) -> bool {
    !matches!(cluster, Cluster::Unallocated | Cluster::Zero { kept: None })
}
