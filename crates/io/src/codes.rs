//! The codes of opening and creating files.

use imgprep_map::Code;

/// All codes of this crate.
#[rustfmt::skip]
pub const CODES: &[Code] = &[
    Code::refused("in-place.in-use", "another program has the file open"),
    Code::refused("in-place.not-regular", "only regular files are changed in place"),
    Code::io("in-place.punch", "a hole could not be punched"),
    Code::io("in-place.read", "the file could not be read"),
    Code::refused("in-place.replaced", "the file was replaced while it was opened"),
    Code::refused("in-place.unknown-use", "the file system does not report whether another program has the file open"),
    Code::io("io.open.directory", "the file is a directory"),
    Code::io("io.open.failed", "the file could not be opened"),
    Code::io("io.open.link", "the file is reached over a symbolic link that was not there before"),
    Code::io("io.open.not-found", "the file does not exist"),
    Code::io("io.open.permission", "permission to open the file was denied"),
    Code::io("io.open.replaced", "the file was replaced while it was opened"),
    Code::io("io.open.special", "the file is not one that can be read at any offset"),
    Code::refused("io.output.busy", "the output device is mounted or in use"),
    Code::refused("io.output.exists", "the output exists already"),
    Code::io("io.output.failed", "the output could not be created or completed"),
    Code::refused("io.output.special", "the output is not a regular file or a block device"),
    Code::io("io.stdin.long", "standard input is longer than the declared size"),
    Code::io("io.stdin.short", "standard input ended before the declared size"),
];
