//! Every import rule is broken at its limit and not one byte before it.

use std::path::PathBuf;

use imgprep_map::Severity;

use crate::{
    BitmapFile, Boot, CheckIntent, Conversion, DiskRole, Kind, Level, PartitionTable, Profile, Report,
    Sectors, Subject, Verdict, created_names, judge,
};

const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

pub(crate) fn profile(name: &str) -> Profile {
    Profile::built_in(name).unwrap().unwrap()
}

pub(crate) fn subject(format: &str) -> Subject {
    Subject {
        path: PathBuf::from(format!("disk.{format}")),
        file_len: GIB,
        kind: Kind::Disk(format.into()),
        virtual_size: Some(40 * GIB),
        encryption: None,
        parent: None,
        associated_files: Vec::new(),
        create_type: None,
        bitmap: BitmapFile::Present,
        boot: Boot::default(),
        locked: Vec::new(),
        rewrite: Vec::new(),
        broken: None,
        conversion: Conversion::Whole,
        is_rewritable: true,
        sectors: Sectors::default(),
        from: None,
        is_followed_anywhere: false,
        taken: Vec::new(),
    }
}

fn report(subject: &Subject, intent: &CheckIntent) -> Report {
    judge(&profile("huawei-ims"), subject, intent)
}

fn ids(report: &Report, severity: Severity) -> Vec<&'static str> {
    report
        .violations
        .iter()
        .filter(|found| found.severity == severity)
        .map(|found| found.rule.id.name())
        .collect()
}

fn errors(subject: &Subject) -> Vec<&'static str> {
    ids(&report(subject, &CheckIntent::default()), Severity::Error)
}

fn on_route(subject: &Subject, route: &str, disk: DiskRole) -> Report {
    report(subject, &CheckIntent { disk, route: Some(route.into()), ..CheckIntent::default() })
}

fn verdict<'r>(report: &'r Report, route: &str) -> &'r Verdict {
    &report.routes.iter().find(|found| found.id == route).unwrap().verdict
}

fn command(subject: &Subject, route: &str) -> String {
    match verdict(&report(subject, &CheckIntent::default()), route) {
        Verdict::After { command, .. } => command.clone(),
        other => panic!("{route}: {other:?}"),
    }
}

fn has(report: &Report, id: &str, severity: Severity) -> bool {
    ids(report, severity).contains(&id)
}

#[test]
fn a_valid_file_is_ready_without_errors() {
    for (format, route) in
        [("vmdk", "import"), ("zvhd2", "fast-zvhd2"), ("raw", "fast-raw"), ("qcow2", "import")]
    {
        let report = report(&subject(format), &CheckIntent::default());
        assert!(verdict(&report, route).is_ready());
        assert!(ids(&report, Severity::Error).is_empty(), "{format}");
    }
}

#[test]
fn file_and_disk_sizes_at_their_boundaries() {
    use DiskRole::{Data, System};
    use Severity::{Error, Note, Warning};
    let at = |route: &str, disk, file: u64, size: u64, id: &str| {
        let format = if route == "fast-zvhd2" { "zvhd2" } else { "raw" };
        let subject = Subject { file_len: file, virtual_size: Some(size), ..subject(format) };
        let report = on_route(&subject, route, disk);
        [Severity::Note, Severity::Warning, Severity::Error]
            .into_iter()
            .find(|severity| has(&report, id, *severity))
    };
    let cases = [
        ("import", System, "size/file", true, 128 * GIB, [None, None, Some(Error)]),
        ("import", System, "size/file-exact", true, 128_000_000_000, [None, None, Some(Warning)]),
        ("import", System, "size/file-exact", true, 128 * GIB, [Some(Warning), Some(Warning), None]),
        ("fast-raw", System, "size/file", true, TIB, [None, None, Some(Error)]),
        ("fast-zvhd2", Data, "size/file", true, TIB, [None, None, Some(Error)]),
        ("import", System, "size/disk", false, TIB, [None, None, Some(Error)]),
        ("import", Data, "size/disk", false, 2 * TIB, [None, None, Some(Error)]),
        ("fast-zvhd2", Data, "size/disk", false, TIB, [None, None, Some(Error)]),
        ("fast-raw", Data, "size/disk", false, TIB, [None, None, Some(Error)]),
        ("fast-raw", System, "size/disk", false, TIB, [None, None, Some(Error)]),
        ("import", System, "size/disk-large", false, 128 * GIB, [None, None, Some(Warning)]),
        ("fast-raw", System, "size/disk-large", false, 128 * GIB, [None, None, None]),
        ("import", System, "size/disk-small", false, GIB, [Some(Warning), None, None]),
        ("import", System, "size/whole-gib", false, 40 * GIB, [Some(Note), None, Some(Note)]),
        ("import", System, "after/replicate", false, 128 * GIB, [None, None, Some(Note)]),
        ("fast-raw", System, "after/export", false, 128 * GIB, [None, None, Some(Note)]),
        ("fast-raw", System, "import/min-disk", false, 40 * GIB, [Some(Note), Some(Warning), Some(Note)]),
    ];
    for (route, disk, id, is_file, bound, want) in cases {
        for (value, want) in [bound - 1, bound, bound + 1].into_iter().zip(want) {
            let (file, size) = if is_file { (value, GIB) } else { (GIB, value) };
            assert_eq!(at(route, disk, file, size, id), want, "{route} {disk:?} {id} at {value}");
        }
    }
}

#[test]
fn every_rule_beyond_sizes_is_applied() {
    type Edit = fn(&mut Subject);
    let cases: &[(&str, &str, &[&str], Edit)] = &[
        ("iso", "raw", &["import/iso", "format/accepted"], |s| s.kind = Kind::Iso),
        ("gzip", "raw", &["format/accepted"], |s| s.kind = Kind::Other("gzip".into())),
        ("no bitmap", "raw", &[], |s| s.bitmap = BitmapFile::Missing),
        ("backing", "qcow2", &["import/snapshot"], |s| s.parent = Some("base".into())),
        ("luks", "qcow2", &["import/encrypted"], |s| s.encryption = Some("Luks".into())),
        ("bitlocker", "raw", &["import/encrypted"], |s| s.locked = vec!["locked".into()]),
        ("flat", "vmdk", &["import/flat-vmdk"], |s| s.create_type = Some("monolithicFlat".into())),
        ("split", "vmdk", &["import/flat-vmdk"], |s| s.associated_files = vec!["a-s001.vmdk".into()]),
        ("whole", "vmdk", &[], |s| s.create_type = Some("streamOptimized".into())),
        ("no descriptor", "raw", &["import/flat-vmdk"], |s| s.path = "a-flat.vmdk".into()),
        ("spaces", "qcow2", &["import/name"], |s| s.path = "my disk.qcow2".into()),
    ];
    for (name, format, want, edit) in cases {
        let mut subject = subject(format);
        edit(&mut subject);
        let mut got = errors(&subject);
        got.extend(
            ids(&report(&subject, &CheckIntent::default()), Severity::Note)
                .into_iter()
                .filter(|id| *id == "import/iso"),
        );
        got.sort_unstable();
        let mut want = want.to_vec();
        want.sort_unstable();
        assert_eq!(got, want, "{name}");
    }
    let bitmaps = [
        (BitmapFile::Missing, "import/bitmap-missing"),
        (BitmapFile::Empty, "import/bitmap-stale"),
        (BitmapFile::Older, "import/bitmap-stale"),
        (BitmapFile::Differs("block 3 holds data".into()), "import/bitmap-contents"),
    ];
    for (bitmap, id) in bitmaps {
        let report = on_route(&Subject { bitmap, ..subject("raw") }, "fast-raw", DiskRole::System);
        assert_eq!(ids(&report, Severity::Error), [id]);
        assert!(has(
            &on_route(&subject("raw"), "fast-raw", DiskRole::System),
            "after/encrypt",
            Severity::Note
        ));
    }
}

#[test]
fn the_firmware_is_derived_from_the_disk() {
    use PartitionTable::{Gpt, Mbr, None as Bare};
    let fact_of = |table, code, efi, bios, disk| {
        let boot = Boot {
            table: Some(table),
            has_boot_code: Some(code),
            has_efi_partition: Some(efi),
            starts_from_bios: Some(bios),
        };
        let report =
            report(&Subject { boot, ..subject("raw") }, &CheckIntent { disk, ..CheckIntent::default() });
        report
            .violations
            .iter()
            .find(|found| found.rule.id.name() == "import/boot")
            .map(|found| found.fact.clone())
    };
    for (table, code, efi, bios, word) in [
        (Bare, false, false, false, "not bootable"),
        (Bare, true, false, true, "BIOS only"),
        (Mbr, true, false, true, "as BIOS"),
        (Mbr, false, false, false, "not bootable"),
        (Mbr, false, true, false, "EFI partition on an MBR"),
        (Gpt, false, true, false, "register it as UEFI"),
        (Gpt, true, true, false, "register it as UEFI"),
        (Gpt, true, true, true, "register it as BIOS or as UEFI"),
        (Gpt, true, false, true, "BIOS only"),
        (Gpt, false, false, false, "not bootable with UEFI"),
    ] {
        let fact = fact_of(table, code, efi, bios, DiskRole::System).unwrap();
        assert!(fact.contains(word), "{fact}");
        assert_eq!(fact_of(table, code, efi, bios, DiskRole::Data), None, "a data disk starts nothing");
    }
}

#[test]
fn the_command_of_a_route_contains_the_file_name() {
    let vmdk = Subject { path: "images/my disk.vmdk".into(), ..subject("vmdk") };
    assert_eq!(command(&vmdk, "import"), "mv -n 'images/my disk.vmdk' images/my-disk.vmdk");
    assert_eq!(
        command(&vmdk, "fast-zvhd2"),
        "imgprep convert 'images/my disk.vmdk' images/my-disk.zvhd2 -O zvhd2"
    );
    let raw = command(&vmdk, "fast-raw");
    let convert = "imgprep convert 'images/my disk.vmdk' images/my-disk.raw -O raw";
    assert_eq!(raw, format!("{convert} && java -jar CreateMF.jar images/my-disk.raw images/my-disk.mf"));
    let bare = Subject { bitmap: BitmapFile::Missing, ..subject("raw") };
    assert_eq!(command(&bare, "fast-raw"), "java -jar CreateMF.jar disk.raw disk.mf");
    let masked = Subject { path: "disk.zvhd2".into(), ..subject("qcow2") };
    assert_eq!(command(&masked, "fast-zvhd2"), "imgprep convert disk.zvhd2 disk-new.zvhd2 -O zvhd2");
    let over = Subject { parent: Some("base.raw".into()), ..subject("qcow2") };
    assert_eq!(command(&over, "import"), "imgprep convert disk.qcow2 disk.zvhd2 -O zvhd2 --follow beside");
    let dash = Subject { path: "-v.qcow2".into(), ..subject("qcow2") };
    assert_eq!(command(&dash, "fast-zvhd2"), "imgprep convert ./-v.qcow2 ./-v.zvhd2 -O zvhd2");
}

#[test]
fn a_route_without_a_remedy_states_its_reason() {
    let never =
        |subject: &Subject, route: &str| match verdict(&report(subject, &CheckIntent::default()), route)
            .clone()
        {
            Verdict::Never { reason } => reason,
            other => panic!("{other:?}"),
        };
    let large = Subject { virtual_size: Some(TIB + 1), ..subject("qcow2") };
    assert!(never(&large, "fast-zvhd2").contains("1 TiB"), "{}", never(&large, "fast-zvhd2"));
    let locked = Subject { encryption: Some("AES".into()), ..subject("qcow2") };
    assert!(never(&locked, "import").contains("encrypted"));
    let compressed = Subject { file_len: TIB + 1, ..subject("zvhd2") };
    assert!(never(&compressed, "fast-zvhd2").contains("smallest"));
    let iso = Subject { kind: Kind::Iso, ..subject("raw") };
    assert!(never(&iso, "import").contains("ISO"));
    let unread = Subject { kind: Kind::Unread("vmdk".into()), virtual_size: None, ..subject("vmdk") };
    assert!(never(&unread, "fast-zvhd2").contains("is not supported"));
    assert!(verdict(&report(&unread, &CheckIntent::default()), "import").is_ready());
    let broken = Subject { broken: Some("it is corrupt".into()), ..subject("qcow2") };
    assert_eq!(never(&broken, "import"), "it is corrupt");
    let fat = Subject { file_len: 200 * GIB, ..subject("qcow2") };
    let report = report(&fat, &CheckIntent::default());
    assert!(
        matches!(verdict(&report, "import"), Verdict::After { condition: Some(if_so), .. } if if_so.contains("128 GiB"))
    );
    assert_eq!(ids(&report, Severity::Error), ["size/file"]);
}

#[test]
fn denied_rules_block_routes_and_allowed_rules_do_not() {
    let spaced = Subject { path: "my disk.qcow2".into(), ..subject("qcow2") };
    let mut intent = CheckIntent::default();
    intent.levels.set("import/name", Level::Allow).unwrap();
    assert!(verdict(&report(&spaced, &intent), "import").is_ready());
    intent.levels.set("size/whole-gib", Level::Deny).unwrap();
    let odd = Subject { virtual_size: Some(GIB + 1), ..subject("qcow2") };
    assert!(matches!(verdict(&report(&odd, &intent), "import"), Verdict::Never { .. }));
}

#[test]
fn a_data_disk_of_flexible_engine_has_at_least_40_gib() {
    let small = Subject { virtual_size: Some(5 * GIB), ..subject("qcow2") };
    let fact = |name: &str, disk| {
        let report = judge(&profile(name), &small, &CheckIntent { disk, ..CheckIntent::default() });
        report.violations.iter().find(|found| found.rule.id.name() == "import/min-disk").unwrap().fact.clone()
    };
    assert_eq!(fact("flexible-engine", DiskRole::Data), "min_disk 40");
    assert_eq!(fact("flexible-engine", DiskRole::System), "min_disk 5");
    assert_eq!(fact("otc", DiskRole::Data), "min_disk 5");
}

#[test]
fn every_import_rule_is_applied_in_a_source_file() {
    let sources = [include_str!("judge.rs"), include_str!("route.rs")].concat();
    for rule in crate::RULES.iter().filter(|rule| rule.source.is_empty()) {
        assert!(sources.contains(&format!("RuleId::{:?}", rule.id)), "{} is never judged", rule.id);
    }
}

#[test]
fn unsupported_sector_sizes_are_an_error_if_a_partition_table_uses_them() {
    use Severity::{Error, Warning};
    for (declared, table, want) in [
        (Some(512), Some(512), None),
        (Some(512), Some(4096), Some(Error)),
        (Some(4096), Some(4096), Some(Error)),
        (Some(4096), Some(512), None),
        (Some(4096), None, Some(Warning)),
        (Some(512), None, None),
        (None, None, None),
    ] {
        let subject = Subject { sectors: Sectors { declared, table }, ..subject("vhdx") };
        let report = report(&subject, &CheckIntent::default());
        let found = report.violations.iter().find(|found| found.rule.id.name() == "import/sector-size");
        assert_eq!(found.map(|found| found.severity), want, "{declared:?} {table:?}");
        assert_eq!(verdict(&report, "import").is_ready(), want != Some(Error), "{declared:?} {table:?}");
    }
}

#[test]
fn an_empty_disk_is_not_importable() {
    let empty = Subject { virtual_size: Some(0), ..subject("raw") };
    let report = report(&empty, &CheckIntent::default());
    assert_eq!(errors(&empty), ["size/disk-small"]);
    assert!(report.routes.iter().all(|route| !route.verdict.is_ready()));
    assert_eq!(remedy(&empty, "size/disk-small"), None, "nothing can be enlarged");
}

/// The remedy that is shown for a rule.
fn remedy(subject: &Subject, rule: &str) -> Option<String> {
    let report = report(subject, &CheckIntent::default());
    let found = report.violations.iter().find(|found| found.rule.id.name() == rule);
    found.unwrap_or_else(|| panic!("{rule} is silent")).remedy.as_ref().map(ToString::to_string)
}

#[test]
fn a_remedy_that_cannot_work_is_not_shown() {
    let ova = Subject { kind: Kind::Other("ova".into()), conversion: Conversion::Refused, ..subject("raw") };
    assert_eq!(remedy(&ova, "format/accepted"), None);
    let html = Subject { kind: Kind::Other("html".into()), ..ova.clone() };
    assert_eq!(remedy(&html, "format/accepted"), None);
    let unread = Subject { kind: Kind::Unread("bochs".into()), path: "a.img".into(), ..ova };
    assert_eq!(remedy(&unread, "format/accepted").unwrap(), "qemu-img convert -O raw a.img a.raw");
    let fat = Subject { file_len: 200 * GIB, ..subject("qcow2") };
    assert_eq!(remedy(&fat, "size/file").unwrap(), "imgprep convert disk.qcow2 disk.zvhd2");
    let again = Subject { file_len: TIB + 1, ..subject("zvhd2") };
    assert_eq!(remedy(&again, "size/file"), None, "it would be made again");
    let small = Subject { virtual_size: Some(5), ..subject("zvhd2") };
    let enlarge =
        "imgprep convert disk.zvhd2 disk.raw && truncate -s 1073741824 disk.raw    # enlarges a copy";
    assert_eq!(remedy(&small, "size/disk-small").unwrap(), enlarge);
    let locked = Subject { conversion: Conversion::Refused, ..small };
    assert_eq!(remedy(&locked, "size/disk-small"), None);
    let over = Subject { parent: Some("base".into()), ..subject("qcow2") };
    let whole = "imgprep convert disk.qcow2 disk.zvhd2 --follow beside";
    assert_eq!(remedy(&over, "import/snapshot").unwrap(), whole);
    let orphan = Subject { conversion: Conversion::Refused, ..over.clone() };
    assert_eq!(
        remedy(&orphan, "import/snapshot").unwrap(),
        "put the named file into the same folder, then convert the image"
    );
    let reason = "the image would have to be converted, together with \"base\"";
    assert_eq!(
        *verdict(&report(&orphan, &CheckIntent::default()), "import"),
        Verdict::Never { reason: reason.into() }
    );
    let followed = Subject { is_followed_anywhere: true, from: Some("qcow2".into()), ..over };
    let whole = "imgprep convert --from qcow2 --follow any disk.qcow2 disk.zvhd2";
    assert_eq!(remedy(&followed, "import/snapshot").unwrap(), whole);
    assert_eq!(command(&followed, "import"), format!("{whole} -O zvhd2"));
}

#[test]
fn remedies_create_files_that_do_not_exist() {
    let spaced = Subject { path: "in/my disk.qcow2".into(), ..subject("qcow2") };
    let names = created_names(&spaced.path, " ");
    for name in ["in/my-disk.zvhd2", "in/my-disk.raw", "in/my-disk.qcow2", "in/my-disk-new.qcow2"] {
        assert!(names.contains(&name.into()), "{name}: {names:?}");
    }
    assert!(!created_names("a.zvhd2".as_ref(), " ").contains(&"a.zvhd2".into()), "the file itself");
    let taken = ["in/my-disk.zvhd2", "in/my-disk-new.zvhd2", "in/my-disk.qcow2"].map(Into::into).to_vec();
    let spaced = Subject { taken, ..spaced };
    assert_eq!(remedy(&spaced, "import/name").unwrap(), "mv -n 'in/my disk.qcow2' in/my-disk-new.qcow2");

    let free = "imgprep convert 'in/my disk.qcow2' in/my-disk-new-2.zvhd2 -O zvhd2";
    assert_eq!(command(&spaced, "fast-zvhd2"), free);
}

#[test]
fn a_doubt_about_one_route_is_a_note_while_another_route_is_open() {
    let large = Subject { virtual_size: Some(200 * GIB), ..subject("zvhd2") };
    assert!(has(&report(&large, &CheckIntent::default()), "size/disk-large", Severity::Note));
    assert_eq!(remedy(&large, "size/disk-large"), None);
    assert!(has(&on_route(&large, "import", DiskRole::System), "size/disk-large", Severity::Warning));
    let qcow2 = Subject { virtual_size: Some(200 * GIB), ..subject("qcow2") };
    assert!(has(&report(&qcow2, &CheckIntent::default()), "size/disk-large", Severity::Warning));
}
