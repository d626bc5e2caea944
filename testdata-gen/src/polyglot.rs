//! Files that are valid in several formats at once, which give different disks.

use crate::disk::mixed;
use crate::model::{BrokenImage, Refused};
use crate::qcow2::encode::{Cell, Qcow2};
use crate::rows::named;
use crate::vhd::encode::Vhd;

fn qcow2() -> Vec<u8> {
    let disk = mixed(300_000);
    Qcow2::new(16, disk.len() as u64).with_disk(&disk, |_, bytes| Cell::Data(bytes)).write().file
}

/// Each is rejected unless the user names its format.
pub(crate) fn broken() -> Vec<BrokenImage> {
    let one = |name: &'static str, about: &'static str, format: &str, bytes: Vec<u8>| {
        named(format, (name, about, Refused::AtOpen, "detect.ambiguous", None, bytes))
    };
    let around = |mut inner: Vec<u8>| {
        inner.resize(inner.len().next_multiple_of(512), 0);
        Vhd::new(2, inner.len() as u64, 0).fixed(&inner).file
    };
    let mut iso = qcow2();
    // Behind the header, in a cluster that holds nothing else.
    iso[32768..32775].copy_from_slice(b"\x01CD001\x01");
    let mut vdi = vec![0; 1 << 20];
    vdi[..4].copy_from_slice(b"QED\0");
    vdi[64..68].copy_from_slice(&[0x7f, 0x10, 0xda, 0xbe]);
    let mut vmdk = vec![0; 1 << 16];
    vmdk[..4].copy_from_slice(b"KDMV");
    vec![
        one(
            "polyglot-qcow2-vhd",
            "a QCOW2 with the footer of a fixed VHD after it",
            "qcow2",
            around(qcow2()),
        ),
        one(
            "polyglot-qcow2-iso",
            "a QCOW2 with the mark of an ISO 9660 in its header's cluster",
            "qcow2",
            iso,
        ),
        one("polyglot-qed-vdi", "the magic of QED and the signature of VDI", "qed", vdi),
        one("polyglot-vmdk-vhd", "the magic of a VMDK and the footer of a fixed VHD", "vmdk", around(vmdk)),
    ]
}
