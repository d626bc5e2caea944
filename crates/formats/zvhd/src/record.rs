//! Records: a head, a payload, padding and an end mark.

use alloc::vec;

use imgprep_format_kit::Fields;
use imgprep_map::{Error, Placement, ReadAt, usize_of};

use crate::layout::{BLOCK, RECORD_END, RECORD_HEAD, RawRecord, record_len};
use crate::{Corrupt, Unsupported};

/// A record with valid magic, length and end mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) at: u64,
    pub(crate) block: u32,
    pub(crate) payload: u32,
    /// Length in the file in bytes, including head, padding and end mark.
    pub(crate) len: u64,
}

impl Record {
    /// File offset of the payload.
    pub(crate) fn payload_at(&self) -> u64 {
        self.at + RECORD_HEAD
    }

    /// Reads the record at file offset `at`.
    ///
    /// Fails if it exceeds `end`, is empty, or has a wrong magic or end mark.
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
        // A 32-bit length cannot overflow. The fallback exceeds the length of every file.
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

/// A record to write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewRecord {
    pub(crate) block: u32,
    payload: u32,
    /// Length in the file in bytes, including head, padding and end mark.
    pub(crate) len: u32,
}

impl NewRecord {
    /// Creates the record of block `number` with a payload of `payload` bytes.
    ///
    /// Fails if the block number or a length exceeds 32 bits.
    pub(crate) fn new(number: u64, payload: u64) -> Result<Self, Error> {
        let too_large = || Unsupported::DiskTooLarge { size: number.saturating_mul(BLOCK) };
        let block = u32::try_from(number).map_err(|_| too_large())?;
        let len = record_len(payload).and_then(|len| u32::try_from(len).ok()).ok_or_else(too_large)?;
        let payload = u32::try_from(payload).map_err(|_| too_large())?;
        Ok(Self { block, payload, len })
    }

    /// The placement of the record at file offset `at`.
    ///
    /// The payload begins with `prefix`, which precedes the stored bytes.
    pub(crate) fn placement(self, at: u64, prefix: &[u8]) -> Placement {
        let mut head = RawRecord { payload: self.payload, block: self.block }.encode().to_vec();
        head.extend_from_slice(prefix);
        // OK: `record_len` rounds head, payload and end mark up to a page: the padding is at most a page and 3 bytes.
        let padding = usize_of(u64::from(self.len) - RECORD_HEAD - u64::from(self.payload));
        let mut tail = vec![0; padding];
        let mark = padding - RECORD_END.len();
        // OK: `padding` includes the end mark, so that both slices have its length.
        tail[mark..].copy_from_slice(RECORD_END);
        Placement { at, head, tail }
    }
}
