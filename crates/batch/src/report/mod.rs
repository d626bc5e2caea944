//! What came of a batch, in a file: JSON for programs, `JUnit` for CI systems, a page for people.

mod html;
mod jenkins;
mod json;
mod junit;
pub(crate) mod summary;

pub use html::html;
pub use jenkins::xml;
pub use json::json;
pub use junit::junit;
