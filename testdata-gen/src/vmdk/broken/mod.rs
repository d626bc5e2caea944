//! Images that must be rejected, each named after its defect.

mod edits;
mod extents;
mod headers;
mod parents;
mod streams;
mod tables;
mod texts;

use crate::model::BrokenImage;
use crate::vmdk::broken::extents::extents;
use crate::vmdk::broken::headers::headers;
use crate::vmdk::broken::parents::parents;
use crate::vmdk::broken::streams::streams;
use crate::vmdk::broken::tables::tables;
use crate::vmdk::broken::texts::texts;

/// All of them.
pub(crate) fn broken() -> Vec<BrokenImage> {
    let mut all = headers();
    all.extend(tables());
    all.extend(streams());
    all.extend(texts());
    all.extend(extents());
    all.extend(parents());
    all
}
