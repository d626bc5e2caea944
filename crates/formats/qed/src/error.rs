//! Errors of QED images; errors of headers and tables in general are those of the kit.

use alloc::string::String;

use imgprep_format_kit::HeaderCodes;
use imgprep_map::{Class, Detail};

/// Codes of header fields and of the tables that they reference.
pub(crate) const HEADER_CODES: HeaderCodes =
    HeaderCodes { field: "qed.header.field", past_end: "qed.table.past-end" };

/// A valid image that this crate does not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// Unknown features, which a reader must support.
    #[error("unknown features: {names}")]
    Features {
        /// The numbers of their bits.
        names: String,
    },
}

impl Detail for Unsupported {
    fn code(&self) -> &'static str {
        "qed.header.unknown-feature"
    }

    fn class(&self) -> Class {
        Class::Unsupported
    }

    fn at(&self) -> Option<u64> {
        Some(16)
    }
}
