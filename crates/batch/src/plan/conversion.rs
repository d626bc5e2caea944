//! How the image of a job is converted and judged.

use std::path::Path;

use imgprep::{
    BitOrder, BitmapMaker, BitmapShape, CacheMode, Checksum, ConvertOptions, Disk, Error, Existing, OnLoss,
    Plan, Sync, Verify, reason,
};

use super::job_spec::{ImportRules, Subject, Verdict};
use super::jobs::Job;
use crate::BatchError;

/// The options of the conversion.
pub(crate) fn convert_options(
    job: &Job,
    existing: Existing,
    (sync, cache): (Sync, CacheMode),
    unix_time: u64,
) -> Result<ConvertOptions, Error> {
    let uuid = match job.spec.uuid.as_deref() {
        Some(text) => uuid(text).map_err(|what| BatchError::Setting { what })?,
        None => imgprep::random_uuid().map_err(|error| BatchError::Setting { what: reason(&error) })?,
    };
    let shape = BitmapShape { block: 2 << 20, order: BitOrder::LeastFirst };
    Ok(ConvertOptions {
        target: job.target.clone(),
        existing,
        sync,
        cache,
        verify: if job.spec.verify { Verify::ReadBack } else { Verify::Skip },
        checksum: Checksum::Skip,
        bitmap: job.bitmap().map(|path| (BitmapMaker::Ours(shape), path)),
        uuid,
        unix_time,
    })
}

/// Parses the uuid of an output.
pub(crate) fn uuid(text: &str) -> Result<[u8; 16], String> {
    imgprep::parse_uuid(text).ok_or_else(|| format!("uuid {text}: not 32 hexadecimal digits"))
}

pub(crate) fn on_loss(job: &Job) -> OnLoss {
    if job.spec.salvage { OnLoss::Zero } else { OnLoss::Stop }
}

/// Maximum space of a planned output, in bytes: a RAW has holes for zeros.
pub(crate) fn room(job: &Job, plan: &Plan) -> u64 {
    if job.target.has_exact_len() { plan.table_scan.total() } else { plan.len }
}

/// Checks an image against the import rules, if the job has a profile.
pub(crate) fn judge(
    rules: &dyn ImportRules,
    job: &Job,
    disk: &Disk,
    output_len: u64,
    output: Option<&Path>,
) -> Verdict {
    let Some(profile) = &job.spec.profile else { return Verdict::default() };
    rules.judge(&Subject {
        source: disk,
        target: job.target.clone(),
        output_len,
        output,
        profile,
        disk: job.spec.disk,
    })
}
