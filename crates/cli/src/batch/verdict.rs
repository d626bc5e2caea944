//! Whether an image can be imported, by the rules of `imgprep check`.

use std::num::NonZeroUsize;
use std::path::Path;

use imgprep::policy::{self, CheckIntent, DiskRole, Profile};
use imgprep::{
    CheckOptions, CheckedFile, Depth, Interrupt, OnLoss, OpenOptions, Progress, RunOptions, Severity,
    check_file,
};
use imgprep_batch::{Reason, Subject, Verdict};

/// Bytes that a check of tables may hold: it runs beside conversions.
const MEMORY: u64 = 16 << 20;

/// The profile of this name, or what is wrong with it.
pub(super) fn profile(name: &str) -> Result<Profile, String> {
    crate::config::built_in_profile(name)
}

/// Judges the output once it is there, before that the source.
pub(super) fn judge(subject: &Subject<'_>) -> Verdict {
    let mut verdict = Verdict { profile: Some(subject.profile.into()), ..Verdict::default() };
    let path = subject.output.or_else(|| subject.source.layers().first().and_then(|layer| layer.path()));
    if let (Ok(profile), Some(path)) = (profile(subject.profile), path) {
        let checked = checked(path, profile, subject.disk);
        let is_open = |route: &policy::RouteVerdict| match route.verdict {
            policy::Verdict::Ready => true,
            // What is planned comes after the conversion anyway.
            policy::Verdict::After { .. } => subject.output.is_none(),
            policy::Verdict::Never { .. } => false,
        };
        verdict.importable = Some(checked.routes.iter().any(is_open));
        let reported = checked.violations.iter().filter(|violation| violation.severity > Severity::Note);
        verdict.reasons = reported.map(reason).collect();
    }
    verdict
}

fn checked(path: &Path, profile: Profile, disk: DiskRole) -> CheckedFile {
    let options = CheckOptions {
        open: OpenOptions { follow: imgprep::FollowPolicy::None, ..OpenOptions::default() },
        profile: Some(profile),
        intent: CheckIntent { disk, ..CheckIntent::default() },
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
    check_file(path, &options, &run)
}

fn reason(violation: &policy::Violation) -> Reason {
    Reason {
        rule: violation.rule.id.name().into(),
        severity: crate::render::print::severity(violation.severity).into(),
        message: violation.fact.clone(),
        remedy: violation.remedy.clone(),
    }
}
