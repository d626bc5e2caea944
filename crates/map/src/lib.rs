//! The types that all other crates of imgprep share.
//!
//! A format describes *where* the bytes of a disk are; one engine moves them. This
//! crate defines the types for that: [`Extent`] and [`Source`] (where a
//! range of the disk is stored), [`DiskMap`] (the map of one image),
//! [`ReadAt`] and [`Sink`] (what bytes are read from and written to),
//! [`ImageWriter`] (where a format stores blocks), [`Facts`] and [`Finding`] (the results of an
//! inspection), [`Error`] (the envelope of all errors) and [`Printable`] (escaped untrusted
//! text).
//!
//! It opens no file, starts no thread and depends on no format.
#![no_std]

extern crate alloc;

mod check;
#[macro_use]
mod code;
pub mod codes;
mod disk_map;
mod error;
mod image;
mod read;
mod size;
mod write;

// Where the bytes of a disk are. A format implements `DiskMap`; `ExtentBuilder` ensures that its extents cover the disk.
pub use disk_map::{Codec, CompressedLen, DiskMap, Extent, ExtentBuilder, FileId, Files, Source, Visitor};

// The results of parsing an image: how it is recognised, its facts and findings, the
// other files that it names, and the limits of parsing.
pub use image::{
    Encryption, Evidence, Facts, FileRef, FileRole, Finding, Image, ImageName, Limits, Needs, ParentRef,
    ParseOptions, Parsed, Probe, Resume, Severity, SizeChoice, Snapshot, Value,
};

// Sources of bytes: files, overlays that replace parts of them, and their holes.
pub use read::{LastHole, Overlay, OverlayReader, ReadAt, ReadError};

// The writer interface: an image writer determines where bytes are stored, a sink receives them.
pub use write::{
    AlignedBuffer, BUFFER_ALIGNMENT, Compression, Emit, Encoding, FilePart, HUGE_PAGE, ImageWriter,
    Placement, Sink, SinkKind, Stored, WriteError,
};

// Shared parts of structure checks: uses of the file, counts and findings.
pub use check::{
    Contradictions, CoverageSweep, FileUse, Full, Report, RevisitLimiter, StructureCounts, Swept, UnitSet,
    Use, UseKind, Uses,
};

// The conversion from sizes of files to sizes in memory.
pub use size::usize_of;

// Every error and finding has a code; each code is listed once.
pub use code::Code;
pub use codes::CODES;

// The envelope of all errors, and escaping of untrusted text.
pub use error::{
    Class, Comment, Detail, Error, ErrorKind, Hint, Printable, Remedy, RemedyTemplate, hex, is_printable,
    printable, printable_json, size_text,
};
