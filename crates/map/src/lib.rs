//! The vocabulary that every other crate of imgprep speaks.
//!
//! A format says *where* the bytes of a disk are, one engine moves them. This
//! crate holds the words for that sentence: [`Extent`] and [`Source`] (where a
//! range of the disk comes from), [`DiskMap`] (a format's whole answer),
//! [`ReadAt`] and [`Sink`] (what bytes are read from and written to),
//! [`ImageWriter`] (where a format stores blocks), [`Facts`] and [`Finding`] (what an inspector
//! tells), [`Error`] (one envelope for all that goes wrong) and [`Printable`] (text of
//! strangers as people see it).
//!
//! It opens no file, starts no thread and depends on no format.
#![no_std]

extern crate alloc;

mod check;
mod code;
mod codes;
mod disk_map;
mod error;
mod image;
mod read;
mod size;
mod write;

// Where the bytes of a disk are. A format implements `DiskMap`; `ExtentBuilder` makes sure that its extents tile the disk.
pub use disk_map::{Codec, CompressedLen, DiskMap, Extent, ExtentBuilder, FileId, Files, Source, Visitor};

// What a format reports about an image: how it is recognised, what parsing it yields, its facts and findings, the
// other files that it names, and the limits within which all of that is read.
pub use image::{
    Encryption, Evidence, Facts, FileRef, FileRole, Finding, Image, ImageName, Limits, Needs, ParentRef,
    ParseOptions, Parsed, Probe, Resume, Severity, SizeChoice, Snapshot, Value,
};

// What bytes are read from: a file or what replaces parts of it, and where its holes are.
pub use read::{LastHole, Overlay, OverlayReader, ReadAt, ReadError};

// The writer interface: an image writer determines where bytes are stored, a sink receives them.
pub use write::{Compression, Emit, Encoding, ImageWriter, Placement, Sink, SinkKind, Stored, WriteError};

// What structure checks share: uses of the file and how they are swept, counts and findings.
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
    Class, Detail, Error, ErrorKind, Hint, Printable, hex, is_printable, printable, printable_json, size_text,
};
