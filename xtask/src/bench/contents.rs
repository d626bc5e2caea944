//! Jobs that read the contents of disks and write nothing: comparisons and digests.

use std::io;
use std::path::Path;
use std::process::Command;

use super::Duel;
use super::inputs::{Inputs, has_qemu_img, must};
use super::job::Job;

impl Inputs {
    /// Comparisons beside `qemu-img compare`, digests beside `sha256sum`, and receipts beside those without digests.
    pub(super) fn contents(&self) -> io::Result<Vec<Duel>> {
        std::fs::copy(self.path("full.raw"), self.path("copy.raw"))?;
        let mut duels = Vec::new();
        if has_qemu_img() {
            duels.extend(self.comparisons()?);
        }
        let zvhd2 = self.path("contents.zvhd2");
        must(Command::new(&self.ours).args([
            "convert",
            &self.path("full.raw"),
            &zvhd2,
            "-q",
            "--no-sync",
            "--force",
        ]))?;
        duels.extend([
            self.digest("SHA-256 of a RAW", "-a sha256 $full.raw"),
            self.digest("SHA-256 of a ZVHD2", "-a sha256 $contents.zvhd2"),
            self.digest("BLAKE3 of a RAW", "-a blake3 $full.raw"),
            self.digest("BLAKE3 of a ZVHD2", "-a blake3 $contents.zvhd2"),
            // SHA-256 of 10 GiB would take longer than all other jobs together.
            Duel::of(vec![
                self.ours("BLAKE3 of 10 GiB, mostly zeros", "none", "digest -q $10g.raw").called("imgprep"),
            ]),
        ]);
        let receipt = |name: &str, format: &str, options: &str| {
            let job = |digest: &str| {
                let line = format!(
                    "convert $full.raw $o.{format} -q --no-sync --force --receipt $r.json --digest {digest}{options}"
                );
                self.ours(name, &format!("o.{format}"), &line).called(digest)
            };
            Duel::of(vec![job("blake3"), job("none")])
        };
        duels.extend([
            receipt("receipt, RAW to ZVHD2", "zvhd2", ""),
            receipt("receipt, RAW to ZVHD2 --verify", "zvhd2", " --verify"),
            receipt("receipt, RAW to RAW", "raw", ""),
        ]);
        Ok(duels)
    }

    fn comparisons(&self) -> io::Result<Vec<Duel>> {
        let images: [(&str, &[&str]); 3] = [
            ("plain.qcow2", &["-O", "qcow2"]),
            ("zlib.qcow2", &["-c", "-O", "qcow2"]),
            ("zstd.qcow2", &["-c", "-O", "qcow2", "-o", "compression_type=zstd"]),
        ];
        images.iter().try_for_each(|(image, options)| self.image("full.raw", image, options))?;
        let sparse = ["convert", &self.path("1t.raw"), &self.path("1t.qcow2"), "-q", "--no-sync", "--force"];
        must(Command::new(&self.ours).args(sparse))?;
        let duel = |name: &str, a: &str, b: &str| {
            let theirs = vec!["compare".into(), self.path(a), self.path(b)];
            let output = self.folder.join("none");
            Duel::of(vec![
                self.ours(name, "none", &format!("compare ${a} ${b} -q")).called("imgprep"),
                Job::new(name, Path::new("qemu-img"), theirs, output).called("qemu-img"),
            ])
            .at_most(0.35)
        };
        Ok(vec![
            duel("RAW and RAW", "full.raw", "copy.raw"),
            duel("RAW and QCOW2", "full.raw", "plain.qcow2"),
            duel("RAW and QCOW2 zlib", "full.raw", "zlib.qcow2"),
            duel("RAW and QCOW2 zstd", "full.raw", "zstd.qcow2"),
            duel("QCOW2 zlib and QCOW2 zstd", "zlib.qcow2", "zstd.qcow2"),
            duel("RAW and QCOW2 of 1 TiB", "1t.raw", "1t.qcow2"),
        ])
    }

    /// A digest beside `sha256sum` of the RAW.
    fn digest(&self, name: &str, line: &str) -> Duel {
        let theirs = vec![self.path("full.raw")];
        let output = self.folder.join("none");
        Duel::of(vec![
            self.ours(name, "none", &format!("digest -q {line}")).called("imgprep"),
            Job::new(name, Path::new("sha256sum"), theirs, output).called("sha256sum"),
        ])
    }
}
