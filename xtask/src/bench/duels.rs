//! The jobs of every section.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use super::Duel;
use super::cache::{Cache, resident};
use super::disks::file_system;
use super::inputs::{Inputs, has_qemu_img, must};
use super::job::Job;
use super::ways::{self, WAYS};

/// A format as `qemu-img convert` writes it: name, target ratio, arguments.
const FORMATS: &[(&str, f64, &[&str])] = &[
    ("QCOW2", 0.60, &["-O", "qcow2"]),
    ("QCOW2 zlib", 0.35, &["-c", "-O", "qcow2"]),
    ("QCOW2 zstd", 0.35, &["-c", "-O", "qcow2", "-o", "compression_type=zstd"]),
    ("VDI", 0.60, &["-O", "vdi"]),
    ("VHD dynamic", 0.60, &["-O", "vpc", "-o", "subformat=dynamic,force_size=on"]),
    ("VHD fixed", 0.60, &["-O", "vpc", "-o", "subformat=fixed,force_size=on"]),
    ("VHDX", 0.60, &["-O", "vhdx"]),
    ("VMDK sparse", 0.60, &["-O", "vmdk"]),
    ("VMDK flat", 0.60, &["-O", "vmdk", "-o", "subformat=monolithicFlat"]),
    ("VMDK streamOptimized", 0.35, &["-O", "vmdk", "-o", "subformat=streamOptimized"]),
    ("QED", 0.60, &["-O", "qed"]),
    ("QCOW", 0.60, &["-O", "qcow"]),
    ("QCOW zlib", 0.35, &["-c", "-O", "qcow"]),
];

/// The option of both programs for a compressed VMDK.
const STREAM: &str = "-o subformat=streamOptimized";

/// The options of both programs for VMDKs of several files.
const FLAT: &str = "-o subformat=monolithicFlat";
const SPLIT_SPARSE: &str = "-o subformat=twoGbMaxExtentSparse";
const SPLIT_FLAT: &str = "-o subformat=twoGbMaxExtentFlat";

/// What is made of a disk with a file system.
const FILE_SYSTEM_FORMATS: &[(&str, f64, &[&str])] = &[
    ("QCOW2", 0.60, &["-O", "qcow2"]),
    ("QCOW2 zlib", 0.35, &["-c", "-O", "qcow2"]),
    ("QCOW2 zstd", 0.35, &["-c", "-O", "qcow2", "-o", "compression_type=zstd"]),
    ("VMDK streamOptimized", 0.35, &["-O", "vmdk", "-o", "subformat=streamOptimized"]),
];

/// Bare works, and what they are called.
const PACK: (&str, &str) = ("compress", "zstd 3 of the blocks");
const UNPACK: (&str, &str) = ("decompress", "decompressing the blocks");
const DEFLATE: (&str, &str) = ("deflate", "one thread: deflate 6 of the blocks");
const SCAN: (&str, &str) = ("scan", "positioned reads of every byte and an OR over them");

/// The name of the output in the line of a job.
fn output_of(line: &str) -> &str {
    line.split(' ')
        .find_map(|word| word.strip_prefix('$').filter(|file| file.starts_with("o.")))
        .unwrap_or("none")
}

impl Inputs {
    /// Two threads, four and eight as far as there are cores, each beside one.
    pub(super) fn threads(&self) -> io::Result<Vec<Duel>> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut lines = vec![
            ("RAW to ZVHD2", "convert $full.raw $o.zvhd2 --no-sync"),
            ("RAW to ZVHD2 --zlib --level 1", "convert $full.raw $o.zvhd2 --no-sync --zlib --level 1"),
            ("RAW to RAW", "convert $full.raw $o.raw --no-sync"),
            ("zero scan: bitmap of stored zeros", "bitmap $zeros.raw $o.mf"),
        ];
        if has_qemu_img() {
            self.image("full.raw", "full.qcow2", &["-O", "qcow2"])?;
            self.image("full.raw", "compressed.qcow2", &["-c", "-O", "qcow2"])?;
            lines.push(("QCOW2 to ZVHD2", "convert $full.qcow2 $o.zvhd2 --no-sync"));
            lines.push(("QCOW2 zlib to RAW", "convert $compressed.qcow2 $o.raw --no-sync"));
        }
        let duel = |(name, line): (&str, &str), threads: usize| {
            let job = |count: usize| {
                let label = if count == 1 { "1 thread".into() } else { format!("{count} threads") };
                self.ours(name, output_of(line), &format!("{line} -q -j {count}")).called(&label)
            };
            Duel::of(vec![job(threads), job(1)]).on_threads(threads)
        };
        let counts: Vec<usize> = [2, 4, 8].into_iter().filter(|count| *count <= cores.max(2)).collect();
        Ok(lines.into_iter().flat_map(|line| counts.iter().map(move |count| duel(line, *count))).collect())
    }

    /// A budget that is smaller than what the jobs would like.
    pub(super) fn small(&self) -> io::Result<Vec<Duel>> {
        const BUDGET: &str = "-q --no-sync --memory 48M -j 8";
        for (name, options) in [("small.zvhd2", "--to zvhd2"), ("small.zlib", "--to zvhd2 --zlib")] {
            let mut make = Command::new(&self.ours);
            make.args(["convert", "-q", "--no-sync"]).args(options.split(' '));
            must(make.args([self.path("full.raw"), self.path(name)]))?;
        }
        let job = |name: &str, output: &str, line: &str| {
            Duel::of(vec![self.ours(name, output, &format!("{line} {BUDGET}")).called("-j 8")])
        };
        let mut duels = vec![
            job("RAW to ZVHD2", "o.zvhd2", "convert $full.raw $o.zvhd2"),
            job("RAW to ZVHD2, zlib", "o.zvhd2", "convert $full.raw $o.zvhd2 --zlib --level 1"),
            job("ZVHD2 to RAW", "o.raw", "convert $small.zvhd2 $o.raw"),
            job("ZVHD2 with zlib to ZVHD2", "o.zvhd2", "convert $small.zlib $o.zvhd2"),
        ];
        if has_qemu_img() {
            let large = ["-c", "-O", "qcow2", "-o", "compression_type=zstd,cluster_size=2M"];
            self.image("full.raw", "large.qcow2", &large)?;
            duels.push(job("QCOW2 zstd of 2 MiB clusters to RAW", "o.raw", "convert $large.qcow2 $o.raw"));
        }
        Ok(duels)
    }

    /// A disk beside one with half of its data.
    pub(super) fn sizes(&self) -> io::Result<Vec<Duel>> {
        let full = fs::File::open(self.path("full.raw"))?;
        let len = full.metadata()?.len();
        let mut half = fs::File::create(self.path("half.raw"))?;
        io::copy(&mut io::Read::take(&full, len / 2), &mut half)?;
        let duel = |format: &str| {
            let job = |disk: &str, label: &str| {
                let line = format!("convert ${disk}.raw $o.{format} -q --no-sync");
                self.ours(&format!("RAW to {format}"), &format!("o.{format}"), &line).called(label)
            };
            Duel::of(vec![job("full", "all"), job("half", "half of it")])
        };
        Ok(vec![duel("zvhd2"), duel("raw")])
    }

    /// Held against nothing but the work itself, on all cores.
    pub(super) fn limits(&self) -> io::Result<Vec<Duel>> {
        let zvhd2 = self.path("full.zvhd2");
        must(Command::new(&self.ours).args(["convert", &self.path("full.raw"), &zvhd2, "-q", "--no-sync"]))?;
        let len = fs::metadata(self.path("full.raw"))?.len();
        let mut noise = io::Read::take(fs::File::open("/dev/urandom")?, len);
        io::copy(&mut noise, &mut fs::File::create(self.path("noise.raw"))?)?;
        let mut duels = vec![
            self.compressed("noise to ZVHD2", "noise.raw", "noise.raw"),
            self.compressed("RAW to ZVHD2", "full.raw", "full.raw"),
            self.beside("ZVHD2 to RAW", "convert $full.zvhd2 $o.raw --no-sync", UNPACK, "full.zvhd2")
                .at_most(1.25),
            self.beside("ZVHD2 to a bitmap", "bitmap $full.zvhd2 $o.mf", UNPACK, "full.zvhd2"),
            self.beside("bitmap of stored zeros", "bitmap $zeros.raw $o.mf", SCAN, "zeros.raw").at_most(1.15),
            self.copied(),
        ];
        if has_qemu_img() {
            self.image("full.raw", "full.qcow2", &["-O", "qcow2"])?;
            duels.push(self.compressed("QCOW2 to ZVHD2", "full.qcow2", "full.raw"));
        }
        Ok(duels)
    }

    /// An image into ZVHD2, beside zstd on the blocks of its disk.
    fn compressed(&self, name: &str, image: &str, disk: &str) -> Duel {
        self.beside(name, &format!("convert ${image} $o.zvhd2 --no-sync"), PACK, disk).at_most(1.10)
    }

    /// A job beside the bare work on the bytes of `file`.
    fn beside(&self, name: &str, line: &str, (work, label): (&str, &str), file: &str) -> Duel {
        let ours = self.ours(name, output_of(line), &format!("{line} -q")).called("imgprep");
        let args = ["limit", work, &self.path(file)].map(String::from).to_vec();
        let bare = Job::new(name, &self.bare, args, self.folder.join("none")).called(label);
        Duel::of(vec![ours, bare])
    }

    fn copied(&self) -> Duel {
        let name = "RAW to RAW";
        let files = ["full.raw", "o.raw"].map(|file| self.path(file));
        let args =
            ["--sparse=always", "--reflink=never"].map(String::from).into_iter().chain(files).collect();
        let theirs =
            Job::new(name, Path::new("cp"), args, self.folder.join("o.raw")).called("cp --sparse=always");
        let ours = self.ours(name, "o.raw", "convert $full.raw $o.raw -q --no-sync").called("imgprep");
        Duel::of(vec![ours, theirs])
    }

    /// Ways to write, beside plain writes by one thread.
    pub(super) fn ways(&self) -> io::Result<Vec<Duel>> {
        let job = |(way, label): (&str, &str)| -> io::Result<Job> {
            let args = ["limit", way, &self.path("full.raw")].map(String::from).to_vec();
            let output = ways::output(&self.folder.join("full.raw"));
            Ok(Job::new(label, &self.bare, args, output))
        };
        let (first, others) = (WAYS[0], &WAYS[1..]);
        let duel = |way: (&str, &str)| {
            Ok(Duel::of(vec![job(way)?.called("this way"), job(first)?.called("one thread")]))
        };
        others.iter().copied().map(duel).collect()
    }

    pub(super) fn sparse(&self) -> Vec<Duel> {
        let job = |disk: &str, format: &str| {
            let line = format!("convert ${disk}.raw $o.{format} -q --no-sync");
            self.ours(&format!("sparse RAW to {format}"), &format!("o.{format}"), &line).called(disk)
        };
        vec![
            Duel::of(vec![job("1t", "zvhd2"), job("10g", "zvhd2")]).at_most(1.5),
            Duel::of(vec![job("1t", "raw"), job("10g", "raw")]).at_most(1.5),
            Duel::of(vec![self.ours("info of the 1 TiB RAW", "none", "info $1t.raw").called("1t")]),
        ]
    }

    /// Every format that `qemu-img` makes of the same disk.
    pub(super) fn to_raw(&self) -> io::Result<Vec<Duel>> {
        self.all_to_raw("full.raw", FORMATS)
    }

    /// A disk of the machine's own files.
    pub(super) fn file_system(&self) -> io::Result<Vec<Duel>> {
        let len = fs::metadata(self.path("full.raw"))?.len();
        if !file_system(&self.folder.join("files.raw"), len)? {
            println!("mkfs.ext4 is not installed: there is no file system to convert\n");
            return Ok(Vec::new());
        }
        let mut duels = self.all_to_raw("files.raw", FILE_SYSTEM_FORMATS)?;
        duels.push(self.compressed("a file system to ZVHD2", "files.raw", "files.raw"));
        Ok(duels)
    }

    fn all_to_raw(&self, disk: &str, formats: &[(&str, f64, &[&str])]) -> io::Result<Vec<Duel>> {
        if !has_qemu_img() {
            println!("qemu-img is not installed: the formats that it makes are left out\n");
            return Ok(Vec::new());
        }
        let mut duels = vec![self.duel("RAW", disk).at_most(0.60)];
        for (index, (name, at_most, options)) in formats.iter().enumerate() {
            let image = format!("image-{index}");
            match self.image(disk, &image, options) {
                // qemu-img 10 closes a compressed QCOW with a write that its own driver refuses: the file is whole.
                Err(_) if *name == "QCOW zlib" => {}
                made => made?,
            }
            duels.push(self.duel(name, &image).at_most(*at_most));
        }
        Ok(duels)
    }

    /// ZVHD, which only we write, beside one thread of deflate. Then the formats that `qemu-img` writes, too: name, target,
    /// format and options of both.
    pub(super) fn to_formats(&self) -> Vec<Duel> {
        let zvhd = self.beside("ZVHD", "convert $full.raw $o.zvhd --no-sync", DEFLATE, "full.raw");
        let mut duels = vec![zvhd.at_most(1.15)];
        if !has_qemu_img() {
            return duels;
        }
        let duel = |(name, at_most, format, ours, theirs): (&str, f64, &str, &str, &str)| {
            let output = format!("o.{format}");
            let qemu_format = if format == "vhd" { "vpc" } else { format };
            let qemu = |label: &str, flags: &str| {
                let line =
                    format!("qemu-img convert -f raw -O {qemu_format} {theirs} {flags} full.raw {output}");
                self.shell(name, &output, &line).reading(vec![self.folder.join("full.raw")]).called(label)
            };
            let line = format!("convert $full.raw ${output} -q --no-sync {ours}");
            Duel::of(vec![
                self.ours(name, &output, line.trim_end()).called("imgprep"),
                qemu("qemu-img", "-t writeback"),
                qemu("qemu-img -m 16 -W", "-t writeback -m 16 -W"),
            ])
            .at_most(at_most)
        };
        duels.extend([
            duel(("QCOW2, plain", 0.75, "qcow2", "", "")),
            duel(("QCOW2, zlib", 0.35, "qcow2", "-o compress=on", "-c")),
            duel(("QCOW2, zstd", 0.35, "qcow2", "-o compression_type=zstd", "-c -o compression_type=zstd")),
            duel(("VDI, dynamic", 0.75, "vdi", "", "")),
            duel(("VDI, static", 0.75, "vdi", "-o static=on", "-o static=on")),
            duel(("VHD, dynamic", 0.75, "vhd", "", "")),
            duel(("VHD, fixed", 0.75, "vhd", "-o subformat=fixed", "-o subformat=fixed")),
            duel(("VHDX, dynamic", 0.75, "vhdx", "", "")),
            duel(("VHDX, fixed", 0.75, "vhdx", "-o subformat=fixed", "-o subformat=fixed")),
            duel(("QED", 0.75, "qed", "", "")),
            duel(("VMDK, sparse", 0.75, "vmdk", "", "")),
            duel(("VMDK, streamOptimized", 0.35, "vmdk", STREAM, STREAM)),
            duel(("VMDK, flat", 0.75, "vmdk", FLAT, FLAT)),
            duel(("VMDK, sparse, split", 0.75, "vmdk", SPLIT_SPARSE, SPLIT_SPARSE)),
            duel(("VMDK, flat, split", 0.75, "vmdk", SPLIT_FLAT, SPLIT_FLAT)),
        ]);
        duels
    }

    /// Both with their data on the disk at the end.
    pub(super) fn synced(&self) -> io::Result<Vec<Duel>> {
        if !has_qemu_img() {
            return Ok(Vec::new());
        }
        self.image("full.raw", "full.qcow2", &["-O", "qcow2"])?;
        let duel = |name: &str, disk: &str| {
            let qemu = |label: &str, flags: &str| {
                let line = format!("qemu-img convert {flags} -O raw {disk} o.raw && sync o.raw");
                self.shell(name, "o.raw", &line).reading(vec![self.folder.join(disk)]).called(label)
            };
            Duel::of(vec![
                self.ours(name, "o.raw", &format!("convert ${disk} $o.raw -q")).called("imgprep"),
                qemu("qemu-img", "-t writeback"),
                qemu("qemu-img -m 16 -W", "-t writeback -m 16 -W"),
            ])
        };
        Ok(vec![duel("RAW to RAW, synced", "full.raw"), duel("QCOW2 to RAW, synced", "full.qcow2")])
    }

    /// Inputs come from the disk.
    pub(super) fn cold(&self) -> io::Result<Vec<Duel>> {
        let mut duels = vec![("RAW", "full.raw")];
        if has_qemu_img() {
            self.image("full.raw", "full.qcow2", &["-O", "qcow2"])?;
            self.image("full.raw", "compressed.qcow2", &["-c", "-O", "qcow2"])?;
            self.scattered_image("scattered.qcow2", fs::metadata(self.path("full.raw"))?.len())?;
            duels.extend([
                ("QCOW2", "full.qcow2"),
                ("QCOW2 zlib", "compressed.qcow2"),
                ("QCOW2, clusters anywhere", "scattered.qcow2"),
            ]);
        }
        Ok(duels
            .into_iter()
            .map(|(name, image)| {
                let duel = self.duel(&format!("{name}, cold"), image);
                Duel::of(duel.jobs.into_iter().map(Job::cold).collect())
            })
            .collect())
    }

    /// What a conversion leaves in the page cache of a source that was not there before.
    pub(super) fn page_cache(&self, only: Option<&str>) -> io::Result<()> {
        const TITLE: &str = "Page cache left behind";
        if only.is_some_and(|only| !TITLE.contains(only)) {
            return Ok(());
        }
        println!("\n## {TITLE}\n");
        let full = self.folder.join("full.raw");
        let output = self.path("o.raw");
        for (label, cache) in [("out of", Cache::Cold), ("in", Cache::Warm)] {
            cache.prepare(&[&full])?;
            let _ = fs::remove_file(&output);
            let before = resident(&full);
            must(Command::new(&self.ours).args([
                "convert",
                &self.path("full.raw"),
                &output,
                "-q",
                "--no-sync",
            ]))?;
            let (Some(before), Some(after)) = (before, resident(&full)) else {
                println!("fincore is not installed");
                return Ok(());
            };
            println!(
                "A RAW {label} the page cache: {} MiB of it there before, {} MiB after",
                before >> 20,
                after >> 20
            );
        }
        Ok(())
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
        Ok(vec![
            Duel::of(vec![
                self.ours(name, "none", "check $wide.qcow2").called("imgprep"),
                Job::new(name, Path::new("qemu-img"), theirs, self.folder.join("none")).called("qemu-img"),
            ])
            .at_most(1.0),
        ])
    }

    fn duel(&self, name: &str, image: &str) -> Duel {
        let qemu = |label: &str, flags: &[&str]| {
            let mut args: Vec<String> =
                ["convert", "-O", "raw"].into_iter().chain(flags.iter().copied()).map(String::from).collect();
            args.extend([self.path(image), self.path("o.raw")]);
            Job::new(name, Path::new("qemu-img"), args, self.folder.join("o.raw")).called(label)
        };
        let line = format!("convert ${image} $o.raw -q --no-sync");
        Duel::of(vec![
            self.ours(name, "o.raw", &line).called("imgprep"),
            qemu("qemu-img", &[]),
            qemu("qemu-img -m 16 -W", &["-m", "16", "-W"]),
        ])
    }
}
