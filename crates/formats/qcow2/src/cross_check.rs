//! The tables that a conversion reads against the other statements of the image: reference counts, COPIED, the
//! disk's size, other entries.
//!
//! One walk over the L1 and L2 tables of the disk that is read, with one look at the reference count of each cluster
//! that an entry names: 8 and 2 bytes for a cluster, where a conversion reads 64 KiB of payload for the same entry.
//! Nothing is counted, so no memory is needed, and leaks (which every crash leaves) are not seen: that is the check's
//! work. Payloads that stand in the order of the disk, as `qemu-img convert -c` writes them, need nothing more; only
//! where they do not is a second walk made, which puts their places in order.

use alloc::format;
use alloc::vec::Vec;
use core::ops::ControlFlow;

use byteorder::{BigEndian, ByteOrder};
use imgprep_map::{
    Contradictions, CoverageSweep, EntryRun, Error, FileId, Files, Finding, ReadAt, RevisitLimiter, Severity,
    Swept, Use, usize_of, walk_entries,
};

use crate::entry::Cluster;
use crate::layout::{COPIED, DIRTY};
use crate::map::{Map, Table};
use crate::refcounts::Refcounts;

/// Bytes of memory for one place of a payload while places are put in order.
const PLACE_BYTES: u64 = 64;

pub(crate) fn cross_check(map: &Map, files: &dyn Files) -> Result<Vec<Finding>, Error> {
    // Counts of an image that was not closed may be stale (section "Header", bit 0), and COPIED with them.
    let has_counts = map.header.raw.incompatible & DIRTY == 0;
    match files.get(FileId::SELF).filter(|_| map.header.refusal().is_none()) {
        Some(file) => walked(map, file, has_counts),
        None => Ok(Vec::new()),
    }
}

/// The part that needs no counts: what stands behind the disk, and payloads that two entries name.
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
        last_payload: None,
        are_payloads_in_order: true,
    };
    walk.tables(&mut Walk::table)?;
    if !walk.are_payloads_in_order {
        walk.payloads()?;
    }
    Ok(walk.found.into_findings())
}

struct Walk<'w, 'f> {
    map: &'w Map,
    file: &'f dyn ReadAt,
    refcounts: Refcounts<'f>,
    /// Whether reference counts and COPIED are looked up.
    has_counts: bool,
    found: Contradictions,
    /// Where the last payload began.
    last_payload: Option<u64>,
    are_payloads_in_order: bool,
}

type Flow = Result<ControlFlow<()>, Error>;

impl Walk<'_, '_> {
    /// Every L2 table that the L1 table names, also behind the disk; what the map refuses is left to it.
    fn tables(
        &mut self,
        each: &mut dyn FnMut(&mut Self, EntryRun, &Table) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (map, file) = (self.map, self.file);
        // Bounds the walk by the file, however often a table is named.
        let mut revisits = RevisitLimiter::new(file.len());
        let entries = 0..map.disk.l1_entries;
        let _ = walk_entries(file, map.disk.l1_at, entries, u64::from_be_bytes, &mut |entry| -> Flow {
            let Ok(Some(table)) = map.table(file, entry) else { return Ok(ControlFlow::Continue(())) };
            if !revisits.may_walk(table.at, map.header.cluster_size()) {
                return Ok(ControlFlow::Break(()));
            }
            each(self, entry, &table)?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(())
    }

    fn table(&mut self, l1: EntryRun, table: &Table) -> Result<(), Error> {
        self.counted("L2 table", l1.at, l1.value, table.at)?;
        let (map, is_saved_state) = (self.map, self.is_saved_state(table));
        map.entries(self.file, table, &mut |at, entry, disk| {
            let entry = BigEndian::read_u64(entry);
            let Ok(cluster) = map.rules.l2(entry, at) else { return Ok(()) };
            self.entry(at, entry, cluster)?;
            if disk >= map.disk.size && !is_saved_state && stores(cluster) {
                let size = map.disk.size;
                let message =
                    || format!("a cluster is allocated for byte {disk}, but the disk has {size} bytes");
                self.found.add("qcow2.size.beyond", Severity::Warning, at, message);
            }
            Ok(())
        })
    }

    /// QEMU keeps the state of a machine behind the disk, from the next L2 table on (section "Snapshots").
    fn is_saved_state(&self, table: &Table) -> bool {
        let has_state = self.map.tables.snapshots.iter().any(|entry| entry.shown.vm_state_size > 0);
        has_state && table.disk.start >= self.map.disk.size
    }

    fn entry(&mut self, at: u64, entry: u64, cluster: Cluster) -> Result<(), Error> {
        match cluster {
            Cluster::Unallocated | Cluster::Zero { kept: None } => Ok(()),
            Cluster::Data { at: place } | Cluster::Zero { kept: Some(place) } => {
                if self.map.header.has_data_file() {
                    // Data there belongs to this image alone: its count is 1.
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
            self.found.add("qcow2.copied", Severity::Warning, at, message);
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

    /// A cluster that an entry names has a count of 1 at least, and COPIED exactly if it is 1.
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
            self.found.add("qcow2.refcount.low", Severity::Error, at, message);
        } else if count.is_none() {
            let message = || format!("the reference count of the {what} at {place} cannot be read");
            self.found.add("qcow2.refcount.unreadable", Severity::Warning, at, message);
        }
    }

    fn copied(&mut self, what: &str, at: u64, entry: u64, count: u64) {
        let is_copied = entry & COPIED != 0;
        // The flag is kept up to date in the tables of the current disk only (section "L1 table entry").
        if self.map.disk.is_active && self.has_counts && is_copied != (count == 1) {
            let is = if is_copied { "set" } else { "clear" };
            let message =
                || format!("the COPIED flag of the {what} is {is}, but its reference count is {count}");
            self.found.add("qcow2.copied", Severity::Warning, at, message);
        }
    }

    /// Two entries with one payload. Payloads may share a sector, not a start (section "Compressed Clusters
    /// Descriptor"); counts cannot detect it, since all payloads in one cluster are counted.
    fn payloads(&mut self) -> Result<(), Error> {
        let room = usize_of(self.map.budget / PLACE_BYTES);
        let sweep = CoverageSweep { block: 1, step: self.map.entry_bytes(), room };
        let mut found = core::mem::take(&mut self.found);
        let map = self.map;
        sweep.run(
            0,
            &mut |add: &mut dyn FnMut(Use)| {
                self.tables(&mut |walk, _, table| {
                    map.entries(walk.file, table, &mut |at, entry, _| {
                        let entry = BigEndian::read_u64(entry);
                        if let Ok(Cluster::Compressed { at: place, .. }) = map.rules.l2(entry, at) {
                            add(Use { bytes: place..place.saturating_add(1), by: at });
                        }
                        Ok(())
                    })
                })
            },
            &mut |swept| {
                if let Swept::Shared { bytes, first, second } = swept {
                    let place = bytes.start;
                    let message = || {
                        format!(
                            "the compressed cluster at {place} is referenced here and at {first}, expected once"
                        )
                    };
                    found.add("qcow2.l2.payload-shared", Severity::Warning, second, message);
                }
            },
        )?;
        self.found = found;
        Ok(())
    }
}

/// Whether an entry takes room in a file.
fn stores(cluster: Cluster) -> bool {
    !matches!(cluster, Cluster::Unallocated | Cluster::Zero { kept: None })
}
