//! Checks of log entries that are not replayed, and of the file length (2.3).

use alloc::format;

use imgprep_map::{Error, ReadAt, Report};

use crate::codes;
use crate::layout::{RawEntry, SECTOR};
use crate::log::{Entry, Log};
use crate::map::Map;

pub(crate) fn check(map: &Map, file: &dyn ReadAt, report: &mut Report<'_>) -> Result<(), Error> {
    if !map.header.has_log() {
        return Ok(());
    }
    let log = Log::new(file, &map.header);
    let head = log.active()?.head;
    length(map, &log, &head, report);
    let last = head.raw.sequence_number;
    let mut at = log.skip_hole(0);
    while at < log.len() && !report.is_over() {
        let raw = log.sector(at)?.first_chunk().and_then(RawEntry::decode);
        let later = raw.filter(|raw| raw.log_guid == map.header.raw.log_guid && raw.sequence_number > last);
        if let Some(raw) = later {
            check_trailing(&log, at, raw.sequence_number, last, report)?;
        }
        at += SECTOR;
        if at < log.len() {
            at = log.skip_hole(at);
        }
    }
    Ok(())
}

/// Reports an entry whose number follows that of the last replayed entry.
fn check_trailing(
    log: &Log<'_>,
    at: u64,
    number: u64,
    last: u64,
    report: &mut Report<'_>,
) -> Result<(), Error> {
    let place = log.place(at);
    if log.entry(at)?.is_some() {
        let message = format!(
            "log entry {number} is valid but cannot be replayed: the entries between {last} and it are missing"
        );
        report.error(codes::CHECK_LOG_LOST, place, 1, message);
    } else {
        let message = format!(
            "log entry {number} is damaged: entries up to {last} are replayed, later changes are lost"
        );
        report.warning(codes::CHECK_LOG_TORN, place, message);
    }
    Ok(())
}

/// Checks `LastFileOffset`, the length of the file when the last entry was written.
fn length(map: &Map, log: &Log<'_>, head: &Entry, report: &mut Report<'_>) {
    let (found, expected, at) = (map.stored_len, head.raw.last_file_offset, log.place(head.at) + 56);
    if found < expected {
        let message = format!(
            "the file has {found} bytes, but {expected} according to its log: the rest reads as zeros"
        );
        report.warning(codes::CHECK_LOG_LENGTH, at, message);
    } else if found > expected {
        let message = format!("the file has {found} bytes, but {expected} according to its log");
        report.note(codes::CHECK_LOG_LENGTH, at, message);
    }
}
