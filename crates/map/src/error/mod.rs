//! The envelope of all errors, and escaping of untrusted text.

mod class;
mod envelope;
mod hex;
mod hint;
mod kind;
mod printable;
mod remedy;
mod size_text;

pub use class::Class;
pub use envelope::{Detail, Error};
pub use hex::hex;
pub use hint::Hint;
pub use kind::ErrorKind;
pub use printable::{Printable, is_printable, printable, printable_json};
pub use remedy::{Comment, Remedy, RemedyTemplate};
pub use size_text::size_text;
