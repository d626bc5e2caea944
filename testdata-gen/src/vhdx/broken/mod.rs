//! Images that must be rejected, each named after its defect.

mod headers;
mod logs;
mod metadata;
mod parents;
mod recipe;
mod regions;
mod tables;

use crate::model::BrokenImage;
use crate::rows::named;
use crate::vhdx::broken::headers::headers;
use crate::vhdx::broken::logs::logs;
use crate::vhdx::broken::metadata::metadata;
use crate::vhdx::broken::parents::parents;
use crate::vhdx::broken::regions::regions;
use crate::vhdx::broken::tables::tables;

pub(crate) fn broken() -> Vec<BrokenImage> {
    let rows = [headers(), regions(), metadata(), tables(), logs()].concat();
    let mut all: Vec<_> = rows.into_iter().map(|row| named("vhdx", row)).collect();
    all.extend(parents());
    all
}
