//! Block devices.

use std::path::Path;
use std::process::Command;

use super::program::skip;

/// A loop device over a file; gone when dropped.
pub(crate) struct Loop(pub(crate) String);

impl Loop {
    pub(crate) fn new(file: &Path) -> Option<Self> {
        Self::with_sectors_of(512, file)
    }

    pub(crate) fn with_sectors_of(bytes: u32, file: &Path) -> Option<Self> {
        let mut losetup = Command::new("losetup");
        losetup.args(["--find", "--show", "--sector-size", &bytes.to_string()]).arg(file);
        let output = losetup.output().ok()?;
        let name = String::from_utf8_lossy(&output.stdout).trim().to_string();
        if output.status.success() && !name.is_empty() {
            return Some(Self(name));
        }
        skip("loop-device", "block devices as outputs");
        None
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["--detach", &self.0]).status();
    }
}
