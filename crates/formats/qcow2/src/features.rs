//! Features that an image requires its reader to support.

use imgprep_map::{Encryption, Error};

use crate::Unsupported;
use crate::error::HEADER_CODES;
use crate::extension::{Extensions, FeatureSet};
use crate::header::Header;
use crate::layout::{DATA_FILE_RAW, KNOWN_INCOMPATIBLE};

impl Header {
    /// Rejects unknown incompatible features, with the names that the image defines.
    ///
    /// Also rejects an encryption header without its method, and a raw data file without the data file bit.
    pub(crate) fn check_features(&self, extensions: &Extensions) -> Result<(), Error> {
        let unknown = self.raw.incompatible & !KNOWN_INCOMPATIBLE;
        if unknown != 0 {
            return Err(Unsupported::Features {
                at: 72,
                names: extensions.feature_names(FeatureSet::Incompatible, unknown),
            }
            .into());
        }
        // Section "Header", autoclear bit 1.
        if self.raw.autoclear & DATA_FILE_RAW != 0 && !self.has_data_file() {
            let expected = "without bit 1 (raw data file) where there is no data file";
            return Err(HEADER_CODES.field(88, "autoclear_features", expected, self.raw.autoclear));
        }
        // Section "Full disk encryption header pointer": present for LUKS only. Without this check, an image
        // whose method was lost would be read as unencrypted.
        if extensions.has_crypto && self.encryption != Some(Encryption::Luks) {
            let expected = "2 (LUKS) with an encryption header";
            return Err(HEADER_CODES.field(32, "crypt_method", expected, self.raw.crypt_method.into()));
        }
        Ok(())
    }
}
