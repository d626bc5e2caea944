//! Extent lines of a descriptor (5.0, "The Extents").
//!
//! The syntax is `ACCESS SECTORS TYPE "NAME" OFFSET`. Names may contain blanks and quotes, so a name ends at
//! the last quote of the line.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use imgprep_map::ImageName;

use crate::encoding::Charset;
use crate::layout::SECTOR;
use crate::{Corrupt, Unsupported};

/// How a part of the disk is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Storage {
    /// Not stored: it reads as zeros.
    Zero,
    /// The plain bytes of a file, from offset `at` on.
    Flat { at: u64 },
    /// A `KDMV` or `COWD` file.
    Sparse,
    /// An seSparse file.
    SeSparse,
}

/// One extent line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// File offset of the line.
    pub(crate) at: u64,
    pub(crate) is_accessible: bool,
    pub(crate) sectors: u64,
    /// The type as written in the line.
    pub(crate) kind: &'static str,
    pub(crate) storage: Storage,
    /// File offset of the name, and the name; `None` for zeros.
    pub(crate) name: Option<(u64, Vec<u8>)>,
    /// Alternative spellings of the name.
    pub(crate) others: Vec<ImageName>,
    /// The encoding that the descriptor declares for the name.
    pub(crate) encoding: Option<String>,
}

impl Line {
    /// Decodes the name to UTF-8 and keeps its original bytes as an alternative.
    pub(crate) fn decode(&mut self, charset: &Charset) {
        let Some((_, bytes)) = &mut self.name else { return };
        let name = charset.read(bytes);
        self.others = name.others();
        (*bytes, self.encoding) = (name.bytes, name.encoding);
    }
}

const TYPES: [(&str, Storage); 6] = [
    ("SPARSE", Storage::Sparse),
    ("FLAT", Storage::Flat { at: 0 }),
    ("ZERO", Storage::Zero),
    ("VMFS", Storage::Flat { at: 0 }),
    ("VMFSSPARSE", Storage::Sparse),
    ("SESPARSE", Storage::SeSparse),
];

/// Whether a line begins like an extent line.
pub(crate) fn is_extent_line(line: &[u8]) -> bool {
    let (word, rest) = word(line);
    !rest.is_empty() && [&b"RW"[..], b"RDONLY", b"NOACCESS"].contains(&word)
}

/// Parses one line without surrounding blanks, at file offset `at`.
pub(crate) fn read(line: &[u8], at: u64) -> Result<Line, Problem> {
    let bad = |reason| Problem::Corrupt(Corrupt::ExtentLine { at, line: shown(line), reason });
    let (access, rest) = word(line);
    let (count, rest) = word(rest);
    let (kind, rest) = word(rest);
    let sectors = number(count).ok_or_else(|| bad("the second word is not a number of sectors"))?;
    if kind.is_empty() {
        return Err(bad("the type is missing"));
    }
    let found = TYPES.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(kind));
    let Some((kind, storage)) = found else {
        return Err(Problem::Unsupported(Unsupported::ExtentType { at, name: shown(kind) }));
    };
    let mut line_out = Line {
        at,
        is_accessible: access != b"NOACCESS",
        sectors,
        kind,
        storage: *storage,
        name: None,
        others: Vec::new(),
        encoding: None,
    };
    if *storage == Storage::Zero {
        return Ok(line_out);
    }
    let (first, last) = quotes(rest).ok_or_else(|| bad("no file name in quotes follows the type"))?;
    // OK: the indices of two bytes.
    let (name, after) = (&rest[first + 1..last], trim(&rest[last + 1..]));
    if let Storage::Flat { at: place } = &mut line_out.storage {
        let offset = if after.is_empty() { Some(0) } else { number(after) };
        let offset = offset.ok_or_else(|| bad("the name is not followed by an offset in sectors"))?;
        *place = offset.checked_mul(SECTOR).ok_or_else(|| bad("the offset is larger than any file"))?;
    } else if !after.is_empty() && number(after) != Some(0) {
        return Err(bad("only a flat extent may have text after its name"));
    }
    // OK: `rest` is the line's end.
    let name_at = at + (line.len() - rest.len() + first + 1) as u64;
    line_out.name = Some((name_at, name.to_vec()));
    Ok(line_out)
}

/// Reason to reject a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    Corrupt(Corrupt),
    Unsupported(Unsupported),
}

/// Positions of the first and the last quote.
///
/// `None` unless only blanks precede the first one and the name between them is not empty.
fn quotes(rest: &[u8]) -> Option<(usize, usize)> {
    let first = rest.iter().position(|byte| *byte == b'"')?;
    let last = rest.iter().rposition(|byte| *byte == b'"')?;
    // OK: the index of a byte.
    (trim(&rest[..first]).is_empty() && first + 1 < last).then_some((first, last))
}

/// The first word and the rest of the line.
fn word(line: &[u8]) -> (&[u8], &[u8]) {
    let line = line.trim_ascii_start();
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    line.split_at(end)
}

fn trim(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

/// Parses decimal digits; `None` for other characters and more than 64 bits.
pub(crate) fn number(word: &[u8]) -> Option<u64> {
    let text =
        core::str::from_utf8(word).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok()
}

/// At most 200 bytes of a line, for a message.
pub(crate) fn shown(line: &[u8]) -> String {
    let part = line.iter().copied().take(200).collect();
    imgprep_map::ImageName(part).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(line: &str) -> Line {
        read(line.as_bytes(), 100).unwrap_or_else(|problem| panic!("{line}: {problem:?}"))
    }

    fn reason(line: &str) -> &'static str {
        match read(line.as_bytes(), 100) {
            Err(Problem::Corrupt(Corrupt::ExtentLine { at: 100, reason, .. })) => reason,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn every_type() {
        let all = [
            ("RW 63 SPARSE \"a\"", Storage::Sparse),
            ("RW 63 FLAT \"a\" 8", Storage::Flat { at: 4096 }),
            ("RW 63 FLAT \"a\"", Storage::Flat { at: 0 }),
            ("RW 63 ZERO", Storage::Zero),
            ("RW 63 VMFS \"a\"", Storage::Flat { at: 0 }),
            ("RW 63 VMFSSPARSE \"a\"", Storage::Sparse),
            ("RW 63 SESPARSE \"a\"", Storage::SeSparse),
            ("RW 63 sparse \"a\" 0", Storage::Sparse),
        ];
        for (line, storage) in all {
            let line = named(line);
            assert_eq!((line.at, line.sectors, line.storage, line.is_accessible), (100, 63, storage, true));
            assert_eq!(line.name.is_none(), storage == Storage::Zero);
        }
        assert!(named("RDONLY 1 SPARSE \"a\"").is_accessible);
        assert!(!named("NOACCESS 1 ZERO").is_accessible);
    }

    #[test]
    fn names_with_blanks_and_quotes() {
        assert_eq!(named("RW 4192256  SPARSE\t\"my disk.vmdk\"").name, Some((120, b"my disk.vmdk".to_vec())));
        assert_eq!(named("RW 1 FLAT \"a \"b\" c\" 0").name, Some((111, b"a \"b\" c".to_vec())));
        assert_eq!(named("RW 1 SPARSE \"../x/C:\\y\"").name, Some((113, b"../x/C:\\y".to_vec())));
    }

    #[test]
    fn lines_of_other_kinds_are_ignored() {
        assert_eq!(reason("RW x SPARSE \"a\""), "the second word is not a number of sectors");
        assert_eq!(reason("RW +5 SPARSE \"a\""), "the second word is not a number of sectors");
        assert_eq!(reason("RW 99999999999999999999 ZERO"), "the second word is not a number of sectors");
        assert_eq!(reason("RW 5"), "the type is missing");
        for line in
            ["RW 5 SPARSE", "RW 5 SPARSE a", "RW 5 SPARSE \"", "RW 5 SPARSE \"\"", "RW 5 FLAT x \"a\""]
        {
            assert_eq!(reason(line), "no file name in quotes follows the type");
        }
        assert_eq!(reason("RW 5 FLAT \"a\" x"), "the name is not followed by an offset in sectors");
        assert_eq!(reason("RW 5 FLAT \"a\" 99999999999999999"), "the offset is larger than any file");
        assert_eq!(reason("RW 5 SPARSE \"a\" 7"), "only a flat extent may have text after its name");
        let want = Unsupported::ExtentType { at: 100, name: "VMFSRDM".into() };
        assert_eq!(read(b"RW 5 VMFSRDM \"a\"", 100), Err(Problem::Unsupported(want)));
        assert!(is_extent_line(b"RW 5 FLAT") && !is_extent_line(b"RW") && !is_extent_line(b"ROW 5 x"));
    }
}
