//! File names that contradict a RAW disk: the extension of another format, or the name of a part of a disk.
//!
//! Names matter only for files that match no format. Unlisted extensions contradict nothing.

use std::path::Path;

use crate::formats::{FORMATS, Format, by_extension, is_raw_extension};

/// Why a name contradicts a RAW disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denial {
    /// The end of the name that contradicts.
    pub(crate) ending: String,
    /// The kind of such a file, and what to do.
    pub(crate) description: String,
    /// The descriptor of the whole disk, next to this file.
    pub(crate) descriptor: Option<String>,
    is_clonezilla: bool,
}

impl Denial {
    /// Whether the name marks a part of a disk, so that contents recognised as `found` are weaker evidence.
    pub(crate) fn is_piece(&self, found: &str) -> bool {
        match found {
            "text" => self.descriptor.is_some(),
            "gzip" | "xz" | "zstd" | "bzip2" | "lz4" | "lzma" | "lzip" | "lzop" | "lrzip" | "partclone" => {
                self.is_clonezilla
            }
            _ => false,
        }
    }
}

/// Other files that the search of a folder finds in order to report them, and the second usual extension of RAW disks.
const ALSO_SEARCHED: [&str; 3] = ["img", "iso", "ova"];

/// Extensions of images, for the search of a folder: readable formats, and ISO and OVA files, which are reported.
pub fn image_extensions() -> impl Iterator<Item = &'static str> {
    FORMATS.iter().filter_map(|format| format.extensions.first().copied()).chain(ALSO_SEARCHED)
}

/// Further extensions of files that are often taken for images.
pub const LIKELY_EXTENSIONS: &[&str] =
    &["avhdx", "bin", "dd", "disk", "gz", "image", "tar", "tgz", "vpc", "xz", "zst"];

/// Files that are not images, by extension.
#[rustfmt::skip]
const OTHERS: &[(&[&str], &str)] = &[
    (&["vhds"], "a VHD set stores its disk in the .avhdx files next to it"),
    (&["hdd", "hds", "hdx"], "Parallels images have these extensions"),
    (&["dmg", "sparseimage", "asif"], "macOS disk images have these extensions"),
    (&["cloop"], "compressed loop images have this extension"),
    (&["iso", "udf", "nrg", "mds", "mdf", "ccd", "isz", "daa", "uif", "cso", "chd", "cdr"],
        "images of optical discs have these extensions"),
    (&["ova", "xva", "vma", "ovf", "box"], "exported machines have these extensions"),
    (&["wim", "esd", "swm", "ffu"], "Windows deployment images have these extensions"),
    (&["aff", "afd", "afm", "aff4", "ad1", "ewf", "e01", "ex01", "l01", "lx01", "s01"],
        "forensic copies have these extensions"),
    (&["gz", "tgz", "xz", "txz", "zst", "tzst", "zstd", "bz2", "tbz", "tbz2", "bz3", "lz4", "lzma", "lzo", "lz", "lrz", "z", "sz"],
        "compressed files have these extensions"),
    (&["zip", "zipx", "7z", "rar", "tar", "cab", "cpio", "rpm", "deb", "apk", "jar", "xar", "pkg", "arj", "lha", "lzh", "zoo"],
        "archives have these extensions"),
    (&["squashfs", "sqfs", "sqsh", "snap"], "squashfs file systems have these extensions"),
    (&["simg"], "sparse images of phones have this extension"),
    (&["gpg", "pgp", "asc", "sig", "age", "minisig", "enc", "p7s"], "encrypted files and signatures have these extensions"),
    (&["tib", "tibx", "gho", "ghs", "v2i", "iv2i", "mrimg", "mrbak", "vbk", "vib", "vrb", "pbd", "spf", "spi", "adi", "afi",
        "sna", "fsa", "partimg", "ptcl", "fidx", "didx", "wbcat", "bkf"],
        "backups have these extensions: restore the disk with the program that created the backup"),
    (&["vmem", "vmss", "vmsn", "vswp", "vsv", "vmrs", "sav"], "files with these extensions contain a machine's memory, not its disk"),
    (&["vmx", "vmxf", "vmsd", "vmtx", "vbox", "vbox-prev", "vmcx", "nvram", "vmgs", "pvs", "utm"],
        "files with these extensions contain a machine's settings, not its disk"),
    (&["rct", "mrt"], "Hyper-V lists changed blocks in files with these extensions: use the .vhdx"),
    (&["mf"], "block bitmaps and manifests have this extension: use the image next to it"),
    (&["rbd"], "exports of Ceph block devices have this extension"),
    (&["torrent", "aria2", "metalink", "zsync", "jigdo", "bmap"], "incomplete downloads have these extensions"),
];

/// Extensions that copies and unfinished downloads append to a name.
const APPENDED: &[&str] = &[
    "bak",
    "backup",
    "old",
    "orig",
    "save",
    "copy",
    "tmp",
    "temp",
    "part",
    "partial",
    "filepart",
    "crdownload",
    "download",
    "opdownload",
    "new",
];

/// Ends of the stems of files that are a part of a VMDK disk; digits follow those that end in `#`.
const PARTS: &[&str] = &["-flat", "-delta", "-ctk", "-sesparse", "-rdm", "-rdmp", "-pt", "-f#", "-s#"];

/// Parts of names that mark a part of a Clonezilla image.
const CLONEZILLA: &[&str] =
    &["-ptcl-img", ".ntfs-img", ".dd-img", "-hidden-data-after-mbr", "-gpt-1st", "-gpt-2nd"];

/// Why the file name of `path` contradicts a RAW disk, if it does.
pub(crate) fn denial(path: &Path) -> Option<Denial> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    // Offsets stay valid: only ASCII letters change.
    let mut lower = name.to_ascii_lowercase();
    if let Some(piece) = clonezilla(&lower) {
        return Some(piece);
    }
    while let Some(shorter) = without_appended(&lower) {
        lower.truncate(shorter);
    }
    let split = split_at(&lower);
    let (stem, extension) = lower[..split.map_or(lower.len(), |(dot, _)| dot)].rsplit_once('.')?;
    // A hidden file without an extension: `.vmdk`.
    if stem.is_empty() || stem.ends_with('/') {
        return None;
    }
    let ending = format!(".{}", &name[stem.len() + 1..]);
    let denial = |description: String| {
        Some(Denial { ending: ending.clone(), description, descriptor: None, is_clonezilla: false })
    };
    if let Some((_, is_first)) = split.filter(|_| is_raw_extension(extension)) {
        let description = "this is a part of a split file: join all parts first";
        return if is_first { None } else { denial(description.into()) };
    }
    if extension == "vmdk"
        && let Some(part) = vmdk_part(stem)
    {
        let descriptor = format!("{}{}", &name[..part], &name[stem.len()..stem.len() + ".vmdk".len()]);
        return Some(Denial {
            ending: name[part..].into(),
            description: format!("this is a part of a VMDK disk: use its descriptor {descriptor:?}"),
            descriptor: Some(descriptor),
            is_clonezilla: false,
        });
    }
    if let Some(Format { name, signature, .. }) = by_extension(extension) {
        let name = name.to_uppercase();
        return denial(format!("a {name} image has {signature}, so its header is missing or overwritten"));
    }
    let other = OTHERS.iter().find(|(list, _)| list.contains(&extension));
    other.and_then(|(_, description)| denial((*description).into()))
}

/// The length of the name without an extension that a copy or a download appended.
fn without_appended(name: &str) -> Option<usize> {
    if let Some(rest) = name.strip_suffix('~') {
        return Some(rest.len());
    }
    let (stem, extension) = name.rsplit_once('.')?;
    let is_version = matches!(extension.len(), 1 | 2) && extension.bytes().all(|byte| byte.is_ascii_digit());
    (!stem.is_empty() && (APPENDED.contains(&extension) || is_version)).then_some(stem.len())
}

/// The extension of a part of a split file: the offset of its dot, and whether it is the first part.
fn split_at(name: &str) -> Option<(usize, bool)> {
    let (stem, end) = name.rsplit_once('.')?;
    let is_number = end.len() == 3 && end.bytes().all(|byte| byte.is_ascii_digit());
    let is_letters = end.len() == 2 && end.bytes().all(|byte| byte.is_ascii_lowercase()) && !is_known(end);
    // Without an extension before it, it is an ordinary extension.
    let is_piece = (is_number || is_letters)
        && stem
            .rsplit_once('.')
            .is_some_and(|(_, extension)| is_known(extension) || is_raw_extension(extension));
    is_piece.then_some((stem.len(), matches!(end, "000" | "001" | "aa")))
}

fn is_known(extension: &str) -> bool {
    by_extension(extension).is_some() || OTHERS.iter().any(|(list, _)| list.contains(&extension))
}

/// Where the end of a part's stem begins.
fn vmdk_part(stem: &str) -> Option<usize> {
    let digits = stem.len() - stem.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    PARTS.iter().find_map(|part| {
        let begin = match part.strip_suffix('#') {
            Some(part) if digits >= 3 => stem[..stem.len() - digits].strip_suffix(part)?,
            Some(_) => return None,
            None => stem.strip_suffix(part)?,
        };
        (!begin.is_empty()).then_some(begin.len())
    })
}

fn clonezilla(name: &str) -> Option<Denial> {
    let at = CLONEZILLA.iter().find_map(|mark| name.find(mark));
    let is_device = || ["sd", "vd", "hd", "nvme", "mmcblk"].iter().any(|device| name.starts_with(device));
    let at = at.or_else(|| name.ends_with("-mbr").then(|| name.len() - 4).filter(|_| is_device()))?;
    Some(Denial {
        ending: name[at..].into(),
        description: "this is a part of a Clonezilla image: restore the image with Clonezilla".into(),
        descriptor: None,
        is_clonezilla: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending(name: &str) -> Option<String> {
        denial(Path::new(name)).map(|denial| denial.ending)
    }

    #[test]
    fn every_listed_extension_contradicts_raw_in_either_case() {
        let formats = FORMATS.iter().filter(|format| !format.signature.is_empty());
        let lists = formats.map(|format| format.extensions).chain(OTHERS.iter().map(|(list, _)| *list));
        for extension in lists.flatten() {
            assert_eq!(ending(&format!("/x.y/web.{extension}")), Some(format!(".{extension}")));
            let upper = extension.to_uppercase();
            assert_eq!(ending(&format!("web.{upper}")), Some(format!(".{upper}")));
        }
    }

    #[test]
    fn raw_and_unknown_extensions_do_not_contradict_raw() {
        for name in FORMATS[0].extensions {
            assert_eq!(ending(&format!("disk.{name}")), None);
        }
        for name in [
            "disk",
            "disk.backing",
            ".vmdk",
            "qcow2",
            "web.qcow2/disk",
            "disk.",
            "x-flat.raw",
            "vm.2024",
            "a.001",
            "~",
        ] {
            assert_eq!(ending(name), None, "{name}");
        }
        assert_eq!(denial(Path::new("/")), None);
    }

    #[test]
    fn parts_of_a_vmdk_lead_to_their_descriptor() {
        for (name, end, descriptor) in [
            ("web01-flat.vmdk", "-flat.vmdk", "web01.vmdk"),
            ("web01-000001-delta.vmdk", "-delta.vmdk", "web01-000001.vmdk"),
            ("web01-000001-sesparse.vmdk", "-sesparse.vmdk", "web01-000001.vmdk"),
            ("Win7-FLAT.VMDK", "-FLAT.VMDK", "Win7.VMDK"),
            ("web01-ctk.vmdk", "-ctk.vmdk", "web01.vmdk"),
            ("web01-f001.vmdk", "-f001.vmdk", "web01.vmdk"),
            ("web01-s012.vmdk", "-s012.vmdk", "web01.vmdk"),
            ("web01-rdmp.vmdk", "-rdmp.vmdk", "web01.vmdk"),
            ("web01-pt.vmdk", "-pt.vmdk", "web01.vmdk"),
            ("B\u{fc}ro-flat.vmdk.bak", "-flat.vmdk.bak", "B\u{fc}ro.vmdk"),
        ] {
            let found = denial(Path::new(name)).unwrap();
            assert_eq!((&found.ending[..], found.descriptor.as_deref()), (end, Some(descriptor)), "{name}");
        }
        for name in ["web-s01.vmdk", "web-x001.vmdk", "-flat.vmdk", "flat.vmdk"] {
            assert_eq!(denial(Path::new(name)).unwrap().descriptor, None, "{name}");
        }
    }

    #[test]
    fn appended_extensions_of_copies_and_downloads_are_ignored() {
        for name in
            ["web.qcow2.bak", "web.qcow2~", "web.qcow2.1", "web.qcow2.part", "web.qcow2.crdownload.old"]
        {
            assert!(ending(name).is_some_and(|end| end.starts_with(".qcow2")), "{name}");
        }
        assert_eq!(ending("web.raw.bak"), None);
        assert_eq!(ending("web.1"), None);
    }

    #[test]
    fn later_parts_of_a_split_file_are_rejected() {
        for name in
            ["disk.raw.002", "disk.img.ab", "disk.qcow2.001", "disk.gz.aa", "disk.gz.ab", "disk.7z.003"]
        {
            assert!(ending(name).is_some(), "{name}");
        }
        for name in ["disk.raw.001", "disk.dd.000", "disk.img.aa", "disk.002", "v.ab"] {
            assert_eq!(ending(name), None, "{name}");
        }
    }

    #[test]
    fn parts_of_a_clonezilla_image_are_rejected() {
        for name in [
            "sda1.ext4-ptcl-img.gz.ab",
            "sda2.ntfs-img.aa",
            "sda-mbr",
            "nvme0n1-gpt-1st",
            "vda-hidden-data-after-mbr",
        ] {
            assert!(denial(Path::new(name)).unwrap().description.contains("Clonezilla"), "{name}");
        }
        assert_eq!(ending("my-mbr"), None);
    }
}
