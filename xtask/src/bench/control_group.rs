//! The most memory that a job is charged for by its control group: its own pages and the page cache that it fills.
//!
//! `RssAnon` leaves out what a job maps from files, so a program that maps its source looks smaller there than one that reads into
//! buffers. The control group charges both alike.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A control group that this process, and so every child it starts, is in until [`ControlGroup::leave`].
pub(super) struct ControlGroup {
    folder: PathBuf,
    parent: PathBuf,
}

impl ControlGroup {
    /// Joins a new group below the present one; `None` where that is not allowed.
    pub(super) fn join() -> Option<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let (root, path) = memory_controller(&groups)?;
        let parent = root.join(path.trim_start_matches('/'));
        let folder = parent.join(format!("imgprep-bench-{}", std::process::id()));
        fs::create_dir(&folder).ok()?;
        let group = Self { folder, parent };
        if enter(&group.folder).is_err() || peak_in(&group.folder).is_none() {
            group.leave();
            return None;
        }
        Some(group)
    }

    /// Leaves the group and removes it. Returns its peak, in bytes.
    pub(super) fn leave(self) -> Option<u64> {
        let peak = peak_in(&self.folder);
        let _ = enter(&self.parent);
        let _ = fs::remove_dir(&self.folder);
        peak
    }
}

fn enter(folder: &Path) -> io::Result<()> {
    fs::write(folder.join("cgroup.procs"), std::process::id().to_string())
}

/// Version 1 and version 2 of the interface name it differently.
fn peak_in(folder: &Path) -> Option<u64> {
    ["memory.max_usage_in_bytes", "memory.peak"]
        .iter()
        .find_map(|name| fs::read_to_string(folder.join(name)).ok()?.trim().parse().ok())
}

/// Where the memory controller is mounted, and this process's group in it.
fn memory_controller(groups: &str) -> Option<(&'static Path, &str)> {
    groups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        match controllers {
            "" => Some((Path::new("/sys/fs/cgroup"), path)),
            _ => controllers
                .split(',')
                .any(|name| name == "memory")
                .then_some((Path::new("/sys/fs/cgroup/memory"), path)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_controller_of_both_versions_is_found() {
        let first = "9:name=systemd:/\n4:cpu,memory:/a/b\n0::/\n";
        assert_eq!(memory_controller(first), Some((Path::new("/sys/fs/cgroup/memory"), "/a/b")));
        assert_eq!(memory_controller("0::/user.slice\n"), Some((Path::new("/sys/fs/cgroup"), "/user.slice")));
        assert_eq!(memory_controller("9:name=systemd:/\n"), None);
    }
}
