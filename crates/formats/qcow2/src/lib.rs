//! QCOW2, versions 2 and 3 (QEMU's `docs/interop/qcow2.txt`).
//!
//! Integers are big-endian.
//!
//! Read: clusters of 512 bytes to 2 MiB, zlib and zstd clusters, zero clusters, extended L2 entries, backing
//! files, external data files, internal snapshots, images that were not closed properly. Described but not
//! read: encrypted images, images marked corrupt.
//! Checked: all tables against the reference counts, as in `qemu-img check`. Checked before a conversion: the
//! tables that it reads against the counts and flags of their clusters.
//! Rejected by name: unknown incompatible features.
//!
//! Written: version 3, uncompressed or compressed, with all cluster sizes.
//!
//! Reading an image keeps no table in memory: a walk reads the entries of L1 and L2 that it visits.
#![no_std]
#![deny(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::cast_lossless
)]

extern crate alloc;

mod allocator;
mod check;
mod check_data_file;
mod cluster_size;
mod clusters;
pub mod codes;
mod counts;
mod cross_check;
mod disk;
mod disk_map;
mod error;
mod extension;
mod facts;
mod features;
mod header;
mod layout;
mod map;
mod refcount_walk;
mod refcounts;
mod report;
mod snapshot;
mod table_writer;
mod tables;
mod usage;
mod writer;

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use imgprep_format_kit::Fields;
use imgprep_map::{
    Error, Evidence, FileRef, FileRole, Image, ParentRef, ParseOptions, Parsed, Probe, ReadAt,
};

pub use codes::CODES;

use crate::disk::Disk;
use crate::extension::Extensions;
use crate::header::Header;
use crate::map::{Map, Tables};

pub use cluster_size::ClusterSize;
pub use error::{Corrupt, Unsupported};
pub use layout::NAME;
pub use writer::{ClusterCompression, Compat, NewBackingFile, Qcow2Writer, WriteOptions};

/// Recognises the magic with a version of 2 or more: version 1 is QCOW.
pub fn probe(probe: &Probe<'_>) -> Option<Evidence> {
    let head = probe.head.first_chunk::<8>().filter(|_| probe.has(0, &layout::MAGIC))?;
    let version = Fields::be(head).u32::<4>();
    (version >= 2).then(|| Evidence {
        at: 0,
        len: 8,
        description: alloc::format!("magic \"QFI\\xfb\", version {version}"),
    })
}

/// Parses an image: its header, extensions and snapshot table.
pub fn parse(file: &dyn ReadAt, options: &ParseOptions) -> Result<Parsed, Error> {
    let header = Header::read(file)?;
    let extensions = Extensions::read(file, &header, &options.limits)?;
    header.check_features(&extensions)?;
    let snapshots = snapshot::read_all(file, &header, &options.limits)?;
    let disk = match &options.snapshot {
        None => Disk::active(&header),
        Some(wanted) => snapshot::find(&snapshots, wanted)?.disk(&header),
    };
    header.check_l1(file, &disk)?;
    let parent = backing(file, &header, &extensions)?;
    let facts = facts::facts(&header, &extensions, &snapshots);
    let findings = facts::findings(&header, &extensions, parent.as_ref());
    let (bitmaps, crypto) = (extensions.bitmap_directory, extensions.crypto);
    let tables = Tables { snapshots, bitmaps, crypto };
    let map = Map::new(&header, disk, parent.is_some(), tables, options.limits.resident_bytes);
    let files = data_file(&header, &extensions);
    Ok(Parsed::Done(Box::new(Image { parent, files, findings, ..Image::new(facts, map) })))
}

fn backing(file: &dyn ReadAt, header: &Header, extensions: &Extensions) -> Result<Option<ParentRef>, Error> {
    let Some((at, len)) = header.backing_name else { return Ok(None) };
    let name = file.slice(at, len)?.into_owned();
    let format = extensions.backing_format.as_ref().map(ToString::to_string);
    Ok(Some(ParentRef { format, ..ParentRef::named(imgprep_map::ImageName(name), at) }))
}

fn data_file(header: &Header, extensions: &Extensions) -> Vec<FileRef> {
    if !header.has_data_file() {
        return Vec::new();
    }
    let (at, name) = match &extensions.data_file {
        Some((at, name)) => (*at, Some(name.clone())),
        None => (header.length, None),
    };
    vec![FileRef::new(name, at, FileRole::DataFile)]
}
