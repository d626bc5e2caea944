//! The snapshot table (section "Snapshots").

use alloc::string::String;
use alloc::vec::Vec;

use byteorder::{BigEndian, ByteOrder};
use imgprep_format_kit::{Fields, TextTooLong};
use imgprep_map::{Error, ImageName, Limits, ReadAt, Snapshot, usize_of};

use crate::codes;
use crate::disk::Disk;
use crate::header::Header;
use crate::{Corrupt, Unsupported};

/// Bytes of an entry's fixed part.
const FIXED: usize = 40;

/// One entry: the properties that are shown, and its L1 table.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) shown: Snapshot,
    pub(crate) at: u64,
    pub(crate) l1_at: u64,
    pub(crate) l1_entries: u32,
    pub(crate) extra_len: u32,
}

impl Entry {
    /// The disk at the time of the snapshot.
    pub(crate) fn disk(&self, header: &Header) -> Disk {
        Disk {
            size: self.shown.disk_size.unwrap_or(header.raw.size),
            l1_at: self.l1_at,
            l1_entries: self.l1_entries.into(),
            l1_field_at: self.at,
            is_active: false,
        }
    }
}

/// Reads the whole table, in its order.
pub(crate) fn read_all(file: &dyn ReadAt, header: &Header, limits: &Limits) -> Result<Vec<Entry>, Error> {
    let count = header.raw.snapshots;
    if count > limits.snapshots {
        return Err(Unsupported::TooManySnapshots { at: 60, found: count, limit: limits.snapshots }.into());
    }
    let mut entries = Vec::new();
    let mut at = header.raw.snapshots_offset;
    for index in 0..count {
        let (entry, end) = read(file, at, index, limits)?;
        entries.push(entry);
        at = end;
    }
    Ok(entries)
}

/// Finds a snapshot by id, or else by name, as `qemu-img` does.
pub(crate) fn find<'e>(entries: &'e [Entry], wanted: &str) -> Result<&'e Entry, Error> {
    let by_id = entries.iter().find(|entry| entry.shown.id == wanted);
    by_id.or_else(|| entries.iter().find(|entry| entry.shown.name == wanted)).ok_or_else(|| {
        let present = entries.iter().map(|entry| alloc::format!("{} ({})", entry.shown.id, entry.shown.name));
        let present = present.collect::<Vec<_>>().join(", ");
        let present = if present.is_empty() { "none".into() } else { present };
        Unsupported::NoSnapshot { wanted: wanted.into(), present }.into()
    })
}

/// Reads one entry. Also returns the file offset of the next one.
fn read(file: &dyn ReadAt, at: u64, index: u32, limits: &Limits) -> Result<(Entry, u64), Error> {
    let past_end =
        |len: u64| Corrupt::SnapshotPastEnd { at, index, end: at.saturating_add(len), file_len: file.len() };
    let fits = |len: u64| at.checked_add(len).is_some_and(|end| end <= file.len());
    if !fits(FIXED as u64) {
        return Err(past_end(FIXED as u64).into());
    }
    let fixed = file.array::<FIXED>(at)?;
    let fixed = Fields::be(&fixed);
    let (id_len, name_len, extra_len) = (fixed.u16::<12>(), fixed.u16::<14>(), fixed.u32::<36>());
    if u64::from(extra_len) > limits.text_bytes {
        let (code, what) = (codes::LIMIT_TEXT, "extra data of a snapshot");
        let (found, limit) = (extra_len.into(), limits.text_bytes);
        return Err(TextTooLong { code, at: at + 36, what, found, limit }.into());
    }
    let len = FIXED as u64 + u64::from(extra_len) + u64::from(id_len) + u64::from(name_len);
    if !fits(len) {
        return Err(past_end(len).into());
    }
    // OK: a few 16-bit lengths and one limited to a MiB.
    let rest = file.slice(at + FIXED as u64, usize_of(len) - FIXED)?;
    let (extra, texts) = rest.split_at(usize_of(extra_len));
    let (id, name) = texts.split_at(id_len.into());
    let entry = Entry {
        shown: shown(fixed, extra, id, name),
        at,
        l1_at: fixed.u64::<0>(),
        l1_entries: fixed.u32::<8>(),
        extra_len,
    };
    Ok((entry, at + len.next_multiple_of(8)))
}

fn shown(fixed: Fields<'_, BigEndian, FIXED>, extra: &[u8], id: &[u8], name: &[u8]) -> Snapshot {
    let extra_at = |at: usize| extra.get(at..at + 8).map(BigEndian::read_u64);
    let text = |bytes: &[u8]| -> String { alloc::format!("{}", ImageName(bytes.to_vec())) };
    Snapshot {
        id: text(id),
        name: text(name),
        vm_state_size: extra_at(0).unwrap_or_else(|| fixed.u32::<32>().into()),
        date_sec: fixed.u32::<16>().into(),
        date_nsec: fixed.u32::<20>(),
        vm_clock_nsec: fixed.u64::<24>(),
        // All ones: not recorded.
        icount: extra_at(16).filter(|count| *count != u64::MAX),
        disk_size: extra_at(8),
    }
}
