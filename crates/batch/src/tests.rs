//! Whole batches in a temporary folder, with import rules that have a defect.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use imgprep::{CacheMode, Interrupt, Sync};

use crate::plan::job_spec::{Reason, Subject};
use crate::{
    Batch, BatchObserver, ExistingJournal, Found, ImportRules, JobSpec, OnFailure, OtherOptions,
    ProgressSnapshot, Record, RunSettings, Summary, Template, Verdict, assemble, plan, report, run,
};

/// Outputs over 1 MiB cannot be imported; one of 3 MiB meets a defect.
struct Strict;

impl ImportRules for Strict {
    fn judge(&self, subject: &Subject<'_>) -> Verdict {
        assert!(subject.output_len != 3 << 20 || subject.output.is_none(), "a rule that breaks");
        let is_small = subject.output_len <= 1 << 20;
        let reason = Reason {
            rule: "size/file".into(),
            severity: "error".into(),
            message: "too large".into(),
            remedy: Some("shrink it".into()),
        };
        Verdict {
            profile: Some(subject.profile.into()),
            importable: Some(is_small),
            reasons: if is_small { Vec::new() } else { vec![reason] },
        }
    }
}

fn batch(folder: &Path, sizes: &[usize]) -> Batch {
    let found = sizes.iter().enumerate().map(|(index, size)| {
        let source = folder.join(format!("{index}.img"));
        std::fs::write(&source, vec![1; *size]).unwrap();
        let spec = JobSpec { to: "raw".into(), profile: Some("strict".into()), ..JobSpec::default() };
        Found { source, dir: PathBuf::new(), spec, name: Template::default(), output: None, searched: None }
    });
    assemble(&folder.join("out"), found.collect(), Vec::new(), &Strict).unwrap()
}

fn settings(interrupt: &Interrupt) -> RunSettings<'_> {
    RunSettings {
        threads: NonZeroUsize::new(2).unwrap(),
        memory: 256 << 20,
        files: 100,
        retries: 2,
        pause: Duration::from_millis(1),
        on_failure: OnFailure::GoOn,
        existing_journal: ExistingJournal::Refuse,
        other_options: OtherOptions::Refuse,
        sync: Sync::None,
        cache: CacheMode::Auto,
        unix_time: 0,
        interrupt,
        rules: &Strict,
    }
}

#[test]
fn what_can_t_be_imported_is_done_and_needs_a_person() {
    let folder = tempfile::tempdir().unwrap();
    let batch = batch(folder.path(), &[1 << 20, 2 << 20]);
    let interrupt = Interrupt::default();
    let planned = plan(&batch, &settings(&interrupt)).unwrap();
    assert_eq!(
        planned.images.iter().map(|image| image.verdict.importable).collect::<Vec<_>>(),
        [Some(true), Some(false)]
    );
    assert!(!planned.is_fine() && !batch.out.exists());
    let summary = run(&batch, &settings(&interrupt), &mut ()).unwrap();
    assert_eq!((summary.done(), summary.failed(), summary.rejected(), summary.is_fine()), (2, 0, 1, false));
    let xml = report::junit(&summary);
    assert!(xml.contains("<failure message=\"too large\" type=\"size/file\">shrink it</failure>"), "{xml}");
    let read = quick_junit::Report::deserialize_from_str(&xml).unwrap();
    assert_eq!((read.tests, read.failures, read.errors), (2, 1, 0));
    let html = report::html(&summary);
    assert!(html.contains("not importable") && html.contains("<code>shrink it</code>"), "{html}");
    let again = run(
        &batch,
        &RunSettings { existing_journal: ExistingJournal::Resume, ..settings(&interrupt) },
        &mut (),
    )
    .unwrap();
    assert_eq!((again.earlier(), again.rejected()), (2, 1));
}

#[test]
fn a_defect_met_by_one_image_does_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let batch = batch(folder.path(), &[4096, 3 << 20, 8192]);
    let summary = run(&batch, &settings(&Interrupt::default()), &mut ()).unwrap();
    assert_eq!((summary.done(), summary.failed()), (2, 1));
    let error = summary.records[1].error.as_ref().unwrap();
    assert_eq!((error.code.as_str(), summary.records[1].attempts), ("batch.defect", 1));
    assert!(error.message.contains("a rule that breaks"));
}

#[test]
fn memory_that_is_enough_for_nobody_is_said_once_and_hangs_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let batch = batch(folder.path(), &[1 << 20, 1 << 20]);
    let interrupt = Interrupt::default();
    let summary = run(&batch, &RunSettings { memory: 1 << 20, ..settings(&interrupt) }, &mut ()).unwrap();
    for record in &summary.records {
        assert_eq!((record.error.as_ref().unwrap().code.as_str(), record.attempts), ("engine.memory", 1));
    }
}

/// Records the order of events, and raises the interrupt at the first result.
struct Stopper<'a>(&'a Interrupt, Vec<&'static str>);

impl BatchObserver for Stopper<'_> {
    fn begun(&mut self, _: &Batch, _: &[&Record], _: usize) {
        self.1.push("begun");
    }
    fn started(&mut self, _: &Batch, _: usize, _: u32, _: usize) {
        self.1.push("started");
    }
    fn finished(&mut self, batch: &Batch, job: usize, record: &Record) {
        // Every job that is reported as done is in the journal.
        let journal = std::fs::read_to_string(batch.out.join(crate::JOURNAL_NAME)).unwrap();
        let output = format!("\"output\":\"{}\",\"state\":\"done\"", batch.jobs[job].key);
        assert!(record.state != crate::State::Done || journal.contains(&output), "{output}: {journal}");
        self.0.raise();
        self.1.push("finished");
    }
    fn tick(&mut self, _: &Batch, snapshot: &ProgressSnapshot) {
        assert!(snapshot.bytes_done <= snapshot.bytes && snapshot.done <= snapshot.jobs);
    }
}

#[test]
fn an_interrupt_stops_the_batch_and_resume_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let batch = batch(folder.path(), &[4096; 500]);
    let interrupt = Interrupt::default();
    let mut observer = Stopper(&interrupt, Vec::new());
    let summary: Summary = run(&batch, &settings(&interrupt), &mut observer).unwrap();
    assert_eq!(observer.1[..2], ["begun", "started"]);
    assert!(summary.done() >= 1 && summary.stopped() >= 1, "{} done", summary.done());
    assert_eq!(summary.done() + summary.stopped(), 500);
    let interrupt = Interrupt::default();
    let rest = run(
        &batch,
        &RunSettings { existing_journal: ExistingJournal::Resume, ..settings(&interrupt) },
        &mut (),
    )
    .unwrap();
    assert_eq!((rest.done(), rest.earlier()), (500, summary.done()));
}

#[test]
fn a_plan_that_is_interrupted_is_batch_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let batch = batch(folder.path(), &[4096]);
    let interrupt = Interrupt::default();
    interrupt.raise();
    let error = plan(&batch, &settings(&interrupt)).unwrap_err();
    assert_eq!(error.code().id, "batch.stopped");
    assert_eq!(error.to_string(), "the batch was stopped before this image was converted [batch.stopped]");
}

/// An interrupt while earlier outputs are read ends the run; finished jobs stay done.
#[test]
fn an_interrupt_before_the_work_begins_makes_nothing_be_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let batch = batch(folder.path(), &[4096; 5]);
    let resume = |interrupt: &Interrupt| {
        run(
            &batch,
            &RunSettings { existing_journal: ExistingJournal::Resume, ..settings(interrupt) },
            &mut (),
        )
        .unwrap()
    };
    assert_eq!(resume(&Interrupt::default()).done(), 5);
    let interrupt = Interrupt::default();
    interrupt.raise();
    let stopped = resume(&interrupt);
    assert_eq!((stopped.done(), stopped.stopped()), (0, 5));
    assert_eq!(resume(&Interrupt::default()).earlier(), 5);
}

/// The journal of a finished batch of three images: one fails, one is in a folder of its own.
fn finished(folder: &Path) -> (Batch, Vec<u8>) {
    let mut batch = batch(folder, &[4096, 3 << 20, 512]);
    batch.jobs[2].key = "sub/2.raw".into();
    batch.jobs[2].output = batch.out.join("sub/2.raw");
    let summary = run(&batch, &settings(&Interrupt::default()), &mut ()).unwrap();
    assert_eq!((summary.done(), summary.failed()), (2, 1));
    let bytes = std::fs::read(batch.out.join(crate::JOURNAL_NAME)).unwrap();
    (batch, bytes)
}

/// Outputs that lines say something about, read without checksums.
fn named(lines: &[u8], event: &str) -> Vec<String> {
    let lines = lines.split(|byte| *byte == b'\n').filter_map(|line| line.get(9..));
    let events = lines.filter_map(|json| serde_json::from_slice::<serde_json::Value>(json).ok());
    let events = events.filter(|found| found["event"] == event);
    let output = |found: &serde_json::Value| {
        found["output"].as_str().or(found["record"]["output"].as_str()).map(Into::into)
    };
    events.filter_map(|found| output(&found)).collect()
}

/// As a power cut leaves it: a part of the journal, and outputs that were announced in it.
#[test]
fn a_journal_cut_at_any_byte_is_gone_on_with() {
    // In memory, if possible: the syncs of so many runs take a minute on a disk.
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let (mut batch, journal) = finished(folder.path());
    batch.jobs.remove(1);
    for cut in 0..=journal.len() {
        let lines = &journal[..cut];
        let (announced, done) = (named(lines, "job"), named(lines, "done"));
        for job in batch.jobs.iter().filter(|job| !announced.contains(&job.key)) {
            let _ = std::fs::remove_file(&job.output);
        }
        std::fs::write(batch.out.join(crate::JOURNAL_NAME), lines).unwrap();
        let interrupt = Interrupt::default();
        let resume = RunSettings { existing_journal: ExistingJournal::Resume, ..settings(&interrupt) };
        let summary = run(&batch, &resume, &mut ()).unwrap();
        assert_eq!((summary.done(), summary.earlier()), (2, done.len()), "cut at {cut}");
        for (record, job) in summary.records.iter().zip(&batch.jobs) {
            assert_eq!(record.earlier, done.contains(&job.key), "cut at {cut}");
            assert_eq!(
                std::fs::read(&job.output).unwrap(),
                std::fs::read(&job.source).unwrap(),
                "cut at {cut}"
            );
        }
        // Every output is in the journal now; the torn line is the only one that is not understood.
        let again = std::fs::read(batch.out.join(crate::JOURNAL_NAME)).unwrap();
        let history = crate::journal::History::look(&batch.out);
        let is_torn = cut > 0 && journal[cut - 1] != b'\n' && journal.get(cut) != Some(&b'\n');
        assert_eq!((history.finished.len(), history.damaged), (2, usize::from(is_torn)), "cut at {cut}");
        assert!(again.starts_with(lines), "only ever appended to");
        restore(&batch, &journal);
    }
}

/// Outputs with the times that the journal says.
fn restore(batch: &Batch, journal: &[u8]) {
    std::fs::write(batch.out.join(crate::JOURNAL_NAME), journal).unwrap();
    for (crate::journal::fingerprint::JournalPath(path), proof) in
        crate::journal::History::look(&batch.out).finished.into_values().flat_map(|done| done.outputs)
    {
        let time = std::time::UNIX_EPOCH + Duration::from_nanos(proof.stamp.modified.try_into().unwrap());
        let job = batch.jobs.iter().find(|job| job.output == path).unwrap();
        std::fs::copy(&job.source, &path).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    }
}

#[test]
fn a_byte_of_the_journal_that_changed_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let (batch, journal) = finished(folder.path());
    let whole = crate::journal::History::look(&batch.out);
    assert_eq!((whole.finished.len(), whole.damaged), (2, 0));
    for at in 0..journal.len() {
        for bits in [0x01, 0x20, 0x80, 0xff] {
            let mut changed = journal.clone();
            changed[at] ^= bits;
            let history = crate::journal::History::read(&changed);
            assert!(history.damaged > 0, "byte {at} ^ {bits:#x}");
            assert!(history.finished.iter().all(|(key, done)| whole.finished.get(key) == Some(done)));
        }
    }
}

#[test]
fn a_plan_that_is_interrupted_has_its_own_code() {
    let folder = tempfile::tempdir().unwrap();
    let batch = batch(folder.path(), &[4096]);
    let interrupt = Interrupt::default();
    interrupt.raise();
    assert_eq!(plan(&batch, &settings(&interrupt)).unwrap_err().code().id, "batch.stopped");
    assert!(!batch.out.exists());
}

/// The library checks all files itself, whichever program calls it.
#[test]
fn an_output_or_journal_that_leads_to_an_image_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let batch = batch(folder.path(), &[4096, 8192]);
    std::fs::create_dir(&batch.out).unwrap();
    let before = std::fs::read(folder.path().join("1.img")).unwrap();
    for name in ["0.raw", crate::JOURNAL_NAME] {
        let link = batch.out.join(name);
        std::fs::hard_link(folder.path().join("1.img"), &link).unwrap();
        for existing_journal in [ExistingJournal::Refuse, ExistingJournal::Resume, ExistingJournal::Replace] {
            let interrupt = Interrupt::default();
            let error =
                run(&batch, &RunSettings { existing_journal, ..settings(&interrupt) }, &mut ()).unwrap_err();
            assert_eq!(error.code().id, "output.is-source", "{name}");
        }
        std::fs::remove_file(link).unwrap();
    }
    assert_eq!(std::fs::read(folder.path().join("1.img")).unwrap(), before);
}
