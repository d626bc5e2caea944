//! The codes of requests and of findings that only a check reports.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use imgprep_map::{Code, Error, Severity};
use imgprep_policy::Rule;

/// All codes of this crate.
#[rustfmt::skip]
const CODES: &[Code] = &[
    Code::io("bitmap.command-failed", "the command that makes the bitmap failed"),
    Code::refused("bitmap.needs-raw", "a bitmap was requested for an output that is not RAW"),
    Code::refused("check.no-images", "the folder contains no image files"),
    Code::refused("check.profile", "there is no built-in profile of this name"),
    Code::refused("compare.granularity", "the block size of a comparison is not a power of two or too large"),
    Code::refused("convert.level", "the target does not have this compression level"),
    Code::refused("convert.needs-file", "the target format cannot be written to standard output"),
    Code::refused("convert.needs-names", "an image of several files needs the path of a file"),
    Code::refused("convert.option", "an option of the target is unknown, invalid or repeated"),
    Code::unsupported("convert.target", "format/unsupported", "the format does not exist or cannot be written").without_rule(),
    Code::refused("convert.verify-pipe", "standard output cannot be verified"),
    Code::refused("convert.verify-unreadable", "the output cannot be read back for verification"),
    Code::refused("folder.link.dangling", "a symbolic link leads to a missing file"),
    Code::refused("folder.link.outside", "a symbolic link leads outside of the searched folder"),
    Code::refused("optimize.unsuitable", "the image has parts that a rewritten image would not have, or several files"),
    Code::refused("output.device", "the output is a block device, which is overwritten only on request"),
    Code::refused("output.device-length", "a device is longer or shorter than an output that ends with a footer"),
    Code::refused("output.is-source", "an output is a file that is read as a source"),
    Code::refused("output.twice", "two outputs are the same file"),
    Code::finding("raw.partition-past-end", "structure/cut", "a partition of a RAW image reaches past the end of the file"),
    Code::refused("source.in-use", "a running virtual machine has the image open for writing"),
    Code::refused("verify.no-digest", "a receipt contains no digest or checksum that applies to the file"),
    Code::finding("zvhd.payload.finished", "structure/vendor-layout", "a zlib stream is finished, which the vendor's reader rejects"),
    Code::finding("zvhd.payload.frames", "structure/note", "a payload has several zstd frames"),
    Code::finding("zvhd.payload.zeros", "structure/payload", "a block of zeros is stored"),
];

/// All codes of this library and its parts.
pub fn codes() -> impl Iterator<Item = &'static Code> {
    let tables = [
        CODES,
        imgprep_map::CODES,
        imgprep_io::CODES,
        imgprep_codec::CODES,
        imgprep_engine::CODES,
        imgprep_open::CODES,
        imgprep_disk::CODES,
    ];
    imgprep_catalog::codes().chain(tables.into_iter().flatten())
}

/// The code of this id.
pub fn code(id: &str) -> Option<&'static Code> {
    static BY_ID: LazyLock<BTreeMap<&str, &Code>> =
        LazyLock::new(|| codes().map(|code| (code.id, code)).collect());
    BY_ID.get(id).copied()
}

/// The rule that an error belongs to. `None`: it is no violation on the image, the check could not be done.
pub(crate) fn rule_of_error(error: &Error) -> Option<&'static Rule> {
    let code = code(error.code())?;
    debug_assert_eq!(code.class, Some(error.class()), "{}: the class in the table", code.id);
    imgprep_policy::rule_of_error(code)
}

/// The rule that a finding with the code `id` belongs to.
pub(crate) fn rule_of_finding(id: &str, severity: Severity) -> &'static Rule {
    imgprep_policy::rule_of_finding(code(id), severity)
}
