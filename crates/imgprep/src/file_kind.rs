//! The kind of a file that no format describes.

use imgprep_catalog::DetectError;
use imgprep_map::Error;
use imgprep_policy::Kind;

/// The kind of a file that was not detected as a readable disk.
pub(crate) fn kind_of(error: &Error) -> Kind {
    match error.detail::<DetectError>() {
        Some(DetectError::Unsupported { name, .. } | DetectError::Padded { name, .. }) => {
            Kind::Unread((*name).into())
        }
        Some(DetectError::NoDisk { name: "iso9660", .. }) => Kind::Iso,
        Some(DetectError::NoDisk { name, .. }) => Kind::Other((*name).into()),
        Some(DetectError::Empty) => Kind::Other("empty".into()),
        _ => Kind::Other("unknown".into()),
    }
}
