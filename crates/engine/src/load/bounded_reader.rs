//! Reads small parts of a disk, for inspections.

use std::sync::Mutex;

use imgprep_map::{Error, ReadAt, ReadError};

use super::loader::{Loaded, Loader, Reads};
use super::scratch::Scratch;
use super::stream::Streams;
use crate::{EngineError, Losses, OnLoss, Progress, Stack};

/// A reader of a disk that is limited to a number of bytes.
///
/// Only the last compressed block is kept. In a stream every read decompresses everything before it, so only its
/// beginning should be read.
pub struct BoundedReader<'a> {
    stack: &'a Stack,
    state: Mutex<State>,
}

struct State {
    scratch: Scratch,
    /// Bytes that may still be read.
    left: u64,
    failed: Option<Error>,
}

impl<'a> BoundedReader<'a> {
    /// A reader of at most `bytes` bytes of the disk.
    pub fn new(stack: &'a Stack, bytes: u64) -> Self {
        Self { stack, state: Mutex::new(State { scratch: Scratch::new(), left: bytes, failed: None }) }
    }

    /// The first error, with its offsets.
    pub fn into_failure(self) -> Option<Error> {
        self.state.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).failed
    }

    fn read(&self, buf: &mut [u8], at: u64, state: &mut State) -> Result<(), Error> {
        let len = buf.len() as u64;
        let past_end = ReadError::PastEnd { at, len, file_len: self.stack.size() };
        let end = at.checked_add(len).filter(|end| *end <= self.stack.size()).ok_or(past_end)?;
        state.left =
            state.left.checked_sub(len).ok_or(EngineError::BlockTooLarge { len, limit: state.left })?;
        let (losses, progress) = (Losses::default(), Progress::default());
        let range = at..end;
        let stream = Streams::new(self.stack, OnLoss::Stop, &losses).advance(&range)?;
        let loader = Loader {
            stack: self.stack,
            reads: Reads::Mapped,
            on_loss: OnLoss::Stop,
            losses: &losses,
            progress: &progress,
        };
        match loader.load(&range, &stream, &mut state.scratch)? {
            Loaded::Zero => buf.fill(0),
            Loaded::Mapped(bytes) => buf.copy_from_slice(bytes),
            Loaded::Buffered => buf.copy_from_slice(&state.scratch.buffer),
        }
        self.stack.verify_mapping()
    }
}

impl ReadAt for BoundedReader<'_> {
    fn len(&self) -> u64 {
        self.stack.size()
    }

    fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.read(buf, at, &mut state).map_err(|error| {
            let reason = error.to_string();
            state.failed.get_or_insert(error);
            ReadError::Failed { at, reason }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::ops::{ControlFlow, Range};
    use std::sync::Arc;

    use imgprep_map::{DiskMap, Extent, FileId, FileUse, Files, Source, Visitor};

    use super::*;
    use crate::Layer;

    /// 4096 zeros, then the file from its beginning.
    struct Half;

    impl DiskMap for Half {
        fn size(&self) -> u64 {
            8192
        }

        fn stride(&self) -> u64 {
            8192
        }

        fn visit(&self, _: &dyn Files, range: Range<u64>, visitor: Visitor<'_>) -> Result<(), Error> {
            let parts = [
                Extent { disk: 0..4096, source: Source::Zero { explicit: true } },
                Extent { disk: 4096..8192, source: Source::Data { file: FileId::SELF, at: 0 } },
            ];
            for part in parts {
                let (start, end) = (part.disk.start.max(range.start), part.disk.end.min(range.end));
                if start < end && visitor(part.part(start, end)).is_break() {
                    break;
                }
            }
            Ok(())
        }

        fn file_usage(
            &self,
            _: &dyn Files,
            _: &mut dyn FnMut(FileUse) -> ControlFlow<()>,
        ) -> Result<(), Error> {
            Ok(())
        }
    }

    fn stack(file: Vec<u8>) -> Stack {
        Stack::new(
            Layer { map: Box::new(Half), files: vec![Arc::new(file)], names: vec!["a".into()] },
            Vec::new(),
        )
    }

    #[test]
    fn small_ranges_are_read_across_extents() {
        let stack = stack((0..4096_u32).map(|n| (n % 251) as u8).collect());
        let reader = BoundedReader::new(&stack, 100);
        let disk: &dyn ReadAt = &reader;
        assert_eq!(disk.slice(4093, 6).as_deref(), Ok(&[0, 0, 0, 0, 1, 2][..]));
        assert_eq!(disk.array::<2>(8190), Ok([78, 79]));
        assert_eq!(disk.array::<2>(0), Ok([0, 0]));
        assert!(reader.into_failure().is_none());
    }

    #[test]
    fn a_look_has_its_limits_and_keeps_the_first_failure() {
        let stack = stack(vec![1; 100]);
        let reader = BoundedReader::new(&stack, 4096);
        let disk: &dyn ReadAt = &reader;
        assert!(disk.slice(4096, 101).is_err(), "the file is short");
        assert!(disk.slice(0, 4096).is_err(), "more than may be read");
        assert!(disk.slice(8191, 2).is_err(), "past the end");
        let failure = reader.into_failure().unwrap();
        assert_eq!((failure.code().id, failure.path()), ("io.read.past-end", Some("a")));
    }

    #[test]
    fn a_look_at_more_than_its_limit_is_an_error() {
        let stack = stack(vec![1; 4096]);
        let reader = BoundedReader::new(&stack, 100);
        let disk: &dyn ReadAt = &reader;
        assert!(disk.slice(0, 60).is_ok());
        assert!(disk.slice(0, 41).is_err());
        let failure = reader.into_failure().unwrap();
        let want = EngineError::BlockTooLarge { len: 41, limit: 40 };
        assert_eq!((failure.code().id, failure.detail()), ("engine.block-too-large", Some(&want)));
    }
}
