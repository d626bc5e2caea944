//! The codes of the two errors that every header decoder reports.

use imgprep_map::{Code, Error, ReadAt};

use crate::Invalid;

/// The codes of a structure's fields and of the tables that it references.
#[derive(Clone, Copy, Debug)]
pub struct HeaderCodes {
    /// Code of a field whose value is out of range.
    pub field: &'static Code,
    /// Code of a table that extends past the end of the file.
    pub past_end: &'static Code,
}

impl HeaderCodes {
    /// The error of the field `field` at file offset `at`.
    pub fn field(&self, at: u64, field: &'static str, expected: &'static str, found: u64) -> Error {
        Invalid::Field { code: self.field, at, field, expected, found }.into()
    }

    /// Fails unless `len` bytes from `start` on are inside the file.
    ///
    /// `at` is the file offset of the field that references them.
    pub fn check_table(
        &self,
        file: &dyn ReadAt,
        at: u64,
        table: &'static str,
        start: u64,
        len: u64,
    ) -> Result<(), Invalid> {
        let (code, end, file_len) = (self.past_end, start.saturating_add(len), file.len());
        if end > file_len {
            return Err(Invalid::TablePastEnd { code, at, table, start, end, file_len });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    const PAST_END: &Code = &Code::corrupt("a.table.past-end", "safety/table-size", "");
    const CODES: HeaderCodes =
        HeaderCodes { field: &Code::corrupt("a.header.field", "structure/header", ""), past_end: PAST_END };

    #[test]
    fn a_field_out_of_range_has_the_code_of_its_structure() {
        let error = CODES.field(20, "cluster_bits", "9 to 21", 22);
        let (code, field, expected) = (CODES.field, "cluster_bits", "9 to 21");
        assert_eq!(error.detail(), Some(&Invalid::Field { code, at: 20, field, expected, found: 22 }));
    }

    #[test]
    fn a_table_may_end_where_the_file_ends() {
        let file: &dyn ReadAt = &vec![0; 16];
        assert_eq!(CODES.check_table(file, 4, "the table", 8, 8), Ok(()));
    }

    #[test]
    fn a_table_past_the_end_is_rejected_with_a_saturated_end() {
        let file: &dyn ReadAt = &vec![0; 16];
        for (start, len, end) in [(8, 9, 17), (17, 0, 17), (u64::MAX, 2, u64::MAX)] {
            let (code, table) = (PAST_END, "the table");
            let want = Invalid::TablePastEnd { code, at: 4, table, start, end, file_len: 16 };
            assert_eq!(CODES.check_table(file, 4, "the table", start, len), Err(want));
        }
    }
}
