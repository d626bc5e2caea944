//! Ways to get bytes into a file, each alone: what the engine's way was chosen by.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{FallocateFlags, copy_file_range, fallocate};

use super::workers::{BLOCK, each};

/// What they are called, and the name of the first is what the others are held against.
pub(super) const WAYS: [(&str, &str); 5] = [
    ("write", "one thread"),
    ("write-allocated", "one thread, blocks allocated before each write"),
    ("write-together", "all cores"),
    ("write-together-allocated", "all cores, blocks allocated before each write"),
    ("copy-range", "copy_file_range"),
];

/// The file that is written beside `input`, as long as it.
pub(super) fn output(input: &Path) -> std::path::PathBuf {
    input.with_extension("way")
}

/// Runs one of them.
pub(super) fn run(name: &str, input: &File, path: &Path) -> io::Result<()> {
    let out = File::create(output(path))?;
    let blocks = usize::try_from(input.metadata()?.len()).unwrap_or(0) / BLOCK;
    let write = |index: usize, is_allocated: bool, block: &[u8]| {
        let at = (index * BLOCK) as u64;
        if is_allocated {
            fallocate(&out, FallocateFlags::KEEP_SIZE, at, BLOCK as u64).expect("blocks can be allocated");
        }
        out.write_all_at(block, at).expect("there is room");
    };
    match name {
        "write" | "write-allocated" => {
            let block = vec![1; BLOCK];
            (0..blocks).for_each(|index| write(index, name == "write-allocated", &block));
        }
        "write-together" | "write-together-allocated" => each(blocks, || {
            let block = vec![1; BLOCK];
            Box::new(move |index| write(index, name == "write-together-allocated", &block))
        }),
        "copy-range" => copy(input, &out, blocks * BLOCK)?,
        _ => return Err(io::Error::other("not one of the works and ways")),
    }
    Ok(())
}

fn copy(input: &File, out: &File, len: usize) -> io::Result<()> {
    let (mut from, mut to) = (0, 0);
    while to < len as u64 {
        if copy_file_range(input, Some(&mut from), out, Some(&mut to), BLOCK)? == 0 {
            return Err(io::Error::other("nothing was copied"));
        }
    }
    Ok(())
}
