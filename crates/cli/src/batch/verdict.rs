//! Whether an image can be imported, by the rules of `imgprep check`.

use std::num::NonZeroUsize;

use imgprep::policy::{self, CheckIntent, Profile};
use imgprep::{
    CheckOptions, CheckedFile, Depth, Interrupt, OnLoss, OpenOptions, Progress, RunOptions, Severity,
    check_disk, check_file,
};
use imgprep_batch::{Reason, Subject, Verdict};

/// Bytes of memory for a check of tables, which runs in parallel with conversions.
const MEMORY: u64 = 16 << 20;

/// Checks the output if there is one, otherwise the source.
pub(super) fn judge(subject: &Subject<'_>, profile: Option<&Profile>) -> Verdict {
    let mut verdict = Verdict { profile: Some(subject.profile.into()), ..Verdict::default() };
    if let Some(profile) = profile {
        let checked = checked(subject, profile);
        let is_open = |route: &policy::RouteVerdict| match route.verdict {
            policy::Verdict::Ready => true,
            // Before the conversion, a route that needs another command counts as open.
            policy::Verdict::After { .. } => subject.output.is_none(),
            policy::Verdict::Never { .. } => false,
        };
        verdict.importable = Some(checked.routes.iter().any(is_open));
        let reported = checked.violations.iter().filter(|violation| violation.severity > Severity::Note);
        verdict.reasons = reported.map(reason).collect();
    }
    verdict
}

fn checked(subject: &Subject<'_>, profile: &Profile) -> CheckedFile {
    let options = CheckOptions {
        open: OpenOptions { follow: imgprep::FollowPolicy::None, ..OpenOptions::default() },
        profile: Some(profile.clone()),
        intent: CheckIntent { disk: subject.disk, ..CheckIntent::default() },
        depth: Depth::Tables,
        bitmap: None,
    };
    let run = RunOptions {
        threads: NonZeroUsize::MIN,
        memory: MEMORY,
        on_loss: OnLoss::Stop,
        interrupt: &Interrupt::default(),
        progress: &Progress::default(),
        observe: &|_| {},
    };
    match subject.output {
        Some(output) => check_file(output, &options, &run),
        None => check_disk(subject.source, &options, &run),
    }
}

fn reason(violation: &policy::Violation) -> Reason {
    Reason {
        rule: violation.rule.id.name().into(),
        severity: crate::render::print::severity(violation.severity).into(),
        message: violation.fact.clone(),
        remedy: violation.remedy.as_ref().map(ToString::to_string),
    }
}

#[cfg(test)]
mod tests {
    use imgprep::Target;
    use imgprep::policy::DiskRole;

    use super::*;

    /// The disk has a name, but no file has that name: opening it would fail.
    #[test]
    fn a_source_is_judged_without_opening_its_path() {
        let source = imgprep::open_reader(vec![0; 1 << 20]).unwrap();
        let profile = Profile::built_in("otc").unwrap().unwrap();
        let subject = Subject {
            source: &source,
            target: Target::Raw,
            output_len: 1 << 20,
            output: None,
            profile: "otc",
            disk: DiskRole::Data,
        };
        let verdict = judge(&subject, Some(&profile));
        assert_eq!((verdict.profile.as_deref(), verdict.importable), (Some("otc"), Some(true)));
        let missing = Subject { output: Some(std::path::Path::new("reader")), ..subject };
        assert_eq!(judge(&missing, Some(&profile)).importable, Some(false));
    }
}
