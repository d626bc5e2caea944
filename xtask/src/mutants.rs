//! `cargo xtask mutants [--shard K/N] [PACKAGE]`: whether the tests of a crate see a change in it.
//!
//! cargo-mutants makes the changes and runs the crate's own tests on each. What is accepted as unseen, and why, stands in
//! `.cargo/mutants.toml`.

use std::io;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Crates whose every change must be seen, beside those of the formats: they open files and decide.
const OTHERS: [&str; 3] = ["imgprep-io", "imgprep-open", "imgprep-policy"];

/// All crates whose every change must be seen: the formats read untrusted bytes.
fn packages(root: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(root.join("crates/formats"))? {
        found.push(format!("imgprep-{}", folder?.file_name().display()));
    }
    found.sort();
    found.extend(OTHERS.map(String::from));
    Ok(found)
}

/// Runs cargo-mutants on one package or on all, and prints a table row for each. Fails if a change was seen by no test.
pub(crate) fn run(root: &Path, shard: Option<&str>, only: Option<&str>) -> io::Result<()> {
    let mut packages = packages(root)?;
    let all = packages.join(", ");
    packages.retain(|name| only.is_none_or(|only| only == name));
    if packages.is_empty() {
        return Err(io::Error::other(format!("no package of these: {all}")));
    }
    let mut unseen = 0;
    println!(
        "| crate | mutants | caught | timed out | survived | do not build | rate |\n|---|---|---|---|---|---|---|"
    );
    for package in packages {
        let output = root.join("target/mutants").join(&package);
        std::fs::create_dir_all(&output)?;
        mutate(root, &package, shard, &output)?;
        let outcomes = std::fs::read(output.join("mutants.out/outcomes.json"))?;
        let outcomes: Value = serde_json::from_slice(&outcomes)?;
        let counts = Counts::of(&outcomes).ok_or_else(|| io::Error::other("outcomes without counts"))?;
        println!("{}", counts.row(&package));
        unseen += counts.missed;
    }
    if unseen > 0 {
        let lists = root.join("target/mutants/PACKAGE/mutants.out/missed.txt");
        return Err(io::Error::other(format!("{unseen} changes that no test sees: {}", lists.display())));
    }
    Ok(())
}

/// Its exit code only says whether something survived, which the outcomes say better.
fn mutate(root: &Path, package: &str, shard: Option<&str>, output: &Path) -> io::Result<()> {
    let mut command = Command::new("cargo");
    command.current_dir(root).args(["mutants", "--package", package, "--output"]).arg(output);
    command.args(shard.iter().flat_map(|shard| ["--shard", shard]));
    match command.status()?.code() {
        // 0: all caught, 2: some missed, 3: some timed out.
        Some(0 | 2 | 3) => Ok(()),
        code => Err(io::Error::other(format!(
            "cargo mutants of {package} ended with {code:?} (cargo install cargo-mutants --locked)"
        ))),
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Counts {
    total: u64,
    caught: u64,
    timeout: u64,
    missed: u64,
    unviable: u64,
}

impl Counts {
    fn of(outcomes: &Value) -> Option<Self> {
        let count = |name: &str| outcomes[name].as_u64();
        Some(Self {
            total: count("total_mutants")?,
            caught: count("caught")?,
            timeout: count("timeout")?,
            missed: count("missed")?,
            unviable: count("unviable")?,
        })
    }

    /// A change that makes a walk endless is seen, too: by the time that it takes.
    fn row(&self, package: &str) -> String {
        let Self { total, caught, timeout, missed, unviable } = self;
        let seen = caught + timeout;
        let rate = 100 * seen / (seen + missed).max(1);
        format!("| {package} | {total} | {caught} | {timeout} | {missed} | {unviable} | {rate} % |")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_of_a_run_become_a_row() {
        let outcomes: Value = serde_json::from_str(
            r#"{"total_mutants": 12, "caught": 7, "timeout": 1, "missed": 2, "unviable": 2, "success": 0, "outcomes": []}"#,
        )
        .unwrap();
        let counts = Counts::of(&outcomes).unwrap();
        assert_eq!(counts.row("imgprep-qed"), "| imgprep-qed | 12 | 7 | 1 | 2 | 2 | 80 % |");
        assert_eq!(Counts::of(&Value::Null), None);
    }
}
