//! Which files a command reads and which it writes: none that is written may be one of the others.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use imgprep_io::{FileIdentity, FilePlace};
use imgprep_map::Error;

use crate::{Disk, RequestError};

/// What a file is to the command that writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The image.
    Output,
    /// The block bitmap of a RAW.
    Bitmap,
    /// The result, for a program or a page.
    Report,
    /// The proof of what was made of what.
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

/// All files of a command. Names are compared by what they lead to, not by their text.
#[derive(Clone, Debug, Default)]
pub struct Files {
    read: HashSet<FileIdentity>,
    written: Vec<(Role, PathBuf)>,
    /// The file that standard output goes to.
    stdout: Option<FileIdentity>,
}

impl Files {
    /// A file that is read. One that is not there is nothing that could be lost.
    pub fn reads(&mut self, path: &Path) {
        if let FilePlace::There(identity) = FilePlace::of(path) {
            self.read.insert(identity);
        }
    }

    /// Standard input is read.
    pub fn reads_stdin(&mut self) {
        self.read.extend(FileIdentity::of_stdin());
    }

    /// All files of an opened disk: extents, backing files, data files.
    pub fn reads_disk(&mut self, disk: &Disk) {
        self.read.extend(disk.identities());
    }

    /// A file that is written.
    pub fn writes(&mut self, role: Role, path: &Path) {
        self.written.push((role, path.to_path_buf()));
    }

    /// An image is written to standard output.
    pub fn writes_stdout(&mut self) {
        self.stdout = FileIdentity::of_stdout();
    }

    /// Whether a file that is written is there already.
    pub fn replaces(&self) -> bool {
        self.written.iter().any(|(_, path)| path.symlink_metadata().is_ok())
    }

    /// Refuses a file that is written and is also read, or written twice. Asked before the first byte is written, and
    /// once more before a report replaces a file: an output is a file by then.
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
