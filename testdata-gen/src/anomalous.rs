//! Images that read right and whose structure is wrong, each named after what is wrong with it.

use crate::model::AnomalousImage;

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
