//! Images that read right and whose structure is wrong, each named after what is wrong with it.

use crate::model::AnomalousImage;

/// All of them.
pub fn anomalous() -> Vec<AnomalousImage> {
    let mut all = Vec::new();
    all.extend(crate::vhdx::anomalous::anomalous());
    all.extend(crate::vhd::anomalous::anomalous());
    all.extend(crate::vmdk::anomalous::anomalous());
    all.extend(crate::qcow::anomalous::anomalous());
    all.extend(crate::qed::anomalous::anomalous());
    all.extend(crate::vdi::anomalous::anomalous());
    all
}
