//! The codes of requests and of findings that only a check reports.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use imgprep_map::{Code, Error};
use imgprep_policy::Rule;

imgprep_map::code_table! {
    BITMAP_COMMAND_FAILED = io("bitmap.command-failed", "the command that makes the bitmap failed");
    BITMAP_NEEDS_RAW = refused("bitmap.needs-raw", "a bitmap was requested for an output that is not RAW");
    CHECK_NO_IMAGES = refused("check.no-images", "the folder contains no image files");
    CHECK_PROFILE = refused("check.profile", "there is no built-in profile of this name");
    COMPARE_GRANULARITY = refused("compare.granularity", "the block size of a comparison is not a power of two or too large");
    CONVERT_LEVEL = refused("convert.level", "the target does not have this compression level");
    CONVERT_NEEDS_FILE = refused("convert.needs-file", "the target format cannot be written to standard output");
    CONVERT_NEEDS_NAMES = refused("convert.needs-names", "an image of several files needs the path of a file");
    CONVERT_OPTION = refused("convert.option", "an option of the target is unknown, invalid or repeated");
    CONVERT_TARGET = unsupported("convert.target", "format/unsupported", "the format does not exist or cannot be written").without_rule();
    CONVERT_VERIFY_PIPE = refused("convert.verify-pipe", "standard output cannot be verified");
    CONVERT_VERIFY_UNREADABLE = refused("convert.verify-unreadable", "the output cannot be read back for verification");
    FOLDER_LINK_DANGLING = refused("folder.link.dangling", "a symbolic link leads to a missing file");
    FOLDER_LINK_OUTSIDE = refused("folder.link.outside", "a symbolic link leads outside of the searched folder");
    OPTIMIZE_UNSUITABLE = refused("optimize.unsuitable", "the image has parts that a rewritten image would not have, or several files");
    OUTPUT_DEVICE = refused("output.device", "the output is a block device, which is overwritten only on request");
    OUTPUT_DEVICE_LENGTH = refused("output.device-length", "a device is longer or shorter than an output that ends with a footer");
    OUTPUT_IS_SOURCE = refused("output.is-source", "an output is a file that is read as a source");
    OUTPUT_TWICE = refused("output.twice", "two outputs are the same file");
    RAW_PARTITION_PAST_END = finding("raw.partition-past-end", "structure/cut", "a partition of a RAW image reaches past the end of the file");
    SOURCE_IN_USE = refused("source.in-use", "a running virtual machine has the image open for writing");
    VERIFY_NO_DIGEST = refused("verify.no-digest", "a receipt contains no digest or checksum that applies to the file");
    ZVHD_PAYLOAD_FINISHED = finding("zvhd.payload.finished", "structure/vendor-layout", "a zlib stream is finished, which the vendor's reader rejects");
    ZVHD_PAYLOAD_FRAMES = finding("zvhd.payload.frames", "structure/note", "a payload has several zstd frames");
    ZVHD_PAYLOAD_ZEROS = finding("zvhd.payload.zeros", "structure/payload", "a block of zeros is stored");
}

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
    imgprep_catalog::codes().chain(tables.into_iter().flatten().copied())
}

/// The code of this id.
pub fn code(id: &str) -> Option<&'static Code> {
    static BY_ID: LazyLock<BTreeMap<&str, &Code>> =
        LazyLock::new(|| codes().map(|code| (code.id, code)).collect());
    BY_ID.get(id).copied()
}

/// The rule that an error belongs to. `None`: it is no violation on the image, the check could not be done.
pub(crate) fn rule_of_error(error: &Error) -> Option<&'static Rule> {
    let code = error.code();
    debug_assert_eq!(code.class, Some(error.class()), "{}: the class in the table", code.id);
    imgprep_policy::rule_of_error(code)
}
