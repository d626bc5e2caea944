//! `cargo xtask tidy`: the laws of ARCHITECTURE.md that no compiler checks.

mod arrows;
mod sources;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() != Some("tidy") {
        eprintln!("usage: cargo xtask tidy");
        return ExitCode::FAILURE;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = sources::check_all(&root);
    found.extend(arrows::check_workspace(&root));
    for violation in &found {
        println!("{violation}");
    }
    println!("tidy: {} violations", found.len());
    if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
