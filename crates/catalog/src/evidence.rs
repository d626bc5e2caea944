//! Evidence in the head and the tail of a file, with its bytes.

use std::borrow::Cow;
use std::fmt;

use imgprep_map::{Error, Evidence, Probe, ReadAt};

use crate::foreign::Treatment;
use crate::formats::Format;

/// Maximum number of bytes shown of one piece of evidence: no magic is longer.
const SHOWN: u64 = 32;

/// A format or kind of file that the bytes match.
#[derive(Clone, Debug)]
pub struct Match {
    /// The name of the format or kind.
    pub name: &'static str,
    /// Offset, length and description.
    pub evidence: Evidence,
    /// The bytes of the evidence, at most the first 32.
    pub bytes: Vec<u8>,
    pub(crate) kind: Kind,
}

/// What can be done about a match.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Readable(&'static Format),
    Foreign(Treatment),
}

impl Match {
    pub(crate) fn new(probe: &Probe<'_>, name: &'static str, evidence: Evidence, kind: Kind) -> Self {
        let bytes = bytes_at(probe, evidence.at, evidence.len.min(SHOWN)).unwrap_or_default().to_vec();
        Self { name, evidence, bytes, kind }
    }

    /// Whether it can be selected as the format of the file.
    pub fn is_readable(&self) -> bool {
        matches!(self.kind, Kind::Readable(_))
    }

    /// The bytes in hexadecimal, separated by spaces.
    pub fn hex(&self) -> String {
        let mut hex: Vec<_> = self.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        if (self.bytes.len() as u64) < self.evidence.len {
            hex.push("...".into());
        }
        hex.join(" ")
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} at {})", self.name, self.evidence.description, self.evidence.at)
    }
}

/// `len` bytes at a file offset, if the probe shows them.
fn bytes_at<'p>(probe: &Probe<'p>, at: u64, len: u64) -> Option<&'p [u8]> {
    let within = |bytes: &'p [u8], first: u64| {
        let start = usize::try_from(at.checked_sub(first)?).ok()?;
        bytes.get(start..start.checked_add(usize::try_from(len).ok()?)?)
    };
    within(probe.head, 0).or_else(|| within(probe.tail, probe.tail_at()))
}

/// Head and tail of a file, for probes.
pub(crate) struct Ends<'f> {
    head: Cow<'f, [u8]>,
    tail: Cow<'f, [u8]>,
    file_len: u64,
}

impl<'f> Ends<'f> {
    pub(crate) fn read(file: &'f dyn ReadAt) -> Result<Self, Error> {
        let file_len = file.len();
        let tail_len = file_len.min(Probe::TAIL);
        // OK: both lengths are clipped to constants of a few pages.
        let head = file.slice(0, file_len.min(Probe::HEAD) as usize)?;
        let tail = file.slice(file_len - tail_len, tail_len as usize)?;
        Ok(Self { head, tail, file_len })
    }

    pub(crate) fn probe(&self) -> Probe<'_> {
        Probe { head: &self.head, tail: &self.tail, file_len: self.file_len }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_match_come_from_the_head_or_the_tail() {
        let mut file = vec![0; 200_000];
        file[100..104].copy_from_slice(b"head");
        let last = file.len() - 512;
        file[last..last + 4].copy_from_slice(b"tail");
        let ends = Ends::read(&file).unwrap();
        let found = |at, len| {
            let evidence = Evidence { at, len, description: String::new() };
            Match::new(&ends.probe(), "x", evidence, Kind::Foreign(Treatment::Unsupported)).hex()
        };
        assert_eq!(found(100, 4), "68 65 61 64");
        assert_eq!(found(last as u64, 4), "74 61 69 6c");
        assert_eq!(found(0, 40), format!("{}...", "00 ".repeat(32)));
        assert_eq!(found(100_000, 4), "...", "what is not shown has no bytes");
    }
}
