//! Checks of the tables beyond the location of the bytes.
//!
//! Reports unreferenced clusters, bytes that two entries reference, and entries past the disk. `qemu-img
//! check` does not support this format.

use alloc::format;
use core::cell::RefCell;
use core::ops::{ControlFlow, Range};

use imgprep_format_kit::{Clusters, EntryRun, Flow, Step, TableVisitor, first_nonzero_in};
use imgprep_map::{
    Code, CoverageSweep, Error, FileId, Files, Finding, LastHole, ReadAt, Report, RevisitLimiter, Severity,
    StructureCounts, Swept, Use,
};

use crate::Unsupported;
use crate::codes;
use crate::layout::{ENTRY, HEADER};
use crate::map::Map;
use crate::tables::Cluster;

type Found<'f> = &'f mut dyn FnMut(Finding) -> ControlFlow<()>;

pub(crate) fn check(map: &Map, files: &dyn Files, found: Found<'_>) -> Result<StructureCounts, Error> {
    let Some(file) = files.get(FileId::SELF) else { return Ok(StructureCounts::default()) };
    let mut report = Report::new(found);
    let size = map.header.cluster_size();
    check_header(map, file, &mut report)?;
    report.counts.total = Some(map.header.raw.size.div_ceil(size));
    let is_native = map.header.refusal().is_some_and(|error| error.detail() == Some(&Unsupported::NativeL1));
    if is_native {
        return Ok(report.finish());
    }
    // Both callbacks report findings: the walk over the tables, and the sweep over the sorted uses.
    let walk = Walk { map, file, report: RefCell::new(report) };
    let mut is_first = true;
    let mut uses = |add: &mut dyn FnMut(Use)| {
        let walked = walk.uses(is_first, add);
        is_first = false;
        walked
    };
    let end = CoverageSweep::new(size, ENTRY).run(file.len(), &mut uses, &mut |swept| walk.swept(swept))?;
    let mut report = walk.report.into_inner();
    report.counts.image_end = Some(end);
    Ok(report.finish())
}

/// Reports fields that do not affect the contents of the disk.
fn check_header(map: &Map, file: &dyn ReadAt, report: &mut Report<'_>) -> Result<(), Error> {
    let raw = &map.header.raw;
    if !raw.size.is_multiple_of(512) {
        let message = format!("the disk size {} is not a multiple of a sector", raw.size);
        report.note(codes::CHECK_ODD_SIZE, 24, message);
    }
    // Two bytes after `l2_bits`.
    let padding = file.array::<2>(34)?;
    if padding != [0; 2] {
        report.note(codes::CHECK_PADDING, 34, format!("the header padding is {padding:02x?}, expected 0"));
    }
    if let Some((at, len)) = map.header.backing_name {
        // OK: at most 1023 bytes.
        let name = file.slice(at, len)?;
        if let Some(nul) = name.iter().position(|byte| *byte == 0) {
            let message = format!("the backing file name has {len} bytes and ends after {nul}, with a NUL");
            report.warning(codes::CHECK_BACKING_NAME, at + nul as u64, message);
        }
        return Ok(());
    }
    if raw.mtime != 0 {
        let message =
            format!("the backing file timestamp is {}, but there is no backing file: expected 0", raw.mtime);
        report.note(codes::CHECK_MTIME, 20, message);
    }
    Ok(())
}

struct Walk<'w, 'f> {
    map: &'w Map,
    file: &'w dyn ReadAt,
    report: RefCell<Report<'f>>,
}

/// One walk: the receiver of the uses, and whether to report invalid entries.
struct Uses<'u, 'w, 'f> {
    walk: &'u Walk<'w, 'f>,
    reports: bool,
    add: &'u mut dyn FnMut(Use),
    revisits: RevisitLimiter,
    /// End of the previous cluster in the file.
    expected: Option<u64>,
}

impl TableVisitor<u64> for Uses<'_, '_, '_> {
    fn table(&mut self, l1: &EntryRun) -> Result<Step, Error> {
        let (walk, reports) = (self.walk, self.reports);
        if walk.report.borrow().is_over() {
            return Ok(Step::End);
        }
        let table = match walk.map.table(walk.file, l1) {
            Ok(None) => return Ok(Step::Skip),
            Ok(Some(table)) => table,
            Err(error) => {
                let message = || format!("{error}");
                walk.error(reports, codes::CHECK_L1_ENTRY, Severity::Error, l1.at, message);
                return Ok(Step::Skip);
            }
        };
        let len = walk.map.header.l2_bytes();
        (self.add)(Use { bytes: table..table + len, by: l1.at });
        if self.revisits.may_walk(table, len) {
            return Ok(Step::Enter(table));
        }
        // The sweep reports the first repetition.
        let message = || format!("the table at {table} is referenced repeatedly and was skipped");
        walk.error(reports, codes::CHECK_REPEATED, Severity::Error, l1.at, message);
        Ok(Step::End)
    }

    fn cluster(&mut self, l2: &EntryRun, cluster: u64) -> Flow {
        if l2.value != 0 {
            self.entry(l2, cluster.saturating_mul(self.walk.map.header.cluster_size()));
        }
        Ok(ControlFlow::Continue(()))
    }
}

impl Uses<'_, '_, '_> {
    fn entry(&mut self, entry: &EntryRun, disk: u64) {
        let (walk, header) = (self.walk, &self.walk.map.header);
        let is_beyond = disk >= header.raw.size;
        let found = walk.map.cluster(entry, disk, walk.file.len());
        let stored = match found {
            Ok(cluster) => walk.stored(cluster).map(|range| (cluster, range)),
            Err(error) => {
                // An entry past the disk is not read, so its error loses no data.
                let severity = if is_beyond { Severity::Warning } else { Severity::Error };
                walk.error(self.reports, codes::CHECK_L2_ENTRY, severity, entry.at, || format!("{error}"));
                return;
            }
        };
        let Some((cluster, range)) = stored else { return };
        if self.reports {
            walk.count(cluster, &range, self.expected);
            if is_beyond {
                let (size, place) = (header.raw.size, range.start);
                let message = format!(
                    "the entry is for disk byte {disk} and references {place}, but the disk has {size} bytes"
                );
                walk.report.borrow_mut().warning(codes::CHECK_BEYOND_DISK, entry.at, message);
            }
        }
        self.expected = Some(range.end);
        (self.add)(Use { bytes: range, by: entry.at });
    }
}

impl Walk<'_, '_> {
    /// Adds all uses of the file, including those of entries past the disk.
    fn uses(&self, reports: bool, add: &mut dyn FnMut(Use)) -> Result<(), Error> {
        let header = &self.map.header;
        let l1 = header.raw.l1_offset;
        // Tapdisk reserves the space up to the page of the L1 table.
        let fixed = if header.xen.is_some() { 0..l1 } else { 0..header.length() };
        add(Use { bytes: fixed, by: 0 });
        if let Some((at, len)) = header.backing_name.filter(|(at, _)| header.xen.is_none() || *at >= l1) {
            add(Use { bytes: at..at + len as u64, by: 8 });
        }
        if header.l1_entries == 0 {
            return Ok(());
        }
        add(Use { bytes: l1..l1 + header.l1_bytes(), by: 40 });
        let revisits = RevisitLimiter::new(self.file.len());
        let mut uses = Uses { walk: self, reports, add, revisits, expected: None };
        // OK: at most 2^55, by the minimum coverage of a table.
        let clusters = 0..header.l1_entries * header.l2_entries;
        self.map.shape().walk(self.file, clusters, u64::from_be_bytes, &mut uses)
    }

    /// Bytes of the file that a cluster uses: all of a plain one, up to the file's end.
    fn stored(&self, cluster: Cluster) -> Option<Range<u64>> {
        let (start, len) = match cluster {
            Cluster::Unallocated => return None,
            Cluster::Data { at } => (at, self.map.header.cluster_size()),
            Cluster::Compressed { at, len } => (at, len.into()),
        };
        Some(start..start.saturating_add(len).min(self.file.len().max(start)))
    }

    fn count(&self, cluster: Cluster, range: &Range<u64>, expected: Option<u64>) {
        let checked = &mut self.report.borrow_mut().counts;
        let add = |number: &mut Option<u64>, is: bool| *number = Some(number.unwrap_or(0) + u64::from(is));
        let is_compressed = matches!(cluster, Cluster::Compressed { .. });
        add(&mut checked.allocated, true);
        add(&mut checked.compressed, is_compressed);
        // A plain cluster after a compressed one begins on a multiple of its size.
        let size = self.map.header.cluster_size();
        let is_next = expected.is_none_or(|end| {
            range.start == end || (!is_compressed && end.checked_next_multiple_of(size) == Some(range.start))
        });
        add(&mut checked.fragmented, !is_next);
    }

    fn error(
        &self,
        reports: bool,
        code: &'static Code,
        severity: Severity,
        at: u64,
        message: impl FnOnce() -> alloc::string::String,
    ) {
        if reports {
            let mut report = self.report.borrow_mut();
            report.counts.corruptions += 1;
            report.add_with(code, severity, at, message);
        }
    }

    fn swept(&self, swept: Swept) {
        match swept {
            Swept::Shared { bytes, first, second } => {
                self.error(true, codes::CHECK_OVERLAP, Severity::Error, second, || {
                    format!(
                        "bytes {}..{} are referenced here and at {first}, expected once",
                        bytes.start, bytes.end
                    )
                });
            }
            Swept::Gap(bytes) => self.gap(&bytes),
        }
    }

    fn gap(&self, bytes: &Range<u64>) {
        let size = self.map.header.cluster_size();
        let (start, end) = (bytes.start, bytes.end);
        let is_last = end == self.file.len() && start < end;
        // Padding of the last sector, or of the cluster of the last payload, is not a leak.
        // OK: `end` is at most the file's length.
        let (first, last) = if is_last {
            (start.next_multiple_of(size).min(end), end)
        } else {
            (start.div_ceil(size) * size, end / size * size)
        };
        let whole = last.saturating_sub(first).div_ceil(size);
        // A gap of less than a cluster is filled with zeros, unless an entry was lost.
        let data = if whole == 0 { self.first_set(bytes) } else { None };
        let mut report = self.report.borrow_mut();
        report.counts.leaks += whole;
        if is_last {
            let message = format!(
                "{} unused bytes at the end of the file, including {whole} whole clusters",
                end - start
            );
            if whole > 0 || data.is_some() {
                report.warning(codes::CHECK_TRAILING, start, message);
            } else if end - start >= 512 {
                report.note(codes::CHECK_TRAILING, start, message);
            }
        } else if whole > 0 {
            let message = format!("{whole} unreferenced clusters, up to {last}");
            report.warning(codes::CHECK_LEAK, first, message);
        } else if let Some(at) = data {
            let header = &self.map.header;
            // A length without an offset is reported when the image is opened.
            if start == HEADER && header.backing_name.is_none() && header.raw.backing_len == 0 {
                let message = format!(
                    "the bytes up to {end}, where a backing file name is stored, are not 0, but no backing file is set"
                );
                report.warning(codes::BACKING_UNPLACED, at, message);
            } else {
                report.warning(codes::CHECK_LEAK, at, format!("unreferenced data up to {end}"));
            }
        }
    }

    /// The first byte that is not 0 in a range of less than two clusters.
    ///
    /// `None` if the range cannot be read.
    fn first_set(&self, bytes: &Range<u64>) -> Option<u64> {
        let found = first_nonzero_in(self.file, &mut LastHole::default(), bytes.clone());
        found.ok().flatten().map(|(at, _)| at)
    }
}

const _: () = assert!(HEADER == 48, "the offsets above are those of its fields");

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;
    use crate::header::Header;

    /// A disk of 8 clusters, with clusters and tables of 512 bytes.
    ///
    /// L1 is at 48, L2 at 512, data at 1024 and 1536, a payload of 100 bytes at 2048.
    fn file() -> Vec<u8> {
        let mut file = vec![0; 2148];
        file[..8].copy_from_slice(b"QFI\xfb\0\0\0\x01");
        (file[32], file[33]) = (9, 6);
        for (at, value) in
            [(24, 8 * 512), (40, 48), (48, 512), (512, 1024), (520, 1536), (528, 1 << 63 | 100 << 54 | 0x800)]
        {
            put(&mut file, at, value);
        }
        file
    }

    fn put(file: &mut [u8], at: usize, value: u64) {
        file[at..at + 8].copy_from_slice(&value.to_be_bytes());
    }

    fn checked(file: &dyn ReadAt) -> (StructureCounts, Vec<(&'static str, Severity, u64)>) {
        let map = Map::new(&Header::read(file).unwrap());
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
            image_end: Some(2148),
            total: Some(8),
            allocated: Some(3),
            fragmented: Some(0),
            compressed: Some(1),
            ..StructureCounts::default()
        };
        assert_eq!(checked(&file()), (want, vec![]));
    }

    #[test]
    fn every_kind_of_invalid_entry_is_reported() {
        use Severity::{Error, Warning};
        for (at, value, code, severity, place, corruptions, leaks) in [
            (48, 100, "qcow.check.l1-entry", Error, 48, 1, 4),
            (48, 1 << 40, "qcow.check.l1-entry", Error, 48, 1, 4),
            (520, 1 << 40, "qcow.check.l2-entry", Error, 520, 1, 1),
            (520, 1025, "qcow.check.l2-entry", Error, 520, 1, 1),
            (520, 1024, "qcow.check.overlap", Error, 520, 1, 1),
            (520, 0, "qcow.check.leak", Warning, 1536, 0, 1),
            (528, 0, "qcow.check.trailing", Warning, 2048, 0, 1),
            (528, 1 << 63 | 100 << 54 | 0x664, "qcow.check.overlap", Error, 528, 1, 1),
            (576, 1024, "qcow.check.beyond-disk", Warning, 576, 1, 0),
            (576, 1 << 40, "qcow.check.l2-entry", Warning, 576, 1, 0),
            (64, 1, "qcow.check.leak", Warning, 71, 0, 0),
        ] {
            let mut file = file();
            put(&mut file, at, value);
            let (checked, findings) = checked(&file);
            assert_eq!(findings.first(), Some(&(code, severity, place)), "{at} {value:#x} {findings:?}");
            let counts = (checked.corruptions, checked.leaks);
            assert_eq!(counts, (corruptions, leaks), "{at} {value:#x} {findings:?}");
        }
    }

    #[test]
    fn bytes_in_front_of_the_l1_table_may_be_the_name_of_a_backing_file() {
        let mut file = file();
        put(&mut file, 40, 72);
        put(&mut file, 48, 0);
        put(&mut file, 72, 512);
        assert_eq!(checked(&file).1, []);
        file[50] = b'b';
        assert_eq!(checked(&file).1, [("qcow.backing.unplaced", Severity::Warning, 50)]);
        put(&mut file, 8, 50);
        put(&mut file, 16, 1 << 32);
        assert_eq!(checked(&file).1, []);
    }

    /// Tapdisk reserves the bytes in front of the L1 table: a name there is a part of them.
    #[test]
    fn a_name_behind_the_l1_table_of_a_tapdisk_is_in_use() {
        for name_at in [64, 4200] {
            let mut file = vec![0; 4205];
            file[..8].copy_from_slice(b"QFI\xfb\0\0\0\x01");
            (file[32], file[33]) = (9, 6);
            for (at, value) in [(8, name_at as u64), (16, 5 << 32), (24, 8 * 512), (40, 4096)] {
                put(&mut file, at, value);
            }
            file[48..52].copy_from_slice(b"XEN\xfb");
            file[63] = 2;
            file[name_at..name_at + 5].copy_from_slice(b"a.img");
            assert_eq!(checked(&file).1, [], "{name_at}");
        }
    }
}
