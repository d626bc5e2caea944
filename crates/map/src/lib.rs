//! The vocabulary that every other crate of imgprep speaks.
//!
//! A format says *where* the bytes of a disk are, one engine moves them. This
//! crate holds the words for that sentence: [`Extent`] and [`Source`] (where a
//! piece of the disk comes from), [`DiskMap`] (a format's whole answer),
//! [`ReadAt`] and [`Sink`] (what bytes are read from and written to),
//! [`Layout`] (a writer's plan), [`Facts`] and [`Finding`] (what an inspector
//! tells), [`Error`] (one envelope for all that goes wrong) and [`Printable`] (text of
//! strangers as people see it).
//!
//! It opens no file, starts no thread and knows no format.
#![no_std]

extern crate alloc;

mod code;
mod codes;
mod contradictions;
mod coverage_sweep;
mod disk_map;
mod entries;
mod error;
mod extent_builder;
mod facts;
mod hex;
mod holes;
mod image;
mod layout;
mod limits;
mod overlay;
mod printable;
mod probe;
mod read;
mod report;
mod revisit_limiter;
mod sink;
mod size_text;
mod source;
mod structure_counts;
mod unit_set;
mod usage;

pub use code::Code;
pub use codes::CODES;
pub use contradictions::Contradictions;
pub use coverage_sweep::{CoverageSweep, Swept, Use, Uses};
pub use disk_map::{DiskMap, Files, Visitor};
pub use entries::{EntryRun, EntryVisitor, walk_entries};
pub use error::{Class, Detail, Error};
pub use extent_builder::ExtentBuilder;
pub use facts::{Encryption, Facts, Finding, Severity, Snapshot, Value};
pub use hex::hex;
pub use holes::LastHole;
pub use image::{
    FileRef, FileRole, Image, ImageName, Needs, ParentRef, ParseOptions, Parsed, Resume, SizeChoice,
};
pub use layout::{Compression, Finish, Layout, Placement, WriteAt};
pub use limits::Limits;
pub use overlay::{Overlay, OverlayReader};
pub use printable::{Printable, is_printable, printable, printable_json};
pub use probe::{Evidence, Probe};
pub use read::{ReadAt, ReadError};
pub use report::Report;
pub use revisit_limiter::RevisitLimiter;
pub use sink::{Sink, SinkKind, WriteError};
pub use size_text::size_text;
pub use source::{Codec, CompressedLen, Extent, FileId, Source};
pub use structure_counts::StructureCounts;
pub use unit_set::{Full, UnitSet};
pub use usage::{FileUse, UseKind};
