//! Files whose reads fail after an interrupt.
//!
//! A walk over the tables of an image may read for a long time without reporting anything: a table of gigabytes
//! that allocates nothing, or a second pass over all tables. Such a walk runs inside a format crate, which has no
//! notion of interrupts. So its files are wrapped: after the interrupt every read fails and everything is a hole, which
//! ends the walk.

use std::ops::Range;
use std::sync::Arc;

use imgprep_map::{FileId, Files, ReadAt, ReadError};

use crate::Interrupt;

/// The files of one layer.
pub(crate) struct Watched<'a>(Vec<WatchedFile<'a>>);

impl<'a> Watched<'a> {
    pub(crate) fn new(files: &'a [Arc<dyn ReadAt>], interrupt: &'a Interrupt) -> Self {
        Self(files.iter().map(|file| WatchedFile { file: &**file, interrupt }).collect())
    }
}

impl Files for Watched<'_> {
    fn get(&self, id: FileId) -> Option<&dyn ReadAt> {
        let index = usize::try_from(id.0).ok()?;
        self.0.get(index).map(|file| file as &dyn ReadAt)
    }
}

struct WatchedFile<'a> {
    file: &'a dyn ReadAt,
    interrupt: &'a Interrupt,
}

impl ReadAt for WatchedFile<'_> {
    fn len(&self) -> u64 {
        self.file.len()
    }

    fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
        if self.interrupt.is_raised() {
            return Err(ReadError::Failed { at, reason: "interrupted".into() });
        }
        self.file.read_exact_at(buf, at)
    }

    fn mapped(&self, range: Range<u64>) -> Option<&[u8]> {
        // Without a mapping the caller reads, and that fails.
        if self.interrupt.is_raised() { None } else { self.file.mapped(range) }
    }

    fn will_read(&self, range: Range<u64>) {
        self.file.will_read(range);
    }

    fn will_read_soon(&self, range: Range<u64>) {
        self.file.will_read_soon(range);
    }

    fn verify_mapping(&self) -> Result<(), ReadError> {
        self.file.verify_mapping()
    }

    fn next_data(&self, at: u64) -> u64 {
        if self.interrupt.is_raised() { self.len() } else { self.file.next_data(at) }
    }

    fn next_hole(&self, at: u64) -> u64 {
        if self.interrupt.is_raised() { self.len() } else { self.file.next_hole(at) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raised_interrupt_closes_the_files() {
        let files: Vec<Arc<dyn ReadAt>> = vec![Arc::new(vec![7u8; 8192])];
        let interrupt = Interrupt::default();
        let watched = Watched::new(&files, &interrupt);
        let file = watched.get(FileId::SELF).unwrap();
        assert_eq!(file.slice(4, 2).as_deref(), Ok(&[7u8, 7][..]));
        assert_eq!((file.next_data(9), file.next_hole(9), file.len()), (9, 8192, 8192));
        assert!(watched.get(FileId(1)).is_none());
        interrupt.raise();
        let want = ReadError::Failed { at: 4, reason: "interrupted".into() };
        assert_eq!((file.slice(4, 2), file.array::<2>(4)), (Err(want.clone()), Err(want)));
        assert_eq!((file.next_data(9), file.next_hole(9)), (8192, 8192));
    }
}
