//! Facts against a profile: what every route says, and what counts.

use imgprep_map::Severity;

use crate::remedy::remedied;
use crate::size::words;
use crate::violation::Violation;
use crate::{
    BitmapFile, DiskRole, ExportCommand, Kind, Levels, PartitionTable, Profile, Route, RouteVerdict, RuleId,
    Subject, export, route,
};

/// The intended use of the image.
#[derive(Clone, Debug, Default)]
pub struct CheckIntent {
    /// What it will be.
    pub disk: DiskRole,
    /// The route that counts; else the best one.
    pub route: Option<String>,
    /// Changed severities.
    pub levels: Levels,
}

/// What a profile says of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What counts: everything about the image, and of the routes that are wanted or open.
    pub violations: Vec<Violation>,
    /// Every route.
    pub routes: Vec<RouteVerdict>,
    /// Commands that convert a disk of the cloud for other platforms.
    pub exports: Vec<ExportCommand>,
}

/// Judges an image.
pub fn judge(profile: &Profile, subject: &Subject, intent: &CheckIntent) -> Report {
    let apply = |found: Vec<Violation>| -> Vec<Violation> {
        let remedied = found.into_iter().map(|violation| remedied(violation, subject, Some(profile)));
        remedied.filter_map(|violation| intent.levels.apply(violation)).collect()
    };
    let whole = apply(of_image(profile, subject, intent.disk));
    let mut routes = Vec::new();
    for route in profile.routes() {
        let own = apply(of_route(profile, route, subject, intent.disk));
        routes.push(route::verdict(profile, route, subject, &whole, own));
    }
    let mut violations = whole;
    let relevant = relevant(&routes, intent);
    for verdict in &relevant {
        for violation in &verdict.violations {
            let violation = &undoubted(violation, &relevant);
            // Two routes that say the same say it once.
            let same = |held: &&mut Violation| held.rule == violation.rule && held.fact == violation.fact;
            match violations.iter_mut().find(same) {
                Some(held) => held.route = None,
                None => violations.push(violation.clone()),
            }
        }
    }
    Report { violations, routes, exports: export::commands(profile, subject) }
}

/// The routes whose violations count: the wanted one; else those that are open; else, of those
/// that take the format at all, the ones with the fewest errors of their own; else the first.
fn relevant<'r>(routes: &'r [RouteVerdict], intent: &CheckIntent) -> Vec<&'r RouteVerdict> {
    let chosen = |wanted: &dyn Fn(&RouteVerdict) -> bool| -> Option<Vec<&'r RouteVerdict>> {
        let chosen: Vec<_> = routes.iter().filter(|route| wanted(route)).collect();
        (!chosen.is_empty()).then_some(chosen)
    };
    if let Some(wanted) = &intent.route {
        return chosen(&|route| route.id == *wanted).unwrap_or_default();
    }
    let errors = |route: &RouteVerdict| {
        route.violations.iter().filter(|violation| violation.severity == Severity::Error).count()
    };
    let fewest = routes.iter().filter(|route| route.takes_format).map(errors).min();
    chosen(&|route| route.verdict.is_ready())
        .or_else(|| chosen(&|route| route.takes_format && Some(errors(route)) == fewest))
        .unwrap_or_else(|| routes.iter().take(1).collect())
}

/// A doubt about one way in is a note where another way without that doubt is open.
fn undoubted(violation: &Violation, relevant: &[&RouteVerdict]) -> Violation {
    let is_doubt = matches!(violation.rule.id, RuleId::SizeFileExact | RuleId::SizeDiskLarge)
        && violation.severity == Severity::Warning;
    let is_free = |route: &&RouteVerdict| {
        route.verdict.is_ready() && route.violations.iter().all(|found| found.rule != violation.rule)
    };
    if !is_doubt || !relevant.iter().any(is_free) {
        return violation.clone();
    }
    Violation { remedy: None, ..violation.clone().with_severity(Severity::Note) }
}

/// Violations that hold for every route.
fn of_image(profile: &Profile, subject: &Subject, disk: DiskRole) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut add = |id: RuleId, fact: String, bound: Option<String>| {
        let violation = sourced(profile, Violation::new(id.rule(), fact));
        found.push(Violation { bound, ..violation });
    };
    if subject.kind == Kind::Iso {
        add(RuleId::ImportIso, "the file is an ISO image".into(), None);
    }
    if let Some(encryption) = &subject.encryption {
        add(RuleId::ImportEncrypted, format!("the image is encrypted ({encryption})"), None);
    }
    for fact in &subject.locked {
        add(RuleId::ImportEncrypted, fact.clone(), None);
    }
    if let Some(parent) = &subject.parent {
        add(RuleId::ImportSnapshot, format!("the image needs its parent {parent:?}"), None);
    }
    if let Some(fact) = flat_vmdk(profile, subject) {
        add(RuleId::ImportFlatVmdk, fact, Some(profile.vmdk_in_one_file.join(" or ")));
    }
    let name = subject.path.file_name().unwrap_or_default().to_string_lossy();
    if let Some(bad) = name.chars().find(|c| profile.forbidden_in_names.contains(*c)) {
        add(RuleId::ImportName, format!("the name {name:?} contains {bad:?}"), None);
    }
    found.extend(sectors(profile, subject));
    if let Some(size) = subject.virtual_size {
        found.extend(of_size(profile, subject, disk, size));
    }
    found
}

/// Violations on the disk, whose length is known.
fn of_size(profile: &Profile, subject: &Subject, disk: DiskRole, size: u64) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut add = |id: RuleId, fact: String, bound: Option<String>| {
        let violation = sourced(profile, Violation::new(id.rule(), fact));
        // A disk of nothing is no small disk: there is nothing to import.
        let severity =
            if size == 0 && id == RuleId::SizeDiskSmall { Severity::Error } else { violation.severity };
        found.push(Violation { bound, ..violation.with_severity(severity) });
    };
    if size < profile.disk_small.0 {
        let bound = format!("at least {}", words(profile.disk_small.0));
        add(RuleId::SizeDiskSmall, format!("the disk has {}", words(size)), Some(bound));
    }
    let unit = profile.disk_unit.0;
    if !size.is_multiple_of(unit) {
        let next = size.checked_next_multiple_of(unit).unwrap_or(u64::MAX);
        let fact = format!("the disk has {}, in the cloud it will have {}", words(size), words(next));
        add(RuleId::SizeWholeGib, fact, None);
    }
    // Where nothing finds the table, nothing starts.
    let is_found = sectors(profile, subject).is_none_or(|found| found.severity < Severity::Error);
    if disk == DiskRole::System
        && is_found
        && let Some(fact) = boot(subject)
    {
        add(RuleId::ImportBoot, fact, None);
    }
    if let Some(large) = profile.after_large.map(|large| large.0).filter(|large| size > *large) {
        let bound = format!("at most {}", words(large));
        add(RuleId::AfterReplicate, "the image cannot be replicated".into(), Some(bound.clone()));
        let formats = profile.export_large_formats.join(", ");
        let most = profile.export_max.map_or(String::new(), |most| format!(", at most {}", words(most.0)));
        add(
            RuleId::AfterExport,
            format!("can be exported by fast export only, as {formats}{most}"),
            Some(bound),
        );
    }
    found
}

/// Violations of one route.
fn of_route(profile: &Profile, route: &Route, subject: &Subject, disk: DiskRole) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut add = |id: RuleId, fact: String, bound: Option<String>| {
        let violation = sourced(profile, Violation::new(id.rule(), fact));
        found.push(Violation { bound, route: Some(route.id.clone()), ..violation });
    };
    let format = subject.kind.name();
    if !route.formats.iter().any(|taken| taken == format) {
        let bound = format!("{}: {}", route.title, route.formats.join(", "));
        add(RuleId::FormatAccepted, format!("the file is {format}"), Some(bound));
    }
    let (len, most) = (subject.file_len, route.file_max.0);
    if len > most {
        add(
            RuleId::SizeFile,
            format!("the file has {}", words(len)),
            Some(format!("at most {}", words(most))),
        );
    } else if let Some(doubt) = route.file_doubt.map(|doubt| doubt.0).filter(|doubt| len > *doubt) {
        let bound = format!("{} or {}", words(doubt), words(most));
        add(RuleId::SizeFileExact, format!("the file has {}", words(len)), Some(bound));
    }
    if let Some(bitmap) = &route.bitmap
        && format == route.target
    {
        let name = subject.path.with_extension(&bitmap.extension).display().to_string();
        match &subject.bitmap {
            BitmapFile::Missing => add(RuleId::ImportBitmapMissing, format!("there is no {name}"), None),
            BitmapFile::Empty => add(RuleId::ImportBitmapStale, format!("{name} is empty"), None),
            BitmapFile::Older => {
                add(RuleId::ImportBitmapStale, format!("{name} is older than the image"), None);
            }
            BitmapFile::Differs(what) => add(RuleId::ImportBitmapContents, format!("{name}: {what}"), None),
            BitmapFile::Present => {}
        }
    }
    if route.plain_storage {
        add(RuleId::AfterEncrypt, "the file must be unencrypted in its bucket".into(), None);
    }
    let Some(size) = subject.virtual_size else { return found };
    let bounds = profile.bounds(disk);
    let most = route.disk_max.map_or(bounds.max.0, |most| most.0.min(bounds.max.0));
    if size > most {
        let bound = format!("at most {}", words(most));
        add(RuleId::SizeDisk, format!("the disk has {}", words(size)), Some(bound));
    } else if let Some(doubt) = route.disk_doubt.map(|doubt| doubt.0).filter(|doubt| size > *doubt) {
        let bound = format!("at most {}", words(doubt));
        add(RuleId::SizeDiskLarge, format!("the disk has {}", words(size)), Some(bound));
    }
    found.push(min_disk(profile, route, size, bounds.min.0));
    found
}

fn min_disk(profile: &Profile, route: &Route, size: u64, least: u64) -> Violation {
    let unit = profile.disk_unit.0;
    let units = size.div_ceil(unit).max(least.div_ceil(unit)).max(1);
    let violation = |fact| Violation {
        route: Some(route.id.clone()),
        ..sourced(profile, Violation::new(RuleId::ImportMinDisk.rule(), fact))
    };
    if route.min_disk_above && units.checked_mul(unit) == Some(size) {
        let fact =
            format!("min_disk {units} equals the disk size, the documentation requires more: {}", units + 1);
        return violation(fact).with_severity(Severity::Warning);
    }
    violation(format!("min_disk {units}"))
}

fn sourced(profile: &Profile, violation: Violation) -> Violation {
    match profile.sources.get(violation.rule.id.name()) {
        Some(source) => Violation { source: Some(source.clone()), ..violation },
        None => violation,
    }
}

/// A VMDK whose parts lie in several files, or one of these parts.
fn flat_vmdk(profile: &Profile, subject: &Subject) -> Option<String> {
    let name = subject.path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    match subject.kind.name() {
        "vmdk" => {
            if let Some(first) = subject.associated_files.first() {
                let count = subject.associated_files.len();
                return Some(format!("the data is in {count} other files, the first of them {first:?}"));
            }
            let kind = subject.create_type.as_ref()?;
            let is_whole = profile.vmdk_in_one_file.iter().any(|whole| whole == kind);
            (!is_whole).then(|| format!("createType is {kind:?}"))
        }
        "raw" if name.ends_with("-flat.vmdk") => {
            Some("the file is the data of a VMDK without its descriptor".into())
        }
        _ => None,
    }
}

/// A table, or an image, in sectors that the cloud's disks do not have.
fn sectors(profile: &Profile, subject: &Subject) -> Option<Violation> {
    let cloud = profile.disk_sector?;
    let (fact, severity) = match (subject.sectors.table, subject.sectors.declared) {
        (Some(table), _) if table != cloud => {
            (format!("the partition table counts in {table}-byte sectors"), Severity::Error)
        }
        // Many file systems do not mind.
        (None, Some(declared)) if declared != cloud => {
            (format!("the image declares {declared}-byte sectors"), Severity::Warning)
        }
        _ => return None,
    };
    let violation = sourced(profile, Violation::new(RuleId::ImportSectorSize.rule(), fact));
    Some(violation.with_severity(severity).with_bound(format!("the cloud's disks have {cloud}-byte sectors")))
}

/// Which firmware starts it; nothing where the disk was not looked at.
fn boot(subject: &Subject) -> Option<String> {
    let boot = &subject.boot;
    let bios = boot.starts_from_bios == Some(true);
    let fact = match (boot.table?, boot.has_boot_code, boot.has_efi_partition) {
        (PartitionTable::None, Some(true), _) => "no partition table: a bare boot sector, for BIOS only",
        (PartitionTable::None, _, _) => "no boot sector and no partition table: not bootable",
        (PartitionTable::Mbr, Some(false), Some(true)) => {
            "an EFI partition on an MBR: UEFI only, rejected by some firmware"
        }
        (PartitionTable::Mbr, _, Some(true)) => {
            "an MBR with boot code and an EFI partition: BIOS, and UEFI if the firmware accepts an MBR"
        }
        (PartitionTable::Mbr, Some(false), _) => "an MBR without boot code: not bootable",
        (PartitionTable::Mbr, _, _) => "an MBR with boot code: register it as BIOS",
        (PartitionTable::Gpt, Some(true), Some(false)) => {
            "a GPT without EFI partition and with boot code: BIOS only"
        }
        (PartitionTable::Gpt, _, Some(false)) => "a GPT without EFI partition: not bootable with UEFI",
        (PartitionTable::Gpt, _, Some(true)) if bios => {
            "a GPT with an EFI partition, and boot code with a partition for it: register it as BIOS or as UEFI"
        }
        (PartitionTable::Gpt, _, Some(true)) => "a GPT with an EFI partition: register it as UEFI",
        (PartitionTable::Gpt, _, None) => return None,
    };
    Some(fact.into())
}
