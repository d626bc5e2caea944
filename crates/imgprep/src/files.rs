//! The files that a command reads and writes: a written file must not be one of the others.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use imgprep_io::{FileIdentity, FilePlace};
use imgprep_map::Error;

use crate::{Disk, RequestError};

/// The role of a file that a command writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The image.
    Output,
    /// The block bitmap of a RAW.
    Bitmap,
    /// A report.
    Report,
    /// A receipt.
    Receipt,
    /// The journal of a batch.
    Journal,
}

impl Role {
    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Output => "output",
            Self::Bitmap => "bitmap",
            Self::Report => "report",
            Self::Receipt => "receipt",
            Self::Journal => "journal",
        }
    }
}

/// All files of a command. Names are compared by the files that they refer to, not as text.
#[derive(Clone, Debug, Default)]
pub struct Files {
    read: HashSet<FileIdentity>,
    written: Vec<(Role, PathBuf)>,
    /// The file that standard output is redirected to.
    stdout: Option<FileIdentity>,
}

impl Files {
    /// Adds a file that is read. A missing file is ignored.
    pub fn reads(&mut self, path: &Path) {
        if let FilePlace::There(identity) = FilePlace::of(path) {
            self.read.insert(identity);
        }
    }

    /// Adds standard input.
    pub fn reads_stdin(&mut self) {
        self.read.extend(FileIdentity::of_stdin());
    }

    /// Adds all files of an open disk: extents, backing files, data files.
    pub fn reads_disk(&mut self, disk: &Disk) {
        self.read.extend(disk.identities());
    }

    /// Adds a file that is written.
    pub fn writes(&mut self, role: Role, path: &Path) {
        self.written.push((role, path.to_path_buf()));
    }

    /// Adds standard output as an image.
    pub fn writes_stdout(&mut self) {
        self.stdout = FileIdentity::of_stdout();
    }

    /// Whether a written file exists already.
    pub fn replaces(&self) -> bool {
        self.written.iter().any(|(_, path)| path.symlink_metadata().is_ok())
    }

    /// Rejects a file that is both read and written, or written twice. Called before the first byte is written, and again
    /// before a report replaces a file, because the output exists by then.
    pub fn check(&self) -> Result<(), Error> {
        let mut seen = HashMap::with_capacity(self.written.len());
        if let Some(identity) = self.stdout {
            self.check_read(Role::Output, identity).map_err(|error| error.in_path("standard output"))?;
            seen.insert(FilePlace::There(identity), Role::Output);
        }
        for (role, path) in &self.written {
            let in_path = |error: Error| error.in_path(path.display().to_string());
            let place = FilePlace::of(path);
            if let FilePlace::There(identity) = place {
                self.check_read(*role, identity).map_err(in_path)?;
            }
            if let Some(first) = seen.insert(place, *role) {
                let (first, second) = (first.name(), role.name());
                return Err(in_path(RequestError::OutputTwice { first, second }.into()));
            }
        }
        Ok(())
    }

    fn check_read(&self, role: Role, identity: FileIdentity) -> Result<(), Error> {
        let role = role.name();
        if self.read.contains(&identity) { Err(RequestError::OutputIsSource { role }.into()) } else { Ok(()) }
    }
}
