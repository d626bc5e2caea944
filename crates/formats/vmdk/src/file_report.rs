//! Findings of one file of an image.

use alloc::format;
use alloc::string::{String, ToString};

use imgprep_map::{Code, ImageName, Report, Severity};

/// A report on one file; messages begin with the file's name.
pub(crate) struct FileReport<'r, 'f> {
    pub(crate) report: &'r mut Report<'f>,
    pub(crate) name: String,
}

impl FileReport<'_, '_> {
    pub(crate) fn warning(&mut self, code: &'static Code, at: u64, message: String) {
        self.add(code, Severity::Warning, at, message);
    }

    pub(crate) fn note(&mut self, code: &'static Code, at: u64, message: String) {
        self.add(code, Severity::Note, at, message);
    }

    pub(crate) fn add(&mut self, code: &'static Code, severity: Severity, at: u64, message: String) {
        let message = if self.name.is_empty() { message } else { format!("{}: {message}", self.name) };
        self.report.add(code, severity, at, message);
    }
}

/// A file name for messages.
pub(crate) fn shown_name(name: &[u8]) -> String {
    ImageName(name.to_vec()).to_string()
}
