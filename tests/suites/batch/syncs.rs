//! What a batch puts on the disk, and in which order, as the system sees it.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use testdata_gen::Noise;

use crate::support::batches::JOURNAL;
use crate::support::program::{command, has_strace, printed};

/// A system call: where in the trace it began and where it was over.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) begun: usize,
    pub(crate) over: usize,
    pub(crate) text: String,
}

/// The calls of a trace. A call that another thread interrupts has two lines.
pub(crate) fn calls(trace: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut open: HashMap<&str, usize> = HashMap::new();
    for (number, line) in trace.lines().enumerate() {
        let Some((thread, text)) = line.split_once(' ') else { continue };
        let text = text.trim_start();
        if text.starts_with("<...") {
            if let Some(call) = open.remove(thread) {
                calls[call].over = number;
                // Its result is in the second line.
                calls[call].text += text.split_once("resumed>").map_or("", |(_, rest)| rest);
            }
            continue;
        }
        if text.ends_with("<unfinished ...>") {
            open.insert(thread, calls.len());
        }
        calls.push(Call { begun: number, over: number, text: text.into() });
    }
    assert!(open.is_empty(), "{open:?}");
    calls
}

/// The first call after `after` with all these parts, which is over before anything later is looked for.
pub(crate) fn next(calls: &[Call], after: usize, parts: &[&str]) -> usize {
    let is_it = |call: &&Call| call.begun >= after && parts.iter().all(|part| call.text.contains(part));
    let call = calls.iter().find(is_it);
    call.unwrap_or_else(|| panic!("{parts:?} does not come after line {after}: {calls:#?}")).over + 1
}

/// Where the file that got the name `name` has it, after `after`: all of it was synced before.
#[track_caller]
pub(crate) fn published(calls: &[Call], after: usize, name: &str) -> usize {
    let names = |call: &&Call| {
        let is_naming = call.text.starts_with("link") || call.text.starts_with("rename");
        call.begun >= after
            && is_naming
            && call.text.contains(&format!("{name}\""))
            && call.text.contains(" = 0")
    };
    let naming = calls.iter().find(names).unwrap_or_else(|| panic!("{name} is not named: {calls:#?}"));
    // A file without a name is linked by its number; one that replaces another has a hidden name in between.
    let linked = |call: &Call| Some(call.text.split_once("/proc/self/fd/")?.1.split_once('"')?.0.to_string());
    let synced = if let Some(fd) = linked(naming) {
        format!("fsync({fd}<")
    } else {
        let hidden = naming.text.split('"').nth(1).unwrap();
        let hidden = &hidden[hidden.rfind("/.imgprep-").unwrap()..];
        let mut by_link = calls.iter().filter(|call| call.begun < naming.begun && call.text.contains(hidden));
        by_link.find_map(linked).map_or(hidden.to_string(), |fd| format!("fsync({fd}<"))
    };
    let is_synced = |call: &&Call| {
        call.over < naming.begun && call.text.starts_with("fsync") && call.text.contains(&synced)
    };
    assert!(calls.iter().any(|call| is_synced(&call)), "{name} has its name before it is synced: {calls:#?}");
    naming.over + 1
}

fn traced(folder: &Path) -> Vec<Call> {
    let program = command(
        folder,
        &["batch", "images", "--out", "new/out", "--name", "sub/{stem}.{ext}", "--progress", "jsonl"],
    );
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-qq", "-s", "100000", "-o", "trace"]);
    strace.args(["-e", "trace=mkdir,mkdirat,write,fsync,fdatasync,rename,renameat,renameat2,link,linkat"]);
    let output =
        strace.arg(program.get_program()).args(program.get_args()).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", printed(&output));
    calls(&std::fs::read_to_string(folder.join("trace")).unwrap())
}

/// What is reported as done survives a power failure at any later moment: the output's bytes are synced before it gets its
/// name, the name before the line of the journal, the journal before the event is printed.
#[test]
fn result_is_journalled_after_all_its_files_are_synced() {
    if !has_strace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("images")).unwrap();
    for index in 0..3 {
        let disk = Noise::new(index).bytes(1 << 20);
        std::fs::write(folder.path().join(format!("images/{index}.raw")), disk).unwrap();
    }
    let calls = traced(folder.path());
    let root = folder.path().canonicalize().unwrap();
    let journal = format!("<{}/new/out/{JOURNAL}>", root.display());
    // The folders, and the journal with all that it announces, before the first output.
    let mut at = 0;
    for parts in [
        &["mkdir", "new\""][..],
        &["fsync", &format!("<{}>", root.display())],
        &["mkdir", "new/out\""],
        &["fsync", &format!("<{}/new>", root.display())],
        &["fsync", &format!("<{}/new/out>", root.display())],
        &["write", &journal, "sub/0.zvhd2", "sub/2.zvhd2"],
        &["fdatasync", &journal],
        &["mkdir", "new/out/sub\""],
        &["fsync", &format!("<{}/new/out>", root.display())],
    ] {
        at = next(&calls, at, parts);
    }
    let announced = at;
    for index in 0..3 {
        let name = format!("{index}.zvhd2");
        let mut at = published(&calls, announced, &format!("out/sub/{name}"));
        for parts in [
            &["fsync", &format!("<{}/new/out/sub>", root.display())][..],
            &["write", &journal, "done", &format!("sub/{name}")],
            &["fdatasync", &journal],
            &["write(2", "finish", &format!("sub/{name}")],
        ] {
            at = next(&calls, at, parts);
        }
    }
}
