//! Report files of a batch: JSON for programs, `JUnit` for CI systems, HTML for people.

mod html;
mod jenkins;
mod json;
mod junit;
pub(crate) mod summary;

pub use html::html;
pub use jenkins::xml;
pub use json::json;
pub use junit::junit;
