//! Batches whose output folders lie in each other.

use std::path::Path;

use testdata_gen::Noise;

use crate::batch::interrupts::Running;
use crate::support::batches::JOURNAL;
use crate::support::program::{command, imgprep, printed};

/// A batch that runs for a long time.
fn at_work(folder: &Path, args: &[&str]) -> Running {
    std::fs::create_dir(folder.join("slow")).unwrap();
    std::fs::write(folder.join("slow/a.raw"), Noise::new(1).half_compressible(64 << 20)).unwrap();
    let slow = ["batch", "slow", "-j", "1", "--level", "22", "--memory", "1G", "--progress", "jsonl"];
    let mut running = Running::spawn(command(folder, &[&slow[..], args].concat()));
    running.wait_for("start");
    running
}

#[test]
fn nested_batches_are_rejected_if_their_outputs_could_collide() {
    for (first, refused, fine) in [
        (
            &["--out", "out", "--name", "sub/{name}"][..],
            &["--out", "out/sub"][..],
            &["--out", "out/other", "--name", "sub/{name}"][..],
        ),
        (
            &["--out", "out/sub"],
            &["--out", "out", "--name", "sub/deep/{name}"],
            &["--out", "out", "--name", "subtle/{name}"],
        ),
        (&["--out", "out", "--name", "a/b/{name}"], &["--out", "out/a"], &["--out", "out/a/c"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("images")).unwrap();
        std::fs::write(folder.path().join("images/a.raw"), vec![1; 4096]).unwrap();
        let mut running = at_work(folder.path(), first);
        let batch = |args: &[&str]| imgprep(folder.path(), &[&["batch", "images", "-q"], args].concat());
        for more in [&[][..], &["--force"], &["--resume"]] {
            let output = batch(&[refused, more].concat());
            assert_eq!(output.status.code(), Some(1), "{refused:?}: {}", printed(&output));
            let process = format!("(process {})", running.child.id());
            assert!(
                printed(&output).contains("batch.locked") && printed(&output).contains(&process),
                "{}",
                printed(&output)
            );
            // It needs neither --resume nor --force later.
            assert!(!folder.path().join(refused[1]).join(JOURNAL).exists());
        }
        let output = batch(fine);
        assert!(output.status.success(), "{fine:?}: {}", printed(&output));
        assert!(running.child.try_wait().unwrap().is_none(), "the first one is still at work");
    }
}

#[test]
fn rejected_batch_leaves_an_earlier_journal_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("images")).unwrap();
    std::fs::write(folder.path().join("images/b.raw"), vec![1; 4096]).unwrap();
    let batch = |more: &[&str]| {
        imgprep(folder.path(), &[&["batch", "images", "-q", "--out", "out/sub"][..], more].concat())
    };
    assert!(batch(&[]).status.success());
    let journal = || std::fs::read(folder.path().join("out/sub").join(JOURNAL)).unwrap();
    let before = journal();
    assert!(!before.is_empty());
    let _running = at_work(folder.path(), &["--out", "out", "--name", "sub/{name}"]);
    for more in ["--force", "--resume"] {
        assert_eq!(batch(&[more]).status.code(), Some(1), "{more}");
        assert_eq!(journal(), before, "{more}");
    }
}
