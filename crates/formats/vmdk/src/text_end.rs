//! End of a descriptor's text: the first NUL, after which only padding is expected.

use alloc::string::String;

use imgprep_map::{Finding, Severity};

use crate::Corrupt;
use crate::codes;
use crate::extent_line::{is_extent_line, shown};
use crate::key_values::{is_decisive, key_and_value};

/// Checks the bytes after the NUL at `end` of a text at file offset `at`.
///
/// A writer that replaces a longer text may leave the rest of it. A NUL inside a line, or before lines that
/// determine the disk's contents, is damage: without these lines the descriptor describes another disk.
pub(crate) fn trailing(text: &[u8], end: usize, at: u64) -> Result<Option<Finding>, Corrupt> {
    let rest = text.get(end..).unwrap_or_default();
    let Some(first) = rest.iter().position(|byte| *byte != 0) else { return Ok(None) };
    let before = end.checked_sub(1).and_then(|index| text.get(index));
    let is_inside_line = first == 1 && before.is_some_and(|byte| !matches!(byte, b'\n' | b'\r'));
    let lines = || rest.split(|byte| matches!(byte, 0 | b'\n')).map(<[u8]>::trim_ascii);
    let decisive = lines()
        .find(|line| is_extent_line(line) || key_and_value(line).is_some_and(|(key, _)| is_decisive(key)));
    let cut = decisive.or_else(|| lines().find(|line| !line.is_empty()).filter(|_| is_inside_line));
    if let Some(line) = cut {
        return Err(Corrupt::Nul { at: at + end as u64, line: shown(line) });
    }
    let message = String::from("bytes follow the end of the text");
    let (code, severity, at) = (codes::DESCRIPTOR_AFTER_END, Severity::Warning, at + (end + first) as u64);
    Ok(Some(Finding { code, severity, at: Some(at), message }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &[u8]) -> Result<Option<u64>, (u64, String)> {
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        match trailing(text, end, 512) {
            Ok(finding) => Ok(finding.and_then(|finding| finding.at)),
            Err(Corrupt::Nul { at, line }) => Err((at, line)),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn padding_and_old_text_after_the_end_are_survived() {
        assert_eq!(found(b"CID=1\n"), Ok(None));
        assert_eq!(found(b"CID=1\n\0\0\0"), Ok(None));
        assert_eq!(found(b"CID=1\n\0x\n"), Ok(Some(519)));
        assert_eq!(found(b"CID=1\r\n\0ddb.adapterType = \"ide\"\n"), Ok(Some(520)));
        assert_eq!(found(b"CID=1\0\0ide\n"), Ok(Some(519)));
        assert_eq!(found(b""), Ok(None));
    }

    #[test]
    fn lines_that_decide_after_a_nul_are_refused() {
        let refused = |at, line: &str| Err((at, line.into()));
        assert_eq!(found(b"CID=1\0parentCID=2\n"), refused(517, "parentCID=2"));
        assert_eq!(found(b"CID=1\n\0\0\0RW 8 ZERO\n"), refused(518, "RW 8 ZERO"));
        assert_eq!(found(b"CID=1\n\0x\0\ncreateType=\"vmfs\"\n"), refused(518, "createType=\"vmfs\""));
        assert_eq!(found(b"CID=1\n\0db.uuid=1\nddb.uuid.parent=2\n"), refused(518, "ddb.uuid.parent=2"));
        assert_eq!(found(b"CID=1\n# a \0 comment\n"), refused(522, "comment"));
    }
}
