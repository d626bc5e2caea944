//! Spools a disk from a pipe into an unnamed temporary file, because disks are read in parallel.

use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::{OpenError, SourceFile, SourceOptions};

/// Size of the blocks that become holes if they are all zeros.
const BLOCK: usize = 64 << 10;

/// Copies exactly `size` bytes from `reader` into a temporary file in `folder` and opens it.
pub fn spool(mut reader: impl Read, size: u64, folder: &Path) -> Result<SourceFile, OpenError> {
    let file = tempfile::tempfile_in(folder)?;
    file.set_len(size)?;
    let mut block = vec![0; BLOCK];
    let mut done = 0;
    while done < size {
        let wanted = usize::try_from(size - done).map_or(BLOCK, |left| left.min(BLOCK));
        let got = fill(&mut reader, &mut block[..wanted])?;
        if block[..got].iter().any(|byte| *byte != 0) {
            file.write_all_at(&block[..got], done)?;
        }
        done += got as u64;
        if got < wanted {
            return Err(OpenError::Short { expected: size, found: done });
        }
    }
    if fill(&mut reader, &mut block[..1])? > 0 {
        return Err(OpenError::Long { expected: size });
    }
    SourceFile::from_file(file, PathBuf::from("standard input"), SourceOptions::default())
}

/// Reads until `buf` is full or the pipe ends.
fn fill(reader: &mut impl Read, buf: &mut [u8]) -> Result<usize, OpenError> {
    let mut done = 0;
    while done < buf.len() {
        match reader.read(&mut buf[done..]) {
            Ok(0) => break,
            Ok(got) => done += got,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use imgprep_map::ReadAt;

    use super::*;

    #[test]
    fn exactly_the_declared_size_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = vec![0; 3 * BLOCK + 100];
        disk[2 * BLOCK + 5] = 9;
        let source = spool(&disk[..], disk.len() as u64, folder.path()).unwrap();
        assert_eq!(source.mapped(0..disk.len() as u64), Some(&disk[..]));
        let short = spool(&disk[..=BLOCK], BLOCK as u64 + 2, folder.path()).unwrap_err();
        assert_eq!(short, OpenError::Short { expected: BLOCK as u64 + 2, found: BLOCK as u64 + 1 });
        let long = spool(&disk[..], BLOCK as u64, folder.path()).unwrap_err();
        assert_eq!(long, OpenError::Long { expected: BLOCK as u64 });
    }
}
