//! What the format crates share: errors of headers and tables, and fields of on-disk structures.
//!
//! Only format crates use it. It knows no format: codes, names and limits are parameters.
#![no_std]
#![deny(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::cast_lossless
)]

extern crate alloc;

mod codes;
mod fields;
mod invalid;
mod nonzero;
mod padded;
mod unsupported;
mod usage;

pub use codes::HeaderCodes;
pub use fields::{Fields, FieldsMut};
pub use invalid::Invalid;
pub use nonzero::first_nonzero;
pub use padded::{padded, padded_head};
pub use unsupported::{Encrypted, TextTooLong};
pub use usage::metadata;
