//! File systems that are mounted for a test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::program::{has_tool, skip, tool};

/// A file system of its own in a file in a folder, or in memory; gone when dropped.
pub(crate) struct Mounted(pub(crate) PathBuf);

impl Mounted {
    /// `None` where `mkfs` is missing or nothing may be mounted.
    pub(crate) fn new(folder: &Path, mkfs: &str) -> Option<Self> {
        if !has_tool(mkfs) {
            return None;
        }
        let file = folder.join(format!("{mkfs}.img"));
        // Less, mkfs.xfs does not take; it stays a hole.
        File::create(&file).unwrap().set_len(512 << 20).unwrap();
        tool(folder, mkfs, &["-q", file.to_str().unwrap()]);
        Self::mount(folder, mkfs, &["-o", "loop", file.to_str().unwrap()])
    }

    pub(crate) fn in_memory(folder: &Path) -> Option<Self> {
        Self::mount(folder, "tmpfs", &["-t", "tmpfs", "-o", "size=64m", "tmpfs"])
    }

    pub(crate) fn mount(folder: &Path, name: &str, args: &[&str]) -> Option<Self> {
        let at = folder.join(format!("at-{name}"));
        std::fs::create_dir(&at).unwrap();
        let mounted = Command::new("mount").args(args).arg(&at).output().ok();
        if mounted.is_some_and(|output| output.status.success()) {
            return Some(Self(at));
        }
        skip(&format!("mount-{}", name.trim_start_matches("mkfs.")), "outputs on another file system");
        None
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}
