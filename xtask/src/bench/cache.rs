//! The state of memory before a run: files in the page cache or out of it, and pages that the machine really has.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{Advice, SeekFrom, fadvise, seek};

/// Whether a job finds its inputs in the page cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cache {
    Warm,
    Cold,
}

/// Bytes that are touched before every run: a virtual machine may have given free pages back to its host, and gets
/// each one again only when it is touched. That costs more than all that is measured here.
const TOUCHED: usize = 3 << 29;

impl Cache {
    /// Brings memory into this state for a job that reads `inputs`.
    pub(crate) fn prepare(self, inputs: &[impl AsRef<Path>], is_quick: bool) -> io::Result<()> {
        if !is_quick {
            std::hint::black_box(vec![1u8; TOUCHED]);
        }
        inputs.iter().try_for_each(|input| match self {
            Self::Warm => read(input.as_ref()),
            Self::Cold => evict(input.as_ref()),
        })
    }
}

/// Reads what a file has of data.
fn read(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    let mut buf = vec![0; 4 << 20];
    let mut at = 0;
    while let Ok(start) = seek(&file, SeekFrom::Data(at)) {
        at = seek(&file, SeekFrom::Hole(start))?;
        let mut done = start;
        while done < at {
            done += file.read_at(&mut buf, done)?.max(1) as u64;
        }
    }
    Ok(())
}

/// Takes a file out of the page cache: what is not on the disk yet has to go there first.
fn evict(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    file.sync_all()?;
    Ok(fadvise(&file, 0, None, Advice::DontNeed)?)
}

/// Bytes of a file that are in the page cache, by `fincore`; `None` where that is not installed.
pub(crate) fn resident(path: &Path) -> Option<u64> {
    let asked =
        std::process::Command::new("fincore").args(["-b", "-n", "-o", "RES"]).arg(path).output().ok()?;
    String::from_utf8(asked.stdout).ok()?.trim().parse().ok()
}

/// Files among the words of a command.
pub(crate) fn files_among(words: &[String]) -> Vec<std::path::PathBuf> {
    let is_file = |word: &&String| fs::metadata(word).is_ok_and(|found| found.is_file());
    words.iter().filter(is_file).map(Into::into).collect()
}
