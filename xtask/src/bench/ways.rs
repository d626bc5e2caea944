//! Ways to get bytes into a file, each alone: what the engine's way was chosen by.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FallocateFlags, SeekFrom, copy_file_range, fallocate, seek};

use super::workers::{BLOCK, each};

/// What they are called, and the name of the first is what the others are held against.
pub(super) const WAYS: [(&str, &str); 5] = [
    ("write", "one thread"),
    ("write-allocated", "one thread, blocks allocated before each write"),
    ("write-together", "all cores"),
    ("write-together-allocated", "all cores, blocks allocated before each write"),
    ("copy-range", "copy_file_range"),
];

/// The data of a file written with direct I/O from one buffer, and read with it into one: what the disk can do.
pub(super) const DIRECT_WRITE: &str = "direct-write";
pub(super) const DIRECT_READ: &str = "direct-read";

/// The file that is written beside `input`, as long as it.
pub(super) fn output(input: &Path) -> std::path::PathBuf {
    input.with_extension("way")
}

/// Runs one of them.
pub(super) fn run(name: &str, input: &File, path: &Path) -> io::Result<()> {
    let out = File::create(if name == DIRECT_READ { Path::new("/dev/null").into() } else { output(path) })?;
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
        DIRECT_WRITE => {
            let file = open_direct(&output(path), true)?;
            direct(input, &file, |file, buffer, at| file.write_all_at(buffer, at))?;
        }
        DIRECT_READ => direct(input, &open_direct(path, false)?, FileExt::read_exact_at)?,
        "copy-range" => copy(input, &out, blocks * BLOCK)?,
        _ => return Err(io::Error::other("not one of the works and ways")),
    }
    Ok(())
}

/// Opens a file for direct I/O.
fn open_direct(path: &Path, writes: bool) -> io::Result<File> {
    let flags = i32::try_from(rustix::fs::OFlags::DIRECT.bits()).unwrap_or(0);
    OpenOptions::new().read(!writes).write(writes).custom_flags(flags).open(path)
}

/// Calls `work` for every piece of the data of `input`, in whole blocks, and syncs the file.
fn direct(
    input: &File,
    file: &File,
    work: impl Fn(&File, &mut [u8], u64) -> io::Result<()>,
) -> io::Result<()> {
    const SECTOR: u64 = 4096;
    let mut memory = vec![1; BLOCK + SECTOR as usize];
    let aligned = memory.as_ptr().align_offset(SECTOR as usize);
    let buffer = &mut memory[aligned..aligned + BLOCK];
    let mut at = 0;
    while let Ok(start) = seek(input, SeekFrom::Data(at)) {
        at = seek(input, SeekFrom::Hole(start))?;
        let end = at / SECTOR * SECTOR;
        for piece in (start.next_multiple_of(SECTOR)..end).step_by(BLOCK) {
            let len = usize::try_from(end - piece).map_or(BLOCK, |left| left.min(BLOCK));
            work(file, &mut buffer[..len], piece)?;
        }
    }
    file.sync_all()
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
