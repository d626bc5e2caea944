//! Inspects and converts virtual-disk images: the library that the program uses.
//!
//! ```
//! use imgprep::{ErrorKind, Target};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let (source, output) = (folder.path().join("a.img"), folder.path().join("a.zvhd2"));
//! # let mut bytes = vec![0; 8 << 20];
//! # bytes[5 << 20..6 << 20].fill(7);
//! # std::fs::write(&source, &bytes)?;
//! let disk = imgprep::open(&source)?;
//! for extent in disk.extents() {
//!     let extent = extent?;
//!     println!("{:?}: {:?}", extent.disk, extent.source);
//! }
//! disk.convert(Target::from_name("zvhd2")?)
//!     .compression_level(3)
//!     .verify(true)
//!     .on_progress(|progress| eprintln!("{} %", progress.percent()))
//!     .write_to_path(&output)?;
//!
//! let checked = imgprep::check(&output).profile("otc").run()?;
//! for violation in &checked.violations {
//!     println!("{}: {}", violation.rule.id.name(), violation.fact);
//! }
//!
//! match imgprep::open(folder.path().join("missing.qcow2")) {
//!     Err(error) if error.kind() == ErrorKind::NotFound => println!("{:?}: {}", error.path(), error.code()),
//!     other => panic!("{:?}", other.err()),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Sources and outputs
//!
//! [`open`] and [`open_with`] read local files and block devices, [`open_reader`] any [`ReadAt`]. [`Disk::convert`] sets up a
//! conversion into a file ([`Conversion::write_to_path`]) or into any [`Output`] ([`Conversion::write_to`]), such as
//! [`MemoryOutput`]. [`compare`] compares two disks, [`digest`] computes digests of one. [`check`] applies the rules of the policy to a file; [`each_file`] checks many files.
//!
//! The free functions [`plan`], [`convert`], [`convert_to`], [`write_bitmap`] and [`check_file`] accept all options as one value;
//! the builders are shorter forms of them.
//!
//! # Errors
//!
//! Every [`Error`] has a kind ([`Error::kind`]), a stable code ([`Error::code`]; [`codes`] lists all of them), and, if known, the
//! path of the file and the offset in it. Nothing here prints or reads the environment.

mod allocation;
mod backing;
mod bitmap;
mod bitmap_command;
mod bitmap_file;
mod check;
mod check_request;
mod codes;
mod compare;
mod contents;
mod conversion;
mod convert;
mod convert_options;
mod digest;
mod discard;
mod disk;
mod error;
mod extents;
mod file_kind;
mod files;
mod folder;
mod joined_output;
mod listed;
mod local_output;
mod measure;
mod memory_output;
mod open;
mod optimize;
mod output;
mod parts;
mod plan;
mod remedy;
mod resources;
mod safety;
mod size;
mod targets;
mod uuid;
mod verify;

pub use allocation::{Allocation, Counted};
pub use bitmap::{BitmapMaker, BitmapWritten, write_bitmap};
pub use bitmap_command::BitmapCommand;
pub use check::{CheckOptions, CheckedFile, Depth, Outcome, check_disk, check_file, each_file};
pub use check_request::{Check, check};
pub use codes::{code, codes};
pub use compare::{CompareOptions, Comparison, compare};
pub use contents::DiskInspection;
pub use conversion::Conversion;
pub use convert::{ConversionDigests, Converted, convert, convert_planned, convert_planned_to, convert_to};
pub use convert_options::{Checksum, ConvertOptions, Destination, Verify};
pub use digest::digest;
pub use disk::{Disk, LayerInfo};
pub use error::RequestError;
pub use extents::Extents;
pub use files::{Files, Role};
pub use folder::{check_link, image_files};
pub use listed::listed;
pub use measure::{Measure, Measurement, measure, measure_size};
pub use memory_output::MemoryOutput;
pub use open::{open, open_reader, open_reader_with, open_with, probe};
pub use optimize::{
    Fragmentation, OptimizeOptions, Optimized, optimize_in_place, optimize_to, plan_optimize,
};
pub use output::Output;
pub use parts::parts_among;
pub use plan::{Plan, plan};
pub use remedy::{descriptor_beside, remedy};
pub use size::{SizeError, parse_size};
pub use targets::{
    BackingFile, Qcow2Target, QcowTarget, QedTarget, TARGETS, Target, TargetError, TargetFormat,
    TargetOption, VdiTarget, VhdTarget, VhdxTarget, VmdkTarget, Zvhd2Target, ZvhdTarget, writable,
};
pub use uuid::parse_uuid;
pub use verify::{ComparedProperty, Expected, Property, Verification, VerifiedFile, verify_file};

pub use imgprep_catalog::{
    DetectError, Detection, FORMATS, Format, LIKELY_EXTENSIONS, Match, by_name, commands as foreign_commands,
    image_extensions,
};
pub use imgprep_disk::{Contents, DiskFacts, Oddity, Partition, PartitionKind, Volume};
pub use imgprep_engine::{
    AllocationHistogram, BitOrder, BitmapShape, Differences, Digest, DigestAlgorithm, EngineError, Interrupt,
    Loss, OnLoss, Options as RunOptions, PartAllocation, Progress, ProgressReading, ResolvedExtent,
    TableScan,
};
pub use imgprep_io::codes::IO_OUTPUT_EXISTS as OUTPUT_EXISTS;
pub use imgprep_io::{
    Access, Allocator, BlockCache, CacheMode, CreateError, Existing, FileIdentity, ImageFile, NamedReader,
    OpenError, OutputOptions, SourceFile, SourceOptions, Sync, UnknownUse, free_space, hidden_prefix,
    ignores_hangup, is_block_device, open_file_limit, path_from_bytes, raise_open_file_limit, random_uuid,
    reason, reserve, set_memory_exit_code, space_taken, spool, stdout_was_closed, sync_folder, write_atomic,
};
pub use imgprep_map as map;
pub use imgprep_map::{
    Class, Code, Codec, CompressedLen, Compression, Detail, DiskMap, Encryption, Error, ErrorKind, Evidence,
    Facts, FileId, FileRef, FileRole, Finding, Hint, Image, ImageName, Limits, ParentRef, ParseOptions,
    Printable, ReadAt, ReadError, Severity, Sink, SinkKind, SizeChoice, Snapshot, Source, StructureCounts,
    Value, WriteError, hex, is_printable, printable, printable_json,
};
pub use imgprep_open::{
    Chain, ChainError, FollowPolicy, Layer, MemoryFiles, Mismatch, Named, Namespace, OpenOptions, ProbedFile,
    open_source,
};
pub use imgprep_policy as policy;
pub use imgprep_qcow::ClusterSize as QcowClusterSize;
pub use imgprep_qcow2::{ClusterCompression, ClusterSize, Compat as Qcow2Compat};
pub use imgprep_qed::Shape as QedShape;
pub use imgprep_vhd::{BlockSize as VhdBlockSize, Subformat as VhdSubformat};
pub use imgprep_vhdx::{
    BlockSize as VhdxBlockSize, LogSize as VhdxLogSize, LogicalSector as VhdxLogicalSector,
    Subformat as VhdxSubformat, WriteOptions as VhdxOptions,
};
pub use imgprep_vmdk::{
    Adapter as VmdkAdapter, GrainSize as VmdkGrainSize, HardwareVersion as VmdkHardwareVersion,
    Subformat as VmdkSubformat,
};
