//! Headers that declare more than any machine has: disks of 16 EiB, tables of 2^60 bytes, tables that lie in a
//! hole of terabytes. A reader may report anything, but its memory must not depend on what they declare.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::qcow::encode as qcow;
use crate::qed::encode::Qed;
use crate::vdi::encode::Vdi;
use crate::vhd::encode as vhd;
use crate::vhdx::encode::{DISK_SIZE, FILE_PARAMETERS, Vhdx};
use crate::vmdk::encode::Hosted;
use crate::zvhd::encode::{ZvhdCompression, zvhd, zvhd2};
use crate::{Cell, Qcow2, broken};

/// Length of the long ones: all but a few bytes of them are holes.
const LONG: u64 = 1 << 42;

/// A file that is mostly a hole.
#[derive(Clone, Debug)]
pub struct ResourceBomb {
    /// Unique, names what is declared.
    pub name: String,
    /// The format.
    pub format: &'static str,
    /// Length of the file.
    pub len: u64,
    /// What is not a hole: place and bytes.
    pub pieces: Vec<(u64, Vec<u8>)>,
}

impl ResourceBomb {
    /// Writes it into `folder`; its path.
    pub fn write(&self, folder: &Path) -> io::Result<PathBuf> {
        let path = folder.join(format!("{}.{}", self.name, self.format));
        let file = File::create(&path)?;
        file.set_len(self.len)?;
        self.pieces.iter().try_for_each(|(at, bytes)| file.write_all_at(bytes, *at))?;
        Ok(path)
    }
}

/// All of them, by format.
pub fn resource_bombs() -> Vec<ResourceBomb> {
    let mut all = [qcow2s(), qcows(), qeds(), vdis(), vhds(), vhdxs(), vmdks(), zvhds()].concat();
    // Those among the broken images.
    for image in broken().into_iter().filter(|image| image.name.contains("bomb")) {
        let [file] = &image.files[..] else { continue };
        let format = image.name.split('-').next().unwrap_or_default();
        all.push(bomb(image.name, format, &file.bytes, &[]));
    }
    all
}

type Edits<'e> = &'e [(u64, &'e [u8])];

fn bomb(name: &str, format: &'static str, file: &[u8], edits: Edits<'_>) -> ResourceBomb {
    let mut bytes = file.to_vec();
    for (at, edit) in edits {
        bytes[*at as usize..*at as usize + edit.len()].copy_from_slice(edit);
    }
    ResourceBomb { name: name.into(), format, len: bytes.len() as u64, pieces: vec![(0, bytes)] }
}

/// The same as it is and with a hole of terabytes after it.
fn both(name: &str, format: &'static str, file: &[u8], edits: Edits<'_>) -> [ResourceBomb; 2] {
    let short = bomb(name, format, file, edits);
    let long = ResourceBomb { name: format!("{name}-long"), len: LONG, ..short.clone() };
    [short, long]
}

fn qcow2s() -> Vec<ResourceBomb> {
    let base = Qcow2 { cells: [(0, Cell::Data(vec![1; 65536]))].into(), ..Qcow2::new(16, 1 << 20) };
    let file = base.write().file;
    let of = |name: &str, edits: Edits<'_>| both(&format!("qcow2-{name}"), "qcow2", &file, edits);
    let far = (1u64 << 60).to_be_bytes();
    let ones = [0xff; 4096];
    [
        of("disk-16-eib", &[(24, &[0xff; 8])]),
        of("disk-8-eib", &[(24, &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0])]),
        of("l1-of-2-to-32", &[(36, &[0xff; 4])]),
        of("l1-at-2-to-60", &[(40, &far)]),
        of("counts-of-2-to-32", &[(56, &[0xff; 4])]),
        of("counts-at-2-to-60", &[(48, &far)]),
        of("snapshots-2-to-32", &[(60, &[0xff; 4])]),
        of("snapshots-over-all", &[(60, &[0, 0, 255, 255, 0, 0, 0, 0, 0, 1, 0, 0])]),
        of("all-ones", &[(4096, &ones)]),
        // A directory of 2 EiB in clusters of 2 MiB, which lies in the hole as it should.
        of(
            "wide",
            &[
                (20, &[0, 0, 0, 21]),
                (24, &(1u64 << 61).to_be_bytes()),
                (36, &[0, 0x40, 0, 0]),
                (40, &(1u64 << 40).to_be_bytes()),
            ],
        ),
    ]
    .concat()
}

fn qcows() -> Vec<ResourceBomb> {
    let file = qcow::Qcow::new(16, 13, 1 << 20)
        .with_disk(&vec![1; 1 << 20], |_, data| qcow::Cell::Data(data))
        .write()
        .file;
    let of = |name: &str, edits: Edits<'_>| both(&format!("qcow-{name}"), "qcow", &file, edits);
    [
        of("disk-16-eib", &[(24, &[0xff; 8])]),
        of("disk-2-to-62", &[(24, &(1u64 << 62).to_be_bytes())]),
        of("small-clusters", &[(24, &(1u64 << 60).to_be_bytes()), (32, &[9, 6])]),
        of("directory-at-2-to-60", &[(40, &(1u64 << 60).to_be_bytes())]),
        of("directory-in-hole", &[(24, &(1u64 << 62).to_be_bytes()), (40, &(1u64 << 40).to_be_bytes())]),
        of("name-2-to-32", &[(8, &[0, 0, 0, 0, 0, 0, 0, 72, 0xff, 0xff, 0xff, 0xff])]),
    ]
    .concat()
}

fn qeds() -> Vec<ResourceBomb> {
    let file = Qed::new(4096, 1, 1 << 20).with_disk(&vec![1; 1 << 20]).write().file;
    let of = |name: &str, edits: Edits<'_>| both(&format!("qed-{name}"), "qed", &file, edits);
    [
        of("disk-16-eib", &[(48, &[0xff; 8])]),
        of("header-2-to-32", &[(12, &[0xff; 4])]),
        of("directory-at-2-to-60", &[(40, &(1u64 << 60).to_le_bytes())]),
        // Tables of 1 GiB for 8 EiB in clusters of 64 MiB, the directory in the hole.
        of(
            "wide",
            &[
                (4, &(64u32 << 20).to_le_bytes()),
                (8, &16u32.to_le_bytes()),
                (40, &(1u64 << 40).to_le_bytes()),
                (48, &(1u64 << 63).to_le_bytes()),
            ],
        ),
    ]
    .concat()
}

fn vdis() -> Vec<ResourceBomb> {
    let file = Vdi::new(1 << 20, 4 << 20).with_disk(&vec![1; 4 << 20]).write().file;
    let of = |name: &str, edits: Edits<'_>| both(&format!("vdi-{name}"), "vdi", &file, edits);
    let all = u32::MAX.to_le_bytes();
    let ends: [u8; 8] = [0, 2, 0, 0, 0, 0, 0, 0x80];
    [
        of("disk-16-eib", &[(368, &[0xff; 8])]),
        of("map-of-2-to-32", &[(384, &all)]),
        // Every entry of the hole names block 0.
        of(
            "wide",
            &[(344, &ends[..4]), (368, &(u64::from(u32::MAX) << 20).to_le_bytes()), (384, &all), (388, &all)],
        ),
        of(
            "blocks-of-2-gib",
            &[
                (376, &(1u32 << 31).to_le_bytes()),
                (368, &(u64::from(u32::MAX) << 31).to_le_bytes()),
                (384, &all),
            ],
        ),
        of("extra-2-to-32", &[(380, &all), (388, &all)]),
    ]
    .concat()
}

/// The footer's copy, the header and the table are changed, the footer follows.
fn vhds() -> Vec<ResourceBomb> {
    let written = vhd::Vhd::new(3, 8 << 20, 2 << 20).with_disk(&vec![1; 8 << 20]).write();
    let at = written.footer as usize;
    let of = |name: &str, size: Option<u64>, edits: Edits<'_>| {
        let mut file = written.file.clone();
        for (at, bytes) in edits {
            file[512 + *at as usize..512 + *at as usize + bytes.len()].copy_from_slice(bytes);
        }
        if let Some(size) = size {
            file[40..48].copy_from_slice(&size.to_be_bytes());
            file[48..56].copy_from_slice(&size.to_be_bytes());
        }
        vhd::seal(&mut file[..512], 64);
        vhd::seal(&mut file[512..1536], 36);
        let footer = file[..512].to_vec();
        file[at..at + 512].copy_from_slice(&footer);
        let short = bomb(&format!("vhd-{name}"), "vhd", &file, &[]);
        let mut long = ResourceBomb { name: format!("{}-long", short.name), len: LONG, ..short.clone() };
        long.pieces.push((LONG - 512, footer));
        [short, long]
    };
    let mut fixed = vhd::Vhd::new(2, 4096, 0).fixed(&[0; 4096]).file;
    let start = fixed.len() - 512;
    fixed[start + 40..start + 56].fill(0xff);
    vhd::seal(&mut fixed[start..], 64);
    let mut all = [
        of("disk-16-eib", Some(u64::MAX - 511), &[]),
        of("table-of-2-to-32", Some(1 << 53), &[(28, &[0xff; 4])]),
        of("table-at-2-to-60", None, &[(16, &(1u64 << 60).to_be_bytes())]),
        of("blocks-of-2-gib", Some(u64::MAX - 511), &[(28, &[0xff; 4]), (32, &[0x80, 0, 0, 0])]),
        // Every entry of the hole names sector 0.
        of("table-in-hole", Some(1 << 53), &[(16, &(1u64 << 40).to_be_bytes()), (28, &[0xff; 4])]),
    ]
    .concat();
    all.extend(both("vhd-fixed-16-eib", "vhd", &fixed, &[]));
    all
}

fn vhdxs() -> Vec<ResourceBomb> {
    let of = |name: &str, edit: &dyn Fn(&mut crate::vhdx::encode::Written)| {
        let mut written = Vhdx::new(1 << 20, 4 << 20).with_disk(&vec![1; 4 << 20]).write();
        edit(&mut written);
        both(&format!("vhdx-{name}"), "vhdx", &written.file, &[])
    };
    let item = |written: &mut crate::vhdx::encode::Written, name: &str, bytes: &[u8]| {
        let at = written.items[name];
        crate::vhdx::encode::put(&mut written.file, at, bytes);
    };
    let far = |mib: u64| (mib << 20).to_le_bytes();
    [
        of("disk-16-eib", &|written| item(written, DISK_SIZE, &[0xff; 8])),
        of("disk-2-to-63", &|written| item(written, DISK_SIZE, &(1u64 << 63).to_le_bytes())),
        of("log-of-4-gib", &|written| written.header(&[0, 1], 68, &0xfff0_0000u32.to_le_bytes())),
        of("log-in-hole", &|written| {
            written.header(&[0, 1], 48, &[9; 16]);
            written.header(&[0, 1], 68, &0xfff0_0000u32.to_le_bytes());
            written.header(&[0, 1], 72, &far(1 << 20));
        }),
        of("table-at-2-to-60", &|written| written.region(32, &far(1 << 40))),
        // 64 TiB, and its table in the hole.
        of("wide", &|written| {
            item(written, DISK_SIZE, &(64u64 << 40).to_le_bytes());
            written.region(32, &far(1 << 20));
            written.region(40, &(1u32 << 30).to_le_bytes());
        }),
        of("blocks-of-256-mib", &|written| {
            item(written, FILE_PARAMETERS, &(256u32 << 20).to_le_bytes());
            item(written, DISK_SIZE, &(64u64 << 40).to_le_bytes());
        }),
    ]
    .concat()
}

fn vmdks() -> Vec<ResourceBomb> {
    let recipe = Hosted::new(128, &vec![1; 1 << 20]).embedded("monolithicSparse", "x.vmdk");
    let file = recipe.write().file;
    // With the descriptor's word for it, whose number must not become longer.
    let of = |name: &str, sectors: u64, edits: Edits<'_>| {
        let text = format!("RW {sectors} SPARSE \"x\"");
        let mut edited = file.clone();
        let at = edited.windows(3).position(|part| part == b"RW ").expect("a line");
        let end = at + edited[at..].iter().position(|byte| *byte == b'\n').expect("its end");
        edited.splice(at..end, text.bytes());
        // The place of the text keeps its length.
        let tail = edited[512..].iter().position(|byte| *byte == 0).expect("room after the text") + 512;
        if edited.len() > file.len() {
            edited.drain(tail..tail + edited.len() - file.len());
        } else {
            edited.splice(tail..tail, vec![0; file.len() - edited.len()]);
        }
        edited[12..20].copy_from_slice(&sectors.to_le_bytes());
        both(&format!("vmdk-{name}"), "vmdk", &edited, edits)
    };
    let (all, hole) = (u64::MAX.to_le_bytes(), (1u64 << 31).to_le_bytes());
    let mut bombs = [
        of("disk-2-to-64-sectors", u64::MAX, &[]),
        of("disk-16-eib", 1 << 55, &[]),
        of("disk-8-eib-directory-in-hole", 1 << 54, &[(48, &hole), (56, &hole)]),
        of("directory-at-2-to-64", 2048, &[(48, &all), (56, &all)]),
        of("tables-of-2-to-32", 1 << 54, &[(44, &[0xff; 4])]),
        of("descriptor-of-2-to-60", 2048, &[(36, &(1u64 << 51).to_le_bytes())]),
        of("one-entry-a-table", 1 << 47, &[(44, &[1, 0, 0, 0]), (48, &hole), (56, &hole)]),
    ]
    .concat();
    let se = crate::vmdk::encode::sesparse(1 << 20, &BTreeMap::new()).file;
    bombs.extend(both("vmdk-sesparse-16-eib", "vmdk", &se, &[(16, &(1u64 << 55).to_le_bytes())]));
    bombs
}

fn zvhds() -> Vec<ResourceBomb> {
    let disk = vec![1; 4 << 20];
    // In both header pages.
    let of = |format: &'static str, file: &[u8], name: &str, edits: Edits<'_>| {
        let mut file = file.to_vec();
        let last = file.len() - 4096;
        for page in [0, last] {
            for (at, bytes) in edits {
                file[page + *at as usize..page + *at as usize + bytes.len()].copy_from_slice(bytes);
            }
            crate::zvhd::encode::seal(&mut file[page..page + 4096]);
        }
        let page = file[last..].to_vec();
        let short = bomb(&format!("{format}-{name}"), format, &file, &[]);
        let mut long = ResourceBomb { name: format!("{}-long", short.name), len: LONG, ..short.clone() };
        long.pieces.push((LONG - 4096, page));
        [short, long]
    };
    let (one, two) = (zvhd(&disk), zvhd2(&disk, ZvhdCompression::Zstd));
    let size: Vec<u8> = [(u64::MAX - 511).to_le_bytes(), (u64::MAX - 511).to_le_bytes()].concat();
    let half: Vec<u8> = [(1u64 << 52).to_le_bytes(), (1u64 << 52).to_le_bytes()].concat();
    let ends = [(1u64 << 40).to_le_bytes(), ((1u64 << 40) + (1 << 32)).to_le_bytes()].concat();
    [
        of("zvhd", &one, "disk-16-eib", &[(40, &size)]),
        of("zvhd", &one, "disk-2-to-52", &[(40, &half)]),
        of("zvhd2", &two, "disk-16-eib", &[(40, &size), (92, &[0xff; 4])]),
        of("zvhd2", &two, "disk-2-to-52", &[(40, &half), (92, &(1u32 << 31).to_le_bytes())]),
        of("zvhd2", &two, "index-of-4-gib", &[(112, &[0xff; 4]), (136, &[0xff; 4])]),
        of(
            "zvhd2",
            &two,
            "index-in-hole",
            &[
                (40, &half),
                (92, &(1u32 << 31).to_le_bytes()),
                (96, &ends),
                (112, &[0, 0, 0, 0xff]),
                (116, &[0xff; 4]),
                (136, &[0, 0, 0, 0x0f]),
            ],
        ),
        of("zvhd2", &two, "bitmap-of-4-gib", &[(116, &[0xff; 4]), (132, &[0xff; 4])]),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_format_has_some() {
        let all = resource_bombs();
        for format in ["qcow2", "qcow", "qed", "vdi", "vhd", "vhdx", "vmdk", "zvhd", "zvhd2"] {
            assert!(all.iter().filter(|bomb| bomb.format == format).count() >= 4, "{format}");
        }
        for (index, bomb) in all.iter().enumerate() {
            assert!(all[..index].iter().all(|other| other.name != bomb.name), "{}", bomb.name);
        }
    }
}
