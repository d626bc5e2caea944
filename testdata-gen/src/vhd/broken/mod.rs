//! Images that must be rejected, each named after its defect.

mod footers;
mod headers;
mod parents;
mod recipe;
mod tables;

use crate::model::BrokenImage;
use crate::rows::named;
use crate::vhd::broken::footers::footers;
use crate::vhd::broken::headers::headers;
use crate::vhd::broken::parents::parents;
use crate::vhd::broken::tables::tables;

/// All of them.
pub(crate) fn broken() -> Vec<BrokenImage> {
    let rows = footers().into_iter().chain(headers()).chain(tables());
    let mut all: Vec<_> = rows.map(|row| named("vhd", row)).collect();
    all.extend(parents());
    all
}
