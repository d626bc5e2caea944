//! The codes of the contents of disks.

use imgprep_map::Code;

/// A partition reaches past the end of the disk.
pub const PARTITION_PAST_END: &str = "disk.partition-past-end";
/// The entries of the GPT are invalid.
pub(crate) const GPT_ENTRIES: &str = "disk.gpt-entries";

/// All codes of this crate.
#[rustfmt::skip]
pub const CODES: &[Code] = &[
    Code::finding("disk.also", "structure/note", "a disk with a partition table also begins like a bare volume"),
    Code::finding("disk.gpt-backup-only", "structure/note", "the primary GPT is missing; its copy at the end is used"),
    Code::finding(GPT_ENTRIES, "structure/note", "the entries of the GPT are invalid"),
    Code::finding("disk.gpt-header", "structure/note", "the checksum of the GPT header is wrong"),
    Code::finding("disk.gpt-no-copy", "structure/note", "the GPT has no copy at the end of the disk"),
    Code::finding("disk.gpt-not-at-end", "structure/note", "the copy of the GPT ends before the disk: the disk was enlarged"),
    Code::finding("disk.gpt-past-end", "structure/cut", "the copy of the GPT lies past the end of the disk"),
    Code::finding("disk.gpt-unprotected", "structure/note", "a GPT follows an MBR that does not protect it"),
    Code::finding("disk.hybrid-mbr", "structure/note", "the MBR in front of the GPT has partitions of its own"),
    Code::finding(PARTITION_PAST_END, "structure/cut", "a partition reaches past the end of the disk"),
];
