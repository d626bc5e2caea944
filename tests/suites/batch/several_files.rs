//! Outputs that consist of several files: all of them are in the journal.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use testdata_gen::Noise;

use crate::support::batches::{JOURNAL, journal};
use crate::support::program::{command, has_strace, imgprep, names, printed};

/// Bytes of the disk in a split extent.
const SPLIT: u64 = 2047 << 20;
const SUBFORMATS: [&str; 3] = ["twoGbMaxExtentSparse", "twoGbMaxExtentFlat", "monolithicFlat"];

/// Three disks of three split extents each, with data in every extent.
fn images(folder: &Path) {
    std::fs::create_dir_all(folder.join("images")).unwrap();
    for index in 0..3 {
        let file = File::create(folder.join(format!("images/{index}.raw"))).unwrap();
        file.set_len(2 * SPLIT + (5 << 20)).unwrap();
        for extent in 0..3 {
            let data = Noise::new(10 * index + extent).half_compressible(1 << 20);
            file.write_all_at(&data, extent * SPLIT + 4096 * index).unwrap();
        }
        // A batch identifies its inputs by size and time.
        file.set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000_000 + index)).unwrap();
    }
}

fn batch(folder: &Path, subformat: &str, more: &[&str]) -> Output {
    imgprep(folder, &arguments(subformat, more).iter().map(String::as_str).collect::<Vec<_>>())
}

fn arguments(subformat: &str, more: &[&str]) -> Vec<String> {
    let option = format!("subformat={subformat}");
    let fixed = ["batch", "images", "--out", "out", "--to", "vmdk", "-o", &option, "--output", "json"];
    fixed.iter().chain(more).map(ToString::to_string).collect()
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", printed(output)))
}

fn same(folder: &Path, index: u64) -> Output {
    let (image, raw) = (format!("out/{index}.vmdk"), format!("images/{index}.raw"));
    imgprep(folder, &["compare", &image, &raw, "-F", "raw"])
}

/// The files of each output that the journal contains as finished.
fn finished(out: &Path) -> Vec<Vec<String>> {
    let done = journal(out).into_iter().filter(|event| event["event"] == "done");
    let name = |file: &Value| file[0].as_str().unwrap().rsplit('/').next().unwrap().to_string();
    done.map(|event| event["outputs"].as_array().unwrap().iter().map(name).collect()).collect()
}

#[test]
fn every_file_of_an_output_is_journalled_and_checked_when_the_batch_is_resumed() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let out = folder.join("out");
    images(folder);
    for subformat in SUBFORMATS {
        let output = batch(folder, subformat, &["--force"]);
        assert!(output.status.success(), "{subformat}: {}", printed(&output));
        let mut files: Vec<String> = finished(&out).concat();
        files.push(JOURNAL.into());
        files.sort();
        assert_eq!(files, names(&out), "{subformat}");
        assert_eq!(files.len(), if subformat == "monolithicFlat" { 7 } else { 13 }, "{subformat}");
        for index in 0..3 {
            assert!(same(folder, index).status.success(), "{subformat}: {}", printed(&same(folder, index)));
        }
        let earlier = || report(&batch(folder, subformat, &["--resume"]))["earlier"].as_u64();
        assert_eq!(earlier(), Some(3), "{subformat}");
        // An extent that is gone, and one with other contents.
        let extents: Vec<_> = files.iter().filter(|name| name.contains('-') && *name != JOURNAL).collect();
        let of = |index: &str| out.join(extents.iter().rfind(|name| name.starts_with(index)).unwrap());
        std::fs::remove_file(of("0")).unwrap();
        File::options().write(true).open(of("1")).unwrap().write_all_at(b"changed", 4096).unwrap();
        assert_eq!(earlier(), Some(1), "{subformat}");
        for index in 0..3 {
            assert!(same(folder, index).status.success(), "{subformat}: {}", printed(&same(folder, index)));
        }
        assert_eq!(earlier(), Some(3), "{subformat}");
        std::fs::remove_dir_all(&out).unwrap();
    }
}

/// After every kill, an image under the name of an output is complete, and what the journal lists is not written again.
#[test]
fn kills_leave_no_incomplete_image_and_the_batch_can_be_resumed() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let out = folder.join("out");
    images(folder);
    // Times that differ with every run of the test, printed when it fails.
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
    let mut random = u64::from(seed) | 1;
    for subformat in SUBFORMATS {
        let arguments = arguments(subformat, &["--resume"]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut settled: HashMap<String, (u64, i64, i64)> = HashMap::new();
        for kill in 0..=12 {
            let mut child =
                command(folder, &arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            if kill < 12 {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                std::thread::sleep(Duration::from_millis(random % 400));
                let _ = child.kill();
            }
            let is_success = child.wait().unwrap().success();
            assert!(kill < 12 || is_success, "{subformat}, seed {seed}");
            for index in (0..3).filter(|index| out.join(format!("{index}.vmdk")).exists()) {
                let compared = same(folder, index);
                assert!(compared.status.success(), "{subformat}, seed {seed}: {}", printed(&compared));
            }
            for name in finished(&out).concat() {
                let found = std::fs::metadata(out.join(&name)).unwrap();
                let now = (found.ino(), found.mtime(), found.mtime_nsec());
                let before = settled.entry(name.clone()).or_insert(now);
                assert_eq!(*before, now, "{name} was written twice, {subformat}, seed {seed}");
            }
        }
        assert_eq!(finished(&out).len(), 3, "{subformat}, seed {seed}");
        let files = if subformat == "monolithicFlat" { 6 } else { 12 };
        assert_eq!(names(&out).len(), files + 1, "{subformat}, seed {seed}: {:?}", names(&out));
        std::fs::remove_dir_all(&out).unwrap();
    }
}

/// Names appear by `linkat`, and names that a resumed batch replaces by `rename` as well: two calls for each of three extents, and one or
/// two for the descriptor. With each kill, the descriptor is missing, or all files are those of one disk.
#[test]
fn a_kill_between_the_names_of_the_files_leaves_no_mixed_image() {
    if !has_strace() {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let out = folder.join("out");
    images(folder);
    let disks: Vec<_> = ["0", "1"].map(|name| folder.join(format!("images/{name}.raw"))).to_vec();
    let all = folder.join("disks");
    std::fs::rename(folder.join("images"), &all).unwrap();
    std::fs::create_dir(folder.join("images")).unwrap();
    let place = |disk: usize| {
        let from = all.join(disks[disk].file_name().unwrap());
        let _ = std::fs::remove_file(&disks[0]);
        std::fs::hard_link(from, &disks[0]).unwrap();
    };
    let is_disk = |name: &str| {
        imgprep(folder, &["compare", "out/0.vmdk", &format!("disks/{name}.raw"), "-F", "raw"])
            .status
            .success()
    };
    let killed = |nth: u32, more: &[&str]| {
        let arguments = arguments(SUBFORMATS[0], more);
        let program = command(folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let calls = "linkat,rename,renameat,renameat2";
        let mut strace = std::process::Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
        strace.args(["-e", &format!("inject={calls}:error=EIO:signal=KILL:when={nth}")]);
        strace.arg(program.get_program()).args(program.get_args()).current_dir(folder);
        !strace.output().unwrap().status.success()
    };
    let mut kills = [0, 0];
    for nth in 1..=16 {
        place(0);
        if killed(nth, &[]) {
            kills[0] += 1;
            assert!(!out.join("0.vmdk").exists(), "{nth}");
        }
        let resumed = batch(folder, SUBFORMATS[0], &["--resume"]);
        assert!(resumed.status.success() && is_disk("0"), "{nth}: {}", printed(&resumed));
        assert_eq!(names(&out).len(), 5, "{nth}: {:?}", names(&out));
        place(1);
        if killed(nth, &["--resume"]) {
            kills[1] += 1;
            assert!(!out.join("0.vmdk").exists() || is_disk("0") || is_disk("1"), "{nth}");
        }
        let resumed = batch(folder, SUBFORMATS[0], &["--resume"]);
        assert!(resumed.status.success() && is_disk("1"), "{nth}: {}", printed(&resumed));
        assert_eq!(names(&out).len(), 5, "{nth}: {:?}", names(&out));
        std::fs::remove_dir_all(&out).unwrap();
    }
    assert!(kills[0] >= 7 && kills[1] >= 7, "{kills:?}");
}

/// A file that existed before is neither replaced by the first run nor by a resumed one.
#[test]
fn extents_that_the_batch_did_not_create_are_kept() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let out = folder.join("out");
    images(folder);
    std::fs::create_dir(&out).unwrap();
    let foreign = out.join("1-s002.vmdk");
    std::fs::write(&foreign, "mine").unwrap();
    for more in [&[][..], &["--resume"], &["--resume"]] {
        let plan = batch(folder, SUBFORMATS[0], &[more, &["--plan"]].concat());
        assert_eq!(report(&plan)["images"][1]["intent"], "fail", "{}", printed(&plan));
        let output = batch(folder, SUBFORMATS[0], more);
        let report = report(&output);
        assert_eq!((report["done"].as_u64(), report["failed"].as_u64()), (Some(2), Some(1)), "{report:#}");
        let error = &report["images"][1]["error"];
        assert_eq!(error["code"], "io.output.exists");
        assert!(error["file"].as_str().unwrap().ends_with("out/1-s002.vmdk"), "{error}");
        assert_eq!(std::fs::read(&foreign).unwrap(), b"mine");
        assert!(!out.join("1.vmdk").exists() && !out.join("1-s001.vmdk").exists());
        // As if the run had been killed before it recorded the failure.
        let text = std::fs::read_to_string(out.join(JOURNAL)).unwrap();
        let lines = text.split_inclusive('\n').filter(|line| !line.contains(r#""event":"fail""#));
        std::fs::write(out.join(JOURNAL), lines.collect::<String>()).unwrap();
    }
    std::fs::remove_file(&foreign).unwrap();
    let output = batch(folder, SUBFORMATS[0], &["--resume"]);
    assert!(output.status.success(), "{}", printed(&output));
    assert!(same(folder, 1).status.success());
}
