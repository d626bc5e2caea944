//! Images that read right and whose structure is wrong, each named after what is wrong with it.

use crate::ImageFile;

/// An image that converts and that a check must have a word about.
#[derive(Clone, Debug)]
pub struct AnomalousImage {
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
pub fn anomalous() -> Vec<AnomalousImage> {
    let mut all = Vec::new();
    all.extend(crate::anomalous_vhdx::anomalous());
    all.extend(crate::anomalous_vhd::anomalous());
    all.extend(crate::anomalous_vmdk::anomalous());
    all.extend(crate::anomalous_qcow::anomalous());
    all.extend(crate::anomalous_qed::anomalous());
    all.extend(crate::anomalous_vdi::anomalous());
    all
}
