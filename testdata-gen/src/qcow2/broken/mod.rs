//! Images that must be rejected, each named after its defect.

mod headers;
mod names;
mod recipe;
mod tables;

use crate::model::BrokenImage;
use crate::qcow2::broken::headers::headers;
use crate::qcow2::broken::names::names;
use crate::qcow2::broken::tables::tables;

pub(crate) fn broken() -> Vec<BrokenImage> {
    let mut all = headers();
    all.extend(tables());
    all.extend(names());
    all
}
