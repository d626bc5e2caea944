//! Reports of `imgprep check`: many files, SARIF, annotations, exit codes.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testdata_gen::{Qcow2, anomalous, broken, write_files};

use crate::support::checks::{check, json_of, pointing_nowhere, rules, violations};
use crate::support::program::{printed, root};

#[test]
fn many_files_and_folders_at_once_in_order_with_one_summary() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::create_dir_all(folder.join("images/deeper")).unwrap();
    let image = Qcow2::new(16, 1 << 20).write().file;
    for n in 0..20 {
        std::fs::write(folder.join(format!("images/{n:02}.qcow2")), &image).unwrap();
    }
    std::fs::write(folder.join("images/deeper/noext"), &image).unwrap();
    std::fs::write(folder.join("images/README.md"), "no image").unwrap();
    std::fs::write(folder.join("images/07.qcow2"), &image[..90]).unwrap();
    let mut outputs = Vec::new();
    for threads in ["1", "2", "7"] {
        let output = check(folder, &["-j", threads, "images", "gone.raw"]);
        assert_eq!(output.status.code(), Some(2));
        outputs.push(printed(&output));
    }
    assert!(outputs.iter().all(|output| *output == outputs[0]));
    let names: Vec<&str> = outputs[0]
        .lines()
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split(':').next())
        .collect();
    assert_eq!(names.len(), 23, "{}", outputs[0]);
    assert_eq!((names[0], names[7], names[21]), ("images/00.qcow2", "images/07.qcow2", "gone.raw"));
    assert!(
        outputs[0]
            .ends_with("22 files: 20 fine, 0 with leaks or denied warnings, 1 with errors, 1 not checked\n")
    );
    let (json, _) = json_of(folder, &["images"]);
    assert_eq!(json["files"].as_array().unwrap().len(), 21);
    let output = check(folder, &["gone.raw"]);
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
}

#[test]
fn configuration_is_found_in_parent_folders_and_options_override_it() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::create_dir_all(folder.join("a/b")).unwrap();
    let inside = folder.join("a/b");
    std::fs::write(inside.join("my disk.raw"), vec![1; 4096]).unwrap();
    assert_eq!(check(folder, &["--config-init"]).status.code(), Some(0));
    let again = check(folder, &["--config-init"]);
    assert_eq!(again.status.code(), Some(1), "{}", printed(&again));
    let config = |text: &str| std::fs::write(folder.join("imgprep.toml"), text).unwrap();
    config("[check]\nprofile = \"otc\"\nallow = [\"size/*\"]\ndeny = [\"warnings\"]\n");
    let (json, code) = json_of(&inside, &["my disk.raw"]);
    assert_eq!((rules(&json, "error"), code), (vec!["import/name".to_string()], Some(2)));
    assert!(!violations(&json).iter().any(|found| found["rule"].as_str().unwrap().starts_with("size/")));
    let (json, code) = json_of(&inside, &["--warn", "import/name", "my disk.raw"]);
    assert_eq!((rules(&json, "warning"), code), (vec!["import/name".to_string()], Some(3)));
    config("[check]\nprofil = \"otc\"\n");
    let output = check(&inside, &["my disk.raw"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(printed(&output).contains("imgprep.toml:2:1: "), "{}", printed(&output));
    config("[check]\ndeny = [\"no/rule\"]\n");
    assert_eq!(check(&inside, &["my disk.raw"]).status.code(), Some(1));
    config("");
    let text = std::fs::read_to_string(root().join("crates/policy/profiles/otc.toml")).unwrap();
    std::fs::write(folder.join("mine.toml"), text.replace("name = \"otc\"", "name = \"mine\"")).unwrap();
    let (json, _) = json_of(&inside, &["--profile-file", "../../mine.toml", "my disk.raw"]);
    assert_eq!(json["routes"].as_array().unwrap().len(), 3);
    for wrong in [
        &["--profile", "mars"][..],
        &["--profile", "otc", "--route", "up"],
        &["--deny", "x/y"],
        &["--route", "import"],
    ] {
        let output = check(&inside, &[wrong, &["my disk.raw"]].concat());
        assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    }
    assert_eq!(check(&inside, &[]).status.code(), Some(1));
}

#[test]
fn sarif_matches_its_schema() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    for image in broken() {
        write_files(&image.files, folder).unwrap();
    }
    let output = check(folder, &["--profile", "otc", "--output", "sarif", ".", "gone.raw"]);
    assert_eq!(output.status.code(), Some(2));
    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    let schema = std::fs::read(root().join("tests/data/sarif/sarif-schema-2.1.0.json")).unwrap();
    let mut schema: Value = serde_json::from_slice(&schema).unwrap();
    // Its pattern has a bracket that only the loosest of regular expressions take; no language is given here.
    for owner in ["run", "toolComponent"] {
        schema["definitions"][owner]["properties"]["language"] = json!({});
    }
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> =
        validator.iter_errors(&log).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert!(results.len() > 100);
    let region = |result: &Value| result["locations"][0]["physicalLocation"]["region"].clone();
    assert!(results.iter().all(|result| region(result)["startLine"] == 1));
    assert!(results.iter().any(|result| region(result)["byteOffset"].is_u64()));
    let prints: BTreeSet<&str> = results
        .iter()
        .map(|result| result["partialFingerprints"]["imgprepFinding/v1"].as_str().unwrap())
        .collect();
    assert_eq!(prints.len(), results.len(), "fingerprints are unique");
    let again = check(folder, &["--profile", "otc", "--output", "sarif", "-j", "1", ".", "gone.raw"]);
    assert!(again.stdout == output.stdout, "and stable");
}

#[test]
fn annotations_are_one_line_each() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::write(folder.join("a,b:c%.qcow2"), &Qcow2::new(16, 1 << 20).write().file[..90]).unwrap();
    let text = printed(&check(folder, &["--output", "github", "a,b:c%.qcow2"]));
    assert_eq!(text.lines().count(), 1);
    assert!(
        text.starts_with("::error file=a%2Cb%3Ac%25.qcow2,line=1,title=structure/cut::the header needs"),
        "{text}"
    );
}

/// The walk reports such an entry with the lost range of the disk; the count of uses does not report it again.
#[test]
fn entry_past_the_end_is_reported_once() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::write(temp.path().join("many.qcow2"), pointing_nowhere(9)).unwrap();
    let (json, _) = json_of(temp.path(), &["many.qcow2"]);
    let reported = violations(&json).iter().filter(|found| found["rule"] == "structure/past-end").count();
    assert_eq!(reported, 9, "{json:#}");
}

/// Omitted findings of a rule are one entry with their number in every output.
#[test]
fn omitted_findings_are_counted_in_every_output() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::write(folder.join("many.qcow2"), pointing_nowhere(107)).unwrap();
    let of =
        |output: &str| String::from_utf8(check(folder, &["--output", output, "many.qcow2"]).stdout).unwrap();
    let json: Value = serde_json::from_str(&of("json")).unwrap();
    let more = json["more"]["structure/past-end"].as_u64().unwrap();
    let kept = violations(&json).iter().filter(|found| found["rule"] == "structure/past-end").count() as u64;
    assert_eq!((kept, json["counts"]["errors"].as_u64() > Some(kept)), (100, true));
    let description = format!("and {more} more under this rule");
    let sarif: Value = serde_json::from_str(&of("sarif")).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let is_it = |result: &&Value| {
        result["message"]["text"] == description && result["ruleId"] == "structure/past-end"
    };
    let reported: Vec<_> = results.iter().filter(is_it).map(|result| result["level"].as_str()).collect();
    assert_eq!(reported, [Some("error")]);
    let junit = quick_junit::Report::deserialize_from_str(&of("junit")).unwrap();
    let text = format!("{junit:?}");
    // As many clusters leak as entries point elsewhere.
    let alike = json["more"].as_object().unwrap().values().filter(|count| **count == more).count();
    assert_eq!(text.matches(&description).count(), alike, "once, in the text of its rule");
    let line = format!("::error file=many.qcow2,line=1,title=structure/past-end::{description}\n");
    assert_eq!(of("github").matches(&line).count(), 1, "{line}");
    // For people ten are enough, with the advice once.
    let text = of("text");
    assert!(
        text.contains(&format!("  error: and {} more [structure/past-end]\n", more + kept - 10)),
        "{text}"
    );
    assert_eq!(text.matches("[structure/past-end, ").count(), 10, "{text}");
    assert_eq!(text.matches("imgprep convert --salvage").count(), 1, "{text}");
}

/// Space that is taken and not used is a leak in every format that has such, and nothing worse.
#[test]
fn leaks_alone_exit_3_in_every_format() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let mut formats = BTreeSet::new();
    for image in anomalous().into_iter().filter(|image| image.code.ends_with("check.leak")) {
        let path = write_files(&image.files, folder).unwrap().display().to_string();
        let (json, code) = json_of(folder, &["--follow", "beside", &path]);
        let is_it = |found: &&Value| found["rule"] == "structure/leak" && found["code"] == image.code;
        assert!(violations(&json).iter().any(is_it), "{}: {json:#}", image.name);
        assert_eq!(code, Some(3), "{}: {json:#}", image.name);
        formats.insert(image.code.split('.').next().unwrap().to_string());
    }
    assert_eq!(formats, ["qcow", "qed", "vdi", "vhd", "vhdx", "vmdk"].map(String::from).into());
}

/// A file in use, one that is no file, standard output that is closed.
#[test]
fn check_exits_1_if_a_file_cannot_be_checked() {
    let temp = tempfile::tempdir().unwrap();
    let output = check(temp.path(), &["/dev/null"]);
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    let (json, code) = json_of(temp.path(), &["gone.raw"]);
    assert_eq!((code, json["error"]["class"].as_str()), (Some(1), Some("io")));
}

/// An interrupted check is reported as such.
#[test]
fn interrupted_check_does_not_pass_the_image() {
    let temp = tempfile::tempdir().unwrap();
    let image = testdata_gen::good().into_iter().find(|image| image.name.starts_with("qcow2-")).unwrap();
    let path = testdata_gen::write_files(&image.files, temp.path()).unwrap();
    let options = imgprep::CheckOptions {
        open: imgprep::OpenOptions::default(),
        profile: None,
        intent: imgprep::policy::CheckIntent::default(),
        depth: imgprep::Depth::Tables,
        bitmap: None,
    };
    let levels = imgprep::policy::Levels::default();
    crate::support::library::on_one_thread(|run| {
        assert_eq!(imgprep::check_file(&path, &options, run).outcome(&levels), imgprep::Outcome::Fine);
        run.interrupt.raise();
        let checked = imgprep::check_file(&path, &options, run);
        assert_eq!(checked.error.as_ref().map(|error| error.code().id), Some("engine.interrupted"));
        assert_eq!(checked.outcome(&levels), imgprep::Outcome::Undone);
    });
}
