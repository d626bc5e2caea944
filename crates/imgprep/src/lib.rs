//! The library's face: what the program and other programs call.
//!
//! [`Disk::open`] opens an image with all that it needs, [`Disk::describe`]s it;
//! [`plan`] tells what a conversion would do, [`convert`] does it, [`write_bitmap`]
//! makes the block bitmap of a disk, [`check`] judges a file by the rules of the policy. Nothing here prints or reads the environment.

mod allocation;
mod bitmap;
mod bitmap_command;
mod check;
mod contents;
mod convert;
mod disk;
mod error;
mod folder;
mod remedy;
mod safety;
mod target;
mod whole;

pub use allocation::{Allocation, Counted};
pub use bitmap::{BitmapMaker, BitmapWritten, write_bitmap};
pub use bitmap_command::BitmapCommand;
pub use check::{CheckOptions, CheckedFile, Depth, Outcome, check, each_file};
pub use contents::Seen;
pub use convert::{Checksum, ConvertOptions, Converted, Destination, Plan, Verify, convert, plan};
pub use disk::{Disk, LayerInfo, matches_of};
pub use error::FaceError;
pub use folder::image_files;
pub use remedy::remedy;
pub use target::Target;
pub use whole::write_whole;

pub use imgprep_catalog::{DetectError, FORMATS, Format, Match, by_name, commands as foreign_commands};
pub use imgprep_disk::{Contents, DiskFacts, Partition, PartitionKind, Volume};
pub use imgprep_engine::{
    BitOrder, BitmapShape, Interrupt, Loss, Meter, MeterReading, OnLoss, Options as RunOptions, Piece,
};
pub use imgprep_io::{
    Access, Existing, OutputOptions, SourceFile, SourceOptions, Sync, free_space, open_file_limit,
    path_from_bytes, raise_open_file_limit, random_uuid, reserve, space_taken, spool, sync_folder,
};
pub use imgprep_map::{
    Checked, Class, Detail, Encryption, Error, Evidence, Facts, FileId, Finding, Limits, Packing,
    ParseOptions, Severity, SizeChoice, Snapshot, Source, Value,
};
pub use imgprep_open::{Gate, Mismatch, Named, OpenOptions, open_source};
pub use imgprep_policy as policy;
