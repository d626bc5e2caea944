//! Deflate and zstd, bounded.
//!
//! Everything here works on whole units: a payload comes in, exactly one unit goes
//! out, or an error says how many bytes came instead. Nothing is allocated by what a
//! payload declares, and no output grows past the unit.

mod error;
mod finished;
mod pack;
mod unpack;

pub use error::{PackError, UnpackError};
pub use pack::{Packer, context_bytes, packed_bound};
pub use unpack::{Continued, PayloadEnd, Unpacker};
