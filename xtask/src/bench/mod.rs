//! `cargo xtask bench [--quick]`: our jobs beside what a user would run instead.
//!
//! Inputs are made here. The jobs of a duel run interleaved, once to warm up and then seven
//! times (`--quick`: once); tables show medians. Before every run the inputs are read into the page cache
//! (or taken out of it), and the last output is removed: a virtual machine gives pages that stay free back to its
//! host, and gets each one again only when it is touched, so every timed run follows at once on one of the same job.

mod batches;
mod cache;
mod contents;
mod control_group;
pub(crate) mod count;
mod disks;
mod duel;
mod duels;
mod inputs;
mod job;
pub(crate) mod limits;
mod machine;
mod plot;
mod real_sizes;
mod resource_bombs;
mod tables;
mod ways;
mod workers;

use std::path::Path;
use std::{fs, io};

use inputs::Inputs;
use job::race;
use real_sizes::State;
use tables::{Row, print_head};

use crate::bench::duel::Duel;

type Section = (&'static str, fn(&Inputs, bool) -> io::Result<Vec<Duel>>);

const SECTIONS: [Section; 17] = [
    ("Real sizes, warm", |inputs, is_quick| inputs.real_sizes(State::Warm, is_quick)),
    ("Real sizes, as found", |inputs, is_quick| inputs.real_sizes(State::AsFound, is_quick)),
    ("Real sizes, cold", |inputs, is_quick| inputs.real_sizes(State::Cold, is_quick)),
    ("One thread, two threads and more", |inputs, _| inputs.threads()),
    ("Twice the data", |inputs, _| inputs.sizes()),
    ("Compared with the minimal work, on all cores", |inputs, _| inputs.limits()),
    ("Ways to write a file", |inputs, _| inputs.ways()),
    ("Large disks with little data", |inputs, _| Ok(inputs.sparse())),
    ("Within a budget of 48 MiB", |inputs, _| inputs.small()),
    ("To RAW, compared with qemu-img", |inputs, _| inputs.to_raw()),
    ("A file system to RAW, compared with qemu-img", |inputs, _| inputs.file_system()),
    ("To QCOW2, VDI, VHD, VHDX, QED, VMDK and ZVHD, compared with qemu-img", |inputs, _| {
        Ok(inputs.to_formats())
    }),
    ("Synced, compared with qemu-img and sync", |inputs, _| inputs.synced()),
    ("From a cold cache", |inputs, _| inputs.cold()),
    ("Checks, compared with qemu-img", |inputs, _| inputs.checks()),
    ("Compare: disks with qemu-img, digests with sha256sum", |inputs, _| inputs.contents()),
    ("Batches, compared with one image after the other", |inputs, is_quick| inputs.batches(is_quick)),
];

/// Not held against anything but its bounds: 100 ms and 32 MiB.
const RESOURCE_BOMBS: &str = "ResourceBombs: the slowest of each format";

/// Runs the sections whose title contains `only` and prints their tables.
pub(crate) fn run(root: &Path, is_quick: bool, only: Option<&str>) -> io::Result<()> {
    let (data, runs) = if is_quick { (64 << 20, 1) } else { (256 << 20, 7) };
    let inputs = Inputs::make(root, data)?;
    let machine = machine::describe(&inputs.folder);
    println!("{machine}\n{} MiB of data, medians of {runs}", data >> 20);
    let mut sections: Vec<(&str, Vec<Row>)> = Vec::new();
    for (title, duels) in SECTIONS.iter().filter(|(title, _)| only.is_none_or(|only| title.contains(only))) {
        let duels = duels(&inputs, is_quick)?;
        print_head(title);
        let mut rows = Vec::new();
        for mut duel in duels {
            // Gigabytes are not measured as often.
            race(&mut duel.jobs, if title.starts_with("Real sizes") { runs.min(3) } else { runs })?;
            let row = Row::of(&duel, duel.data.unwrap_or(data));
            println!("{row}");
            rows.push(row);
        }
        sections.push((*title, rows));
        report(root, &machine, &sections)?;
    }
    if only.is_none_or(|only| RESOURCE_BOMBS.contains(only)) {
        print_head(RESOURCE_BOMBS);
        let slowest =
            resource_bombs::measure(&inputs, runs)?.into_iter().map(|job| Row::of(&Duel::of(vec![job]), 0));
        sections.push((RESOURCE_BOMBS, slowest.inspect(|row| println!("{row}")).collect()));
        report(root, &machine, &sections)?;
    }
    inputs.page_cache(only)?;
    println!("\nThe same as JSON and as a plot: target/bench.json, target/bench.svg");
    fs::remove_dir_all(inputs.folder)
}

/// As far as it has come: a bench may be stopped.
fn report(root: &Path, machine: &str, sections: &[(&str, Vec<Row>)]) -> io::Result<()> {
    fs::write(root.join("target/bench.json"), tables::json(machine, sections))?;
    fs::write(root.join("target/bench.svg"), plot::svg(sections))
}
