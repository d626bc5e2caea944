//! What the jobs read.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::cache::evict;
use super::job::Job;

/// The files of one bench, gone with its folder.
pub(super) struct Inputs {
    pub(super) folder: PathBuf,
    pub(super) ours: PathBuf,
    maker: PathBuf,
    /// This program, built as the product is: it runs the bare works.
    pub(super) bare: PathBuf,
}

impl Inputs {
    /// Builds the program and writes a disk that is only half-compressible data, the same bytes
    /// spread over 1 TiB and over 10 GiB, and one of zeros that are stored.
    pub(super) fn make(root: &Path, data: u64) -> io::Result<Self> {
        let args = [
            "build",
            "--quiet",
            "--release",
            "--package",
            "imgprep-cli",
            "--package",
            "imgprep-testdata-gen",
            "--package",
            "xtask",
        ];
        let target = root.join("target");
        must(Command::new("cargo").args(args).arg("--target-dir").arg(&target).current_dir(root))?;
        let folder = target.join("bench");
        fs::create_dir_all(&folder)?;
        let (ours, maker) = (target.join("release/imgprep"), target.join("release/testdata-gen"));
        let bare = target.join("release/xtask");
        let inputs = Self { folder, ours, maker, bare };
        for (name, size) in [("1t.raw", 1 << 40), ("10g.raw", 10 << 30), ("full.raw", data)] {
            let args = ["big".into(), inputs.path(name), size.to_string(), data.to_string()];
            must(Command::new(&inputs.maker).args(args))?;
        }
        fs::write(inputs.path("zeros.raw"), vec![0; usize::try_from(data).unwrap_or(0)])?;
        Ok(inputs)
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// `imgprep` without progress and sync; `$` in an argument stands for this folder.
    pub(super) fn ours(&self, name: &str, output: &str, line: &str) -> Job {
        let line = line.split(' ').map(|word| match word.strip_prefix('$') {
            Some(file) => self.path(file),
            None => word.to_string(),
        });
        Job::new(name, &self.ours, line.collect(), self.folder.join(output))
    }

    /// Files that declare more than they have: format and path.
    pub(super) fn resource_bombs(&self) -> io::Result<Vec<(String, String)>> {
        let made =
            Command::new(&self.maker).args(["resource-bombs", &self.path("resource-bombs")]).output()?;
        if !made.status.success() {
            return Err(io::Error::other("the resource bombs could not be written"));
        }
        let text = String::from_utf8_lossy(&made.stdout).into_owned();
        Ok(text
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(format, path)| (format.into(), path.into()))
            .collect())
    }

    /// An image of a RAW disk, as `qemu-img convert` makes it.
    pub(super) fn image(&self, disk: &str, image: &str, options: &[&str]) -> io::Result<()> {
        let mut make = Command::new("qemu-img");
        make.args(["convert", "-q", "-f", "raw"]).args(options).args([self.path(disk), self.path(image)]);
        let made = must(&mut make);
        // What comes next needs the room.
        [disk, image].iter().try_for_each(|file| evict(&self.folder.join(file)))?;
        made
    }

    /// A QCOW2 of `data` bytes whose clusters were written in no order, as those of a disk that was in use.
    pub(super) fn scattered_image(&self, image: &str, data: u64) -> io::Result<()> {
        const CLUSTER: u64 = 64 << 10;
        let path = self.path(image);
        must(Command::new("qemu-img").args(["create", "-q", "-f", "qcow2", &path, &data.to_string()]))?;
        let mut make = Command::new("qemu-io");
        make.args(["-f", "qcow2", "-t", "unsafe", &path]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut made = make.spawn()?;
        // An odd step through a power of two comes to all of them.
        let clusters = (data / CLUSTER).next_power_of_two();
        if let Some(mut commands) = made.stdin.take() {
            for index in (0..clusters).map(|n| n * 1_640_531_527 % clusters) {
                if index * CLUSTER < data {
                    writeln!(commands, "write -P {} {} {CLUSTER}", index % 255 + 1, index * CLUSTER)?;
                }
            }
        }
        if made.wait()?.success() { Ok(()) } else { Err(io::Error::other("qemu-io failed")) }
    }
}

pub(super) fn has_qemu_img() -> bool {
    Command::new("qemu-img").arg("--version").stdout(Stdio::null()).status().is_ok()
}

pub(super) fn must(command: &mut Command) -> io::Result<()> {
    let status = command.stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("{command:?} failed"))) }
}
