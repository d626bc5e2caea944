//! The README: its commands run, its table of commands is complete, and each of its points has a test.

use std::path::Path;

use crate::support::program::{imgprep, printed, root};

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

/// The lines between a heading of the second level and the next one.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let start = text.find(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no section {heading}"));
    let body = &text[start + heading.len() + 5..];
    &body[..body.find("\n## ").unwrap_or(body.len())]
}

/// Every example that `cargo run` makes of a command works on the sample image of the repository.
#[test]
fn the_commands_of_the_readme_run() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("tests/data");
    std::fs::create_dir_all(&data).unwrap();
    for file in
        std::fs::read_dir(root().join("tests/data")).unwrap().flatten().filter(|file| file.path().is_file())
    {
        std::fs::copy(file.path(), data.join(file.file_name())).unwrap();
    }
    let text = readme();
    let mut ran = 0;
    for block in text.split("```").skip(1).step_by(2) {
        for line in block.lines().filter_map(|line| line.trim().strip_prefix("cargo run --release -- ")) {
            let args: Vec<_> = line.split(' ').collect();
            let output = imgprep(folder.path(), &args);
            assert!(output.status.success(), "{line}: {}", printed(&output));
            ran += 1;
            // The next block has its output, except for the duration.
            for line in printed(&output).lines() {
                let want = match line.rsplit_once(", ") {
                    Some((rest, time)) if time.ends_with(" s") => rest,
                    _ => line,
                };
                assert!(text.contains(want), "the README does not have {want:?}");
            }
        }
    }
    assert!(ran > 0);
}

/// Each command of the table exists, and each command that exists is in the table.
#[test]
fn the_table_of_commands_is_complete() {
    let text = readme();
    let table = section(&text, "Commands and formats");
    let codes = table.lines().filter(|line| line.starts_with("| `")).flat_map(|line| line.split('`'));
    let names = codes.filter_map(|code| code.strip_prefix("imgprep ")?.split(' ').next());
    let mut named: Vec<_> = names.map(String::from).collect();
    named.sort_unstable();
    let help = printed(&imgprep(Path::new("/"), &["--help"]));
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let mut existing: Vec<_> = commands
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    existing.sort_unstable();
    assert_eq!(named, existing);
    for name in &named {
        let help = imgprep(Path::new("/"), &[name, "--help"]);
        assert!(help.status.success(), "{name}");
        assert!(printed(&help).contains("Examples:\n"), "{name}: its help ends without examples");
        let has_json = printed(&help).contains("--output <OUTPUT>");
        assert_eq!(
            has_json,
            !["completions", "man"].contains(&name.as_str()),
            "{name}: the README names who has --output json"
        );
    }
    assert!(table.contains("Every command but `completions` and `man` has `--output json`"));
}

/// Options that the README names exist.
#[test]
fn options_of_the_readme_exist() {
    let all: String = [
        "info", "map", "compare", "convert", "measure", "optimize", "digest", "verify", "bitmap", "check",
        "batch",
    ]
    .map(|name| printed(&imgprep(Path::new("/"), &[name, "--help"])))
    .concat();
    let text = readme()
        .replace("cp --reflink=never", "")
        .replace("cargo run --release", "")
        .replace("cargo test --workspace", "");
    for word in text
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .filter(|word| word.starts_with("--") && word.len() > 4)
    {
        assert!(
            word == "--help" || all.contains(&format!("{word} ")) || all.contains(&format!("{word}\n")),
            "{word} does not exist"
        );
    }
}

/// The formats of the two tables are those that the program names.
#[test]
fn the_formats_of_the_readme_are_those_of_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let text = readme();
    let table = section(&text, "Commands and formats").split("Readable formats:\n").nth(1).unwrap();
    let rows = table
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" |").next())
        .filter(|cell| *cell != "format");
    let mut named: Vec<_> = rows.flat_map(|cell| cell.split(", ")).map(str::to_ascii_lowercase).collect();
    named.sort_unstable();
    let refused = printed(&imgprep(folder.path(), &["info", "--from", "floppy", "a"]));
    let mut known: Vec<_> =
        refused.trim_end().split("the formats are ").nth(1).unwrap().split(", ").map(String::from).collect();
    known.sort_unstable();
    assert_eq!(named, known);
}

/// The beginning of each point of "Differences from qemu-img", and tests that show it.
const POINTS: &[(&str, &[&str])] = &[
    (
        "Truncated or contradictory images are rejected",
        &[
            "formats::all::broken::every_broken_image_is_rejected_with_code_and_offset_and_leaves_no_output",
            "formats::qcow2::robustness::truncated_qcow2_is_never_read_as_another_disk",
            "formats::vmdk::robustness::truncated_vmdk_is_never_read_as_another_disk",
        ],
    ),
    (
        "Outputs appear under their names complete or not at all",
        &[
            "cli::commands::existing_output_is_kept_without_force",
            "cli::commands::interrupt_removes_unfinished_outputs_and_exits_130",
        ],
    ),
    (
        "File names inside an image are followed only",
        &[
            "formats::all::chains::each_follow_policy_opens_its_files_only",
            "formats::all::chains::backing_names_that_are_not_file_names_are_never_opened",
        ],
    ),
    ("Zeros are omitted", &["cli::commands::raw_output_is_sparse_and_its_bitmap_is_made_in_the_same_pass"]),
    (
        "On file systems that can share blocks",
        &["cli::reflinks::blocks_are_shared_on_xfs", "cli::reflinks::blocks_are_shared_on_btrfs"],
    ),
    (
        "The log of a VHDX is replayed",
        &[
            "formats::vhdx::differential::vhdx_logs_replayed_by_qemu_give_the_same_disk",
            "formats::all::parents::parent_named_by_the_user_is_used",
        ],
    ),
    (
        "VMDK extents without their descriptor are rejected by name",
        &["formats::all::broken::every_broken_image_is_rejected_with_code_and_offset_and_leaves_no_output"],
    ),
    (
        "The sector bitmap of a dynamic VHD is honoured",
        &["formats::all::conformance::every_image_converts_to_its_disk_on_one_thread"],
    ),
    (
        "Snapshots have the size that the disk had",
        &["formats::all::conformance::every_image_converts_to_its_disk_on_several_threads"],
    ),
];

#[test]
fn every_point_of_the_readme_has_a_test() {
    let text = readme();
    let section = section(&text, "Differences from qemu-img");
    let points: Vec<_> = section.lines().filter_map(|line| line.strip_prefix("* ")).collect();
    for point in &points {
        let known = POINTS.iter().filter(|(begins, _)| point.starts_with(begins)).count();
        assert_eq!(known, 1, "no test shows: {point}");
    }
    assert_eq!(points.len(), POINTS.len());
    for (module, test) in
        POINTS.iter().flat_map(|(_, tests)| *tests).map(|test| test.rsplit_once("::").unwrap())
    {
        let source = std::fs::read_to_string(
            root().join("tests/suites").join(format!("{}.rs", module.replace("::", "/"))),
        )
        .unwrap();
        assert!(source.contains(&format!("#[test]\nfn {test}()")), "there is no test {module}::{test}");
    }
}

#[test]
fn the_readme_names_the_system_that_it_runs_on() {
    assert!(section(&readme(), "Run it").starts_with("\nIt runs on Linux only."));
}
