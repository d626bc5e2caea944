//! The import rules of a batch: those of `imgprep check`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use imgprep::policy::Profile;
use imgprep_batch::{ImportRules, Subject, Verdict};

use super::verdict;
use crate::config::built_in_profile;

/// The rules of the built-in profiles, each of which is parsed once.
#[derive(Default)]
pub(crate) struct Profiles(Mutex<HashMap<String, Arc<Profile>>>);

impl Profiles {
    /// The profile with this name. The error describes what is wrong with it.
    fn get(&self, name: &str) -> Result<Arc<Profile>, String> {
        // The mutex is poisoned only if another thread panicked. The profiles in the map are complete.
        let mut parsed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(profile) = parsed.get(name) {
            return Ok(Arc::clone(profile));
        }
        let profile = Arc::new(built_in_profile(name)?);
        parsed.insert(name.into(), Arc::clone(&profile));
        Ok(profile)
    }
}

impl ImportRules for Profiles {
    fn check_profile(&self, name: &str) -> Result<(), String> {
        self.get(name).map(|_| ())
    }

    fn judge(&self, subject: &Subject<'_>) -> Verdict {
        verdict::judge(subject, self.get(subject.profile).ok().as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_parsed_once() {
        let profiles = Profiles::default();
        let first = profiles.get("otc").unwrap();
        profiles.check_profile("otc").unwrap();
        assert!(Arc::ptr_eq(&first, &profiles.get("otc").unwrap()));
        assert!(profiles.check_profile("none").unwrap_err().starts_with("none: unknown profile"));
    }
}
