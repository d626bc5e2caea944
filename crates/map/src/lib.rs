//! The vocabulary that every other crate of imgprep speaks.
//!
//! A format says *where* the bytes of a disk are, one engine moves them. This
//! crate holds the words for that sentence: [`Extent`] and [`Source`] (where a
//! piece of the disk comes from), [`DiskMap`] (a format's whole answer),
//! [`ReadAt`] and [`Sink`] (what bytes are read from and written to),
//! [`Layout`] (a writer's plan), [`Facts`] and [`Finding`] (what an inspector
//! tells) and [`Error`] (one envelope for all that goes wrong).
//!
//! It opens no file, starts no thread and knows no format.
#![no_std]

extern crate alloc;

mod checked;
mod claim;
mod contradictions;
mod disk_map;
mod entries;
mod error;
mod facts;
mod image;
mod layout;
mod limits;
mod overlay;
mod probe;
mod read;
mod repeats;
mod report;
mod sink;
mod source;
mod sweep;
mod tiler;
mod units;

pub use checked::Checked;
pub use claim::{Claim, ClaimKind};
pub use contradictions::Contradictions;
pub use disk_map::{DiskMap, Files, Visitor};
pub use entries::{EntryRun, EntryVisitor, walk_entries};
pub use error::{Class, Detail, Error};
pub use facts::{Encryption, Facts, Finding, Severity, Snapshot, Value};
pub use image::{
    FileRef, FileRole, Image, ImageName, Needs, ParentRef, ParseOptions, Parsed, Resume, SizeChoice,
};
pub use layout::{Ending, Layout, Packing, Patch, Placement};
pub use limits::Limits;
pub use overlay::{Overlay, Replayed};
pub use probe::{Evidence, Probe};
pub use read::{ReadAt, ReadError};
pub use repeats::Repeats;
pub use report::Report;
pub use sink::{Sink, SinkKind, WriteError};
pub use source::{Codec, Extent, FileId, PackedLen, Source};
pub use sweep::{Sweep, Swept, Use, Uses};
pub use tiler::Tiler;
pub use units::{Full, Units};
