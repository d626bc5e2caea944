//! Location and validation of a footer.
//!
//! Source: "Hard Disk Footer Format". The module `footer_select` selects one of two footers.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use imgprep_format_kit::padded;
use imgprep_map::{Error, Finding, Probe, ReadAt, hex, usize_of};

use crate::layout::{COOKIE, FOOTER, POISON, RawFooter, SECTOR, SHORT_FOOTER, checksum, footer_at};
use crate::size::Size;
use crate::{Corrupt, Part, Unsupported};

/// File offsets at which a footer may begin, the most likely first.
///
/// They are 512 and 511 bytes before the end, and the beginnings of the last sectors, where a
/// footer may be truncated or have padding after it.
pub(crate) fn places(file_len: u64) -> impl Iterator<Item = u64> {
    let from_end = [FOOTER, SHORT_FOOTER].into_iter().filter_map(move |back| file_len.checked_sub(back));
    let first = file_len.saturating_sub(Probe::TAIL).div_ceil(SECTOR);
    from_end.chain((first..file_len.div_ceil(SECTOR)).rev().map(|sector| sector * SECTOR))
}

/// Whether `bytes`, the last ones of the file, begin with a cookie.
///
/// Bytes after the 512 of the footer must be zeros.
pub(crate) fn may_begin(bytes: &[u8]) -> bool {
    let has_cookie = bytes.starts_with(&COOKIE) || bytes.starts_with(&POISON);
    has_cookie && bytes.iter().skip(512).all(|byte| *byte == 0)
}

/// The result of a search for a footer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FooterCandidate {
    /// No cookie.
    Nothing,
    /// A cookie, but the file ends inside the footer.
    Cut { at: u64 },
    /// A cookie, and zeros after the footer.
    Followed { at: u64 },
    /// The cookie of an unfinished resize.
    Poisoned { at: u64 },
    /// A footer with a wrong checksum.
    Damaged { at: u64, raw: RawFooter, expected: u32 },
    /// A footer with a valid checksum, or with one that `note` explains.
    Sound { at: u64, raw: RawFooter, note: Option<Note> },
}

/// An anomaly of a sound footer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// Marked hidden by an early `td-util`, which did not update the checksum.
    HiddenAfterwards,
}

impl FooterCandidate {
    /// The footer at the end.
    pub(crate) fn at_end(file: &dyn ReadAt) -> Result<Self, Error> {
        let mut best = Self::Nothing;
        for at in places(file.len()) {
            // OK: all `places` are before the end of the file.
            let left = file.len() - at;
            let found = match left {
                FOOTER | SHORT_FOOTER => Self::whole(file, at)?,
                0..8 => Self::Nothing,
                _ if file.array::<8>(at)? != COOKIE => Self::Nothing,
                8..FOOTER => Self::Cut { at },
                _ if is_zeros(file, at + FOOTER)? => Self::Followed { at },
                _ => Self::Nothing,
            };
            match found {
                Self::Sound { .. } | Self::Poisoned { .. } => return Ok(found),
                _ if best == Self::Nothing => best = found,
                _ => {}
            }
        }
        Ok(best)
    }

    /// The copy at the start.
    pub(crate) fn at_start(file: &dyn ReadAt) -> Result<Self, Error> {
        match file.len() {
            0..8 => Ok(Self::Nothing),
            8..FOOTER if file.array::<8>(0)? == COOKIE => Ok(Self::Cut { at: 0 }),
            8..FOOTER => Ok(Self::Nothing),
            _ => Self::whole(file, 0),
        }
    }

    /// Reads the footer at file offset `at`.
    ///
    /// `at` is at least 511 bytes before the end of the file.
    fn whole(file: &dyn ReadAt, at: u64) -> Result<Self, Error> {
        let bytes = footer_bytes(file, at)?;
        if bytes.starts_with(&POISON) {
            return Ok(Self::Poisoned { at });
        }
        if !bytes.starts_with(&COOKIE) {
            return Ok(Self::Nothing);
        }
        let raw = RawFooter::decode(&bytes);
        let expected = checksum(&bytes, 64);
        if raw.checksum == expected {
            return Ok(Self::Sound { at, raw, note: None });
        }
        // Ones' complement: a sum that is smaller by `hidden` has a checksum that is larger by it.
        let without_hidden = expected.wrapping_add(u32::from(raw.hidden));
        if raw.is_by_tapdisk() && raw.hidden != 0 && raw.checksum == without_hidden {
            return Ok(Self::Sound { at, raw, note: Some(Note::HiddenAfterwards) });
        }
        Ok(Self::Damaged { at, raw, expected })
    }
}

/// Reads the bytes of the footer at `at`. Missing bytes at the end are zeros.
pub(crate) fn footer_bytes(file: &dyn ReadAt, at: u64) -> Result<[u8; 512], Error> {
    let bytes = padded(file, at, 512)?;
    Ok(bytes.first_chunk().copied().unwrap_or([0; 512]))
}

/// Whether the file contains only zeros from `from` on, which is in its last pages.
fn is_zeros(file: &dyn ReadAt, from: u64) -> Result<bool, Error> {
    // OK: all `places` are in the tail of the file.
    let len = usize_of(file.len().saturating_sub(from).min(Probe::TAIL));
    Ok(file.slice(from, len)?.iter().all(|byte| *byte == 0))
}

/// The supported disk types ("Disk Type").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskType {
    Fixed,
    Dynamic,
    Differencing,
}

impl DiskType {
    pub(crate) fn of(raw: &RawFooter, at: u64) -> Result<Self, Unsupported> {
        match raw.disk_type {
            2 => Ok(Self::Fixed),
            3 => Ok(Self::Dynamic),
            4 => Ok(Self::Differencing),
            kind => {
                let name = match kind {
                    0 => "none",
                    1 | 5 | 6 => "reserved, deprecated",
                    _ => "unknown",
                };
                Err(Unsupported::DiskType { at: at + footer_at::DISK_TYPE, kind, name })
            }
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Dynamic => "dynamic",
            Self::Differencing => "differencing",
        }
    }
}

/// A validated footer.
#[derive(Clone, Debug)]
pub(crate) struct Footer {
    /// File offset of the footer.
    pub(crate) at: u64,
    pub(crate) raw: RawFooter,
    pub(crate) disk_type: DiskType,
    pub(crate) size: Size,
}

impl Footer {
    pub(crate) fn new(selected: &SelectedFooter) -> Result<Self, Error> {
        let (at, raw) = (selected.at, selected.raw.clone());
        // A minor version is compatible with older readers.
        if raw.version >> 16 != 1 {
            let at = at + footer_at::VERSION;
            return Err(Unsupported::Version { at, part: Part::Footer, version: raw.version }.into());
        }
        let disk_type = DiskType::of(&raw, at)?;
        Ok(Self { at, disk_type, size: Size::of(&raw), raw })
    }

    /// The unique id as in the identity of a parent: lower-case hexadecimal.
    pub(crate) fn uuid_text(&self) -> String {
        hex(&self.raw.uuid)
    }
}

/// The error for a footer with a wrong checksum.
pub(crate) fn damaged(at: u64, raw: &RawFooter, expected: u32) -> Corrupt {
    Corrupt::Checksum { at: at + footer_at::CHECKSUM, part: Part::Footer, expected, found: raw.checksum }
}

/// The footer in use.
#[derive(Clone, Debug)]
pub(crate) struct SelectedFooter {
    pub(crate) at: u64,
    pub(crate) raw: RawFooter,
    /// Range of the footer at the end of the file, valid or not.
    pub(crate) tail: Option<Range<u64>>,
    pub(crate) findings: Vec<Finding>,
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    fn bytes(edit: impl Fn(&mut [u8])) -> Vec<u8> {
        let mut bytes = vec![0u8; 512];
        bytes[..8].copy_from_slice(&COOKIE);
        edit(&mut bytes);
        let sum = checksum(&bytes, 64);
        bytes[64..68].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    fn after(room: usize, footer: &[u8]) -> Vec<u8> {
        let mut file = vec![1; room];
        file.extend(footer);
        file
    }

    fn at_end(file: &[u8]) -> FooterCandidate {
        FooterCandidate::at_end(&file.to_vec()).unwrap()
    }

    #[test]
    fn a_footer_at_the_end_is_found_at_any_file_length() {
        for room in [0, 512, 1000, 5000] {
            let want = RawFooter::decode(&bytes(|_| ())[..].try_into().unwrap());
            let want = FooterCandidate::Sound { at: room as u64, raw: want, note: None };
            assert_eq!(at_end(&after(room, &bytes(|_| ()))), want);
            assert_eq!(at_end(&after(room, &bytes(|_| ())[..511])), want);
        }
    }

    #[test]
    fn a_truncated_or_followed_footer_is_reported() {
        assert_eq!(at_end(&after(1024, &bytes(|_| ())[..300])), FooterCandidate::Cut { at: 1024 });
        assert_eq!(at_end(&after(1024, &bytes(|_| ())[..7])), FooterCandidate::Nothing);
        let mut padded = after(1024, &bytes(|_| ()));
        padded.resize(4096, 0);
        assert_eq!(at_end(&padded), FooterCandidate::Followed { at: 1024 });
        padded.push(1);
        assert_eq!(at_end(&padded), FooterCandidate::Nothing, "something else lies after it");
        assert_eq!(at_end(&[]), FooterCandidate::Nothing);
    }

    #[test]
    fn a_wrong_checksum_and_a_poisoned_footer_are_reported() {
        let mut damaged = bytes(|_| ());
        damaged[500] = 2;
        let seen = at_end(&after(1024, &damaged));
        assert!(matches!(seen, FooterCandidate::Damaged { at: 1024, .. }), "{seen:?}");
        assert_eq!(
            at_end(&after(1024, &bytes(|bytes| bytes[..8].copy_from_slice(&POISON)))),
            FooterCandidate::Poisoned { at: 1024 }
        );
    }

    #[test]
    fn early_td_util_forgot_the_checksum() {
        let mut hidden = bytes(|bytes| bytes[28..31].copy_from_slice(b"tap"));
        hidden[85] = 1;
        let seen = at_end(&hidden);
        assert!(
            matches!(seen, FooterCandidate::Sound { note: Some(Note::HiddenAfterwards), .. }),
            "{seen:?}"
        );
        hidden[28] = b'x';
        assert!(matches!(at_end(&hidden), FooterCandidate::Damaged { .. }));
    }

    #[test]
    fn every_disk_type() {
        let of = |disk_type| DiskType::of(&RawFooter { disk_type, ..RawFooter::decode(&[0; 512]) }, 1024);
        assert_eq!(of(2), Ok(DiskType::Fixed));
        assert_eq!(of(3), Ok(DiskType::Dynamic));
        assert_eq!(of(4), Ok(DiskType::Differencing));
        for (kind, name) in
            [(0, "none"), (1, "reserved, deprecated"), (6, "reserved, deprecated"), (7, "unknown")]
        {
            assert_eq!(of(kind), Err(Unsupported::DiskType { at: 1084, kind, name }));
        }
    }

    #[test]
    fn a_version_that_does_not_exist() {
        let raw = RawFooter { version: 0x0002_0000, disk_type: 2, ..RawFooter::decode(&[0; 512]) };
        let error =
            Footer::new(&SelectedFooter { at: 1024, raw, tail: None, findings: Vec::new() }).unwrap_err();
        let want = Unsupported::Version { at: 1036, part: Part::Footer, version: 0x0002_0000 };
        assert_eq!(error.detail(), Some(&want));
    }
}
