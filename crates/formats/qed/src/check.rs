//! Checks of the tables beyond the location of the bytes.
//!
//! Reports clusters that two entries reference, clusters without a reference, and entries past the disk.
//! The counts are those of `qemu-img check`.

use alloc::format;
use alloc::string::String;
use core::ops::{ControlFlow, Range};

use imgprep_format_kit::{Clusters, EntryRun, Flow, Step, TableVisitor};
use imgprep_map::{Error, FileId, Files, Finding, ReadAt, Report, StructureCounts, UnitSet};

use crate::codes;
use crate::layout::{BACKING_FILE, BACKING_FORMAT_NO_PROBE, ZERO};
use crate::map::Map;

/// Bytes of a sector.
const SECTOR: u64 = 512;

type Found<'f> = &'f mut dyn FnMut(Finding) -> ControlFlow<()>;

pub(crate) fn check(map: &Map, files: &dyn Files, found: Found<'_>) -> Result<StructureCounts, Error> {
    let Some(file) = files.get(FileId::SELF) else { return Ok(StructureCounts::default()) };
    let mut report = Report::new(found);
    check_header(map, file, &mut report)?;
    let size = map.header.cluster_size;
    report.counts.total = Some(map.header.raw.image_size.div_ceil(size));
    let mut walk = Walk {
        map,
        file,
        whole: file.len().saturating_add(SECTOR - 1) / size * size,
        units: UnitSet::default(),
        end: map.header.length,
        uses_tail: false,
        is_counted: true,
        expected: None,
        allocated: 0,
        fragmented: 0,
        report,
    };
    walk.tables()?;
    if walk.is_counted && !walk.report.is_over() {
        walk.leaks();
        walk.tail();
    }
    let checked = &mut walk.report.counts;
    checked.image_end = Some(walk.end);
    (checked.allocated, checked.fragmented) = (Some(walk.allocated), Some(walk.fragmented));
    Ok(walk.report.finish())
}

/// Reports header fields that do not affect the disk's contents (section "Header").
fn check_header(map: &Map, file: &dyn ReadAt, report: &mut Report<'_>) -> Result<(), Error> {
    let raw = &map.header.raw;
    for (code, at, bits, what) in [
        (codes::CHECK_COMPAT_FEATURES, 24, raw.compat_features, "compatible"),
        (codes::CHECK_AUTOCLEAR_FEATURES, 32, raw.autoclear_features, "autoclear"),
    ] {
        if bits != 0 {
            report.note(code, at, format!("unknown {what} features {bits:#x}, expected 0"));
        }
    }
    if raw.features & BACKING_FILE != 0 {
        return check_name(map, file, report);
    }
    if raw.features & BACKING_FORMAT_NO_PROBE != 0 {
        let message = "the flag for a RAW backing file is set, but the image has no backing file";
        report.note(codes::CHECK_NO_PROBE, 16, message.into());
    }
    Ok(())
}

fn check_name(map: &Map, file: &dyn ReadAt, report: &mut Report<'_>) -> Result<(), Error> {
    let Some((at, len)) = map.header.backing_name else { return Ok(()) };
    // OK: the limit of texts was applied to its length.
    let name = file.slice(at, len)?;
    if let Some(nul) = name.iter().position(|byte| *byte == 0) {
        let message = format!("the backing file name has {len} bytes and ends after {nul}, with a NUL");
        report.warning(codes::CHECK_BACKING_NAME, at + nul as u64, message);
    }
    Ok(())
}

struct Walk<'w, 'f> {
    map: &'w Map,
    file: &'w dyn ReadAt,
    /// Bytes of the file in whole clusters.
    ///
    /// The last sector is padded to its full length, as QEMU pads it.
    whole: u64,
    /// Referenced clusters.
    units: UnitSet,
    /// End of the last referenced cluster, in bytes.
    end: u64,
    /// Whether an entry references the cluster that the file contains only partially.
    uses_tail: bool,
    /// Whether all clusters could be counted.
    is_counted: bool,
    /// End of the previous cluster in the file.
    expected: Option<u64>,
    allocated: u64,
    fragmented: u64,
    report: Report<'f>,
}

impl TableVisitor<u64> for Walk<'_, '_> {
    fn table(&mut self, l1: &EntryRun) -> Result<Step, Error> {
        if l1.value == 0 {
            return Ok(Step::Skip);
        }
        if self.report.is_over() {
            return Ok(Step::End);
        }
        self.expected = None;
        let (table, len) = (l1.value, self.map.header.table_bytes());
        if let Some(reason) = self.misplaced_table(table, len) {
            let message = format!("invalid L1 entry {}: {table:#x}: {reason}", l1.index);
            self.report.error(codes::CHECK_L1_ENTRY, l1.at, 1, message);
            return Ok(Step::Skip);
        }
        match self.take(table, len, l1.at) {
            None => return Ok(Step::End),
            Some(0) => {}
            Some(twice) => {
                let message = format!(
                    "{twice} clusters of the L2 table at {table} are already used: the table was skipped"
                );
                self.report.error(codes::CHECK_TABLE_SHARED, l1.at, twice, message);
                return Ok(Step::Skip);
            }
        }
        if l1.index >= self.map.header.l1_entries() {
            let message = format!(
                "L1 entry {} is past the end of the disk and references a table at {table}",
                l1.index
            );
            self.report.warning(codes::CHECK_BEYOND_DISK, l1.at, message);
        }
        Ok(Step::Enter(table))
    }

    fn cluster(&mut self, l2: &EntryRun, cluster: u64) -> Flow {
        if l2.value <= ZERO {
            return Ok(ControlFlow::Continue(()));
        }
        self.allocated += 1;
        if self.expected.is_some_and(|expected| expected != l2.value) {
            self.fragmented += 1;
        }
        let size = self.map.header.cluster_size;
        self.expected = Some(l2.value.wrapping_add(size));
        Ok(self.l2_entry(l2, cluster.saturating_mul(size)))
    }
}

impl Walk<'_, '_> {
    /// Walks all entries of the L1 table, including those after the disk.
    ///
    /// An L2 table is walked once.
    fn tables(&mut self) -> Result<(), Error> {
        let header = &self.map.header;
        let (table, len) = (header.raw.l1_table_offset, header.table_bytes());
        // OK: at most 2^27 entries each.
        let clusters = 0..header.table_entries * header.table_entries;
        if self.take(table, len, 40).is_none() {
            return Ok(());
        }
        self.map.shape().walk(self.file, clusters, u64::from_le_bytes, self)
    }

    /// Reason why a table of `len` bytes at `table` is invalid, if it is.
    ///
    /// A table needs whole clusters of the file.
    fn misplaced_table(&self, table: u64, len: u64) -> Option<String> {
        self.misplaced(table).or_else(|| {
            let is_inside = table.checked_add(len).is_some_and(|end| end <= self.whole.min(self.file.len()));
            (!is_inside)
                .then(|| format!("the table ends after the file's last whole cluster, {}", self.whole))
        })
    }

    fn l2_entry(&mut self, entry: &EntryRun, disk: u64) -> ControlFlow<()> {
        let place = entry.value;
        if let Some(reason) = self.misplaced(place) {
            let message = format!("invalid L2 entry {place:#x}: {reason}");
            if self.is_tail(place, disk) {
                self.uses_tail = true;
                self.report.counts.corruptions += 1;
                self.report.warning(codes::CHECK_CUT_CLUSTER, entry.at, message);
            } else {
                self.report.error(codes::CHECK_L2_ENTRY, entry.at, 1, message);
            }
            return ControlFlow::Continue(());
        }
        let Some(twice) = self.take(place, self.map.header.cluster_size, entry.at) else {
            return ControlFlow::Break(());
        };
        if twice > 0 {
            let message = format!("the cluster at {place} is already used");
            self.report.error(codes::CHECK_CLUSTER_SHARED, entry.at, 1, message);
        } else if disk >= self.map.header.raw.image_size {
            let size = self.map.header.raw.image_size;
            let message = format!(
                "the entry is for disk byte {disk} and references {place}, but the disk has {size} bytes"
            );
            self.report.warning(codes::CHECK_BEYOND_DISK, entry.at, message);
        }
        if self.report.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Reason why a table or cluster at `place` is invalid, if it is.
    fn misplaced(&self, place: u64) -> Option<String> {
        let (size, header) = (self.map.header.cluster_size, self.map.header.length);
        if !place.is_multiple_of(size) {
            return Some(format!("not a multiple of the cluster size, {size}"));
        }
        if place < header {
            return Some(format!("inside the header, which ends at {header}"));
        }
        (place >= self.whole).then(|| format!("after the file's last whole cluster, {}", self.whole))
    }

    /// Whether the file ends in this cluster, after all bytes of it that are read.
    fn is_tail(&self, place: u64, disk: u64) -> bool {
        place == self.whole && self.map.stored(place, disk).end <= self.file.len()
    }

    /// Marks all clusters of a range as used. Returns how many were used before.
    ///
    /// `None` if the memory limit is reached, which ends the check.
    fn take(&mut self, start: u64, len: u64, by: u64) -> Option<u64> {
        let size = self.map.header.cluster_size;
        let mut twice = 0;
        // OK: a table has at most 16 clusters.
        for unit in start / size..(start + len) / size {
            let Ok(was) = self.units.take(unit) else {
                let message = "the image uses more units than can be tracked: the check stops here";
                self.is_counted = false;
                self.report.counts.check_errors += 1;
                self.report.warning(codes::CHECK_TOO_LARGE, by, message.into());
                return None;
            };
            twice += u64::from(was);
        }
        self.end = self.end.max(start + len);
        Some(twice)
    }

    fn leaks(&mut self) {
        let size = self.map.header.cluster_size;
        let Self { units, report, .. } = self;
        let clusters = self.map.header.length / size..self.whole / size;
        units.free(clusters, &mut |run: Range<u64>| {
            let count = run.end - run.start;
            report.counts.leaks += count;
            let end = run.end * size;
            let message = format!("{count} unreferenced clusters, up to {end}");
            report.warning(codes::CHECK_LEAK, run.start * size, message);
            if report.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }

    fn tail(&mut self) {
        let tail = self.file.len().saturating_sub(self.whole);
        if tail > 0 && !self.uses_tail {
            let message = format!("the file ends with {tail} bytes that are not a whole cluster");
            self.report.note(codes::CHECK_TRAILING, self.whole, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use imgprep_map::{Limits, ReadError, Severity};

    use super::*;
    use crate::header::Header;

    const CLUSTER: u64 = 4096;

    /// A disk of 8 clusters, with tables of two clusters.
    ///
    /// The header is followed by L1 at cluster 1, L2 at 3, data at 5 and 6.
    fn file() -> Vec<u8> {
        let mut file = vec![0; 7 * 4096];
        file[..4].copy_from_slice(b"QED\0");
        for (at, value) in [(4, 4096), (8, 2), (12, 1), (40, 4096), (48, 8 * 4096)] {
            put(&mut file, at, value);
        }
        put(&mut file, CLUSTER, 3 * CLUSTER);
        put(&mut file, 3 * CLUSTER, 5 * CLUSTER);
        put(&mut file, 3 * CLUSTER + 8, 6 * CLUSTER);
        file
    }

    /// The first two fields have 32 bits. The fields after them are written later.
    fn put(file: &mut [u8], at: u64, value: u64) {
        let at = usize::try_from(at).unwrap();
        file[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }

    fn checked(file: &dyn ReadAt) -> (StructureCounts, Vec<(&'static str, Severity, u64)>) {
        let map = Map::new(&Header::read(file, &Limits::default()).unwrap());
        let mut all = Vec::new();
        let checked = check(&map, &file, &mut |finding| {
            all.push((finding.code.id, finding.severity, finding.at.unwrap()));
            ControlFlow::Continue(())
        });
        (checked.unwrap(), all)
    }

    #[test]
    fn a_good_image_has_numbers_and_no_findings() {
        let want = StructureCounts {
            image_end: Some(7 * CLUSTER),
            total: Some(8),
            allocated: Some(2),
            fragmented: Some(0),
            ..StructureCounts::default()
        };
        assert_eq!(checked(&file()), (want, vec![]));
    }

    #[test]
    fn every_kind_of_invalid_entry_is_reported() {
        use Severity::{Error, Warning};
        let (l1, l2) = (CLUSTER, 3 * CLUSTER);
        for (at, value, code, severity, corruptions, leaks) in [
            (l1, 512, "qed.check.l1-entry", Error, 1, 4),
            (l1 + 8, 1, "qed.check.l1-entry", Error, 1, 0),
            (l1 + 8, 6 * CLUSTER, "qed.check.l1-entry", Error, 1, 0),
            (l1 + 8, u64::MAX - 4095, "qed.check.l1-entry", Error, 1, 0),
            (l1 + 8, 3 * CLUSTER, "qed.check.table-shared", Error, 2, 0),
            (l1 + 8, 2 * CLUSTER, "qed.check.table-shared", Error, 2, 0),
            (l2 + 8, 2, "qed.check.l2-entry", Error, 1, 1),
            (l2 + 16, 1 << 40, "qed.check.l2-entry", Error, 1, 0),
            (l2 + 8, 5 * CLUSTER, "qed.check.cluster-shared", Error, 1, 1),
            (l2 + 16, CLUSTER, "qed.check.cluster-shared", Error, 1, 0),
            (l2 + 8, 0, "qed.check.leak", Warning, 0, 1),
        ] {
            let mut file = file();
            put(&mut file, at, value);
            let (checked, findings) = checked(&file);
            let place = if code == "qed.check.leak" { 6 * CLUSTER } else { at };
            assert_eq!(findings.first(), Some(&(code, severity, place)), "{at} {value:#x}");
            assert_eq!((checked.corruptions, checked.leaks), (corruptions, leaks), "{at} {value:#x}");
        }
    }

    #[test]
    fn a_file_may_end_where_the_disk_does() {
        let mut file = file();
        put(&mut file, 48, CLUSTER + 512);
        file.truncate(6 * 4096 + 512);
        let (counted, findings) = checked(&file);
        assert_eq!(findings, [("qed.check.cut-cluster", Severity::Warning, 3 * CLUSTER + 8)]);
        assert_eq!((counted.corruptions, counted.leaks), (1, 0));
        put(&mut file, 48, CLUSTER);
        put(&mut file, 3 * CLUSTER + 8, 0);
        assert_eq!(checked(&file).1, [("qed.check.trailing", Severity::Note, 6 * CLUSTER)]);
    }

    /// An L1 table of 1 GiB in a sparse file of 2^60 bytes.
    struct HugeFile;

    impl ReadAt for HugeFile {
        fn len(&self) -> u64 {
            1 << 60
        }
        fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
            assert!(at < 4096, "a hole is read at {at}");
            buf.fill(0);
            Ok(())
        }
        fn next_data(&self, at: u64) -> u64 {
            if at < 4096 { at } else { 1 << 60 }
        }
    }

    #[test]
    fn holes_cost_nothing() {
        let raw = crate::layout::RawHeader {
            cluster_size: 1 << 26,
            table_size: 16,
            header_size: 1,
            image_size: u64::MAX,
            l1_table_offset: 1 << 26,
            ..crate::layout::RawHeader::decode(&[0; 64])
        };
        let header = Header {
            raw,
            cluster_size: 1 << 26,
            table_entries: 1 << 27,
            length: 1 << 26,
            backing_name: None,
        };
        let file: &dyn ReadAt = &HugeFile;
        let mut found = |_| ControlFlow::Continue(());
        let checked = check(&Map::new(&header), &file, &mut found).unwrap();
        assert_eq!((checked.leaks, checked.allocated), ((1 << 34) - 17, Some(0)));
    }

    /// Bytes that are followed by a gap up to the file's end, which must not be read.
    struct LongFile(Vec<u8>);

    impl ReadAt for LongFile {
        fn len(&self) -> u64 {
            1 << 40
        }
        fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
            self.0.read_exact_at(buf, at)
        }
    }

    /// Each cluster is far from the others: the set of used clusters is full at the last of them.
    #[test]
    fn clusters_that_cannot_be_tracked_end_the_check_without_false_leaks() {
        const TABLES: u64 = 4;
        const ENTRIES: u64 = 16 * CLUSTER / 8;
        let mut file = vec![0; (1 + 16 + 4 * 16) * 4096];
        file[..4].copy_from_slice(b"QED\0");
        for (at, value) in [(4, 4096), (8, 16), (12, 1), (40, CLUSTER), (48, TABLES * ENTRIES * CLUSTER)] {
            put(&mut file, at, value);
        }
        for table in 0..TABLES {
            put(&mut file, CLUSTER + table * 8, (17 + table * 16) * CLUSTER);
        }
        let l2 = 17 * CLUSTER;
        for entry in 0..TABLES * ENTRIES {
            put(&mut file, l2 + entry * 8, (entry + 1) * 4096 * CLUSTER);
        }
        let (counted, findings) = checked(&LongFile(file));
        let last = l2 + (TABLES * ENTRIES - 1) * 8;
        assert_eq!(findings, [("qed.check.too-large", Severity::Warning, last)]);
        assert_eq!((counted.check_errors, counted.leaks, counted.corruptions), (1, 0, 0));
    }
}
