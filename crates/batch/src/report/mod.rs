//! What came of a batch, in a file: JSON for programs, `JUnit` for CI systems, a page for people.

mod html;
mod json;
mod junit;

pub use html::html;
pub use json::json;
pub use junit::junit;
