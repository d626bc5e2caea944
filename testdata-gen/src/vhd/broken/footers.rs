//! Footers.

use crate::bytes::put;
use crate::disk::{mixed, text};
use crate::model::Refused::{AtOpen, AtRead};
use crate::rows::Row;
use crate::vhd::broken::recipe::{BLOCK, edited, footers_with, recipe};
use crate::vhd::encode::{Vhd, seal};

pub(crate) fn footers() -> Vec<Row> {
    [damaged_footers(), contradicting_footers(), footer_fields()].concat()
}

/// Footers that are damaged, cut or followed by other bytes.
fn damaged_footers() -> Vec<Row> {
    let good = recipe().write();
    let footer = good.footer;
    let fixed = Vhd::new(2, 100_352, 0).fixed(&mixed(100_352));
    let with_fixed = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut file = fixed.file.clone();
        edit(&mut file);
        file
    };
    vec![
        (
            "vhd-both-footers-damaged",
            "wrong checksums at both ends",
            AtOpen,
            "vhd.footer.checksum",
            Some(footer + 64),
            edited(|written| {
                written.file[90] ^= 1;
                written.file[footer as usize + 90] ^= 1;
            }),
        ),
        (
            "vhd-fixed-footer-damaged",
            "a wrong checksum of the only footer",
            AtOpen,
            "vhd.footer.checksum",
            Some(100_352 + 64),
            with_fixed(&|file| file[100_352 + 90] ^= 1),
        ),
        (
            "vhd-fixed-footer-cut",
            "half of the only footer",
            AtOpen,
            "vhd.footer.cut",
            Some(100_352),
            with_fixed(&|file| file.truncate(100_352 + 256)),
        ),
        (
            "vhd-fixed-footer-followed",
            "zeros after the only footer",
            AtOpen,
            "vhd.footer.followed",
            Some(100_352),
            with_fixed(&|file| file.resize(100_352 + 2048, 0)),
        ),
        (
            "vhd-fixed-middle-missing",
            "a fixed disk that lost a page",
            AtRead,
            "vhd.fixed.past-end",
            Some(96_256 + 48),
            with_fixed(&|file| drop(file.drain(8192..12_288))),
        ),
        (
            "vhd-start-only",
            "eight bytes and no more",
            AtOpen,
            "vhd.footer.cut",
            Some(0),
            good.file[..100].to_vec(),
        ),
    ]
}

/// Footers that do not belong to the file.
fn contradicting_footers() -> Vec<Row> {
    let good = recipe().write();
    let footer = good.footer;
    let other_end = edited(|written| {
        put(&mut written.file, written.footer + 48, &(BLOCK * 5).to_be_bytes());
        seal(&mut written.file[footer as usize..], 64);
    });
    // A cut right after a fixed image that the disk holds.
    let nested = edited(|written| {
        let inner = Vhd::new(2, 2048, 0).fixed(&text(2048)).file;
        let at = written.blocks[&3] + 512;
        put(&mut written.file, at, &inner);
        written.file.truncate(at as usize + inner.len());
    });
    vec![
        (
            "vhd-fixed-at-start",
            "a fixed disk's footer at the start only",
            AtOpen,
            "vhd.footer.only-at-start",
            Some(60),
            edited(|written| {
                written.file.truncate(footer as usize);
                written.file[63] = 2;
                seal(&mut written.file[..512], 64);
            }),
        ),
        (
            "vhd-footers-differ",
            "another size at the end",
            AtOpen,
            "vhd.footer.differ",
            Some(footer),
            other_end,
        ),
        (
            "vhd-cut-after-an-image-inside",
            "the end of another image",
            AtOpen,
            "vhd.footer.differ",
            None,
            nested,
        ),
        (
            "vhd-poisoned",
            "in the middle of a resize",
            AtOpen,
            "vhd.footer.poisoned",
            Some(footer),
            edited(|written| put(&mut written.file, written.footer, b"v_poison")),
        ),
    ]
}

/// Fields of the footer.
fn footer_fields() -> Vec<Row> {
    let good = recipe().write();
    let (len, footer) = (good.file.len() as u64, good.footer);
    let field = |name, about, code, at, bytes: &[u8]| {
        (name, about, AtOpen, code, Some(footer + at), footers_with(at, bytes))
    };
    vec![
        field("vhd-version-2", "a version that does not exist", "vhd.footer.version", 12, &[0, 2, 0, 0]),
        field("vhd-type-0", "disk type none", "vhd.footer.disk-type", 60, &[0, 0, 0, 0]),
        field("vhd-type-6", "a deprecated disk type", "vhd.footer.disk-type", 60, &[0, 0, 0, 6]),
        field(
            "vhd-header-past-end",
            "a header past the file's end",
            "vhd.table.past-end",
            16,
            &(len - 512).to_be_bytes(),
        ),
        field(
            "vhd-header-nowhere",
            "a header at the end of all numbers",
            "vhd.table.past-end",
            16,
            &[0xff; 8],
        ),
        (
            "vhd-size-exabytes",
            "a disk larger than its table",
            AtOpen,
            "vhd.bat.too-short",
            Some(512 + 28),
            footers_with(48, &(1u64 << 60).to_be_bytes()),
        ),
    ]
}
