//! VMDK ("Virtual Disk Format 5.0" of the vendor), and seSparse as in QEMU.
//!
//! seSparse has no public specification; QEMU's developers reverse-engineered it. Integers are little-endian.
//!
//! Supported for reading: text descriptors with the files that they name, and `KDMV` files with an embedded
//! descriptor; extents SPARSE (`KDMV` versions 1 to 3, with zeroed grains and redundant directories, and
//! streamOptimized with its directory before or after the grains), FLAT, VMFS, ZERO, VMFSSPARSE (`COWD`) and
//! SESPARSE; parents by their content id or their uuid.
//!
//! Described but not read: an extent without its descriptor (it may be the middle of a disk and may have a
//! parent; a salvage may read it as a complete disk), a stream without its footer (a salvage walks along its
//! markers), NOACCESS extents, encrypted disks. Rejected with a specific error: physical disks, extents on
//! devices, seSparse journals that must be replayed, and undocumented flags, versions and types.
//!
//! No table is kept in memory: walks read directories and grain tables as needed, and skip those in a hole of
//! the file.
#![no_std]
#![deny(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::cast_lossless
)]

extern crate alloc;

mod assemble;
mod check;
mod check_header;
mod check_stream;
mod check_tables;
mod check_text;
mod codes;
mod cowd;
mod descriptor;
mod descriptor_text;
mod disk_map;
mod encoding;
mod error;
mod extent_line;
mod extent_map;
mod facts;
mod file_names;
mod file_report;
mod flat_writer;
mod grain_table;
mod grain_walk;
mod holes;
mod hosted;
mod key_values;
mod layout;
mod magic;
mod map;
mod parent;
mod part;
mod refusal;
mod sesparse;
mod sparse;
mod sparse_read;
mod sparse_writer;
mod stream;
mod stream_writer;
mod tables;
mod text_end;
mod usage;
mod walked;
mod write_options;
mod writer;

use alloc::boxed::Box;
use core::ops::Range;

use imgprep_map::{Error, Evidence, ParseOptions, Parsed, Probe, ReadAt, usize_of};

pub use codes::CODES;

use crate::descriptor::Descriptor;
use crate::magic::Magic;
use crate::sparse::Sparse;

pub use error::{Corrupt, Unsupported};
pub use file_names::extent_names;
pub use layout::NAME;
pub use write_options::{Adapter, GrainSize, HardwareVersion, Subformat, WriteOptions};
pub use writer::writer;

/// Detects the magic of each kind of extent file, or the text of a descriptor.
pub fn probe(probe: &Probe<'_>) -> Option<Evidence> {
    let description = match magic::magic(probe.head) {
        Some(Magic::Hosted) => "magic \"KDMV\"",
        Some(Magic::Cowd) => "magic \"COWD\"",
        Some(Magic::Se) => "magic 0xcafebabe",
        None => return text_evidence(probe.head),
    };
    let len = if description.ends_with("babe") { 8 } else { 4 };
    Some(Evidence { at: 0, len, description: description.into() })
}

/// Evidence for a descriptor.
///
/// A descriptor begins with its magic line, or with other comments and its version. In the latter case it
/// must also contain an id.
fn text_evidence(head: &[u8]) -> Option<Evidence> {
    let skipped = if head.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let mut at = skipped;
    for line in head.get(skipped..).unwrap_or_default().split(|byte| *byte == b'\n') {
        let text = line.trim_ascii();
        let magic = layout::TEXT_MAGIC;
        let start = (at + line.len() - line.trim_ascii_start().len()) as u64;
        if text.get(..magic.len()).is_some_and(|start| start.eq_ignore_ascii_case(magic)) {
            return Some(Evidence {
                at: start,
                len: magic.len() as u64,
                description: "text descriptor".into(),
            });
        }
        if !text.is_empty() && !text.starts_with(b"#") {
            let has = |word: &[u8]| head.windows(word.len()).any(|part| part == word);
            let is_version = text.starts_with(b"version") && has(b"\nCID=") && has(b"createType");
            let description = "text descriptor without its first line".into();
            return is_version.then_some(Evidence { at: start, len: text.len() as u64, description });
        }
        at += line.len() + 1;
    }
    None
}

/// Parses an image: its descriptor and, once they are opened, its extents.
pub fn parse(file: &dyn ReadAt, options: &ParseOptions) -> Result<Parsed, Error> {
    let Some(magic) = magic::magic(&magic::head(file)?) else {
        // OK: at most 64 KiB.
        let shown = file.slice(0, usize_of(file.len().min(Probe::HEAD)))?;
        if text_evidence(&shown).is_none() {
            let expected = "a magic of VMDK or a text descriptor";
            return Err(Corrupt::Magic { expected, found: magic::head(file)? }.into());
        }
        let text = text(file, 0..file.len(), 0, options)?;
        return assemble::split(Descriptor::read(&text, 0)?, options);
    };
    let sparse = Sparse::read(file, magic, options)?;
    let embedded = match sparse.descriptor.clone() {
        Some(range) => embedded(file, range, options)?,
        None => None,
    };
    let image = match embedded {
        None => assemble::alone(sparse, options)?,
        // An empty extent only serves as a container for the descriptor.
        Some(descriptor) if sparse.capacity == 0 && descriptor.lines.iter().any(|line| line.sectors > 0) => {
            return assemble::split(descriptor, options);
        }
        Some(descriptor) => assemble::monolithic(sparse, &descriptor)?,
    };
    Ok(Parsed::Done(Box::new(image)))
}

/// The embedded descriptor of an extent.
///
/// An extent of a split disk may reserve empty space for one.
fn embedded(
    file: &dyn ReadAt,
    range: Range<u64>,
    options: &ParseOptions,
) -> Result<Option<Descriptor>, Error> {
    let at = range.start;
    let text = text(file, range, 36, options)?;
    if text.first().is_none_or(|first| *first == 0) {
        return Ok(None);
    }
    Ok(Some(Descriptor::read(&text, at)?).filter(Descriptor::is_any))
}

/// Reads the bytes of a descriptor; `at` is the offset of its length field.
fn text<'f>(
    file: &'f dyn ReadAt,
    range: Range<u64>,
    at: u64,
    options: &ParseOptions,
) -> Result<alloc::borrow::Cow<'f, [u8]>, Error> {
    let (len, limit) = (range.end - range.start, options.limits.text_bytes);
    match usize::try_from(len) {
        Ok(fits) if len <= limit => Ok(file.slice(range.start, fits)?),
        _ => Err(Unsupported::DescriptorTooLong { at, len, limit }.into()),
    }
}
