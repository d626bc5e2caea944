//! What to do about a finding: the first of its rule's remedies that works on the file.
//!
//! A remedy that cannot work is not shown. Commands leave the file as it is: they make a new one, or a copy.

use std::path::Path;

use imgprep_map::{Comment, Remedy, RemedyTemplate};

use crate::remedy_context::{RemedyContext, fill_bitmap, fill_in};
use crate::violation::Violation;
use crate::{Conversion, Kind, Profile, RuleId, Subject, quote};

/// The violation with the remedy for this file, where it has none yet and one works.
pub(crate) fn remedied(violation: Violation, subject: &Subject, profile: Option<&Profile>) -> Violation {
    if violation.remedy.is_some() {
        return violation;
    }
    let template = violation.rule.remedies.iter().find(|template| works(template, &violation, subject));
    let remedy = template.map(|template| fill(template, &violation, subject, profile));
    Violation { remedy, ..violation }
}

/// Whether a remedy of the table removes what was found in this file.
fn works(template: &RemedyTemplate, violation: &Violation, subject: &Subject) -> bool {
    let kind = subject.kind.name();
    let is_enlarging = violation.rule.id == RuleId::SizeDiskSmall;
    let names_others = subject.parent.is_some() || !subject.associated_files.is_empty();
    match *template {
        Remedy::Imgprep { command: "convert", arguments, .. } if arguments.starts_with("--salvage") => {
            subject.conversion == Conversion::Salvage && !violation.place.is_on_disk
        }
        Remedy::Imgprep { command: "convert", .. } => {
            // Bounds of the file: a ZVHD2 is what the conversion would make again.
            let is_of_file = violation.rule.id.group() == "size";
            let is_made_again = is_of_file && !is_enlarging && kind == "zvhd2";
            let is_nothing = is_enlarging && subject.virtual_size == Some(0);
            subject.conversion == Conversion::Whole
                && !is_made_again
                && !is_nothing
                && !violation.place.is_on_disk
        }
        Remedy::Imgprep { command: "check", arguments, .. } if arguments.starts_with("--follow") => {
            subject.conversion != Conversion::Refused && names_others
        }
        Remedy::Imgprep { command: "optimize", .. } => {
            subject.conversion == Conversion::Whole && subject.is_rewritable && violation.place.file.is_none()
        }
        // `qemu-img check` repairs these two if their tables are sound, and opens all files that an image names.
        Remedy::Tool { comment: Some(Comment::OnCopy(_)), .. } => {
            let is_sound = subject.conversion == Conversion::Whole
                || violation.rule.id == RuleId::StructureMarkedCorrupt;
            // Leaks of a QED it finds and does not repair.
            let is_repaired = kind == "qcow2" || kind == "qed" && violation.rule.id != RuleId::StructureLeak;
            is_repaired && is_sound && !names_others && violation.place.file.is_none()
        }
        Remedy::Tool { line, .. } if line.starts_with("qemu-img convert") => {
            matches!(subject.kind, Kind::Unread(_))
        }
        _ => true,
    }
}

fn fill(
    template: &RemedyTemplate,
    violation: &Violation,
    subject: &Subject,
    profile: Option<&Profile>,
) -> Remedy {
    let forbidden = profile.map_or("", |profile| &profile.forbidden_in_names);
    let context = RemedyContext::of(subject, forbidden);
    let bitmap = profile.and_then(|profile| profile.routes().iter().find_map(|route| route.bitmap.as_ref()));
    let bitmap = bitmap.map(|bitmap| fill_bitmap(&bitmap.command, &bitmap.extension, context.source));
    let least = profile.map_or(0, |profile| profile.disk_small.0);
    with_flags(template, subject).map(|text| {
        fill_in(text, &|key| match key {
            "least" => Some(least.to_string()),
            "bitmap" => Some(bitmap.clone().unwrap_or_default()),
            "target" => context.word(target(violation, profile)),
            name => context.word(name),
        })
    })
}

/// The template with the options that make its command read the file as it was read here.
fn with_flags(template: &RemedyTemplate, subject: &Subject) -> Remedy {
    let mut flagged = template.map(str::to_owned);
    if let Remedy::Imgprep { command, arguments, .. } = &mut flagged {
        let options = match *command {
            "convert" => flags(subject),
            "optimize" => format_flag(subject),
            _ => String::new(),
        };
        let line = format!("{options} {arguments}");
        let line = if subject.is_followed_anywhere { line.replace(" --follow beside", "") } else { line };
        *arguments = line.trim_start().into();
    }
    flagged
}

/// What the violation's route takes: `zvhd2` or `raw`.
fn target<'p>(violation: &Violation, profile: Option<&'p Profile>) -> &'p str {
    let routes = profile.map_or(&[][..], Profile::routes);
    let own = routes.iter().find(|route| violation.route.as_deref() == Some(&route.id));
    own.filter(|route| route.target == "raw").map_or("zvhd2", |route| &route.target)
}

/// What a conversion must be given so that it reads the file as it was read here.
pub(crate) fn flags(subject: &Subject) -> String {
    let follow = if subject.is_followed_anywhere { " --follow any" } else { "" };
    format_flag(subject) + follow
}

/// The option that selects the format, if detection does not.
fn format_flag(subject: &Subject) -> String {
    subject.from.as_ref().map_or(String::new(), |from| format!(" --from {from}"))
}

/// The command that converts the image with all its files to the new file `target`.
pub(crate) fn convert_command(subject: &Subject, source: &str, target: &Path, format: &str) -> String {
    let names_others = subject.parent.is_some() || !subject.associated_files.is_empty();
    let follow = if names_others && !subject.is_followed_anywhere { " --follow beside" } else { "" };
    format!("imgprep convert{} {source} {} -O {format}{follow}", flags(subject), quote(target.as_os_str()))
}

impl Violation {
    /// The same with the rule's remedy for this file, where it has none yet and one works.
    #[must_use]
    pub fn remedied(self, subject: &Subject) -> Self {
        remedied(self, subject, None)
    }
}
