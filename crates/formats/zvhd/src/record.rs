//! Records: the head before a payload, the end mark behind it.

use imgprep_format_kit::Fields;
use imgprep_map::{Error, ReadAt};

use crate::Corrupt;
use crate::layout::{RECORD_END, RECORD_HEAD, RawRecord, record_len};

/// A record whose head, length and end mark fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) at: u64,
    pub(crate) block: u32,
    pub(crate) payload: u32,
    /// Length on disk.
    pub(crate) len: u64,
}

impl Record {
    /// File offset of the payload.
    pub(crate) fn payload_at(&self) -> u64 {
        self.at + RECORD_HEAD
    }

    /// Reads the record at `at`, which must end at or before `end`.
    pub(crate) fn read(file: &dyn ReadAt, at: u64, end: u64) -> Result<Self, Error> {
        let room = end.saturating_sub(at);
        if room < RECORD_HEAD {
            return Err(Corrupt::RecordLength { at, expected: room, found: RECORD_HEAD }.into());
        }
        let head = file.array(at)?;
        let Some(raw) = RawRecord::decode(&head) else {
            let found = Fields::le(&head).array::<0, 12>();
            return Err(Corrupt::RecordMagic { at, found }.into());
        };
        if raw.payload == 0 {
            return Err(Corrupt::RecordEmpty { at: at + 12 }.into());
        }
        // A payload of 32 bits cannot overflow: the fallback is out of every file's reach.
        let len = record_len(u64::from(raw.payload)).unwrap_or(u64::MAX);
        if len > room {
            return Err(Corrupt::RecordLength { at: at + 12, expected: room, found: len }.into());
        }
        let mark_at = at + len - RECORD_END.len() as u64;
        let found = file.array(mark_at)?;
        if found != *RECORD_END {
            return Err(Corrupt::RecordEnd { at: mark_at, found }.into());
        }
        Ok(Self { at, block: raw.block, payload: raw.payload, len })
    }
}
