//! `cargo xtask tidy`: the rules of ARCHITECTURE.md that the compiler does not check.
//! `cargo xtask docs`: writes the pages that are generated from tables.
//! `cargo xtask bench [--quick] [PART OF A SECTION'S TITLE]`: benchmarks, compared with other tools.
//! `cargo xtask mutants [--shard K/N] [PACKAGE]`: mutation tests of a crate.
//! `cargo xtask bench --count [--accept]`: instruction counts of the hot loops, compared with the accepted ones.

mod arrows;
mod bench;
mod circles;
mod codes;
mod manifest_schema;
mod module_source;
mod mutants;
mod options;
mod sources;
mod words;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["tidy"] => tidy(&root),
        ["docs"] => docs(&root),
        ["bench"] => bench(&root, false, None),
        ["bench", "--quick"] => bench(&root, true, None),
        ["bench", "--quick", only] => bench(&root, true, Some(only)),
        ["bench", "--count"] => end("bench", bench::count::run(&root, false)),
        ["bench", "--count", "--accept"] => end("bench", bench::count::run(&root, true)),
        ["mutants"] => end("mutants", mutants::run(&root, None, None)),
        ["mutants", "--shard", shard] => end("mutants", mutants::run(&root, Some(shard), None)),
        ["mutants", "--shard", shard, package] => {
            end("mutants", mutants::run(&root, Some(shard), Some(package)))
        }
        ["mutants", package] => end("mutants", mutants::run(&root, None, Some(package))),
        ["limit", name, file] => end("limit", bench::limits::run(name, file)),
        ["bench", only] => bench(&root, false, Some(only)),
        _ => {
            eprintln!(
                "usage: cargo xtask tidy | docs | bench [--quick] [PART OF A SECTION'S TITLE] | bench --count [--accept] | mutants [--shard K/N] [PACKAGE]"
            );
            ExitCode::FAILURE
        }
    }
}

/// The generated pages: name and contents.
fn pages(root: &Path) -> [(&'static str, String); 3] {
    [
        ("docs/rules.md", imgprep::policy::page()),
        ("docs/codes.md", codes::page()),
        (manifest_schema::NAME, manifest_schema::page(root)),
    ]
}

fn docs(root: &Path) -> ExitCode {
    end("docs", pages(root).into_iter().try_for_each(|(name, page)| std::fs::write(root.join(name), page)))
}

fn tidy(root: &Path) -> ExitCode {
    let mut found = sources::check_all(root);
    found.extend(arrows::check_workspace(root));
    found.extend(words::check_all(root));
    found.extend(options::check_all(root));
    for (name, page) in pages(root) {
        if std::fs::read_to_string(root.join(name)).ok().as_deref() != Some(&page) {
            found.push(format!("{name}: differs from its table: run cargo xtask docs"));
        }
    }
    for violation in &found {
        println!("{violation}");
    }
    println!("tidy: {} violations", found.len());
    if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn bench(root: &Path, is_quick: bool, only: Option<&str>) -> ExitCode {
    end("bench", bench::run(root, is_quick, only))
}

fn end(what: &str, done: std::io::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{what}: {error}");
            ExitCode::FAILURE
        }
    }
}
