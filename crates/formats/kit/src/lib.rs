//! Shared parts of the format crates.
//!
//! Contains errors of headers and tables, fields of on-disk structures, and walks over tables.
//!
//! Only format crates use it. It depends on no format: codes, names and limits are parameters.
#![no_std]
#![deny(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::cast_lossless
)]

extern crate alloc;

mod clusters;
mod codes;
mod entries;
mod fields;
mod identity;
mod invalid;
mod nonzero;
mod padded;
mod paged_table;
mod two_level;
mod unsupported;
mod usage;

// Errors that several formats report, with the codes of the format.
pub use codes::HeaderCodes;
pub use invalid::Invalid;
pub use unsupported::{Encrypted, TextTooLong};

// Written files: identifiers, tables.
pub use identity::derived_uuid;
pub use paged_table::PagedTable;

// On-disk structures: fields at offsets that are checked at compile time, reads that are padded with zeros.
pub use fields::{Fields, FieldsMut};
pub use nonzero::{first_nonzero, first_nonzero_in, first_nonzero_of};
pub use padded::{padded, padded_head};

// Walks over tables: entries of one table, an L1 table with its L2 tables, and methods of `DiskMap`.
pub use clusters::{Clusters, file_usage, visit};
pub use entries::{EntryRun, Flow, walk_entries};
pub use two_level::{Step, TableVisitor, TwoLevel};
pub use usage::metadata;
