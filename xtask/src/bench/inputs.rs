//! What the jobs read, and the jobs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Duel;
use super::job::Job;

/// A format as `qemu-img convert` makes it: name, arguments.
const FORMATS: &[(&str, &[&str])] = &[
    ("QCOW2", &["-O", "qcow2"]),
    ("QCOW2 zlib", &["-c", "-O", "qcow2"]),
    ("QCOW2 zstd", &["-c", "-O", "qcow2", "-o", "compression_type=zstd"]),
    ("QCOW", &["-O", "qcow"]),
    ("QCOW zlib", &["-c", "-O", "qcow"]),
    ("QED", &["-O", "qed"]),
    ("VDI", &["-O", "vdi"]),
    ("VHD dynamic", &["-O", "vpc", "-o", "subformat=dynamic,force_size=on"]),
    ("VHD fixed", &["-O", "vpc", "-o", "subformat=fixed,force_size=on"]),
    ("VHDX", &["-O", "vhdx"]),
    ("VMDK sparse", &["-O", "vmdk"]),
    ("VMDK flat", &["-O", "vmdk", "-o", "subformat=monolithicFlat"]),
    ("VMDK streamOptimized", &["-O", "vmdk", "-o", "subformat=streamOptimized"]),
];

/// The files of one bench, gone with its folder.
pub(super) struct Inputs {
    pub(super) folder: PathBuf,
    pub(super) ours: PathBuf,
    maker: PathBuf,
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
        ];
        let target = root.join("target");
        must(Command::new("cargo").args(args).arg("--target-dir").arg(&target).current_dir(root))?;
        let folder = target.join("bench");
        fs::create_dir_all(&folder)?;
        let (ours, maker) = (target.join("release/imgprep"), target.join("release/testdata-gen"));
        let inputs = Self { folder, ours, maker };
        for (name, size) in [("1t.raw", 1 << 40), ("10g.raw", 10 << 30), ("full.raw", data)] {
            let args = ["big".into(), inputs.path(name), size.to_string(), data.to_string()];
            must(Command::new(&inputs.maker).args(args))?;
        }
        fs::write(inputs.path("zeros.raw"), vec![0; usize::try_from(data).unwrap_or(0)])?;
        Ok(inputs)
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// `imgprep` without progress and sync; `$` in an argument stands for this folder.
    fn ours(&self, name: &str, output: &str, line: &str) -> Job {
        let line = line.split(' ').map(|word| match word.strip_prefix('$') {
            Some(file) => self.path(file),
            None => word.to_string(),
        });
        Job::new(name, &self.ours, line.collect(), self.folder.join(output))
    }

    /// Files that declare more than they have: format and path.
    pub(super) fn monsters(&self) -> io::Result<Vec<(String, String)>> {
        let made = Command::new(&self.maker).args(["monsters", &self.path("monsters")]).output()?;
        if !made.status.success() {
            return Err(io::Error::other("the monsters could not be written"));
        }
        let text = String::from_utf8_lossy(&made.stdout).into_owned();
        Ok(text
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(format, path)| (format.into(), path.into()))
            .collect())
    }

    pub(super) fn threads(&self) -> io::Result<Vec<Duel>> {
        let pair = |name: &str, line: &str, output: &str| {
            let job = |threads: &str| self.ours(name, output, &format!("{line} -q -j {threads}"));
            vec![job("2").called("2 threads"), job("1").called("1 thread")]
        };
        let mut duels = vec![
            pair("RAW to ZVHD2", "convert $full.raw $o.zvhd2 --no-sync", "o.zvhd2"),
            pair(
                "RAW to ZVHD2 --zlib --level 1",
                "convert $full.raw $o.zvhd2 --no-sync --zlib --level 1",
                "o.zvhd2",
            ),
            pair("RAW to RAW", "convert $full.raw $o.raw --no-sync", "o.raw"),
            pair("zero scan: bitmap of stored zeros", "bitmap $zeros.raw $o.mf", "o.mf"),
        ];
        if has_qemu_img() {
            let (full, image) = (self.path("full.raw"), self.path("full.qcow2"));
            must(Command::new("qemu-img").args(["convert", "-f", "raw", "-O", "qcow2", &full, &image]))?;
            duels.push(pair("QCOW2 to ZVHD2", "convert $full.qcow2 $o.zvhd2 --no-sync", "o.zvhd2"));
        }
        Ok(duels)
    }

    /// Held against nothing but the work itself, on all cores.
    pub(super) fn limits(&self) -> io::Result<Vec<Duel>> {
        let zvhd2 = self.path("full.zvhd2");
        must(Command::new(&self.ours).args(["convert", &self.path("full.raw"), &zvhd2, "-q", "--no-sync"]))?;
        let limit = |name: &str, label: &str, work: &str, file: &str| -> io::Result<Job> {
            let args = ["limit", work, &self.path(file)].map(String::from).to_vec();
            Ok(Job::new(name, &std::env::current_exe()?, args, self.folder.join("none")).called(label))
        };
        let ours = |name: &str, output: &str, line: &str| self.ours(name, output, line).called("imgprep");
        Ok(vec![
            vec![
                ours("RAW to ZVHD2", "o.zvhd2", "convert $full.raw $o.zvhd2 -q --no-sync"),
                limit("RAW to ZVHD2", "zstd 3 of the blocks", "pack", "full.raw")?,
            ],
            vec![
                ours("ZVHD2 to RAW", "o.raw", "convert $full.zvhd2 $o.raw -q --no-sync"),
                limit("ZVHD2 to RAW", "unpacking the blocks", "unpack", "full.zvhd2")?,
            ],
            vec![
                ours("bitmap of stored zeros", "o.mf", "bitmap $zeros.raw $o.mf -q"),
                limit("bitmap of stored zeros", "a look at every byte", "scan", "zeros.raw")?,
            ],
        ])
    }

    pub(super) fn sparse(&self) -> Vec<Duel> {
        let job = |disk: &str, format: &str| {
            let line = format!("convert ${disk}.raw $o.{format} -q --no-sync");
            self.ours(&format!("sparse RAW to {format}"), &format!("o.{format}"), &line).called(disk)
        };
        vec![
            vec![job("1t", "zvhd2"), job("10g", "zvhd2")],
            vec![job("1t", "raw"), job("10g", "raw")],
            vec![self.ours("info of the 1 TiB RAW", "none", "info $1t.raw").called("1t")],
        ]
    }

    /// Every format that `qemu-img` makes of the same disk.
    pub(super) fn to_raw(&self) -> io::Result<Vec<Duel>> {
        if !has_qemu_img() {
            println!("qemu-img is not installed: the formats that it makes are left out\n");
            return Ok(Vec::new());
        }
        let mut duels = vec![self.duel("RAW", "full.raw")];
        for (index, (name, options)) in FORMATS.iter().enumerate() {
            let image = format!("image-{index}");
            let full = self.path("full.raw");
            let mut make = Command::new("qemu-img");
            make.args(["convert", "-q", "-f", "raw"])
                .args(*options)
                .args([full.as_str(), &self.path(&image)]);
            match must(&mut make) {
                // qemu-img 10 closes a packed QCOW with a write that its own driver refuses: the file is whole.
                Err(_) if *name == "QCOW zlib" => {}
                made => made?,
            }
            duels.push(self.duel(name, &image));
        }
        Ok(duels)
    }

    /// A QCOW2 of 1 TiB in which 20 GiB are allocated.
    pub(super) fn checks(&self) -> io::Result<Vec<Duel>> {
        if !has_qemu_img() {
            return Ok(Vec::new());
        }
        let image = self.path("wide.qcow2");
        let create = ["create", "-q", "-f", "qcow2", "-o", "preallocation=falloc", &image, "20G"];
        must(Command::new("qemu-img").args(create))?;
        must(Command::new("qemu-img").args(["resize", "-q", &image, "1T"]))?;
        let name = "check of a QCOW2 of 1 TiB with 20 GiB";
        let theirs = vec!["check".into(), image];
        Ok(vec![vec![
            self.ours(name, "none", "check $wide.qcow2").called("imgprep"),
            Job::new(name, Path::new("qemu-img"), theirs, self.folder.join("none")).called("qemu-img"),
        ]])
    }

    fn duel(&self, name: &str, image: &str) -> Duel {
        let qemu = |label: &str, flags: &[&str]| {
            let mut args: Vec<String> =
                ["convert", "-O", "raw"].into_iter().chain(flags.iter().copied()).map(String::from).collect();
            args.extend([self.path(image), self.path("o.raw")]);
            Job::new(name, Path::new("qemu-img"), args, self.folder.join("o.raw")).called(label)
        };
        let line = format!("convert ${image} $o.raw -q --no-sync");
        vec![
            self.ours(name, "o.raw", &line).called("imgprep"),
            qemu("qemu-img", &[]),
            qemu("qemu-img -m 16 -W", &["-m", "16", "-W"]),
        ]
    }
}

fn has_qemu_img() -> bool {
    Command::new("qemu-img").arg("--version").stdout(Stdio::null()).status().is_ok()
}

pub(super) fn must(command: &mut Command) -> io::Result<()> {
    let status = command.stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("{command:?} failed"))) }
}
