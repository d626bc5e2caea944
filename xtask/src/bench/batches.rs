//! Forty images of mixed sizes and formats, and ten thousand tiny ones.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Duel;
use super::inputs::{Inputs, must};
use super::job::Job;

/// Formats of the forty, in turns; RAW where `qemu-img` is missing.
const FORMATS: [&[&str]; 4] = [&["raw"], &["qcow2"], &["qcow2", "-c"], &["qed"]];

impl Inputs {
    /// A batch beside the sum of its images, each with two threads: what two threads gain is in both.
    pub(super) fn batches(&self, is_quick: bool) -> io::Result<Vec<Duel>> {
        let tiny = if is_quick { 200 } else { 10_000 };
        self.mixed(40, if is_quick { 1 << 20 } else { 16 << 20 })?;
        self.tiny(tiny)?;
        let options = "--out out -q --no-sync --force -j 2";
        Ok(vec![
            Duel::of(vec![
                self.shell("40 mixed images to ZVHD2", "out", &format!("exec $p batch mixed {options}"))
                    .reading(files_in(&self.folder.join("mixed"))?)
                    .called("batch"),
                self.shell(
                    "40 mixed images to ZVHD2",
                    "out",
                    "mkdir out; for i in mixed/*; do $p convert $i out/$(basename $i).zvhd2 -q --no-sync -j 2; done",
                )
                .reading(files_in(&self.folder.join("mixed"))?)
                .called("one after the other"),
            ])
            .at_most(1.1),
            Duel::of(vec![self.shell(
                &format!("{tiny} tiny images to ZVHD2: the time by {tiny} is one image's"),
                "out",
                &format!("exec $p batch tiny {options}"),
            )
            .reading(files_in(&self.folder.join("tiny"))?)
            .called("batch")]),
        ])
    }

    /// Sizes from one to forty units, largest in the middle.
    fn mixed(&self, count: u64, unit: u64) -> io::Result<()> {
        let folder = self.fresh("mixed")?;
        let full = File::open(self.folder.join("full.raw"))?;
        let len = full.metadata()?.len();
        let has_qemu = Command::new("qemu-img").arg("--version").output().is_ok();
        for index in 0..count {
            let size = ((index * 7) % count + 1) * unit;
            let mut data = vec![0; usize::try_from(size.min(len)).unwrap_or(0)];
            full.read_exact_at(&mut data, 0)?;
            let raw = folder.join(format!("{index:02}.raw"));
            fs::write(&raw, data)?;
            let format = FORMATS[usize::try_from(index).unwrap_or(0) % FORMATS.len()];
            if has_qemu && format != ["raw"] {
                let image = folder.join(format!("{index:02}.{}", format[0]));
                let mut make = Command::new("qemu-img");
                must(make.args(["convert", "-q", "-f", "raw", "-O"]).args(format).arg(&raw).arg(image))?;
                fs::remove_file(raw)?;
            }
        }
        Ok(())
    }

    fn tiny(&self, count: u32) -> io::Result<()> {
        let folder = self.fresh("tiny")?;
        (0..count).try_for_each(|index| {
            fs::write(folder.join(format!("{index:05}.raw")), index.to_le_bytes().repeat(1024))
        })
    }

    fn fresh(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// A line for the shell, run in the inputs' folder; `$p` is the program. Its output is removed before it is timed.
    pub(super) fn shell(&self, name: &str, output: &str, line: &str) -> Job {
        let line = format!("cd '{}' && p='{}'; {line}", self.folder.display(), self.ours.display());
        Job::new(name, Path::new("sh"), vec!["-c".into(), line], self.folder.join(output))
    }
}

fn files_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect()
}
