//! The two headers, and selection of the current one (2.2.2).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::Range;

use byteorder::{ByteOrder, LittleEndian};
use imgprep_map::{Error, Finding, ReadAt, Severity};

use crate::codes;
use crate::error::HEADER_CODES;
use crate::guid::Guid;
use crate::layout::{FILE, HEADER, HEADER_BYTES, HEADERS, MIB, REGION_TABLES, RawHeader, TABLE_BYTES};
use crate::{Corrupt, Part, Unsupported, crc};

/// The current header. Its log lies inside the file.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) raw: RawHeader,
    /// File range of the log; empty if the image has no space for one.
    pub(crate) log: Range<u64>,
}

type Copy = Result<(RawHeader, [u8; HEADER_BYTES]), String>;

impl Header {
    pub(crate) fn read(file: &dyn ReadAt, findings: &mut Vec<Finding>) -> Result<Self, Error> {
        check_signature(file)?;
        let tables_end = REGION_TABLES[1] + TABLE_BYTES as u64;
        if file.len() < tables_end {
            let (what, file_len) = ("the second region table", file.len());
            return Err(Corrupt::Cut { what, expected: tables_end, file_len }.into());
        }
        let copies = [read_copy(file, HEADERS[0])?, read_copy(file, HEADERS[1])?];
        let (index, raw) = current(copies, findings)?;
        // OK: 0 or 1.
        Self::validate(file, raw, HEADERS[index])
    }

    /// Whether the log must be replayed.
    pub(crate) fn has_log(&self) -> bool {
        self.raw.log_guid != Guid::ZERO
    }

    fn validate(file: &dyn ReadAt, raw: RawHeader, at: u64) -> Result<Self, Error> {
        if raw.version != 1 {
            return Err(
                Unsupported::Version { at: at + 66, what: Part::File, found: raw.version, known: 1 }.into()
            );
        }
        if raw.log_version != 0 {
            let found = raw.log_version;
            return Err(Unsupported::Version { at: at + 64, what: Part::Log, found, known: 0 }.into());
        }
        let (start, len) = (raw.log_offset, u64::from(raw.log_length));
        if !len.is_multiple_of(MIB) {
            return Err(HEADER_CODES.field(at + 68, "LogLength", "a multiple of 1 MiB", len));
        }
        if len == 0 && raw.log_guid != Guid::ZERO {
            return Err(HEADER_CODES.field(at + 68, "LogLength", "at least 1 MiB with a log in use", len));
        }
        if len == 0 {
            return Ok(Self { raw, log: 0..0 });
        }
        if !start.is_multiple_of(MIB) || start == 0 {
            return Err(HEADER_CODES.field(at + 72, "LogOffset", "a multiple of 1 MiB, not 0", start));
        }
        HEADER_CODES.check_table(file, at + 72, "the log", start, len)?;
        // OK: inside the file.
        Ok(Self { raw, log: start..start + len })
    }
}

fn check_signature(file: &dyn ReadAt) -> Result<(), Error> {
    if file.len() < FILE.len() as u64 {
        return Err(Corrupt::Cut { what: "the signature", expected: 8, file_len: file.len() }.into());
    }
    let found = file.array::<8>(0)?;
    if found == FILE {
        return Ok(());
    }
    Err(Corrupt::Signature { at: 0, what: Part::File, expected: "vhdxfile", found }.into())
}

/// One copy, or the reason why it is invalid.
fn read_copy(file: &dyn ReadAt, at: u64) -> Result<Copy, Error> {
    let bytes = file.array::<HEADER_BYTES>(at)?;
    Ok(check_seal(&bytes, HEADER).map(|()| (RawHeader::decode(&bytes), bytes)))
}

/// Checks the signature and the checksum of a structure.
pub(crate) fn check_seal(bytes: &[u8], signature: [u8; 4]) -> Result<(), String> {
    if !bytes.starts_with(&signature) {
        let name = signature.escape_ascii();
        // OK: every sealed structure has at least 4 KiB.
        return Err(format!("begins with {:02x?}, expected \"{name}\"", &bytes[..4]));
    }
    // OK: as above.
    let (stored, computed) = (LittleEndian::read_u32(&bytes[4..]), crc::sealed(bytes));
    if stored != computed {
        return Err(format!("has checksum {stored:#010x}, expected {computed:#010x}"));
    }
    Ok(())
}

/// The valid header with the higher sequence number.
///
/// The specification defines no current header if both numbers are equal. Identical headers, as Disk2vhd
/// writes them, are accepted.
fn current([first, second]: [Copy; 2], findings: &mut Vec<Finding>) -> Result<(usize, RawHeader), Error> {
    match (first, second) {
        (Ok((first, a)), Ok((second, b))) => match first.sequence_number.cmp(&second.sequence_number) {
            core::cmp::Ordering::Greater => Ok((0, first)),
            core::cmp::Ordering::Less => Ok((1, second)),
            core::cmp::Ordering::Equal if a == b => {
                findings.push(Finding {
                    code: codes::HEADER_TWINS,
                    severity: Severity::Note,
                    at: Some(HEADERS[1]),
                    message: "both headers are identical, including the sequence number".into(),
                });
                Ok((0, first))
            }
            core::cmp::Ordering::Equal => {
                let sequence = first.sequence_number;
                Err(Corrupt::Ambiguous { at: HEADERS[1] + 8, sequence }.into())
            }
        },
        (Ok((first, _)), Err(damage)) => Ok((0, survived(first, 1, &damage, findings))),
        (Err(damage), Ok((second, _))) => Ok((1, survived(second, 0, &damage, findings))),
        (Err(first), Err(second)) => {
            Err(Corrupt::NoCopy { at: HEADERS[0], what: Part::Header, first, second }.into())
        }
    }
}

fn survived(other: RawHeader, index: usize, damage: &str, findings: &mut Vec<Finding>) -> RawHeader {
    // OK: 0 or 1.
    let (name, at) = (["first", "second"][index], HEADERS[index]);
    findings.push(Finding {
        code: codes::HEADER_DAMAGED,
        severity: Severity::Warning,
        at: Some(at),
        message: format!("the {name} header {damage}: the other one is used, which may be the older one"),
    });
    other
}

/// Name of the software that created the image.
///
/// UTF-16LE up to a NUL, without control characters.
pub(crate) fn creator(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(LittleEndian::read_u16).take_while(|unit| *unit != 0);
    let text: String = char::decode_utf16(units)
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .filter(|c| !c.is_control())
        .collect();
    text.trim().to_string()
}
