//! Shares blocks between a source and an output (reflinks), if the file system supports that, instead of writing bytes that
//! are mapped from the source.
//!
//! A writer only has slices; a list of all mappings identifies the file that a slice is mapped from.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustix::io::Errno;

use crate::os;

/// Smallest range that is shared: writing less than that is faster.
const SHARE_FROM: u64 = 64 << 10;

/// The block size of common file systems.
const USUAL_BLOCK: u64 = 4096;

/// All mapped files, by the address at which they begin.
static MAPPED: RwLock<BTreeMap<usize, Mapped>> = RwLock::new(BTreeMap::new());

#[derive(Debug)]
struct Mapped {
    len: usize,
    file: Arc<File>,
    device: u64,
}

/// The entry of a mapping in the list. It must be dropped before the mapping: then an address that is found in the list
/// belongs to that mapping while the bytes at the address are borrowed.
#[derive(Debug)]
pub(crate) struct Listed(usize);

impl Listed {
    /// Adds the mapping of a whole file on this device to the list.
    pub(crate) fn new(mapping: &[u8], file: &Arc<File>, device: u64) -> Self {
        let start = mapping.as_ptr().addr();
        let mapped = Mapped { len: mapping.len(), file: Arc::clone(file), device };
        MAPPED.write().unwrap_or_else(PoisonError::into_inner).insert(start, mapped);
        Self(start)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        MAPPED.write().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// The file and offset that bytes are mapped from. It keeps the file open.
#[derive(Debug)]
struct Origin {
    file: Arc<File>,
    device: u64,
    at: u64,
}

/// The origin of bytes that are all mapped from one file.
fn origin(bytes: &[u8]) -> Option<Origin> {
    let address = bytes.as_ptr().addr();
    let list = MAPPED.read().unwrap_or_else(PoisonError::into_inner);
    let (start, mapped) = list.range(..=address).next_back()?;
    let at = address - start;
    let is_inside = at < mapped.len && bytes.len() <= mapped.len - at;
    is_inside.then(|| Origin { file: Arc::clone(&mapped.file), device: mapped.device, at: at as u64 })
}

/// The whole blocks in `len` bytes at offset `from` of one file and `to` of another. Empty if the offsets within a block
/// differ.
fn whole_blocks(from: u64, to: u64, len: u64, block: u64) -> Range<u64> {
    let head = from.next_multiple_of(block) - from;
    let fits = from % block == to % block && head < len;
    let end = if fits { head + (len - head) / block * block } else { head };
    head..end
}

/// The state of sharing blocks with an output.
#[derive(Debug)]
pub(crate) struct Sharing {
    block: u64,
    /// Devices whose files cannot be shared with this one.
    refused: Mutex<Vec<u64>>,
}

impl Sharing {
    /// The state of a file that is still empty.
    pub(crate) fn of(output: &File) -> Self {
        // Network file systems report their preferred request size as the block size: the default is used then.
        let block = output.metadata().map_or(USUAL_BLOCK, |found| found.blksize());
        let block = if (512..=SHARE_FROM).contains(&block) { block } else { USUAL_BLOCK };
        Self { block, refused: Mutex::default() }
    }

    /// Shares as many as possible of the bytes for offset `at` and returns their range. The others have to be written, and
    /// a failing write reports the error.
    pub(crate) fn share(&self, output: &File, at: u64, bytes: &[u8]) -> Range<usize> {
        self.try_share(output, at, bytes).unwrap_or(0..0)
    }

    fn try_share(&self, output: &File, at: u64, bytes: &[u8]) -> Option<Range<usize>> {
        let len = bytes.len() as u64;
        if len < SHARE_FROM {
            return None;
        }
        let origin = origin(bytes).filter(|origin| !self.refuses(origin.device))?;
        let blocks = whole_blocks(origin.at, at, len, self.block);
        if blocks.end - blocks.start < SHARE_FROM {
            return None;
        }
        let source = origin.at + blocks.start..origin.at + blocks.end;
        match os::share_blocks(&origin.file, source, output, at + blocks.start) {
            // OK: the range lies in a slice.
            Ok(()) => Some(blocks.start as usize..blocks.end as usize),
            Err(error) => {
                self.note(&error, origin.device);
                None
            }
        }
    }

    /// Whether sharing with files of this device has not failed yet.
    pub(crate) fn is_hopeful(&self) -> bool {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn refuses(&self, device: u64) -> bool {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).contains(&device)
    }

    /// Most errors mean that such files cannot be shared at all: then it is not tried again.
    fn note(&self, error: &io::Error, device: u64) {
        let errno = error.raw_os_error().map(Errno::from_raw_os_error);
        if !matches!(errno, Some(Errno::NOSPC | Errno::DQUOT | Errno::IO | Errno::INTR)) {
            self.refused.lock().unwrap_or_else(PoisonError::into_inner).push(device);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use imgprep_map::ReadAt;

    use super::*;
    use crate::{SourceFile, SourceOptions};

    fn source_of(bytes: &[u8]) -> (tempfile::NamedTempFile, SourceFile) {
        let mut temp = tempfile::NamedTempFile::new().unwrap();
        temp.write_all(bytes).unwrap();
        let source = SourceFile::open(temp.path(), SourceOptions::default()).unwrap();
        (temp, source)
    }

    fn place(bytes: &[u8]) -> Option<(u64, u64)> {
        origin(bytes).map(|origin| (origin.file.metadata().unwrap().ino(), origin.at))
    }

    #[test]
    fn bytes_are_found_in_the_file_that_they_are_mapped_from() {
        let (first, a) = source_of(&[1; 3 * 4096]);
        let (second, b) = source_of(&[2; 5000]);
        let inode = |file: &tempfile::NamedTempFile| file.as_file().metadata().unwrap().ino();
        for (file, source, range) in [
            (&first, &a, 0..3 * 4096),
            (&first, &a, 4095..4097),
            (&first, &a, 3 * 4096 - 1..3 * 4096),
            (&second, &b, 0..5000),
            (&second, &b, 4999..5000),
        ] {
            let found = place(source.mapped(range.clone()).unwrap());
            assert_eq!(found, Some((inode(file), range.start)), "{range:?}");
        }
    }

    #[test]
    fn bytes_that_no_file_has_are_found_in_none() {
        let (_temp, source) = source_of(&[1; 4096]);
        assert_eq!(place(&[1; 4096]), None);
        assert_eq!(place(&vec![1; 1 << 20]), None);
        assert_eq!(place(&source.mapped(0..4096).unwrap()[4096..]), None, "right after the end");
        assert_eq!(place(b""), None);
    }

    #[test]
    fn bytes_that_go_on_after_a_mapping_are_not_all_of_the_file() {
        let (bytes, file) = (vec![1; 8192], Arc::new(tempfile::tempfile().unwrap()));
        let _half = Listed::new(&bytes[..4096], &file, 0);
        assert_eq!(place(&bytes), None);
        assert_eq!(place(&bytes[4000..4097]), None);
        assert_eq!(place(&bytes[4000..4096]).map(|found| found.1), Some(4000));
    }

    #[test]
    fn a_mapping_leaves_the_list_before_it_goes() {
        let (_temp, source) = source_of(&[1; 4096]);
        let start = source.mapped(0..4096).unwrap().as_ptr().addr();
        let file = Arc::clone(&MAPPED.read().unwrap()[&start].file);
        drop(source);
        // Another test may have mapped its file at the same address since.
        let left = MAPPED.read().unwrap().get(&start).map(|mapped| Arc::as_ptr(&mapped.file));
        assert_ne!(left, Some(Arc::as_ptr(&file)));
        assert_eq!(Arc::strong_count(&file), 1);
    }

    #[test]
    fn whole_blocks_are_whole_in_both_files() {
        for block in [512, 4096] {
            for from in (0..3 * 4096).step_by(256) {
                for to in (0..2 * 4096).step_by(256) {
                    for len in [0, 1, 255, 256, 512, 4095, 4096, 4097, 8192, 9000, 20000] {
                        let found = whole_blocks(from, to, len, block);
                        let case = format!("{len} bytes from {from} to {to} in blocks of {block}: {found:?}");
                        // Byte by byte.
                        let in_block =
                            |at: &u64| [from, to].iter().all(|file| (file + at).is_multiple_of(block));
                        let places = (0..len).step_by(256).filter(in_block);
                        let blocks = places.filter(|at| at + block <= len).count();
                        assert_eq!(found.end.saturating_sub(found.start), blocks as u64 * block, "{case}");
                        if !found.is_empty() {
                            assert!(in_block(&found.start) && in_block(&found.end), "{case}");
                            assert!(found.end <= len, "{case}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn who_can_not_share_is_asked_once_and_who_could_not_now_again() {
        let output = tempfile::tempfile().unwrap();
        let sharing = Sharing::of(&output);
        for passing in [Errno::NOSPC, Errno::IO, Errno::INTR] {
            sharing.note(&passing.into(), 7);
        }
        assert!(!sharing.refuses(7));
        for (device, lasting) in [(7, Errno::OPNOTSUPP), (8, Errno::XDEV), (9, Errno::INVAL)] {
            assert!(!sharing.refuses(device));
            sharing.note(&lasting.into(), device);
            assert!(sharing.refuses(device));
        }
    }
}
