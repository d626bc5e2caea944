//! Files that images name, exchanged while they are opened: the file that was checked is the one that is read, and nothing blocks.

use std::collections::BTreeMap;
use std::fs::{create_dir, rename, write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use imgprep::{Disk, FollowPolicy, OpenOptions};
use testdata_gen::Qcow2;

use crate::support::program::{command, imgprep, names, printed};

const CLUSTER: usize = 1 << 16;
const SECRET: u8 = 0x5e;

/// A QCOW2 of two clusters that stores nothing, over `backing`.
fn over(backing: &str) -> Vec<u8> {
    let backing = Some((backing.to_string(), Some("raw".to_string())));
    Qcow2 { backing, ..Qcow2::new(16, 2 * CLUSTER as u64) }.write().file
}

fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Runs the program, and ends it if it hangs.
#[track_caller]
fn ends(folder: &Path, args: &[&str]) -> Output {
    let program = command(folder, args);
    let mut bounded = Command::new("timeout");
    bounded.arg("120").arg(program.get_program()).args(args).current_dir(folder);
    let output = bounded.output().unwrap();
    assert_ne!(output.status.code(), Some(124), "{args:?} hangs");
    output
}

/// Exchanges `base` between a file and what `swap` puts there, as fast as it can, while it is opened again and again:
/// `tries` times, and on until all of `wanted` were seen. How often each end was, by code.
fn race(swap: fn(&Path), tries: usize, wanted: &'static [&'static str]) -> BTreeMap<String, usize> {
    let (done, ended) = channel();
    // On a thread that is left alone where it hangs.
    std::thread::spawn(move || done.send(open_while(swap, tries, wanted)));
    ended.recv_timeout(Duration::from_secs(600)).expect("no open hangs and no file outside is read")
}

fn open_while(swap: fn(&Path), tries: usize, wanted: &[&str]) -> BTreeMap<String, usize> {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().join("images");
    create_dir(&folder).unwrap();
    write(temp.path().join("secret"), vec![SECRET; 2 * CLUSTER]).unwrap();
    let base = folder.join("base");
    write(&base, vec![1; 2 * CLUSTER]).unwrap();
    write(folder.join("top.qcow2"), over("base")).unwrap();
    let is_over = AtomicBool::new(false);
    let mut ended = BTreeMap::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let spare = folder.join("spare");
            while !is_over.load(Ordering::Relaxed) {
                swap(&spare);
                rename(&spare, &base).unwrap();
                write(&spare, vec![1; 2 * CLUSTER]).unwrap();
                rename(&spare, &base).unwrap();
            }
        });
        let _stop = Stop(&is_over);
        // The library, in this process: nothing lies between the check and the opening but the code under test.
        let is_seen = |ended: &BTreeMap<_, _>| wanted.iter().all(|code| ended.contains_key(*code));
        for tried in 0..100_000 {
            if tried >= tries && is_seen(&ended) {
                break;
            }
            let options = OpenOptions { follow: FollowPolicy::Beside, ..OpenOptions::default() };
            let end = match Disk::open(&folder.join("top.qcow2"), &options) {
                Ok(disk) => {
                    assert!(!contents(&disk).contains(&SECRET), "a file outside the folder was read");
                    "opened".to_string()
                }
                Err(error) => error.code().id.to_string(),
            };
            *ended.entry(end).or_insert(0) += 1;
        }
    });
    ended
}

/// Ends the exchange, also where a test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The bytes of a disk, as a conversion reads them.
fn contents(disk: &Disk) -> Vec<u8> {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("out.raw");
    let to = imgprep::Destination::Path(target.clone());
    let done = crate::support::library::on_one_thread(|run| {
        imgprep::convert(disk, &to, &crate::support::library::to_raw(), run)
    });
    // A file that is exchanged while it is read is an error of its own.
    done.map_or(Vec::new(), |_| std::fs::read(target).unwrap())
}

/// The case: 39 of 1,698 conversions read the file outside.
#[test]
fn backing_file_swapped_for_a_link_is_never_followed() {
    let ended = race(|spare| symlink("../secret", spare).unwrap(), 1500, &["opened", "open.follow.outside"]);
    let known = ["opened", "open.follow.outside", "io.open.link", "io.open.replaced"];
    assert!(ended.keys().all(|code| known.contains(&&**code)), "{ended:?}");
    assert!(ended.contains_key("opened") && ended.contains_key("open.follow.outside"), "{ended:?}");
}

/// The case: 6 of 449 hung in `open`.
#[test]
fn backing_file_swapped_for_a_pipe_does_not_block() {
    let ended = race(make_pipe, 1500, &["opened", "io.open.special"]);
    let known = ["opened", "io.open.special", "io.open.replaced"];
    assert!(ended.keys().all(|code| known.contains(&&**code)), "{ended:?}");
    assert!(ended.contains_key("opened") && ended.contains_key("io.open.special"), "{ended:?}");
}

/// Pipes, sockets, devices and folders, named by the user or by an image.
#[test]
fn special_files_are_rejected_by_kind_without_blocking() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    make_pipe(&folder.join("pipe"));
    create_dir(folder.join("folder")).unwrap();
    symlink("pipe", folder.join("to-pipe")).unwrap();
    symlink("/dev/zero", folder.join("to-device")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
    for (name, code) in [
        ("pipe", "io.open.special"),
        ("to-pipe", "io.open.special"),
        ("socket", "io.open.special"),
        ("to-device", "io.open.special"),
        ("folder", "io.open.directory"),
    ] {
        for args in [
            &["info", name][..],
            &["convert", name, "out.raw"],
            &["map", name],
            &["check", "--output", "json", name],
        ] {
            if name == "folder" && args[0] == "check" {
                continue; // the images of the folder
            }
            let output = ends(folder, args);
            assert_eq!(output.status.code(), Some(1), "{args:?}: {}", printed(&output));
            assert!(printed(&output).contains(code), "{args:?}: {}", printed(&output));
        }
        write(folder.join("top.qcow2"), over(name)).unwrap();
        let output = ends(folder, &["convert", "top.qcow2", "out.raw"]);
        let code = if name == "to-device" { "open.follow.outside" } else { code };
        assert_eq!(output.status.code(), Some(1), "{name}: {}", printed(&output));
        assert!(printed(&output).contains(code), "{name}: {}", printed(&output));
        let output = ends(folder, &["convert", "top.qcow2", "out.raw", "--follow", "any"]);
        assert_eq!(output.status.code(), Some(1), "{name}: {}", printed(&output));
        assert!(!folder.join("out.raw").exists());
    }
}

/// A file outside the folder that is there, and one that is not: the same message, the same code, for every name that an
/// image can have in it and every command that opens it.
#[test]
fn existence_of_outside_files_is_not_revealed() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().canonicalize().unwrap().join("images");
    create_dir(&folder).unwrap();
    let outside = temp.path().canonicalize().unwrap();
    write(outside.join("there"), vec![SECRET; 4096]).unwrap();
    create_dir(folder.join("sub")).unwrap();
    write(folder.join("sub/there"), vec![SECRET; 4096]).unwrap();
    symlink(outside.join("there"), folder.join("link-there")).unwrap();
    symlink(outside.join("gone-"), folder.join("link-gone-")).unwrap();
    let absolute = outside.display();
    // A name and its twin of the same length that leads to nothing.
    let pairs = [
        (format!("{absolute}/there"), format!("{absolute}/gone-")),
        ("../there".into(), "../gone-".into()),
        ("..\\there".into(), "..\\gone-".into()),
        ("sub/there".into(), "sub/gone-".into()),
        ("sub\\there".into(), "sub\\gone-".into()),
        ("link-there".into(), "link-gone-".into()),
        ("../there/x".into(), "../gone-/x".into()),
    ];
    for (there, gone) in &pairs {
        for (kind, image) in
            [("qcow2", qcow2 as fn(&str) -> Vec<u8>), ("parent", vmdk_parent), ("extent", vmdk_extent)]
        {
            let name = if kind == "qcow2" { "a.qcow2" } else { "a.vmdk" };
            for args in [
                &["convert", name, "out.raw"][..],
                &["map", name, "--follow", "beside"],
                &["info", name, "--follow", "beside"],
                &["check", "--follow", "beside", name],
            ] {
                let say = |named: &str| {
                    write(folder.join(name), image(named)).unwrap();
                    let output = imgprep(&folder, args);
                    (output.status.code(), printed(&output).replace("there", "NAME").replace("gone-", "NAME"))
                };
                let (first, second) = (say(there), say(gone));
                assert_eq!(first, second, "{kind} {there} {args:?}");
                assert!(
                    args[0] != "convert" || first.1.contains("open.follow.outside"),
                    "{kind} {there}: {}",
                    first.1
                );
            }
        }
    }
    // With `--follow any` they are.
    write(folder.join("a.qcow2"), qcow2("../gone-")).unwrap();
    let output = imgprep(&folder, &["convert", "a.qcow2", "out.raw", "--follow", "any"]);
    assert!(printed(&output).contains("[open.name.missing"), "{}", printed(&output));
    write(folder.join("a.qcow2"), qcow2("../there")).unwrap();
    let output = imgprep(&folder, &["convert", "a.qcow2", "out.raw", "--follow", "any"]);
    assert!(output.status.success(), "{}", printed(&output));
    assert_eq!(std::fs::read(folder.join("out.raw")).unwrap()[..4096], [SECRET; 4096]);
}

fn qcow2(name: &str) -> Vec<u8> {
    over(name)
}

fn vmdk_parent(name: &str) -> Vec<u8> {
    format!(
        "# Disk DescriptorFile\nversion=1\nCID=00000002\nparentCID=00000001\ncreateType=\"monolithicFlat\"\n\
         parentFileNameHint=\"{name}\"\nRW 8 ZERO\n"
    )
    .into_bytes()
}

fn vmdk_extent(name: &str) -> Vec<u8> {
    format!(
        "# Disk DescriptorFile\nversion=1\nCID=00000002\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n\
         RW 8 FLAT \"{name}\" 0\n"
    )
    .into_bytes()
}

/// The parent of a VDI is searched in its folder: only so many files are opened for that.
#[test]
fn folder_with_too_many_candidates_for_a_parent_is_rejected() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let chain =
        testdata_gen::good().into_iter().find(|image| image.name == "vdi-over-vdi").expect("it is there");
    write(folder.join("child.vdi"), &chain.files[0].bytes).unwrap();
    for number in 0..1024 {
        write(folder.join(format!("{number}.vdi")), "").unwrap();
    }
    let output = imgprep(folder, &["convert", "child.vdi", "out.raw"]);
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    assert!(printed(&output).contains("[open.parent.candidates"), "{}", printed(&output));
    assert!(!names(folder).contains(&"out.raw".to_string()));
}
