//! Rendering of results.
//!
//! Formats are text, JSON, SARIF, test results for CI systems, and annotations for GitHub workflows.

pub(crate) mod anomalies;
pub(crate) mod check_json;
pub(crate) mod findings;
pub(crate) mod github;
pub(crate) mod hint;
pub(crate) mod json;
pub(crate) mod junit;
pub(crate) mod limits;
pub(crate) mod print;
pub(crate) mod sarif;
pub(crate) mod text;

use std::io;

use imgprep::CheckedFile;
use imgprep::policy::Levels;

use crate::args::CheckOutput;

/// Prints results that do not depend on files that are still being checked.
pub(crate) struct Printer {
    output: CheckOutput,
}

impl Printer {
    pub(crate) fn new(output: CheckOutput) -> Self {
        Self { output }
    }

    pub(crate) fn file(&mut self, file: &CheckedFile, levels: &Levels) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match self.output {
            CheckOutput::Text => text::file(&mut out, file, levels),
            CheckOutput::Github => github::file(&mut out, file),
            CheckOutput::Json | CheckOutput::Junit | CheckOutput::Sarif => Ok(()),
        }
    }
}
