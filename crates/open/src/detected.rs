//! An opened file and what its bytes match.

use std::sync::Arc;

use imgprep_catalog::{Detection, Format, detect};
use imgprep_io::ImageFile;
use imgprep_map::Error;

use crate::read_image::{hints, or_unread};

/// An opened image file with its format.
///
/// Chains are opened from it with any options ([`open_detected`](crate::open_detected)): the path is neither opened nor
/// detected again.
#[derive(Clone, Debug)]
pub struct DetectedFile {
    /// Its name in messages.
    pub name: String,
    /// The file.
    pub file: Arc<dyn ImageFile>,
    /// The format that the caller selected, if any.
    pub from: Option<&'static Format>,
    /// The format that was detected or selected.
    pub detection: Detection,
}

impl DetectedFile {
    /// Detects the format of a file, unless the caller selects it. The error does not contain the name.
    pub fn detect(
        name: String,
        file: Arc<dyn ImageFile>,
        from: Option<&'static Format>,
    ) -> Result<Self, Error> {
        let detection = or_unread(&*file, detect(&*file, hints(&*file, from)))?;
        Ok(Self { name, file, from, detection })
    }
}
