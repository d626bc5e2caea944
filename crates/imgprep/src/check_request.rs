//! A builder for checks.

use std::path::{Path, PathBuf};

use imgprep_engine::{BitmapShape, Interrupt, OnLoss, Progress};
use imgprep_map::Error;
use imgprep_open::{FollowPolicy, OpenOptions};
use imgprep_policy::{CheckIntent, Profile};

use crate::resources::Resources;
use crate::{CheckOptions, CheckedFile, Depth, RequestError, check_file};

/// A check that is being set up: created by [`check`], started by [`run`](Self::run).
///
/// By default only the file itself is opened, and its headers and tables are checked.
#[must_use = "a check does nothing until it is run"]
pub struct Check {
    path: PathBuf,
    options: CheckOptions,
    /// The name of a built-in profile.
    profile: Option<String>,
    resources: Resources,
}

/// Sets up the check of a file. For many files at once there is [`each_file`](crate::each_file), and for a check with
/// prepared options [`check_file`].
pub fn check(path: impl AsRef<Path>) -> Check {
    Check {
        path: path.as_ref().to_path_buf(),
        options: CheckOptions {
            open: OpenOptions { follow: FollowPolicy::None, ..OpenOptions::default() },
            profile: None,
            intent: CheckIntent::default(),
            depth: Depth::Tables,
            bitmap: None,
        },
        profile: None,
        resources: Resources::default(),
    }
}

impl Check {
    /// Selects a built-in profile of an import by its name (`otc`).
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.profile = Some(name.into());
        self
    }

    /// Selects a profile that is parsed already.
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.options.profile = Some(profile);
        self.profile = None;
        self
    }

    /// Sets the intended use of the image.
    pub fn intent(mut self, intent: CheckIntent) -> Self {
        self.options.intent = intent;
        self
    }

    /// Sets the depth: tables only, or every compressed payload, too.
    pub fn depth(mut self, depth: Depth) -> Self {
        self.options.depth = depth;
        self
    }

    /// Sets how the file is opened.
    pub fn open_with(mut self, options: OpenOptions) -> Self {
        self.options.open = options;
        self
    }

    /// Compares the bitmap next to a RAW file with the disk.
    pub fn bitmap(mut self, shape: BitmapShape) -> Self {
        self.options.bitmap = Some(shape);
        self
    }

    /// Sets the number of worker threads; 0 counts as 1.
    pub fn threads(mut self, threads: usize) -> Self {
        self.resources.set_threads(threads);
        self
    }

    /// Limits the memory of buffers, in bytes.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.resources.memory = bytes;
        self
    }

    /// Sets the flag that stops the check.
    pub fn interrupt(mut self, interrupt: &Interrupt) -> Self {
        self.resources.interrupt = interrupt.clone();
        self
    }

    /// Checks the file. The result contains the violations of the image. An `Err` means that the file could not be opened,
    /// or that there is no profile of that name.
    pub fn run(mut self) -> Result<CheckedFile, Error> {
        if let Some(name) = self.profile.take() {
            let built_in = Profile::built_in(&name).and_then(Result::ok);
            self.options.profile = Some(built_in.ok_or(RequestError::UnknownProfile { name })?);
        }
        let progress = Progress::default();
        let run = self.resources.options(OnLoss::Stop, &progress, &|_| {});
        let mut checked = check_file(&self.path, &self.options, &run);
        // A file that was opened has a length.
        match checked.error.take_if(|_| checked.file_len.is_none()) {
            Some(error) => Err(error),
            None => Ok(checked),
        }
    }
}
