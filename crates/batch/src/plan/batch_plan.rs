//! The plan of a batch: tables are read, but no payload, and nothing is written.

use imgprep::{Error, Existing, Progress, RunOptions, Sync, plan as plan_one};
use serde::Serialize;

use super::conversion::{convert_options, judge, on_loss, room};
use super::job_spec::Verdict;
use super::jobs::{Batch, Job};
use crate::journal::asked;
use crate::journal::record::{Failure, Record, path_text};
use crate::journal::{ExistingJournal, History};
use crate::settings::{OtherOptions, RunSettings};

/// The planned action for one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Intent {
    /// It would be converted.
    Convert,
    /// It is done, and nothing has changed since.
    Done,
    /// It would fail.
    Fail,
}

/// One image of a plan.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Planned {
    /// The image.
    pub source: String,
    /// Its output, below the output folder.
    pub output: String,
    /// The planned action.
    pub intent: Intent,
    /// The source's format.
    pub format: Option<String>,
    /// The target's format.
    pub target: String,
    /// Length of the disk.
    pub virtual_size: Option<u64>,
    /// Bytes that the source's files take.
    pub source_size: Option<u64>,
    /// Length of the output, or its upper bound.
    pub output_size: Option<u64>,
    /// Maximum space that the output needs in addition to its current space, in bytes.
    pub space: u64,
    /// Whether it can be imported.
    pub verdict: Verdict,
    /// Why it would fail.
    pub error: Option<Failure>,
}

/// The plan of a batch.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BatchPlan {
    /// The output folder.
    pub out: String,
    /// One entry for each image, in the order of the batch.
    pub images: Vec<Planned>,
    /// Other entries of searched folders.
    pub left_out: Vec<String>,
    /// Maximum space of all outputs, in bytes.
    pub space_needed: u64,
    /// Free space in bytes.
    pub space_free: Option<u64>,
}

impl BatchPlan {
    /// Whether every image would be converted and could be imported.
    pub fn is_fine(&self) -> bool {
        let is_fine =
            |image: &Planned| image.intent != Intent::Fail && image.verdict.importable != Some(false);
        self.images.iter().all(is_fine)
    }

    /// Space that may be missing, in bytes. Outputs are rarely as large as their upper bound.
    pub fn space_missing(&self) -> Option<u64> {
        self.space_needed.checked_sub(self.space_free?).filter(|missing| *missing > 0)
    }
}

/// Reports what [`run`](crate::run) would do.
pub fn plan(batch: &Batch, settings: &RunSettings<'_>) -> Result<BatchPlan, Error> {
    let history = if settings.existing_journal == ExistingJournal::Resume {
        History::look(&batch.out)
    } else {
        History::default()
    };
    if settings.other_options == OtherOptions::Refuse {
        asked::check(batch, &history)?;
    }
    let mut images = Vec::with_capacity(batch.jobs.len());
    for job in &batch.jobs {
        if settings.interrupt.is_raised() {
            return Err(crate::BatchError::Stopped.into());
        }
        images.push(one(job, settings, &history));
    }
    Ok(BatchPlan {
        out: path_text(&batch.out),
        space_needed: images.iter().map(|image| image.space).fold(0, u64::saturating_add),
        images,
        left_out: batch.left_out.iter().map(|path| path_text(path)).collect(),
        // The folder may not exist yet.
        space_free: batch.out.ancestors().find_map(|folder| {
            let folder = if folder.as_os_str().is_empty() { std::path::Path::new(".") } else { folder };
            imgprep::free_space(folder).ok()
        }),
    })
}

fn one(job: &Job, settings: &RunSettings<'_>, history: &History) -> Planned {
    let mut planned = Planned {
        source: path_text(&job.source),
        output: job.key.clone(),
        intent: Intent::Convert,
        format: None,
        target: job.target.name().into(),
        virtual_size: None,
        source_size: None,
        output_size: None,
        space: 0,
        verdict: Verdict::default(),
        error: None,
    };
    if let Some(finished) = history.finished.get(&job.key).filter(|finished| finished.holds(job.checksum())) {
        let record = &finished.record;
        planned.intent = Intent::Done;
        planned.format.clone_from(&record.format);
        planned.virtual_size = record.virtual_size;
        planned.source_size = record.source_size;
        planned.output_size = record.output_size;
        planned.verdict = record.verdict.clone();
        return planned;
    }
    if let Err(error) = look(job, settings, history, &mut planned) {
        planned.intent = Intent::Fail;
        planned.error = Some(Failure::of(&error));
    }
    planned
}

fn look(
    job: &Job,
    settings: &RunSettings<'_>,
    history: &History,
    planned: &mut Planned,
) -> Result<(), Error> {
    let disk = job.open()?;
    let mut record = Record::default();
    record.describe(&disk);
    planned.format = record.format;
    planned.virtual_size = record.virtual_size;
    planned.source_size = record.source_size;
    let options = convert_options(job, Existing::Refuse, (Sync::None, settings.cache), settings.unix_time)?;
    let run = RunOptions {
        threads: settings.threads,
        memory: settings.memory,
        on_loss: on_loss(job),
        interrupt: settings.interrupt,
        progress: &Progress::default(),
        observe: &|_| {},
    };
    let found = plan_one(&disk, &options, &run)?;
    planned.output_size = Some(found.len);
    planned.space = room(job, &found);
    planned.verdict = judge(settings.rules, job, &disk, found.len, None);
    let is_ours = settings.existing_journal == ExistingJournal::Replace || history.may_replace(job);
    let written = job.extents().into_iter().take(found.files - 1).chain([job.output.clone()]);
    if let Some(existing) = { written }.find(|path| !is_ours && path.symlink_metadata().is_ok()) {
        return Err(Error::new(crate::BatchError::OutputExists).in_path(path_text(&existing)));
    }
    Ok(())
}
