//! The program's part of a batch: targets, rules, remedies.

use std::collections::BTreeMap;

use imgprep::{Error, Target};
use imgprep_batch::{Host, Subject, Verdict};

use super::verdict;
use crate::failure::Failure;
use crate::target::{TargetOptions, WRITABLE, is_not_written, named};

/// This program.
pub(crate) struct Program;

impl Host for Program {
    fn target(&self, name: &str, options: &BTreeMap<String, String>) -> Result<Target, String> {
        let options: Vec<_> = options.iter().map(|(key, value)| format!("{key}={value}")).collect();
        match named(name, &TargetOptions { options: &options, level: None, is_zlib: false }) {
            Ok(Some(target)) => Ok(target),
            Ok(None) if is_not_written(name) => Err(format!("cannot write {name}: {WRITABLE}")),
            Ok(None) => Err(format!("to {name}: unknown format; {WRITABLE}")),
            Err(Failure::Usage(text)) => Err(text),
            Err(_) => Err(format!("{name}: unsupported options")),
        }
    }

    fn check_profile(&self, name: &str) -> Result<(), String> {
        verdict::profile(name).map(|_| ())
    }

    fn judge(&self, subject: &Subject<'_>) -> Verdict {
        verdict::judge(subject)
    }

    fn remedy(&self, error: &Error) -> Option<String> {
        imgprep::remedy(error)
    }
}
