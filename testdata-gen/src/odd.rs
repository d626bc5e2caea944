//! Images that read right and whose structure is wrong, each named after what is wrong with it.

use crate::ImageFile;

/// An image that converts and that a check must have a word about.
#[derive(Clone, Debug)]
pub struct OddImage {
    /// Unique, says what is wrong.
    pub name: &'static str,
    /// The same in words.
    pub about: &'static str,
    /// Its files; the first one is opened.
    pub files: Vec<ImageFile>,
    /// The code of the finding.
    pub code: &'static str,
    /// File offset that the finding must name.
    pub at: Option<u64>,
}

/// All of them.
pub fn odd() -> Vec<OddImage> {
    let mut all = Vec::new();
    all.extend(crate::vhdx_odd::odd());
    all.extend(crate::vhd_odd::odd());
    all.extend(crate::vmdk_odd::odd());
    all.extend(crate::qcow_odd::odd());
    all.extend(crate::qed_odd::odd());
    all.extend(crate::vdi_odd::odd());
    all
}
