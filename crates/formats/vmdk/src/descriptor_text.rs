//! Text of the descriptor of a written image (5.0, "The Descriptor File").

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use imgprep_format_kit::{Fields, derived_uuid};
use imgprep_map::usize_of;

use crate::layout::SECTOR;
use crate::write_options::{Adapter, WriteOptions};

/// Largest number of cylinders of an IDE disk.
const MAX_IDE_CYLINDERS: u64 = 16383;
/// The CID that means "no parent".
const NO_PARENT: u32 = u32::MAX;

/// Sectors of an embedded descriptor, as in all images of the vendor and of QEMU.
pub(crate) const DESCRIPTOR_SECTORS: u64 = 20;
/// Name of its own file in an embedded descriptor.
///
/// Readers ignore it, and files are renamed.
pub(crate) const EMBEDDED_NAME: &str = "disk.vmdk";

/// One extent of a written disk.
pub(crate) struct WrittenExtent<'a> {
    pub(crate) sectors: u64,
    /// `SPARSE` or `FLAT`.
    pub(crate) kind: &'a str,
    pub(crate) name: &'a str,
}

/// The text of a descriptor. Its identifiers are derived from the UUID only.
pub(crate) fn descriptor_text<'a>(
    options: &WriteOptions,
    extents: impl IntoIterator<Item = WrittenExtent<'a>>,
) -> String {
    let cid = content_id(options.uuid);
    let create_type = options.subformat.name();
    let mut text = format!(
        "# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\nCID={cid:08x}\nparentCID={NO_PARENT:08x}\n\
         createType=\"{create_type}\"\n\n# Extent description\n"
    );
    for WrittenExtent { sectors, kind, name } in extents {
        // The offset of a flat extent in its file.
        let offset = if kind == "FLAT" { " 0" } else { "" };
        text += &format!("RW {sectors} {kind} \"{name}\"{offset}\n");
    }
    text += "\n# The Disk Data Base\n#DDB\n\n";
    text += &database(options, cid);
    text
}

/// The disk database: entries about the virtual hardware.
fn database(options: &WriteOptions, cid: u32) -> String {
    let sectors = options.disk_size / SECTOR;
    let (heads, track) = options.adapter.track(sectors);
    let mut cylinders = sectors / (heads * track);
    if options.adapter == Adapter::Ide {
        cylinders = cylinders.min(MAX_IDE_CYLINDERS);
    }
    let (adapter, version) = (options.adapter.name(), options.hardware_version.number());
    let (long_id, uuid) = (long_content_id(options.uuid, cid), device_uuid(options.uuid));
    format!(
        "ddb.adapterType = \"{adapter}\"\nddb.geometry.cylinders = \"{cylinders}\"\n\
         ddb.geometry.heads = \"{heads}\"\nddb.geometry.sectors = \"{track}\"\n\
         ddb.longContentID = \"{long_id}\"\nddb.uuid = \"{uuid}\"\nddb.virtualHWVersion = \"{version}\"\n"
    )
}

/// The CID: 32 bits other than the value for "no parent".
fn content_id(uuid: [u8; 16]) -> u32 {
    let cid = Fields::be(&derived_uuid(uuid, 0)).u32::<12>();
    if cid == NO_PARENT { cid - 1 } else { cid }
}

/// A content id of 128 bits in hexadecimal digits; the last 32 bits are the CID.
fn long_content_id(uuid: [u8; 16], cid: u32) -> String {
    let derived = derived_uuid(uuid, 1);
    let fields = Fields::be(&derived);
    format!("{:016x}{:08x}{cid:08x}", fields.u64::<0>(), fields.u32::<8>())
}

/// The identifier that the guest reads.
///
/// It is an NAA number of type 6 with the vendor's OUI 00:0c:29 and 100 bits of the UUID.
fn device_uuid(uuid: [u8; 16]) -> String {
    let mut bytes = uuid;
    let [first, second, third, fourth, ..] = &mut bytes;
    (*first, *second, *third, *fourth) = (0x60, 0x00, 0xc2, 0x90 | *fourth & 0x0f);
    let mut text = String::with_capacity(47);
    for (index, byte) in bytes.iter().enumerate() {
        let separator = match index {
            0 => "",
            8 => "-",
            _ => " ",
        };
        text += &format!("{separator}{byte:02x}");
    }
    text
}

/// A descriptor, padded to the size that an extent file reserves for it.
pub(crate) fn embedded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::from(text);
    // OK: 10 KiB; a text with one extent has less than 1 KiB.
    bytes.resize(usize_of(DESCRIPTOR_SECTORS * SECTOR), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descriptor::Descriptor;
    use crate::write_options::{GrainSize, HardwareVersion, Subformat};

    const UUID: [u8; 16] = *b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff";

    fn options(sectors: u64, adapter: Adapter) -> WriteOptions {
        WriteOptions {
            disk_size: sectors * SECTOR,
            subformat: Subformat::MonolithicSparse,
            adapter,
            hardware_version: HardwareVersion::new(14).unwrap(),
            grain: GrainSize::default(),
            uuid: UUID,
        }
    }

    #[test]
    fn a_descriptor_is_read_as_it_was_written() {
        let options = options(20480, Adapter::LsiLogic);
        let extent = |name| WrittenExtent { sectors: 10240, kind: "SPARSE", name };
        let text = descriptor_text(&options, [extent("a-s001.vmdk"), extent("a-s002.vmdk")]);
        let found = Descriptor::read(text.as_bytes(), 0).unwrap();
        assert_eq!(found.create_type.as_deref(), Some("monolithicSparse"));
        assert_eq!((found.cid, found.parent.is_none()), (Some(content_id(UUID)), true));
        assert_eq!(found.findings, []);
        let lines: Vec<_> =
            found.lines.iter().map(|line| (line.sectors, line.name.as_ref().unwrap().1.as_slice())).collect();
        assert_eq!(lines, [(10240, &b"a-s001.vmdk"[..]), (10240, b"a-s002.vmdk")]);
    }

    #[test]
    fn the_database_has_the_vendors_form() {
        let text = descriptor_text(&options(20480, Adapter::LsiLogic), []);
        let (_, database) = text.split_once("#DDB\n\n").unwrap();
        let cid = content_id(UUID);
        let lines: Vec<_> = database.lines().collect();
        assert_eq!(
            lines[..4],
            [
                "ddb.adapterType = \"lsilogic\"",
                "ddb.geometry.cylinders = \"10\"",
                "ddb.geometry.heads = \"64\"",
                "ddb.geometry.sectors = \"32\""
            ]
        );
        assert!(
            lines[4].ends_with(&format!("{cid:08x}\""))
                && lines[4].len() == "ddb.longContentID = \"\"".len() + 32
        );
        assert_eq!(
            lines[5..],
            [
                "ddb.uuid = \"60 00 c2 93 44 55 66 77-88 99 aa bb cc dd ee ff\"",
                "ddb.virtualHWVersion = \"14\""
            ]
        );
    }

    #[test]
    fn the_geometry_depends_on_adapter_and_size() {
        let geometry = |sectors, adapter| {
            let text = descriptor_text(&options(sectors, adapter), []);
            let value = |key: &str| -> u64 {
                let line = text.lines().find(|line| line.contains(key)).unwrap();
                line.split('"').nth(1).unwrap().parse().unwrap()
            };
            (value("cylinders"), value("heads"), value("geometry.sectors"))
        };
        assert_eq!(geometry(1, Adapter::Ide), (0, 16, 63));
        assert_eq!(geometry(16383 * 1008, Adapter::Ide), (16383, 16, 63));
        assert_eq!(geometry(16385 * 1008, Adapter::Ide), (16383, 16, 63));
        assert_eq!(geometry(1 << 21, Adapter::BusLogic), (1024, 64, 32));
        assert_eq!(geometry((1 << 21) + 1, Adapter::BusLogic), (512, 128, 32));
        assert_eq!(geometry((1 << 22) + 1, Adapter::LegacyEsx), (261, 255, 63));
    }

    #[test]
    fn a_written_disk_never_has_the_id_of_no_parent() {
        for byte in 0..=255 {
            assert_ne!(content_id([byte; 16]), NO_PARENT);
        }
    }
}
