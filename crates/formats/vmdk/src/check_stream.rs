//! Checks of the markers of compressed grains: order, sizes, table references
//! (5.0, "Stream-Optimized Compressed Sparse Extents").

use alloc::format;
use core::ops::Range;

use imgprep_map::{Error, ReadAt};

use crate::check_header::Frame;
use crate::check_tables;
use crate::codes;
use crate::file_report::FileReport;
use crate::grain_walk::walk_grains;
use crate::layout::{MARKER_BYTES, Marker, RECORD_HEAD, SECTOR};
use crate::stream;
use crate::tables::{Grain, Tables};

/// Progress of a walk.
struct Walk<'a> {
    file: &'a dyn ReadAt,
    tables: &'a Tables,
    is_stream: bool,
    /// First disk sector after the last grain.
    next_lba: u64,
    /// Offset of the directory that the walk found.
    directory: Option<u64>,
    leaks: u64,
}

pub(crate) fn walk(
    file: &dyn ReadAt,
    tables: &Tables,
    frame: &Frame,
    file_report: &mut FileReport<'_, '_>,
) -> Result<(), Error> {
    let mut walk = Walk { file, tables, is_stream: frame.is_stream, next_lba: 0, directory: None, leaks: 0 };
    let mut at = frame.overhead.max(SECTOR);
    while at.checked_add(MARKER_BYTES as u64).is_some_and(|end| end <= file.len())
        && !file_report.report.is_over()
    {
        let marker = Marker::decode(file.array(at)?);
        let Some(len) = walk.step(at, marker, file_report)? else { break };
        at = at.saturating_add(len.saturating_mul(SECTOR));
    }
    if walk.is_stream && walk.directory.is_some_and(|directory| directory != tables.directory) {
        let found = walk.directory.unwrap_or(0);
        let message =
            format!("the grain directory in use is at {}, but its marker is for {found}", tables.directory);
        file_report.warning(codes::CHECK_STREAM_DIRECTORY, frame.directory_field, message);
    }
    let leaks = &mut file_report.report.counts.leaks;
    *leaks = leaks.saturating_add(walk.leaks);
    Ok(())
}

/// Whether the file may contain more grains than its tables reference.
///
/// A damaged table can lose entries. The sizes of all referenced grains add up to the space for grains,
/// unless an entry is missing. The check reads only the heads of the grains, as a conversion does anyway; the
/// markers are walked only if the sum falls short.
pub(crate) fn is_short(file: &dyn ReadAt, tables: &Tables, frame: &Frame) -> Result<bool, Error> {
    let sectors = |bytes: u64| bytes.div_ceil(SECTOR);
    let mut named = 0u64;
    walk_grains(file, tables, &mut |entry, start, grain| {
        if let Grain::Compressed { at } = grain
            && let Ok((_, len)) = tables.compressed(file, entry, at, start)
        {
            named = named.saturating_add(sectors(RECORD_HEAD + u64::from(len)));
        }
    })?;
    let mut end = sectors(file.len());
    if frame.is_stream {
        // A marker precedes each table, the directory and the footer.
        let mut add = |table: Range<u64>| named = named.saturating_add(1 + sectors(table.end - table.start));
        check_tables::places(file, tables, frame, &mut add)?;
        end = stream::find(file)?.map_or(end, |footer| footer / SECTOR - 1);
    }
    Ok(named < end.saturating_sub(sectors(frame.overhead)))
}

impl Walk<'_> {
    /// Checks the marker at `at`.
    ///
    /// Returns the sectors of the marker and its contents, `None` at the end.
    fn step(
        &mut self,
        at: u64,
        marker: Marker,
        file_report: &mut FileReport<'_, '_>,
    ) -> Result<Option<u64>, Error> {
        let table_len = (self.tables.per_table * 4).div_ceil(SECTOR);
        let directory = self.tables.directory_range(0);
        Ok(match marker {
            Marker::Grain { lba, size } => self.grain(at, lba, size, file_report)?,
            // Tables before the grains have no markers, and nothing may follow the grains.
            _ if !self.is_stream => {
                self.foreign(at, file_report)?;
                None
            }
            Marker::GrainTable(sectors) => {
                self.late(at, "a grain table", file_report);
                Some(1 + sized(at, "a grain table", sectors, table_len, file_report))
            }
            Marker::GrainDirectory(sectors) => {
                self.late(at, "a second grain directory", file_report);
                self.directory = Some(at + SECTOR);
                Some(
                    1 + sized(
                        at,
                        "the grain directory",
                        sectors,
                        directory.end.div_ceil(SECTOR),
                        file_report,
                    ),
                )
            }
            Marker::Footer(sectors) => {
                if self.directory.is_none() {
                    let message = "the footer marker is not preceded by a grain directory marker";
                    file_report.warning(codes::CHECK_STREAM_ORDER, at, message.into());
                }
                Some(1 + sized(at, "the footer", sectors, 1, file_report))
            }
            Marker::EndOfStream => {
                self.ended(at, file_report)?;
                None
            }
            Marker::Unknown => {
                let message = "unknown marker type: the rest of the stream is not checked";
                file_report.warning(codes::CHECK_STREAM_MARKER, at + 12, message.into());
                None
            }
        })
    }

    fn grain(
        &mut self,
        at: u64,
        lba: u64,
        size: u32,
        file_report: &mut FileReport<'_, '_>,
    ) -> Result<Option<u64>, Error> {
        self.late(at, "a grain", file_report);
        let tables = self.tables;
        let grain = tables.grain / SECTOR;
        let end = (at + RECORD_HEAD).saturating_add(size.into());
        if u64::from(size) > tables.compressed_limit() || end > self.file.len() {
            let message = format!(
                "a grain of {size} bytes exceeds {} bytes or the end of the file: the rest of the stream is not checked",
                tables.compressed_limit()
            );
            file_report.warning(codes::CHECK_STREAM_SIZE, at + 8, message);
            return Ok(None);
        }
        let sectors = (RECORD_HEAD + u64::from(size)).div_ceil(SECTOR);
        if !lba.is_multiple_of(grain) || lba >= tables.capacity.div_ceil(SECTOR) {
            let message = format!(
                "a grain for sector {lba}, expected a multiple of {grain} below {}",
                tables.capacity / SECTOR
            );
            file_report.warning(codes::CHECK_STREAM_LBA, at, message);
            self.leaks += 1;
            return Ok(Some(sectors));
        }
        if self.is_stream && lba < self.next_lba {
            let message = format!(
                "a grain for sector {lba} follows the one for sector {}, expected disk order",
                self.next_lba - grain
            );
            file_report.warning(codes::CHECK_STREAM_ORDER, at, message);
        }
        self.next_lba = lba + grain;
        if !self.is_named(at, lba * SECTOR)? {
            let message = format!("an unreferenced grain for sector {lba}");
            file_report.warning(codes::CHECK_LEAK, at, message);
            self.leaks += 1;
        }
        Ok(Some(sectors))
    }

    /// Whether the table entry of the grain at `start` references the record at `at`.
    fn is_named(&self, at: u64, start: u64) -> Result<bool, Error> {
        let tables = self.tables;
        let Ok(Some(table)) = tables.table(self.file, start / tables.coverage()) else { return Ok(false) };
        let entry_at = table.start + start % tables.coverage() / tables.grain * 4;
        let entry = tables.read_entry(self.file, entry_at)?;
        Ok(tables.grain(entry, entry_at) == Ok(Grain::Compressed { at }))
    }

    /// Reports a grain or table that follows the directory.
    fn late(&self, at: u64, what: &str, file_report: &mut FileReport<'_, '_>) {
        if let Some(directory) = self.directory {
            let message = format!("{what} follows the grain directory at {directory}");
            file_report.warning(codes::CHECK_STREAM_ORDER, at, message);
        }
    }

    /// Checks that the stream ends at the end of the file.
    ///
    /// Zeros after it are reported when the footer is read.
    fn ended(&self, at: u64, file_report: &mut FileReport<'_, '_>) -> Result<(), Error> {
        let end = at + SECTOR;
        if end < self.file.len() && stream::data_end(self.file)?.is_none_or(|data_end| data_end > end) {
            let message = format!(
                "the stream ends here according to its marker, but the file has {} bytes: the rest is not checked",
                self.file.len()
            );
            file_report.warning(codes::CHECK_STREAM_END, at, message);
        }
        Ok(())
    }

    /// Reports bytes after the last grain of a file whose tables precede the grains.
    fn foreign(&self, at: u64, file_report: &mut FileReport<'_, '_>) -> Result<(), Error> {
        let rest = at..self.file.len();
        if self.file.next_data(rest.start) < rest.end
            && self.file.array::<MARKER_BYTES>(at)? != [0; MARKER_BYTES]
        {
            let Range { start, end } = rest;
            let message =
                format!("bytes {start}..{end} are not a grain, but only grains may follow the tables");
            file_report.warning(codes::CHECK_STREAM_MARKER, at, message);
        }
        Ok(())
    }
}

/// The sector count of a marker, which must match the size of its table.
///
/// 0 means "unspecified".
fn sized(at: u64, what: &str, found: u64, expected: u64, file_report: &mut FileReport<'_, '_>) -> u64 {
    if found != 0 && found != expected {
        let message = format!("the marker of {what} declares {found} sectors, expected {expected}");
        file_report.warning(codes::CHECK_STREAM_SIZE, at, message);
    }
    expected
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec;
    use alloc::vec::Vec;
    use core::ops::ControlFlow;

    use imgprep_map::{Finding, Report};

    use super::*;
    use crate::tables::Entries;

    /// Applies `edits` to a small stream.
    ///
    /// It has two grains of 4 KiB in sectors 2 and 3, the table in sector 5, the directory in 7, the footer
    /// in 9.
    fn found(edits: &[(usize, &[u8])]) -> (Vec<(&'static str, u64)>, u64) {
        let mut file = vec![0u8; 11 * 512];
        let pieces: [(usize, &[u8]); 11] = [
            (1032, &[9]),
            (1536, &[8]),
            (1544, &[9]),
            (2048, &[1]),
            (2060, &[1]),
            (2560, &[2, 0, 0, 0, 3]),
            (3072, &[1]),
            (3084, &[2]),
            (3584, &[5]),
            (4096, &[1]),
            (4108, &[3]),
        ];
        for (at, bytes) in pieces.iter().chain(edits) {
            file[*at..*at + bytes.len()].copy_from_slice(bytes);
        }
        let tables = Tables {
            entries: Entries::Hosted { has_zeroed: false, is_compressed: true },
            grain: 4096,
            per_table: 128,
            capacity: 3 * 4096,
            directory: 3584,
            redundant: None,
            is_salvage: false,
        };
        let mut found = Vec::new();
        let mut take = |finding: Finding| {
            found.push((finding.code.id, finding.at.unwrap()));
            ControlFlow::Continue(())
        };
        let mut report = Report::new(&mut take);
        let frame = Frame { overhead: 1024, is_stream: true, directory_field: 4664, ..Frame::default() };
        walk(&file, &tables, &frame, &mut FileReport { report: &mut report, name: String::new() }).unwrap();
        let leaks = report.finish().leaks;
        (found, leaks)
    }

    #[test]
    fn a_stream_in_order() {
        assert_eq!(found(&[]), (vec![], 0));
    }

    #[test]
    fn every_kind_of_invalid_marker_is_reported() {
        let size = "vmdk.check.stream-size";
        let (order, leak) = ("vmdk.check.stream-order", "vmdk.check.leak");
        for (edit, want, leaks) in [
            ((2564, &[0][..]), vec![(leak, 1536)], 1),
            ((1536, &[7][..]), vec![("vmdk.check.stream-lba", 1536)], 1),
            ((1536, &[24][..]), vec![("vmdk.check.stream-lba", 1536)], 1),
            ((1536, &[0][..]), vec![(order, 1536), (leak, 1536)], 1),
            ((1544, &[1, 32][..]), vec![(size, 1544)], 0),
            ((2048, &[2][..]), vec![(size, 2048)], 0),
            ((2048, &[0][..]), vec![], 0),
            ((2060, &[7][..]), vec![("vmdk.check.stream-marker", 2060)], 0),
            ((2060, &[0][..]), vec![("vmdk.check.stream-end", 2048)], 0),
            ((3072, &[9][..]), vec![(size, 3072)], 0),
            ((4096, &[2][..]), vec![(size, 4096)], 0),
            ((5120, &[16, 0, 0, 0, 0, 0, 0, 0, 9][..]), vec![(order, 5120), (leak, 5120)], 1),
        ] {
            assert_eq!(found(&[edit]), (want, leaks), "{edit:?}");
        }
    }
}
