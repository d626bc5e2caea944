//! The library's face: what the program and other programs call.
//!
//! [`Disk::open`] opens an image with all that it needs, [`Disk::describe`]s it;
//! [`plan`] reports what a conversion would do, [`convert`] performs it, [`write_bitmap`]
//! makes the block bitmap of a disk, [`check`] judges a file by the rules of the policy. Nothing here prints or reads the environment.

mod allocation;
mod bitmap;
mod bitmap_command;
mod bitmap_file;
mod check;
mod codes;
mod contents;
mod convert;
mod disk;
mod error;
mod files;
mod folder;
mod parts;
mod remedy;
mod safety;
mod target;
mod target_options;
mod uuid;

pub use allocation::{Allocation, Counted};
pub use bitmap::{BitmapMaker, BitmapWritten, write_bitmap};
pub use bitmap_command::BitmapCommand;
pub use check::{CheckOptions, CheckedFile, Depth, Outcome, check, each_file};
pub use codes::{code, codes};
pub use contents::DiskInspection;
pub use convert::{Checksum, ConvertOptions, Converted, Destination, Plan, Verify, convert, plan};
pub use disk::{Disk, LayerInfo, matches_of};
pub use error::RequestError;
pub use files::{Files, Role};
pub use folder::{check_link, image_files};
pub use parts::parts_among;
pub use remedy::{descriptor_beside, remedy};
pub use target::Target;
pub use target_options::{TARGETS, TargetError, TargetFormat, TargetOption, writable};
pub use uuid::parse_uuid;

pub use imgprep_catalog::{
    DetectError, FORMATS, Format, IMAGE_EXTENSIONS, LIKELY_EXTENSIONS, Match, by_name,
    commands as foreign_commands,
};
pub use imgprep_disk::{Contents, DiskFacts, Partition, PartitionKind, Volume};
pub use imgprep_engine::{
    BitOrder, BitmapShape, Interrupt, Loss, OnLoss, Options as RunOptions, Progress, ProgressReading,
    ResolvedExtent,
};
pub use imgprep_io::{
    Access, Allocator, Existing, OutputOptions, SourceFile, SourceOptions, Sync, free_space, hidden_prefix,
    ignores_hangup, open_file_limit, path_from_bytes, raise_open_file_limit, random_uuid, reason, reserve,
    space_taken, spool, stdout_was_closed, sync_folder, write_atomic,
};
pub use imgprep_map::{
    Class, Code, Compression, Detail, Encryption, Error, Evidence, Facts, FileId, Finding, Limits,
    ParseOptions, Printable, Severity, SizeChoice, Snapshot, Source, StructureCounts, Value, hex,
    is_printable, printable, printable_json,
};
pub use imgprep_open::{FollowPolicy, Mismatch, Named, OpenOptions, open_source};
pub use imgprep_policy as policy;
pub use imgprep_qcow2::{ClusterCompression, ClusterSize};
