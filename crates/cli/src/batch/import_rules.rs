//! The import rules of a batch: those of `imgprep check`.

use imgprep_batch::{ImportRules, Subject, Verdict};

use super::verdict;

/// The rules of the built-in profiles.
pub(crate) struct Profiles;

impl ImportRules for Profiles {
    fn check_profile(&self, name: &str) -> Result<(), String> {
        verdict::profile(name).map(|_| ())
    }

    fn judge(&self, subject: &Subject<'_>) -> Verdict {
        verdict::judge(subject)
    }
}
