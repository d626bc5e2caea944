//! Header pages of ZVHD and ZVHD2 that contradict each other.

use std::path::Path;

use testdata_gen::{
    Noise, Writer, ZvhdCompression, check_zvhd_strictly, seal_zvhd_page, zvhd_of, zvhd2_of_disk,
};

use crate::formats::zvhd::files::{PAGE, checked, disk, findings, number, to_raw};
use crate::support::library::open;

/// Memory that the vendor's writer never clears is not reported.
#[test]
fn unused_index_entries_and_bytes_after_a_header_are_no_error() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let disk = disk();
    for (name, mut file) in [
        ("dirty.zvhd2", zvhd2_of_disk(&disk, ZvhdCompression::Zstd)),
        ("dirty-zlib.zvhd2", zvhd2_of_disk(&disk, ZvhdCompression::Zlib)),
        ("dirty.zvhd", zvhd_of(&disk)),
    ] {
        let last = file.len() - PAGE;
        let mut noise = Noise::new(9).bytes(PAGE - 512);
        noise.iter_mut().for_each(|byte| *byte |= 1);
        for page in [0, last] {
            file[page + 512..page + PAGE].copy_from_slice(&noise);
        }
        let mut want = Vec::new();
        if Path::new(&name).extension().is_some_and(|end| end == "zvhd2") {
            let index = number(&file, last + 96, 8);
            file[index + 32..index + 64].fill(0xab);
            file[index - PAGE + 512..index].copy_from_slice(&noise);
            want.push(("zvhd.index.rest", "note", "structure/note", Some(index as u64 + 32)));
        }
        let (json, code) = checked(folder, name, &file, &["--deep"]);
        assert_eq!((findings(&json), code), (want, Some(0)), "{name}");
        let (json, code) = checked(folder, name, &file, &["--for", "huawei-ims", "--disk", "data"]);
        assert_eq!(code, Some(0), "{name}: {json:#}");
        assert!(to_raw(&folder.join(name), &folder.join("out.raw")).unwrap() == disk, "{name}");
        let vendor = check_zvhd_strictly(&file, Writer::Vendor);
        assert!(
            vendor.is_err_and(|error| error.contains("geometry")),
            "{name}: the recipe has none, all else is right"
        );
    }
}

/// Fields that stand in both header pages are compared with each other, and other versions are rejected.
#[test]
fn contradicting_header_pages_and_unknown_versions_are_rejected() {
    let temp = tempfile::tempdir().unwrap();
    let good = zvhd2_of_disk(&disk(), ZvhdCompression::Zstd);
    let last = good.len() - PAGE;
    let with = |pages: &[usize], at: usize, value: u8| {
        let mut file = good.clone();
        for page in pages {
            file[page + at] ^= value;
            seal_zvhd_page(&mut file[*page..*page + PAGE]);
        }
        file
    };
    let cases = [
        ("another uuid in the first page", with(&[0], 68, 1), "zvhd.header.field", 68),
        ("another original size", with(&[0], 42, 1), "zvhd.header.field", 40),
        ("another current size", with(&[0], 52, 1), "zvhd.header.field", 48),
        ("another version in the first page", with(&[0], 87, 1), "zvhd.header.field", 87),
        ("another block size", with(&[0], 91, 1), "zvhd.header.field", 88),
        ("another block count", with(&[0], 92, 1), "zvhd.header.field", 92),
        ("another compression", with(&[0], 141, 1), "zvhd.header.field", 141),
        ("version 3", with(&[0, last], 87, 2), "zvhd.header.version", last + 87),
        ("version 0", with(&[0, last], 87, 1), "zvhd.header.version", last + 87),
        ("a current size below the original one", with(&[0, last], 51, 0x40), "zvhd.header.field", last + 48),
        ("another index segment size", with(&[last], 120, 1), "zvhd.header.field", last + 120),
        ("another bitmap segment size", with(&[last], 124, 1), "zvhd.header.field", last + 124),
        ("other index segments", with(&[last], 128, 1), "zvhd.header.field", last + 128),
        ("other bitmap segments", with(&[last], 132, 1), "zvhd.header.field", last + 132),
        ("another index size", with(&[last], 112, 1), "zvhd.header.field", last + 112),
        ("another bitmap size", with(&[last], 116, 1), "zvhd.header.field", last + 116),
        ("another bitmap offset", with(&[last], 104, 1), "zvhd.header.field", last + 104),
    ];
    let path = temp.path().join("a.zvhd2");
    for (name, file, code, at) in cases {
        std::fs::write(&path, file).unwrap();
        let error = open(&path, None).err().unwrap_or_else(|| panic!("{name}: it opens"));
        assert_eq!((error.code().id, error.at()), (code, Some(at as u64)), "{name}: {error}");
    }
    for (name, file, expected) in [
        ("one.zvhd2", &good[..PAGE], "12288"),
        ("two.zvhd2", &good[..2 * PAGE], "12288"),
        ("one.zvhd", &zvhd_of(&disk())[..PAGE], "8192"),
    ] {
        std::fs::write(temp.path().join(name), file).unwrap();
        let error = open(&temp.path().join(name), None).err().unwrap();
        let len = file.len() as u64;
        assert_eq!((error.code().id, error.at()), ("zvhd.file.too-short", Some(len)), "{name}: {error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

/// Early tools did not compute the checksum again when they set the hidden flag.
#[test]
fn a_checksum_from_before_the_hidden_flag_was_set_is_accepted() {
    let temp = tempfile::tempdir().unwrap();
    let disk = disk();
    let hidden = |good: &[u8], version: u32, application: &[u8; 4]| {
        let mut file = good.to_vec();
        for page in [0, good.len() - PAGE] {
            file[page + 28..page + 32].copy_from_slice(application);
            file[page + 32..page + 36].copy_from_slice(&version.to_le_bytes());
            seal_zvhd_page(&mut file[page..page + PAGE]);
            file[page + 85] = 1;
        }
        file
    };
    for (name, good) in [("a.zvhd2", zvhd2_of_disk(&disk, ZvhdCompression::Zstd)), ("a.zvhd", zvhd_of(&disk))]
    {
        let (path, target) = (temp.path().join(name), temp.path().join("out.raw"));
        for version in [0x0000_0001, 0x0001_0001] {
            std::fs::write(&path, hidden(&good, version, b"tap\0")).unwrap();
            assert!(to_raw(&path, &target).unwrap() == disk, "{name} {version:#x}");
        }
        for (version, application) in [(0x0001_0004, b"tap\0"), (0x0001_0001, b"vpc ")] {
            std::fs::write(&path, hidden(&good, version, application)).unwrap();
            let error = open(&path, None).err().unwrap();
            assert_eq!(error.code().id, "zvhd.header.checksum", "{name} {version:#x}: {error}");
        }
    }
}
