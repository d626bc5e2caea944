//! The GitHub Action and the pre-commit hook: their own commands, run in a scratch repository.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use testdata_gen::Qcow2;

use crate::support::program::{command, has_tool, printed, root, tool};

/// A repository with one good and, if asked, one cut image in it.
fn repository(folder: &Path, is_bad: bool) {
    tool(folder, "git", &["init", "-q"]);
    std::fs::create_dir(folder.join("images")).unwrap();
    let image = Qcow2::new(16, 1 << 20).write().file;
    std::fs::write(folder.join("images/good one.qcow2"), &image).unwrap();
    if is_bad {
        std::fs::write(folder.join("images/bad.qcow2"), &image[..90]).unwrap();
    }
    std::fs::write(folder.join("README.md"), "no image").unwrap();
    tool(folder, "git", &["add", "."]);
}

/// The script of a step: the lines after `run: |`, as far as they are indented.
fn step(id: &str) -> String {
    let action = std::fs::read_to_string(root().join("action.yml")).unwrap();
    let (_, step) = action.split_once(&format!("- id: {id}\n")).expect("the step is there");
    let (_, script) = step.split_once("run: |\n").expect("it runs something");
    script
        .lines()
        .take_while(|line| line.starts_with("        "))
        .map(|line| format!("{}\n", &line[8..]))
        .collect()
}

fn run(folder: &Path, script: &str, env: &[(&str, &str)]) -> Output {
    let program = command(folder, &[]).get_program().to_os_string();
    let bin = Path::new(&program).parent().unwrap().display().to_string();
    // As GitHub runs it.
    let mut run = Command::new("bash");
    run.args(["--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script]).current_dir(folder);
    run.env("PATH", format!("{bin}:{}", std::env::var("PATH").unwrap()));
    run.envs(env.iter().copied()).output().unwrap()
}

#[test]
fn the_action_checks_annotates_and_leaves_a_sarif() {
    if !has_tool("git") {
        return;
    }
    for (is_bad, code) in [(false, 0), (true, 2)] {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path();
        repository(folder, is_bad);
        let outputs = folder.join("outputs").display().to_string();
        let env = [
            ("FILES", "images"),
            ("PROFILE", ""),
            ("ARGS", "--deny warnings"),
            ("SARIF", "imgprep.sarif"),
            ("GITHUB_OUTPUT", outputs.as_str()),
            ("GITHUB_PATH", outputs.as_str()),
        ];
        let installed = run(folder, &step("install"), &env);
        assert!(installed.status.success(), "{}", printed(&installed));
        let checked = run(folder, &step("check"), &env);
        assert_eq!(checked.status.code(), Some(code), "{}", printed(&checked));
        assert_eq!(
            printed(&checked).contains("::error file=images/bad.qcow2"),
            is_bad,
            "{}",
            printed(&checked)
        );
        let sarif = std::fs::read(folder.join("imgprep.sarif")).unwrap();
        let sarif: serde_json::Value = serde_json::from_slice(&sarif).unwrap();
        assert_eq!(sarif["runs"][0]["results"].as_array().unwrap().len(), usize::from(is_bad));
        assert_eq!(std::fs::read_to_string(&outputs).unwrap(), "sarif=imgprep.sarif\n");
    }
}

/// A replacement of cargo: checks the arguments of `cargo install` and installs the program under test.
fn stand_in_for_cargo(folder: &Path) {
    let program = command(folder, &[]).get_program().to_os_string();
    let script = format!(
        "#!/bin/sh\nset -e\ntest \"$1 $2 $3 $5 $#\" = 'install --locked --path --root 6'\n\
         grep -q '^name = \"imgprep\"$' \"$4/Cargo.toml\"\nmkdir -p \"$6/bin\"\ncp '{}' \"$6/bin/imgprep\"\n",
        program.display()
    );
    std::fs::create_dir(folder.join("cargo-bin")).unwrap();
    let cargo = folder.join("cargo-bin/cargo");
    std::fs::write(&cargo, script).unwrap();
    std::fs::set_permissions(&cargo, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Where `imgprep` is not installed the action builds it from its own sources.
#[test]
fn the_action_installs_itself() {
    if !has_tool("git") {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    repository(folder, true);
    stand_in_for_cargo(folder);
    let (home, paths) = (root().display().to_string(), folder.join("paths").display().to_string());
    let runner = folder.join("runner").display().to_string();
    // Nothing but tools: no imgprep.
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", folder.join("cargo-bin").display());
    let env = [
        ("GITHUB_ACTION_PATH", home.as_str()),
        ("RUNNER_TEMP", runner.as_str()),
        ("GITHUB_PATH", paths.as_str()),
        ("PATH", path.as_str()),
    ];
    let installed = run(folder, &step("install"), &env);
    assert!(installed.status.success(), "{}", printed(&installed));
    let added = std::fs::read_to_string(&paths).unwrap();
    let path = format!("{}:/usr/bin:/bin", added.trim());
    let outputs = folder.join("outputs").display().to_string();
    let env = [
        ("FILES", "images"),
        ("PROFILE", ""),
        ("ARGS", ""),
        ("SARIF", "imgprep.sarif"),
        ("GITHUB_OUTPUT", outputs.as_str()),
        ("PATH", path.as_str()),
    ];
    let checked = run(folder, &step("check"), &env);
    assert_eq!(checked.status.code(), Some(2), "{}", printed(&checked));
    assert!(printed(&checked).contains("::error file=images/bad.qcow2"), "{}", printed(&checked));
    assert_eq!(added.trim(), format!("{runner}/imgprep/bin"));
}

#[test]
fn action_treats_file_names_as_data() {
    let temp = tempfile::tempdir().unwrap();
    let outputs = temp.path().join("outputs").display().to_string();
    let env = [
        ("FILES", "$(touch${IFS}owned)\n`touch owned`\n--config-init"),
        ("PROFILE", "otc; touch owned"),
        ("ARGS", ""),
        ("SARIF", "imgprep.sarif"),
        ("GITHUB_OUTPUT", outputs.as_str()),
    ];
    let checked = run(temp.path(), &step("check"), &env);
    assert_eq!(checked.status.code(), Some(1), "{}", printed(&checked));
    assert!(!temp.path().join("owned").exists() && !temp.path().join("imgprep.toml").exists());
}

#[test]
fn the_hook_runs_on_the_images_that_are_staged() {
    if !has_tool("git") {
        return;
    }
    let hooks = std::fs::read_to_string(root().join(".pre-commit-hooks.yaml")).unwrap();
    let field = |name: &str| {
        let line =
            hooks.lines().find_map(|line| line.trim_start().strip_prefix(name)).expect("the field is there");
        line.trim().to_string()
    };
    for (is_bad, code) in [(false, 0), (true, 2)] {
        let temp = tempfile::tempdir().unwrap();
        repository(temp.path(), is_bad);
        // What pre-commit does: the staged names that match, after the entry.
        let script = format!(
            "git diff --cached --name-only -z | grep -zE '{}' | xargs -0 bash -c 'exec {} \"$@\"' -",
            field("files:"),
            field("entry:")
        );
        let output = run(temp.path(), &script, &[]);
        // xargs exits with 123 if the command failed.
        assert_eq!(output.status.code(), Some(if code == 0 { 0 } else { 123 }), "{}", printed(&output));
        assert!(printed(&output).contains("images/good one.qcow2: qcow2, fine"), "{}", printed(&output));
        assert!(!printed(&output).contains("README"));
    }
}
