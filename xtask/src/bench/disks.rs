//! A disk with a file system of the machine's own files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::inputs::must;

/// Writes a disk of `len` bytes with an ext4 that is nearly full of programs and libraries; false where there is no `mkfs.ext4`.
pub(super) fn file_system(disk: &Path, len: u64) -> io::Result<bool> {
    let folder = disk.with_extension("files");
    fs::create_dir_all(&folder)?;
    copy_some(Path::new("/usr"), &folder, len / 10 * 8)?;
    let mut make = Command::new("mkfs.ext4");
    make.args(["-q", "-F", "-d"]).arg(&folder).arg(disk).arg(format!("{}k", len >> 10));
    let made = must(&mut make);
    fs::remove_dir_all(folder)?;
    match made {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        made => made.map(|()| true),
    }
}

/// Copies regular files below `from`, in the order of their names, until there are `budget` bytes.
fn copy_some(from: &Path, to: &Path, mut budget: u64) -> io::Result<()> {
    let mut folders = vec![from.to_path_buf()];
    let mut copied = 0u32;
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        let mut entries: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        entries.sort();
        for entry in entries {
            let Ok(found) = fs::symlink_metadata(&entry) else { continue };
            if found.is_dir() {
                folders.push(entry);
            } else if found.is_file() && found.len() <= budget {
                fs::copy(&entry, to.join(copied.to_string()))?;
                copied += 1;
                budget -= found.len();
            }
        }
        if budget < 1 << 20 {
            break;
        }
    }
    Ok(())
}
