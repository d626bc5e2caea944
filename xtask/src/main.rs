//! `cargo xtask tidy`: the laws of ARCHITECTURE.md that no compiler checks.
//! `cargo xtask bench [--quick | NAME]`: how fast it is, beside what else there is.

mod arrows;
mod bench;
mod sources;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["tidy"] => tidy(&root),
        ["bench"] => bench(&root, false, None),
        ["bench", "--quick"] => bench(&root, true, None),
        ["limit", name, file] => end("limit", bench::limits::run(name, file)),
        ["bench", only] => bench(&root, false, Some(only)),
        _ => {
            eprintln!("usage: cargo xtask tidy | bench [--quick | PART OF A NAME]");
            ExitCode::FAILURE
        }
    }
}

fn tidy(root: &Path) -> ExitCode {
    let mut found = sources::check_all(root);
    found.extend(arrows::check_workspace(root));
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
