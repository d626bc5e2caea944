//! One import route: open, open after a command, or closed.

use std::path::Path;

use imgprep_map::Severity;

use crate::remedy::convert_command;
use crate::remedy_context::{RemedyContext, fill_bitmap};
use crate::size::words;
use crate::violation::Violation;
use crate::{Conversion, Kind, Profile, Route, RuleId, Subject, quote};

/// The verdict of one route on an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteVerdict {
    /// As in `--route`.
    pub id: String,
    /// The name in texts.
    pub title: String,
    /// Whether the route is open.
    pub verdict: Verdict,
    /// Whether the route accepts the file's format.
    pub takes_format: bool,
    /// Violations of this route only.
    pub violations: Vec<Violation>,
    /// Ids of the rules that stand in the way, those of the whole image included.
    pub blocked_by: Vec<RuleId>,
}

/// Whether a file can go in by a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Now.
    Ready,
    /// After this command.
    After {
        /// To be pasted into a shell.
        command: String,
        /// What must hold of its result, if that cannot be known before.
        condition: Option<String>,
    },
    /// Nothing gets it there.
    Never {
        /// Why.
        reason: String,
    },
}

impl Verdict {
    /// Whether the file can go now.
    pub fn is_ready(&self) -> bool {
        *self == Self::Ready
    }
}

/// The command that removes a violation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RemedyStep {
    Convert,
    Rename,
    Bitmap,
    None,
}

fn route_for(rule: RuleId) -> RemedyStep {
    match rule {
        RuleId::FormatAccepted
        | RuleId::SizeFile
        | RuleId::SizeFileExact
        | RuleId::SizeDiskLarge
        | RuleId::ImportFlatVmdk
        | RuleId::ImportSnapshot
        | RuleId::FormatAmbiguous
        | RuleId::StructureVendorLayout => RemedyStep::Convert,
        RuleId::ImportName => RemedyStep::Rename,
        RuleId::ImportBitmapMissing | RuleId::ImportBitmapStale | RuleId::ImportBitmapContents => {
            RemedyStep::Bitmap
        }
        _ => RemedyStep::None,
    }
}

pub(crate) fn verdict(
    profile: &Profile,
    route: &Route,
    subject: &Subject,
    whole: &[Violation],
    own: Vec<Violation>,
) -> RouteVerdict {
    let blocking: Vec<&Violation> = whole
        .iter()
        .chain(&own)
        .chain(&subject.rewrite)
        .filter(|it| it.severity == Severity::Error)
        .collect();
    let mut blocked_by: Vec<_> = blocking.iter().map(|violation| violation.rule.id).collect();
    blocked_by.dedup();
    let takes_format = route.formats.iter().any(|taken| taken == subject.kind.name());
    let context = RemedyContext::of(subject, &profile.forbidden_in_names);
    let verdict = match () {
        () if subject.broken.is_some() => {
            Verdict::Never { reason: subject.broken.clone().unwrap_or_default() }
        }
        () if blocking.is_empty() => Verdict::Ready,
        () => way_in(route, subject, &blocking, &context),
    };
    RouteVerdict {
        id: route.id.clone(),
        title: route.title.clone(),
        verdict,
        takes_format,
        violations: own,
        blocked_by,
    }
}

fn way_in(route: &Route, subject: &Subject, blocking: &[&Violation], context: &RemedyContext) -> Verdict {
    let steps: Vec<RemedyStep> = blocking.iter().map(|violation| route_for(violation.rule.id)).collect();
    let never = |reason: String| Verdict::Never { reason };
    if let Some(violation) =
        blocking.iter().find(|violation| route_for(violation.rule.id) == RemedyStep::None)
    {
        let bound = violation.bound.as_ref().map_or(String::new(), |bound| format!(", {bound}"));
        return never(format!("{}{bound}", violation.fact));
    }
    match &subject.kind {
        Kind::Iso => return never("an ISO is registered as an ISO image, not imported as a disk".into()),
        Kind::Other(name) => return never(format!("the file is {name}, not a disk image: extract it first")),
        Kind::Unread(name) if steps.contains(&RemedyStep::Convert) => {
            return never(format!("{name} would have to be converted, but is not supported by this program"));
        }
        _ => {}
    }
    let bitmap =
        |raw: &Path| route.bitmap.as_ref().map(|bitmap| fill_bitmap(&bitmap.command, &bitmap.extension, raw));
    if !steps.contains(&RemedyStep::Convert) {
        let renamed = steps
            .contains(&RemedyStep::Rename)
            .then(|| format!("mv -n {} {}", context.src(), quote(context.renamed.as_os_str())));
        let path = if renamed.is_some() { &*context.renamed } else { context.source };
        let made = steps.contains(&RemedyStep::Bitmap).then(|| bitmap(path)).flatten();
        let command = renamed.into_iter().chain(made).collect::<Vec<_>>().join(" && ");
        return Verdict::After { command, condition: None };
    }
    let is_target = subject.kind.name() == route.target;
    if is_target && blocking.iter().any(|violation| violation.rule.id == RuleId::SizeFile) {
        return never(format!(
            "the file has {}, the limit of this route is {}, and {} is the smallest format available",
            words(subject.file_len),
            words(route.file_max.0),
            route.target
        ));
    }
    match subject.conversion {
        Conversion::Whole => convert(route, subject, context, bitmap),
        _ => never(unconvertible(subject)),
    }
}

/// Why no conversion helps.
fn unconvertible(subject: &Subject) -> String {
    let others = subject.parent.iter().chain(&subject.associated_files).collect::<Vec<_>>();
    match &others[..] {
        [] => "the image would have to be converted, but parts of it cannot be read".into(),
        [only] => format!("the image would have to be converted, together with {only:?}"),
        [first, ..] => {
            format!("the image would have to be converted, together with {first:?} and more files")
        }
    }
}

fn convert(
    route: &Route,
    subject: &Subject,
    context: &RemedyContext,
    bitmap: impl Fn(&Path) -> Option<String>,
) -> Verdict {
    let target = context.target(&route.target);
    let is_raw = route.target == "raw";
    if let Some(size) = subject.virtual_size.filter(|size| is_raw && *size > route.file_max.0) {
        let reason =
            format!("as RAW the file would have {}, the limit is {}", words(size), words(route.file_max.0));
        return Verdict::Never { reason };
    }
    let convert = convert_command(subject, &context.src(), &target, &route.target);
    let command = std::iter::once(convert).chain(bitmap(&target)).collect::<Vec<_>>().join(" && ");
    // A compressed target is about as large as what is stored now, or smaller.
    let is_open = !is_raw && subject.file_len > route.file_max.0;
    let condition = is_open.then(|| format!("if its result has at most {}", words(route.file_max.0)));
    Verdict::After { command, condition }
}
