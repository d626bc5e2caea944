//! The codes of detection.

use imgprep_map::Code;

use crate::formats::FORMATS;

/// All codes of this crate.
#[rustfmt::skip]
pub const CODES: &[Code] = &[
    Code::refused("detect.ambiguous", "the file matches several formats").under("format/ambiguous"),
    Code::refused("detect.empty", "the file is empty").under("format/empty"),
    Code::refused("detect.extension-denied", "the contents match no format, but the name is that of one").under("format/extension"),
    Code::finding("detect.looks-like", "format/ambiguous", "the file is read as requested, but also matches another format"),
    Code::unsupported("detect.no-disk", "format/no-disk", "the file is not a disk image"),
    Code::refused("detect.no-snapshots", "the format has no internal snapshots"),
    Code::corrupt("detect.padded", "format/unread", "bytes follow the end of the image"),
    Code::unsupported("detect.unsupported", "format/unread", "the format is known but not read"),
    Code::finding("raw.empty", "format/empty", "a RAW image has no bytes"),
];

/// The codes of detection and of all formats.
pub fn codes() -> impl Iterator<Item = &'static Code> {
    CODES.iter().chain(FORMATS.iter().flat_map(|format| format.codes))
}
