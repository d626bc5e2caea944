//! Errors of headers and tables that several formats report.

use imgprep_map::{Class, Code, Detail};

/// A header or table that contradicts itself or the file.
///
/// `at` is a file offset, `code` a code of the format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The file ends before its header does.
    #[error("the header needs {expected} bytes, but the file has {file_len}")]
    HeaderCut {
        /// `<format>.header.cut`.
        code: &'static Code,
        /// Bytes of the header.
        expected: u64,
        /// Length of the file.
        file_len: u64,
    },
    /// The first bytes are not the magic number.
    #[error("the file begins with {found:02x?}, expected {expected}")]
    Magic {
        /// `<format>.header.magic`.
        code: &'static Code,
        /// The name of the magic number.
        expected: &'static str,
        /// The first bytes.
        found: [u8; 4],
    },
    /// A field is out of its range.
    #[error("{field} is {found}, expected {expected}")]
    Field {
        /// `<format>.header.field`, or that of another structure.
        code: &'static Code,
        /// Offset of the field.
        at: u64,
        /// The specification's name.
        field: &'static str,
        /// The valid values.
        expected: &'static str,
        /// The value.
        found: u64,
    },
    /// A table extends past the end of the file.
    #[error("{table} is at bytes {start}..{end}, but the file has {file_len}")]
    TablePastEnd {
        /// `<format>.table.past-end`.
        code: &'static Code,
        /// Offset of the field or entry that references it.
        at: u64,
        /// Which table.
        table: &'static str,
        /// Its first byte.
        start: u64,
        /// Its end, saturated.
        end: u64,
        /// Length of the file.
        file_len: u64,
    },
    /// A table does not cover the disk.
    #[error("{table} has {found} entries, but a disk of {size} bytes needs {expected}")]
    TableTooShort {
        /// `<format>.<table>.too-short`.
        code: &'static Code,
        /// Offset of its length.
        at: u64,
        /// Which table.
        table: &'static str,
        /// Entries that the disk needs.
        expected: u64,
        /// Entries of the table.
        found: u64,
        /// Length of the disk.
        size: u64,
    },
    /// A table entry has an invalid value.
    #[error("invalid {table} entry {found:#018x}: {reason}")]
    Entry {
        /// `<format>.table.entry`.
        code: &'static Code,
        /// Offset of the entry.
        at: u64,
        /// Which table.
        table: &'static str,
        /// The entry.
        found: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An L1 table that references L2 tables repeatedly.
    ///
    /// Each of them can describe only one part of the disk.
    #[error("the L2 table at {found}, or one before it, is referenced repeatedly, expected once")]
    TablesRepeated {
        /// `<format>.table.repeated`.
        code: &'static Code,
        /// Offset of the L1 entry that exceeded the limit.
        at: u64,
        /// The table that it references.
        found: u64,
    },
    /// Data, plain or compressed, extends past the end of its file.
    #[error("the entry points to bytes {start}..{end}, but the file has {file_len}")]
    DataPastEnd {
        /// `<format>.l2.past-end`, or that of the format's own unit.
        code: &'static Code,
        /// Offset of the entry.
        at: u64,
        /// First byte of the data.
        start: u64,
        /// Its end, saturated.
        end: u64,
        /// Length of the file that stores the data.
        file_len: u64,
    },
}

impl Detail for Invalid {
    fn code(&self) -> &'static Code {
        match self {
            Self::HeaderCut { code, .. }
            | Self::Magic { code, .. }
            | Self::Field { code, .. }
            | Self::TablePastEnd { code, .. }
            | Self::TableTooShort { code, .. }
            | Self::Entry { code, .. }
            | Self::TablesRepeated { code, .. }
            | Self::DataPastEnd { code, .. } => code,
        }
    }

    fn class(&self) -> Class {
        Class::Corrupt
    }

    fn at(&self) -> Option<u64> {
        Some(match self {
            Self::HeaderCut { file_len, .. } => *file_len,
            Self::Magic { .. } => 0,
            Self::Field { at, .. }
            | Self::TablePastEnd { at, .. }
            | Self::TableTooShort { at, .. }
            | Self::Entry { at, .. }
            | Self::TablesRepeated { at, .. }
            | Self::DataPastEnd { at, .. } => *at,
        })
    }
}

#[cfg(test)]
mod tests {
    use imgprep_map::Error;

    use super::*;

    const FIELD: &Code = &Code::corrupt("a.header.field", "structure/header", "");
    const CUT: &Code = &Code::corrupt("a.header.cut", "structure/cut", "");

    #[test]
    fn the_envelope_shows_the_formats_code_and_the_offset() {
        let error =
            Invalid::Field { code: FIELD, at: 8, field: "cluster_bits", expected: "9 to 16", found: 3 };
        let message = "Error(cluster_bits is 3, expected 9 to 16 [a.header.field, file offset 8]";
        assert!(alloc::format!("{:?}", Error::new(error)).starts_with(message));
    }

    #[test]
    fn a_truncated_header_is_reported_at_the_end_of_the_file() {
        let error = Invalid::HeaderCut { code: CUT, expected: 48, file_len: 7 };
        assert_eq!(error.at(), Some(7));
    }

    #[test]
    fn other_errors_are_reported_at_the_field_or_entry_with_the_formats_code() {
        let (code, at, table) = (CUT, 24, "the table");
        let magic = Invalid::Magic { code, expected: "\"QED\\0\"", found: [0; 4] };
        assert_eq!((magic.code(), magic.class(), magic.at()), (code, Class::Corrupt, Some(0)));
        for error in [
            Invalid::Field { code, at, field: "size", expected: "a power of two", found: 3 },
            Invalid::TablePastEnd { code, at, table, start: 8, end: 16, file_len: 12 },
            Invalid::TableTooShort { code, at, table, expected: 2, found: 1, size: 512 },
            Invalid::Entry { code, at, table, found: 1, reason: "unaligned" },
            Invalid::TablesRepeated { code, at, found: 8 },
            Invalid::DataPastEnd { code, at, start: 8, end: 16, file_len: 12 },
        ] {
            assert_eq!(
                (error.code(), error.class(), error.at()),
                (code, Class::Corrupt, Some(at)),
                "{error}"
            );
        }
    }
}
