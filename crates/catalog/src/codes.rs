//! The codes of detection.

use imgprep_map::Code;

use crate::formats::FORMATS;

imgprep_map::code_table! {
    DETECT_AMBIGUOUS = refused("detect.ambiguous", "the file matches several formats").under("format/ambiguous");
    DETECT_EMPTY = refused("detect.empty", "the file is empty").under("format/empty");
    DETECT_EXTENSION_DENIED = refused("detect.extension-denied", "the contents match no format, but the name is that of one").under("format/extension");
    DETECT_LOOKS_LIKE = finding("detect.looks-like", "format/ambiguous", "the file is read as requested, but also matches another format");
    DETECT_NO_DISK = unsupported("detect.no-disk", "format/no-disk", "the file is not a disk image");
    DETECT_NO_SNAPSHOTS = refused("detect.no-snapshots", "the format has no internal snapshots");
    DETECT_PADDED = corrupt("detect.padded", "format/unread", "bytes follow the end of the image");
    DETECT_UNSUPPORTED = unsupported("detect.unsupported", "format/unread", "the format is known but not read");
    RAW_EMPTY = finding("raw.empty", "format/empty", "a RAW image has no bytes");
}

/// The codes of detection and of all formats.
pub fn codes() -> impl Iterator<Item = &'static Code> {
    CODES.iter().chain(FORMATS.iter().flat_map(|format| format.codes)).copied()
}
