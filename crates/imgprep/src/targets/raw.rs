//! RAW as a target.

use imgprep_map::{Error, ImageWriter};
use imgprep_raw::RawWriter;

use super::kind::{NewImage, Properties, TargetKind};

/// The bytes of the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawTarget;

impl TargetKind for RawTarget {
    fn properties(&self) -> Properties {
        Properties {
            granule: 1,
            has_exact_len: true,
            takes_bitmap: true,
            ..Properties::new(imgprep_raw::NAME)
        }
    }

    fn writer(&self, image: &NewImage) -> Result<Box<dyn ImageWriter>, Error> {
        Ok(Box::new(RawWriter::new(image.source_size)))
    }
}
