//! An opened file and what its bytes match.

use std::sync::Arc;

use imgprep_catalog::{Detection, Format, Match, detect_among, matches_of};
use imgprep_io::ImageFile;
use imgprep_map::Error;

use crate::read_image::{hints, or_unread};

/// An opened file and the formats that its bytes match.
///
/// Its format is detected from the matches, with or without one that the caller selects: the path is not opened again, and
/// no byte is read again.
#[derive(Clone, Debug)]
pub struct ProbedFile {
    /// Its name in messages.
    pub name: String,
    /// The file.
    pub file: Arc<dyn ImageFile>,
    /// All formats that the bytes match.
    pub matches: Vec<Match>,
}

impl ProbedFile {
    /// Reads the head and the tail of a file. The error does not contain the name.
    pub fn probe(name: String, file: Arc<dyn ImageFile>) -> Result<Self, Error> {
        let matches = or_unread(&*file, matches_of(&*file))?;
        Ok(Self { name, file, matches })
    }

    /// Detects the format, unless the caller selects it. The error does not contain the name.
    pub fn detect(&self, from: Option<&'static Format>) -> Result<DetectedFile, Error> {
        let (name, file, matches) = (self.name.clone(), Arc::clone(&self.file), self.matches.clone());
        let detected = detect_among(&*file, hints(&*file, from), matches);
        let detection = or_unread(&*file, detected)?;
        Ok(DetectedFile { name, file, from, detection })
    }
}

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
