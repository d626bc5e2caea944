//! The page cache before a run.

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

impl Cache {
    /// Brings the page cache into this state for a job that reads `inputs`.
    pub(crate) fn prepare(self, inputs: &[impl AsRef<Path>]) -> io::Result<()> {
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
            // Not a byte further: what is read of blocks without data counts as data from then on.
            let len = usize::try_from(at - done).map_or(buf.len(), |left| left.min(buf.len()));
            done += file.read_at(&mut buf[..len], done)?.max(1) as u64;
        }
    }
    Ok(())
}

/// Takes a file out of the page cache: what is not on the disk yet has to go there first.
pub(crate) fn evict(path: &Path) -> io::Result<()> {
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
