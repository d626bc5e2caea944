//! Remedies heal: every remedy that the program can print is provoked, run, and followed by another check.
//!
//! The tables of remedies are read from the program: one that nothing here provokes is a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use imgprep::policy::RULES;
use serde_json::Value;
use testdata_gen::{Cell, Qcow2, anomalous, broken, good, sample, write_files};

use crate::support::program::{command, has_tool, imgprep, printed, tool};

const GIB: u64 = 1 << 30;
/// The first words of remedies that are commands; all others are advice in words.
const COMMANDS: [&str; 7] = ["imgprep", "qemu-img", "cp", "mv", "xz", "gzip", "java"];

/// A rule and one of its remedies, as the table has it.
type Remedy = (&'static str, String);

/// The remedies that were shown.
type Shown = BTreeSet<Remedy>;

fn is_command(remedy: &str) -> bool {
    COMMANDS.contains(&remedy.split(' ').next().unwrap_or_default())
}

/// The words before the first name in a remedy of the table, and those that follow `--from` and `--follow`.
fn key(template: &str) -> (Vec<&str>, bool) {
    let words = template.split(" {").next().unwrap_or_default();
    (words.split(' ').collect(), template.contains("qemu-img check -r leaks"))
}

/// Which remedy of its rule a text is.
fn template_of(rule: &str, remedy: &str) -> Remedy {
    let row = RULES.iter().find(|row| row.id.name() == rule).expect("a rule of the table");
    let words: Vec<&str> = remedy.split(' ').collect();
    let fits = |template: &String| {
        let (key, leaks) = key(template);
        // `--from FORMAT` and `--follow any` may follow the command.
        let bare =
            remedy.replace(" --from raw", "").replace(" --from qcow2", "").replace(" --follow any", "");
        let bare: Vec<&str> = if words.starts_with(&key) { words.clone() } else { bare.split(' ').collect() };
        let is_salvage = template.contains("--salvage") == remedy.contains("--salvage");
        bare.starts_with(&key) && is_salvage && leaks == remedy.contains("-r leaks")
    };
    let template = row
        .remedies
        .iter()
        .map(ToString::to_string)
        .find(fits)
        .unwrap_or_else(|| panic!("{rule}: {remedy:?} is not in the table"));
    (row.id.name(), template)
}

fn bash(folder: &Path, line: &str) -> Output {
    let program = command(folder, &[]).get_program().to_os_string();
    let bin = Path::new(&program).parent().expect("the program is in a folder").display().to_string();
    let path = format!("{}:{bin}:{}", folder.join("bin").display(), std::env::var("PATH").unwrap());
    Command::new("bash").args(["-c", line]).current_dir(folder).env("PATH", path).output().expect("bash runs")
}

fn checked(folder: &Path, args: &[&str], name: &str) -> Value {
    let output = imgprep(folder, &[&["check", "--output", "json"], args, &[name]].concat());
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{name}: {error}: {}", printed(&output)))
}

/// Rules and remedies of all violations that have one.
fn remedies(json: &Value) -> BTreeSet<(String, String)> {
    let found = json["judgements"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().map(str::to_string);
    found.filter_map(|found| Some((text(&found["rule"])?, text(&found["remedy"])?))).collect()
}

/// Rules that are broken, notes left out.
fn broken_rules(json: &Value) -> BTreeSet<&str> {
    let found = json["judgements"].as_array().into_iter().flatten();
    found.filter(|found| found["severity"] != "note").filter_map(|found| found["rule"].as_str()).collect()
}

/// Length, time of change and, of small files, bytes of every file of a folder. The folder of tools is left out.
fn files(folder: &Path) -> BTreeMap<PathBuf, (u64, std::time::SystemTime, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let known = entries.filter(|path| path.is_file()).map(|path| {
        let found = std::fs::metadata(&path).unwrap();
        let bytes = if found.len() < 64 << 20 { std::fs::read(&path).unwrap() } else { Vec::new() };
        (path, (found.len(), found.modified().unwrap(), bytes))
    });
    known.collect()
}

/// Checks `name`, runs each remedy that is a command in a copy of its own of the folder, and checks what it made with
/// `args_after`. What does not heal is added to `wrong`.
fn heals(
    files_of: &dyn Fn(&Path) -> String,
    args: &[&str],
    args_after: &[&str],
    shown: &mut Shown,
    wrong: &mut Vec<String>,
) {
    let temp = tempfile::tempdir().unwrap();
    let name = files_of(temp.path());
    let json = checked(temp.path(), args, &name);
    for (rule, remedy) in remedies(&json) {
        let template = template_of(&rule, &remedy);
        shown.insert(template);
        let is_external = remedy.contains("qemu-img") && !has_tool("qemu-img");
        if !is_command(&remedy) || is_external {
            continue;
        }
        let own = tempfile::tempdir().unwrap();
        let name = files_of(own.path());
        if let Err(reason) = heal(own.path(), &name, (&rule, &remedy), args_after) {
            // A check opens the file that it is given and no other: what is wrong in another one shows only then.
            let is_of_both = ["open.chain.cycle", "open.parent.mismatch", "qcow2.l2.not-raw"]
                .iter()
                .any(|code| reason.contains(code));
            let blamed = reason.rsplit_once("imgprep: ").and_then(|(_, text)| text.split_once(": "));
            let is_elsewhere = is_of_both || blamed.is_some_and(|(file, _)| !name.ends_with(file));
            if is_elsewhere && !args.contains(&"--follow") {
                continue;
            }
            wrong.push(format!("{name} {args:?} [{rule}] {remedy}\n    {reason}"));
        }
    }
}

fn heal(folder: &Path, name: &str, (rule, remedy): (&str, &str), args: &[&str]) -> Result<(), String> {
    let before = files(folder);
    if remedy.starts_with("imgprep check") {
        // It is the check itself that is to be done otherwise.
        let command = remedy.split("    #").next().unwrap_or(remedy);
        let output = bash(folder, &format!("{command} --output json"));
        let json: Value = serde_json::from_slice(&output.stdout).map_err(|_| printed(&output))?;
        return if broken_rules(&json).contains(rule) { Err(format!("{json:#}")) } else { Ok(()) };
    }
    let output = bash(folder, remedy);
    if !output.status.success() {
        return Err(format!("exit {:?}: {}", output.status.code(), printed(&output)));
    }
    let after = files(folder);
    let moved = folder.join(name);
    for (path, was) in &before {
        let kept = after.get(path).is_some_and(|is| is == was);
        let was_moved = remedy.starts_with("mv ") && *path == moved && after.values().any(|is| is == was);
        if !kept && !was_moved {
            return Err(format!("{} was changed", path.display()));
        }
    }
    let made: Vec<_> = after.keys().filter(|path| !before.contains_key(*path)).collect();
    let [made] = made[..] else { return Err(format!("made {made:?}")) };
    let json = checked(folder, args, &made.strip_prefix(folder).unwrap().display().to_string());
    if json.get("error").is_some() || broken_rules(&json).contains(rule) {
        return Err(format!("the finding is still there: {json:#}"));
    }
    Ok(())
}

/// A file that violates a rule.
struct Case {
    name: &'static str,
    args: &'static [&'static str],
    after: &'static [&'static str],
    make: fn(&Path) -> Option<()>,
}

const IMS: &[&str] = &["--for", "huawei-ims"];
const FAST_RAW: &[&str] = &["--for", "huawei-ims", "--route", "fast-raw"];
const BITMAP: &[&str] = &["--for", "huawei-ims", "--route", "fast-raw", "--bitmap-block", "512"];

fn sparse(path: &Path, len: u64) -> Option<()> {
    File::create(path).ok()?.set_len(len).ok()
}

fn qcow2(path: &Path, recipe: &Qcow2) -> Option<()> {
    std::fs::write(path, recipe.write().file).ok()
}

fn over(backing: &str, format: Option<&str>) -> Qcow2 {
    Qcow2 { backing: Some((backing.into(), format.map(String::from))), ..Qcow2::new(16, 1 << 20) }
}

/// Eight bytes of data in front of a hole.
fn begun(path: &Path, len: u64) -> Option<()> {
    sparse(path, len)?;
    File::options().write(true).open(path).ok()?.write_all_at(b"some data", 4096).ok()
}

/// A flat VMDK: the descriptor `name`, and its data if `has_data`.
fn flat(folder: &Path, name: &str, has_data: bool) -> Option<()> {
    let text = "# Disk DescriptorFile\nversion=1\nCID=00000001\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n\
                RW 4096 FLAT \"a-flat.vmdk\" 0\n";
    std::fs::write(folder.join(name), text).ok()?;
    if has_data { begun(&folder.join("a-flat.vmdk"), 2 << 20) } else { Some(()) }
}

/// A QCOW2 whose refcount block of 16 bits was edited.
fn counted(path: &Path, recipe: Qcow2, edit: fn(&mut [u8])) -> Option<()> {
    let mut file = Qcow2 { cells: [(0, Cell::Data(vec![1; 65536]))].into(), ..recipe }.write().file;
    let number = |file: &[u8], at: usize| u64::from_be_bytes(file[at..at + 8].try_into().unwrap()) as usize;
    let block = number(&file, number(&file, 48));
    edit(&mut file[block..block + 65536]);
    std::fs::write(path, file).ok()
}

/// An image with a snapshot, which a rewritten image would lose.
fn with_snapshot() -> Qcow2 {
    let snapshots = vec![("1".into(), "then".into(), BTreeMap::new(), 1 << 20)];
    Qcow2 { snapshots, ..Qcow2::new(16, 1 << 20) }
}

/// The reference count of the last cluster of a file is 0, but one of a cluster after it is not: that one is leaked.
fn leaking(path: &Path, recipe: Qcow2) -> Option<()> {
    counted(path, recipe, |block| {
        let used = block.chunks(2).rposition(|count| count != [0, 0]).unwrap();
        block[2 * (used + 1)..][..2].copy_from_slice(&[0, 1]);
    })?;
    let len = std::fs::metadata(path).ok()?.len();
    File::options().write(true).open(path).ok()?.set_len(len + 65536).ok()
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    Case { name: "a.qcow2", args: FAST_RAW, after: FAST_RAW, make: |f| qcow2(&f.join("a.qcow2"), &Qcow2::new(16, GIB)) },
    Case { name: "it's my disk.hdd", args: IMS, after: IMS, make: |f| {
        has_tool("qemu-img").then(|| tool(f, "qemu-img", &["create", "-q", "-f", "parallels", "it's my disk.hdd", "64M"]))
    } },
    Case { name: "fat.raw", args: IMS, after: IMS, make: |f| begun(&f.join("fat.raw"), 129 * GIB) },
    Case { name: "doubt.raw", args: IMS, after: IMS, make: |f| begun(&f.join("doubt.raw"), 128 * GIB - 512) },
    Case { name: "huge.raw", args: IMS, after: IMS, make: |f| sparse(&f.join("huge.raw"), 2049 * GIB) },
    Case { name: "large.qcow2", args: IMS, after: IMS, make: |f| qcow2(&f.join("large.qcow2"), &Qcow2::new(16, 200 * GIB)) },
    Case { name: "small.zvhd2", args: IMS, after: IMS, make: |f| {
        begun(&f.join("small.raw"), 5 << 20)?;
        imgprep(f, &["convert", "-q", "small.raw", "small.zvhd2"]).status.success().then_some(())
    } },
    Case { name: "small.raw", args: IMS, after: IMS, make: |f| begun(&f.join("small.raw"), 5 << 20) },
    Case { name: "missing.raw", args: FAST_RAW, after: IMS, make: |f| begun(&f.join("missing.raw"), GIB) },
    Case { name: "stale.raw", args: FAST_RAW, after: IMS, make: |f| { sparse(&f.join("stale.mf"), 0)?; begun(&f.join("stale.raw"), GIB) } },
    Case { name: "differs.raw", args: BITMAP, after: IMS, make: |f| {
        begun(&f.join("differs.raw"), 2 << 20)?;
        std::fs::write(f.join("differs.mf"), [0; 4096]).ok()
    } },
    Case { name: "a.vmdk", args: IMS, after: IMS, make: |f| flat(f, "a.vmdk", true) },
    Case { name: "a.vmdk", args: IMS, after: IMS, make: |f| flat(f, "a.vmdk", false) },
    Case { name: "a-flat.vmdk", args: IMS, after: IMS, make: |f| begun(&f.join("a-flat.vmdk"), 2 << 20) },
    Case { name: "over.qcow2", args: IMS, after: IMS, make: |f| { begun(&f.join("base"), 1 << 20)?; qcow2(&f.join("over.qcow2"), &over("base", None)) } },
    Case { name: "over.qcow2", args: IMS, after: IMS, make: |f| qcow2(&f.join("over.qcow2"), &over("gone", Some("raw"))) },
    Case { name: "sub.qcow2", args: &["--follow", "any"], after: &[], make: |f| {
        begun(&f.join("base"), 1 << 20)?;
        qcow2(&f.join("sub.qcow2"), &over(f.join("base").to_str()?, Some("raw")))
    } },
    Case { name: "locked.qcow2", args: IMS, after: IMS, make: |f| qcow2(&f.join("locked.qcow2"), &Qcow2 { crypt: 2, ..Qcow2::new(16, GIB) }) },
    Case { name: "my $disk.qcow2", args: IMS, after: IMS, make: |f| qcow2(&f.join("my $disk.qcow2"), &Qcow2::new(16, GIB)) },
    Case { name: "my $disk.qcow2", args: IMS, after: IMS, make: |f| {
        qcow2(&f.join("my-$disk.qcow2"), &Qcow2::new(16, 2 * GIB))?;
        qcow2(&f.join("my $disk.qcow2"), &Qcow2::new(16, GIB))
    } },
    Case { name: "d.raw", args: IMS, after: IMS, make: |f| testdata_gen::gpt_of_large_sectors(GIB).write(&f.join("d.raw")).ok() },
    Case { name: "cd.iso", args: IMS, after: IMS, make: |f| { sparse(&f.join("cd.iso"), 40960)?; File::options().write(true).open(f.join("cd.iso")).ok()?.write_all_at(b"\x01CD001\x01", 32768).ok() } },
    Case { name: "two.img", args: &[], after: &[], make: |f| {
        let mut two = sample().files[0].bytes.clone();
        two.extend(b"koly\0\0\0\x04\0\0\x02\0");
        two.extend([0; 500]);
        std::fs::write(f.join("two.img"), two).ok()
    } },
    Case { name: "two.img", args: &["--from", "qcow2"], after: &[], make: |f| {
        let mut two = sample().files[0].bytes.clone();
        two.extend(b"koly\0\0\0\x04\0\0\x02\0");
        two.extend([0; 500]);
        std::fs::write(f.join("two.img"), two).ok()
    } },
    Case { name: "data.qcow2", args: &[], after: &[], make: |f| {
        let cells = [(3, Cell::Data(vec![1; 65536]))].into();
        let written = Qcow2 { data_file: Some(("data.bin".into(), true)), cells, ..Qcow2::new(16, 1 << 20) }.write();
        std::fs::write(f.join("data.bin"), written.data).ok()?;
        std::fs::write(f.join("data.qcow2"), written.file).ok()
    } },
    Case { name: "out.qcow2", args: &[], after: &[], make: |f| qcow2(&f.join("out.qcow2"), &over("/etc/passwd", Some("raw"))) },
    Case { name: "odd.qcow2", args: &[], after: &[], make: |f| {
        let mut file = Qcow2::new(16, 1 << 20).write().file;
        file[88] = 0x80;
        std::fs::write(f.join("odd.qcow2"), file).ok()
    } },
    Case { name: "nested.qcow2", args: &[], after: &[], make: |f| {
        let inner = Qcow2::new(16, 1 << 20).write().file;
        qcow2(&f.join("nested.qcow2"), &Qcow2 { cells: [(0, Cell::Data(inner[..65536].to_vec()))].into(), ..Qcow2::new(16, 1 << 20) })
    } },
    Case { name: "low.qcow2", args: &[], after: &[], make: |f| counted(&f.join("low.qcow2"), Qcow2::new(16, 1 << 20), |block| block[..2].copy_from_slice(&[0, 0])) },
    Case { name: "copied.qcow2", args: &[], after: &[], make: |f| counted(&f.join("copied.qcow2"), Qcow2::new(16, 1 << 20), |block| block[6..8].copy_from_slice(&[0, 2])) },
    Case { name: "low.qcow2", args: &[], after: &[], make: |f| counted(&f.join("low.qcow2"), with_snapshot(), |block| block[..2].copy_from_slice(&[0, 0])) },
    Case { name: "copied.qcow2", args: &[], after: &[], make: |f| counted(&f.join("copied.qcow2"), with_snapshot(), |block| block[6..8].copy_from_slice(&[0, 2])) },
    Case { name: "dirty.qcow2", args: &[], after: &[], make: |f| qcow2(&f.join("dirty.qcow2"), &Qcow2 { incompatible: 1, ..with_snapshot() }) },
    Case { name: "leak.qcow2", args: &[], after: &[], make: |f| leaking(&f.join("leak.qcow2"), Qcow2::new(16, 1 << 20)) },
    Case { name: "leak.qcow2", args: &[], after: &[], make: |f| leaking(&f.join("leak.qcow2"), with_snapshot()) },
    Case { name: "leak.disk", args: &["--from", "qcow2"], after: &[], make: |f| leaking(&f.join("leak.disk"), Qcow2::new(16, 1 << 20)) },
    Case { name: "leak.qcow2", args: &[], after: &[], make: |f| {
        begun(&f.join("base"), 1 << 20)?;
        leaking(&f.join("leak.qcow2"), over("base", Some("raw")))
    } },
    Case { name: "low.qcow2", args: &[], after: &[], make: |f| {
        begun(&f.join("base"), 1 << 20)?;
        counted(&f.join("low.qcow2"), over("base", Some("raw")), |block| block[..2].copy_from_slice(&[0, 0]))
    } },
    Case { name: "copied.qcow2", args: &[], after: &[], make: |f| {
        begun(&f.join("base"), 1 << 20)?;
        counted(&f.join("copied.qcow2"), over("base", Some("raw")), |block| block[6..8].copy_from_slice(&[0, 2]))
    } },
    Case { name: "finished.zvhd2", args: &["--deep"], after: &["--deep"], make: |f| {
        let image = good().into_iter().find(|image| image.name == "zvhd2-zlib-finished")?;
        std::fs::write(f.join("finished.zvhd2"), &image.files[0].bytes).ok()
    } },
    Case { name: "damaged.qcow2", args: &["--deep"], after: &["--deep"], make: |f| {
        let written = Qcow2 { cells: [(5, Cell::Compressed(vec![7; 65536]))].into(), ..over("gone", Some("raw")) }.write();
        let mut file = written.file;
        file[usize::try_from(written.places[&5]).ok()?..][..8].fill(0xff);
        std::fs::write(f.join("damaged.qcow2"), file).ok()
    } },
    Case { name: "dirty.qcow2", args: &[], after: &[], make: |f| qcow2(&f.join("dirty.qcow2"), &Qcow2 { incompatible: 1, ..Qcow2::new(16, 1 << 20) }) },
    Case { name: "over.qcow2", args: &[], after: &[], make: |f| {
        begun(&f.join("base"), 1 << 20)?;
        qcow2(&f.join("over.qcow2"), &Qcow2 { incompatible: 1, ..over("base", Some("raw")) })
    } },
    Case { name: "corrupt.qcow2", args: &[], after: &[], make: |f| qcow2(&f.join("corrupt.qcow2"), &Qcow2 { incompatible: 2, ..Qcow2::new(16, 1 << 20) }) },
];

#[test]
fn every_remedy_is_shown_and_every_command_removes_its_violation() {
    let (mut shown, mut wrong) = (Shown::new(), Vec::new());
    for case in CASES {
        let is_there = (case.make)(tempfile::tempdir().unwrap().path()).is_some();
        if is_there {
            let make = |folder: &Path| {
                (case.make)(folder).map(|()| case.name.to_string()).expect("it was made before")
            };
            heals(&make, case.args, case.after, &mut shown, &mut wrong);
        }
    }
    let images =
        broken().into_iter().map(|image| image.files).chain(anomalous().into_iter().map(|image| image.files));
    for files in images {
        let make = |folder: &Path| {
            let path = write_files(&files, folder).unwrap();
            path.strip_prefix(folder).unwrap().display().to_string()
        };
        heals(&make, &["--deep"], &["--deep"], &mut shown, &mut wrong);
        if files.len() > 1 {
            heals(&make, &["--follow", "beside"], &["--deep"], &mut shown, &mut wrong);
        }
    }
    let all =
        RULES.iter().flat_map(|rule| rule.remedies.iter().map(|remedy| (rule.id.name(), remedy.to_string())));
    let has_qemu = has_tool("qemu-img");
    let silent: Vec<_> = all
        .filter(|remedy| !shown.contains(remedy))
        .filter(|(_, remedy)| has_qemu || !remedy.starts_with("qemu-img"))
        .collect();
    assert!(wrong.is_empty(), "{} remedies do not heal:\n{}", wrong.len(), wrong.join("\n"));
    assert!(silent.is_empty(), "never shown: {silent:#?}");
}

/// A remedy for what it cannot help is worse than none.
#[test]
fn commands_without_effect_are_not_shown() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let commands = |name: &str, args: &[&str]| -> Vec<String> {
        let found = remedies(&checked(folder, args, name)).into_iter().map(|(_, remedy)| remedy);
        found.filter(|remedy| is_command(remedy)).collect()
    };
    std::fs::write(folder.join("page.qcow2"), "<!DOCTYPE html><title>404</title>").unwrap();
    assert_eq!(commands("page.qcow2", IMS), [""; 0], "a page is no disk");
    let mut tar = vec![0; 1024];
    tar[..8].copy_from_slice(b"disk.ovf");
    tar[257..265].copy_from_slice(b"ustar\x0000");
    std::fs::write(folder.join("server.ova"), tar).unwrap();
    assert!(commands("server.ova", IMS).iter().all(|command| !command.contains("imgprep convert")));
    begun(&folder.join("a-s001.vmdk"), 4096 + 512).unwrap();
    assert!(commands("a-s001.vmdk", IMS).iter().all(|command| !command.contains("imgprep convert")));
    // A truncated disk stays incomplete after a conversion to any format.
    let cut = testdata_gen::bios_and_uefi();
    cut.write(&folder.join("cut.raw")).unwrap();
    File::options().write(true).open(folder.join("cut.raw")).unwrap().set_len(GIB / 2).unwrap();
    assert!(commands("cut.raw", &[]).is_empty());
}

/// The commands of the routes, with a replacement of the vendor's tool that writes our bitmap.
#[test]
fn commands_of_a_route_with_a_bitmap_work() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::create_dir(folder.join("bin")).unwrap();
    let java = folder.join("bin/java");
    std::fs::write(
        &java,
        "#!/bin/sh\ntest \"$1 $2\" = '-jar CreateMF.jar' && exec imgprep bitmap \"$3\" \"$4\"\n",
    )
    .unwrap();
    std::fs::set_permissions(&java, std::fs::Permissions::from_mode(0o755)).unwrap();
    qcow2(&folder.join("it's $a.qcow2"), &Qcow2::new(16, GIB)).unwrap();
    begun(&folder.join("my disk.raw"), GIB).unwrap();
    for (name, made) in [("it's $a.qcow2", "it's-$a.raw"), ("my disk.raw", "my-disk.raw")] {
        let json = checked(folder, FAST_RAW, name);
        let route =
            json["routes"].as_array().unwrap().iter().find(|route| route["id"] == "fast-raw").unwrap();
        let output = bash(folder, route["command"].as_str().unwrap_or_else(|| panic!("{route:#}")));
        assert!(output.status.success(), "{route:#}: {}", printed(&output));
        let json = checked(folder, FAST_RAW, made);
        let route =
            json["routes"].as_array().unwrap().iter().find(|route| route["id"] == "fast-raw").unwrap();
        assert_eq!(route["verdict"], "ready", "{json:#}");
    }
}

/// A disk of the cloud is converted for each platform with the command that is shown.
#[test]
fn commands_that_export_a_disk_of_the_cloud_work() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    begun(&folder.join("d.raw"), 5 << 20).unwrap();
    let mut formats = BTreeSet::new();
    for (source, stem) in [("my disk.zvhd2", "my-disk"), ("b.zvhd", "b")] {
        assert!(imgprep(folder, &["convert", "-q", "d.raw", source]).status.success());
        // A file that has the name already is not replaced.
        std::fs::write(folder.join(stem).with_extension("vhdx"), "other").unwrap();
        let json = checked(folder, IMS, source);
        let exports = json["exports"].as_array().unwrap();
        let before = files(folder);
        for export in exports {
            let output = bash(folder, export["command"].as_str().unwrap());
            assert!(output.status.success(), "{export:#}: {}", printed(&output));
            formats.insert(export["format"].as_str().unwrap().to_string());
        }
        let after = files(folder);
        assert!(before.iter().all(|(path, was)| after.get(path) == Some(was)), "a file was changed");
        let made: Vec<_> = after.keys().filter(|path| !before.contains_key(*path)).collect();
        assert_eq!(made.len(), exports.len(), "{made:?}");
        for path in made {
            let name = path.file_name().unwrap().to_str().unwrap();
            let compared = imgprep(folder, &["compare", name, "d.raw", "-F", "raw"]);
            assert!(compared.status.success(), "{name}: {}", printed(&compared));
            let text = printed(&imgprep(folder, &["check", "--deep", name]));
            assert!(text.contains(", fine"), "{text}");
        }
    }
    assert_eq!(formats.into_iter().collect::<Vec<_>>(), ["qcow2", "vhd", "vhdx", "vmdk"]);
    assert_eq!(checked(folder, IMS, "my-disk.qcow2")["exports"], Value::Array(Vec::new()));
    assert_eq!(checked(folder, &[], "b.zvhd")["exports"], Value::Array(Vec::new()), "without a profile");
}

/// Commands that make files of unreadable kinds, if the tool exists.
type BlockCompressor = (&'static str, &'static str, &'static str, &'static [&'static str]);

#[rustfmt::skip]
const COMPRESSORS: &[BlockCompressor] = &[
    ("gzip", "gzip", "d.raw.gz", &["-k", "d.raw"]),
    ("xz", "xz", "d.raw.xz", &["-k", "d.raw"]),
    ("lzma", "xz", "d.raw.lzma", &["-k", "--format=lzma", "d.raw"]),
    ("zstd", "zstd", "d.raw.zst", &["-q", "d.raw"]),
    ("bzip2", "bzip2", "d.raw.bz2", &["-k", "d.raw"]),
    ("lz4", "lz4", "d.raw.lz4", &["-q", "d.raw", "d.raw.lz4"]),
    ("lzip", "lzip", "d.raw.lz", &["-k", "d.raw"]),
    ("lzop", "lzop", "d.raw.lzo", &["d.raw"]),
    ("tar", "tar", "d.tar", &["cf", "d.tar", "d.raw"]),
    ("ova", "tar", "d.ova", &["cf", "d.ova", "d.ovf", "d.raw"]),
    ("zip", "zip", "d.zip", &["-q", "d.zip", "d.raw"]),
    ("ar", "ar", "d.a", &["rc", "d.a", "d.raw"]),
    ("7z", "7z", "d.7z", &["a", "d.7z", "d.raw"]),
];

/// Kinds whose files no free tool on a usual machine makes: their commands were not run.
const NOT_MADE: &[&str] = &[
    "compress",
    "xva",
    "rar",
    "cpio",
    "cab",
    "wim",
    "cd-sectors",
    "android-sparse",
    "sparseimage",
    "ewf",
    "partclone",
    "vma",
    "git-lfs",
    "lrzip",
    "bzip3",
    "rpm",
    "xar",
    "squashfs",
    "ntfsclone",
    "openpgp",
    "age",
    // Run by `cases_detect::a_descriptor_in_utf_16_is_read_after_its_remedy`.
    "vmdk-utf16",
    "vmdk-utf16le",
    "vmdk-utf16be",
];

/// Files are compressed under misleading names, and their commands get the disk out of them.
#[test]
fn a_compressed_file_gets_a_command_that_decompresses_it() {
    for (kind, line) in imgprep::foreign_commands() {
        let Some((_, program, made, args)) = COMPRESSORS.iter().find(|(name, ..)| *name == kind) else {
            assert!(NOT_MADE.contains(&kind), "{kind} ({line}) is run by no test");
            continue;
        };
        if !has_tool(program) || !has_tool(line.split(' ').next().unwrap()) {
            continue;
        }
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path();
        begun(&folder.join("d.raw"), 100_000).unwrap();
        std::fs::write(folder.join("d.ovf"), "<Envelope/>").unwrap();
        let disk = std::fs::read(folder.join("d.raw")).unwrap();
        tool(folder, program, args);
        std::fs::rename(folder.join(made), folder.join("x y.qcow2")).unwrap();
        for name in ["d.raw", "d.ovf"] {
            std::fs::remove_file(folder.join(name)).unwrap();
        }
        let found = remedies(&checked(folder, &[], "x y.qcow2"));
        let (_, remedy) = found.first().unwrap_or_else(|| panic!("{kind}: no remedy"));
        let before = files(folder);
        let output = bash(folder, remedy);
        assert!(output.status.success(), "{kind}: {remedy}: {}", printed(&output));
        let after = files(folder);
        assert!(before.iter().all(|(path, was)| after.get(path) == Some(was)), "{kind}: {remedy}");
        let made = after.iter().filter(|(path, _)| !before.contains_key(*path));
        assert!(made.into_iter().any(|(_, (.., bytes))| *bytes == disk), "{kind}: {remedy}");
    }
}
