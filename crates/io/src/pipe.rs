//! Standard output, which is only appended to.

use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

use imgprep_map::{Sink, SinkKind, WriteError, usize_of};

use crate::file_write::{ZEROS, write_error};
use crate::{CreateError, stdout_was_closed};

/// A pipe or another output that is only appended to.
#[derive(Debug)]
pub struct PipeOutput(Mutex<State>);

#[derive(Debug)]
struct State {
    file: File,
    position: u64,
}

impl PipeOutput {
    /// Standard output.
    pub fn stdout() -> Result<Self, CreateError> {
        if stdout_was_closed() {
            return Err(CreateError::failed("opened")(rustix::io::Errno::BADF.into()));
        }
        let fd = std::io::stdout().as_fd().try_clone_to_owned().map_err(CreateError::failed("opened"))?;
        Ok(Self::from_file(fd.into()))
    }

    /// An open file, from its current position.
    pub fn from_file(file: File) -> Self {
        Self(Mutex::new(State { file, position: 0 }))
    }

    /// Bytes written so far.
    pub fn position(&self) -> u64 {
        self.state().position
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // A poisoned state only means that another thread panicked: the position is valid.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn append(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.file.write_all(bytes).map_err(|error| write_error(self.position, &error))?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    fn expect(&self, at: u64) -> Result<(), WriteError> {
        if at == self.position {
            return Ok(());
        }
        let reason = format!("cannot write to a pipe at {at} after {} bytes", self.position);
        Err(WriteError::Failed { at, reason })
    }

    fn zero_to(&mut self, end: u64) -> Result<(), WriteError> {
        while self.position < end {
            let left = usize_of(end - self.position);
            self.append(&ZEROS[..left.min(ZEROS.len())])?;
        }
        Ok(())
    }
}

impl Sink for PipeOutput {
    fn kind(&self) -> SinkKind {
        SinkKind::Append
    }

    fn reads_as_zeros(&self) -> bool {
        true
    }

    fn write_at(&self, at: u64, parts: &[&[u8]]) -> Result<(), WriteError> {
        let mut state = self.state();
        state.expect(at)?;
        parts.iter().try_for_each(|part| state.append(part))
    }

    fn zero(&self, range: Range<u64>) -> Result<(), WriteError> {
        let mut state = self.state();
        state.expect(range.start)?;
        state.zero_to(range.end)
    }

    fn set_len(&self, len: u64) -> Result<(), WriteError> {
        self.state().zero_to(len)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn bytes_and_zeros_follow_each_other() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let output = PipeOutput::from_file(std::os::fd::OwnedFd::from(writer).into());
        output.write_at(0, &[b"ab", b"c"]).unwrap();
        output.zero(3..5).unwrap();
        assert!(matches!(output.write_at(9, &[b"x"]), Err(WriteError::Failed { at: 9, .. })));
        output.set_len(7).unwrap();
        drop(output);
        let mut got = Vec::new();
        reader.read_to_end(&mut got).unwrap();
        assert_eq!(got, b"abc\0\0\0\0");
    }

    #[test]
    fn a_closed_reader_is_reported() {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = PipeOutput::from_file(std::os::fd::OwnedFd::from(writer).into());
        assert_eq!(output.write_at(0, &[b"x"]), Err(WriteError::Closed { at: 0 }));
    }

    #[test]
    fn a_full_device_is_reported() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        assert_eq!(PipeOutput::from_file(full).write_at(0, &[b"x"]), Err(WriteError::NoSpace { at: 0 }));
    }
}
