//! Inspection of a few sectors of a disk: is it empty, partitioned (MBR, GPT), one bare file system, locked
//! away, able to boot?
//!
//! Works on the bytes of a *disk*, whatever format they came in: the caller hands in something that reads
//! it. Read are at most [`MAX_READ`] bytes: the first 68 KiB, the last sector, the partition table and the
//! beginnings of the partitions. Nothing is interpreted beyond that, and nothing is decided: whether a disk
//! that has no EFI system partition will do is a matter of policy.
//!
//! Sources: UEFI 2.10 section 5 (MBR and GPT); for file systems the magic numbers of their own
//! specifications, each held against a second field where it is short.
#![no_std]
#![deny(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::cast_lossless
)]

extern crate alloc;

pub mod codes;
mod facts;
mod gpt;
mod inspect;
mod kind;
mod mbr;
mod volume;

pub use codes::CODES;
pub use facts::{Contents, DiskFacts, Oddity, Partition, PartitionKind};
pub use inspect::{MAX_READ, Wanted, inspect};
pub use volume::Volume;
