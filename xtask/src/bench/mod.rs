//! `cargo xtask bench [--quick] [PART OF A SECTION'S TITLE]`: our jobs beside what a user would run instead.
//!
//! Inputs are made here. The jobs of a duel run interleaved, once to warm up and then five
//! times (`--quick`: once); tables show medians. Everything runs from the page cache. Memory
//! is touched once before: a virtual machine may get each page only then, which costs more
//! than all that is measured here.

mod batches;
mod inputs;
mod job;
pub(crate) mod limits;
mod monsters;
mod tables;

use std::fs;
use std::io;
use std::path::Path;

use inputs::Inputs;
use job::{Job, race};
use tables::{Row, print_head, print_machine};

type Section = (&'static str, fn(&Inputs, bool) -> io::Result<Vec<Duel>>);

const SECTIONS: [Section; 6] = [
    ("One thread, two threads", |inputs, _| inputs.threads()),
    ("Beside the least that the work takes, on all cores", |inputs, _| inputs.limits()),
    ("Large disks with little on them", |inputs, _| Ok(inputs.sparse())),
    ("To RAW, beside qemu-img", |inputs, _| inputs.to_raw()),
    ("Checks, beside qemu-img", |inputs, _| inputs.checks()),
    ("Batches, beside one image after the other", |inputs, is_quick| inputs.batches(is_quick)),
];

/// Not held against anything but its bounds: 100 ms and 32 MiB.
const MONSTERS: &str = "Monsters: the slowest of each format";

/// Runs the sections whose title contains `only` and prints their tables.
pub(crate) fn run(root: &Path, is_quick: bool, only: Option<&str>) -> io::Result<()> {
    let (data, runs) = if is_quick { (64 << 20, 1) } else { (512 << 20, 5) };
    if !is_quick {
        touch_memory();
    }
    let inputs = Inputs::make(root, data)?;
    let mut rows = Vec::new();
    print_machine(data, runs);
    for (title, duels) in SECTIONS.iter().filter(|(title, _)| only.is_none_or(|only| title.contains(only))) {
        let duels = duels(&inputs, is_quick)?;
        print_head(title);
        for mut duel in duels {
            race(&mut duel, runs)?;
            let row = Row::of(&duel, data);
            println!("{row}");
            rows.push(row);
        }
    }
    if only.is_none_or(|only| MONSTERS.contains(only)) {
        print_head(MONSTERS);
        for job in monsters::measure(&inputs, runs)? {
            let row = Row::of(&[job], 0);
            println!("{row}");
            rows.push(row);
        }
    }
    let report = root.join("target/bench.json");
    fs::write(&report, tables::json(&rows))?;
    println!("\nThe same as JSON: {}", report.display());
    fs::remove_dir_all(inputs.folder)
}

/// Jobs that are run in turns and compared: the first is held against the best of the others.
pub(crate) type Duel = Vec<Job>;

/// Three quarters of the memory that is free, once, and gives it back.
fn touch_memory() {
    const PIECE: usize = 64 << 20;
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let free =
        text.lines().find_map(|line| line.strip_prefix("MemFree:")?.split_whitespace().next()?.parse().ok());
    let pieces = free.unwrap_or(0_usize) / 1024 * 3 / 4 / (PIECE >> 20);
    let touched: Vec<Vec<u8>> = (0..pieces).map(|_| vec![1; PIECE]).collect();
    std::hint::black_box(&touched);
}
