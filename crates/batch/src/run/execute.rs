//! One attempt to convert one image.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;

use imgprep::{
    CacheMode, Converted, Destination, Disk, Error, Existing, Interrupt, Plan, RunOptions, Sync,
    convert_planned, plan, reason,
};

use super::allocation_bar::allocation_bar;
use super::queue::{Queue, Task};
use crate::BatchError;
use crate::journal::Finished;
use crate::journal::fingerprint::{FileStamp, Fingerprint, JournalPath, absolute};
use crate::journal::record::{Lost, Record, State};
use crate::plan::conversion::{convert_options, judge, on_loss, room};
use crate::plan::job_spec::ImportRules;
use crate::plan::jobs::{Batch, Job};

/// The context of all attempts.
pub(crate) struct JobContext<'a> {
    pub(crate) batch: &'a Batch,
    pub(crate) queue: &'a Queue,
    pub(crate) rules: &'a dyn ImportRules,
    pub(crate) interrupt: &'a Interrupt,
    pub(crate) sync: Sync,
    pub(crate) cache: CacheMode,
    pub(crate) unix_time: u64,
    /// Locked while a folder is created.
    pub(crate) folders: Mutex<()>,
}

impl JobContext<'_> {
    /// Tries once. Facts about the image are added to `record`, also if the attempt fails.
    pub(crate) fn execute(
        &self,
        task: &Task,
        existing: Existing,
        record: &mut Record,
    ) -> Result<Finished, Error> {
        let tried = catch_unwind(AssertUnwindSafe(|| self.try_once(task, existing, record)));
        tried.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let what = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_string();
            Err(BatchError::Defect { what }.into())
        })
    }

    fn try_once(&self, task: &Task, existing: Existing, record: &mut Record) -> Result<Finished, Error> {
        let disk = self.batch.jobs[task.job].open()?;
        self.convert(disk, task, existing, record)
    }

    /// Converts the opened image of a task. Its tables are scanned once, for the estimate of the space, the allocation bar
    /// and the conversion.
    fn convert(
        &self,
        mut disk: Disk,
        task: &Task,
        existing: Existing,
        record: &mut Record,
    ) -> Result<Finished, Error> {
        let job = &self.batch.jobs[task.job];
        // Determined before anything is read: the conversion detects later changes.
        let sources: Vec<_> = disk
            .source_paths()
            .filter_map(|path| Some((JournalPath(absolute(path)), FileStamp::of(path).ok()?)))
            .collect();
        disk.find_unused(self.interrupt)?;
        let run = RunOptions {
            threads: NonZeroUsize::new(task.threads).unwrap_or(NonZeroUsize::MIN),
            memory: task.memory,
            on_loss: on_loss(job),
            interrupt: self.interrupt,
            progress: &task.progress,
            observe: &|_| {},
        };
        disk.cross_check(&run)?;
        record.describe(&disk);
        let options = convert_options(job, existing, (self.sync, self.cache), self.unix_time)?;
        let planned = plan(&disk, &options, &run)?;
        record.allocation = allocation_bar(&planned.table_scan);
        let free = || imgprep::free_space(&self.batch.out).unwrap_or(u64::MAX);
        self.queue.admit(
            task,
            sources.len() as u64 + open_files(&planned),
            room(job, &planned),
            &free,
            self.interrupt,
        );
        let destination = Destination::Path(job.output.clone());
        let done = convert_planned(&disk, Some(planned), &destination, &options, &run)?;
        record.verdict = judge(self.rules, job, &disk, done.len, Some(&job.output));
        finish(record, &done);
        Ok(Finished {
            spec: job.checksum(),
            outputs: fingerprints(job, &done)?,
            sources,
            record: record.clone(),
        })
    }
}

fn finish(record: &mut Record, done: &Converted) {
    record.state = State::Done;
    record.output_size = Some(done.len);
    record.verified = done.is_verified;
    let lost = |loss: &imgprep::Loss| Lost {
        start: loss.disk.start,
        end: loss.disk.end,
        code: loss.code.to_string(),
        message: loss.message.clone(),
    };
    record.losses = done.losses.iter().map(lost).collect();
}

/// Maximum number of open files of an output: each file is opened a second time for direct I/O, and each of several files a
/// third time to be read back.
fn open_files(plan: &Plan) -> u64 {
    if plan.files > 1 { 3 * plan.files as u64 } else { 2 }
}

fn fingerprints(job: &Job, done: &Converted) -> Result<Vec<(JournalPath, Fingerprint)>, Error> {
    let written = std::iter::once(&job.output).chain(&done.extents).chain(&done.bitmap);
    let fingerprint = |path: &PathBuf| {
        let fingerprint = Fingerprint::of(path).map_err(|error| {
            let what = format!("cannot read the output back: {}", reason(&error));
            Error::new(BatchError::Listing { what }).in_path(path.display().to_string())
        });
        Ok((JournalPath(absolute(path)), fingerprint?))
    };
    written.map(fingerprint).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ops::Range;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use imgprep::{FollowPolicy, MemoryOutput, ReadAt, ReadError, Target};

    use super::*;
    use crate::plan::job_spec::JobSpec;
    use crate::run::queue::Budget;

    /// The size of the disk that one L2 table describes with clusters of 4 KiB.
    const TABLE: usize = 2 << 20;
    const TABLES: usize = 4;
    const CLUSTER: u64 = 4096;

    /// An image in memory that counts the bytes that are read of its L2 tables.
    struct Counted {
        bytes: Vec<u8>,
        tables: Vec<Range<u64>>,
        read: Arc<AtomicU64>,
    }

    impl ReadAt for Counted {
        fn len(&self) -> u64 {
            self.bytes.len() as u64
        }

        fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
            let end = at + buf.len() as u64;
            let inside = |table: &Range<u64>| table.end.min(end).saturating_sub(table.start.max(at));
            self.read.fetch_add(self.tables.iter().map(inside).sum(), Ordering::Relaxed);
            self.bytes.read_exact_at(buf, at)
        }
    }

    /// A QCOW2 with data in the first half of each L2 table.
    fn image() -> Vec<u8> {
        let mut disk = vec![0; TABLE * TABLES];
        disk.chunks_mut(TABLE).for_each(|part| part[..TABLE / 2].fill(7));
        let output = MemoryOutput::new();
        let target = Target::parse("qcow2", ["cluster_size=4k"]).unwrap();
        imgprep::open_reader(disk).unwrap().convert(target).write_to(&output).unwrap();
        output.to_vec()
    }

    fn tables(image: &[u8]) -> Vec<Range<u64>> {
        let number = |at: usize| u64::from_be_bytes(image[at..at + 8].try_into().unwrap());
        let l1 = usize::try_from(number(40)).unwrap();
        let entries = (0..TABLES).map(|index| number(l1 + 8 * index) & 0x00ff_ffff_ffff_fe00);
        entries.map(|at| at..at + CLUSTER).collect()
    }

    fn batch(out: &Path) -> Batch {
        let spec = JobSpec {
            from: None,
            snapshot: None,
            follow: FollowPolicy::None,
            accept_parent: false,
            to: "raw".into(),
            options: BTreeMap::new(),
            uuid: None,
            bitmap: false,
            verify: true,
            salvage: false,
            profile: None,
            disk: imgprep::policy::DiskRole::default(),
        };
        let job = Job {
            source: "a.qcow2".into(),
            output: out.join("a.raw"),
            key: "a.raw".into(),
            spec,
            target: Target::Raw,
            weight: 1,
            searched: None,
        };
        Batch { out: out.into(), jobs: vec![job], left_out: Vec::new() }
    }

    struct NoRules;

    impl ImportRules for NoRules {}

    /// Of its source, a job reads all tables at most five times: once for the cross-check, twice for the table scan (file
    /// usage and extents), and twice to load the data (search for chunks, and the extents of each chunk). The estimate of
    /// the space and the allocation bar come from the same scan. The inspection of the first sectors adds a few entries.
    #[test]
    fn a_job_scans_the_tables_of_its_source_once() {
        const PASSES: u64 = 5;
        const INSPECTION: u64 = 512;
        let folder = tempfile::tempdir().unwrap();
        let (bytes, read, batch) = (image(), Arc::new(AtomicU64::new(0)), batch(folder.path()));
        let tables = tables(&bytes);
        assert!(tables.iter().all(|table| table.start > 0), "{tables:?}");
        let disk = imgprep::open_reader(Counted { bytes, tables, read: Arc::clone(&read) }).unwrap();
        let budget = Budget::new(2, 256 << 20, 16);
        let queue = Queue::new(budget, vec![1], std::iter::once(0));
        let context = JobContext {
            batch: &batch,
            queue: &queue,
            rules: &NoRules,
            interrupt: &Interrupt::default(),
            sync: Sync::None,
            cache: CacheMode::Auto,
            unix_time: 0,
            folders: Mutex::default(),
        };
        let task = queue.next().unwrap();
        let mut record = Record::default();
        read.store(0, Ordering::Relaxed);
        context.convert(disk, &task, Existing::Refuse, &mut record).unwrap();
        let all = TABLES as u64 * CLUSTER;
        let read = read.load(Ordering::Relaxed);
        assert!((all..=PASSES * all + INSPECTION).contains(&read), "{read} bytes of tables of {all} bytes");
        let half = "d".repeat(12) + &"z".repeat(12);
        assert_eq!(record.allocation, half.repeat(TABLES));
        assert_eq!((record.state, record.output_size), (State::Done, Some((TABLE * TABLES) as u64)));
    }
}
