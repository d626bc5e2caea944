//! The text descriptor (5.0, "The Descriptor File"): parsing of its lines.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use imgprep_map::{Code, Error, FileRef, FileRole, Finding, ImageName, Severity};

use crate::codes;
use crate::encoding::Charset;
use crate::extent_line::{Line, Problem, Storage, shown};
use crate::key_values::{KEYS, Values, id, key_and_value};
use crate::parent::{Parent, uuid_text};
use crate::refusal::Refusal;
use crate::{Corrupt, Unsupported, extent_line, text_end};

/// Number of anomalous lines that are reported individually.
const LISTED: usize = 8;

/// A parsed descriptor.
#[derive(Debug, Default)]
pub(crate) struct Descriptor {
    /// File offset of its first byte.
    pub(crate) at: u64,
    pub(crate) create_type: Option<String>,
    pub(crate) cid: Option<u32>,
    /// `ddb.uuid.image`, written by `VirtualBox`.
    pub(crate) uuid: Option<String>,
    /// `ddb.uuid.modification`, written by `VirtualBox`: the uuid of the contents.
    pub(crate) modification: Option<String>,
    pub(crate) parent: Option<Parent>,
    /// The file that lists changed blocks (`changeTrackPath`).
    pub(crate) tracking: Option<FileRef>,
    pub(crate) lines: Vec<Line>,
    /// Disk database values that are reported.
    pub(crate) shown: Vec<(&'static str, String)>,
    /// The reason why the disk can be described but not read.
    pub(crate) refusal: Option<Refusal>,
    pub(crate) findings: Vec<Finding>,
}

/// Disk database keys, and the names under which they are reported.
const SHOWN: [(&str, &str); 5] = [
    ("ddb.adapterType", "adapter-type"),
    ("ddb.virtualHWVersion", "hardware-version"),
    ("ddb.uuid", "uuid"),
    ("ddb.longContentID", "long-content-id"),
    ("ddb.thinProvisioned", "thin-provisioned"),
];

impl Descriptor {
    /// Parses the text at file offset `at`.
    pub(crate) fn read(text: &[u8], at: u64) -> Result<Self, Error> {
        let mut descriptor = Self { at, ..Self::default() };
        let mut values = Values::default();
        let mut odd = Vec::new();
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        descriptor.findings.extend(text_end::trailing(text, end, at)?);
        let skipped = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let mut line_at = at + skipped as u64;
        for whole in text.get(skipped..end).unwrap_or_default().split(|byte| *byte == b'\n') {
            let line = whole.trim_ascii();
            // OK: the trimmed line is a part of the whole one.
            let start = line_at + (whole.len() - whole.trim_ascii_start().len()) as u64;
            line_at += whole.len() as u64 + 1;
            if extent_line::is_extent_line(line) {
                descriptor.lines.push(extent_line::read(line, start).map_err(refused)?);
            } else if let Some((key, value)) = key_and_value(line) {
                descriptor.take(key, value, start, &mut values)?;
            } else if !line.is_empty() && !line.starts_with(b"#") {
                odd.push((start, shown(line)));
            }
        }
        descriptor.conclude(&values)?;
        descriptor.tell_odd(odd);
        Ok(descriptor)
    }

    fn take(&mut self, key: &[u8], value: &[u8], at: u64, values: &mut Values) -> Result<(), Error> {
        let is = |name: &&str| name.as_bytes().eq_ignore_ascii_case(key);
        if let Some(name) = KEYS.into_iter().find(is) {
            values.add(name, value, at)?;
        }
        if let Some((_, name)) = SHOWN.into_iter().find(|(name, _)| is(name)) {
            self.shown.push((name, shown(value)));
        }
        let lower = key.to_ascii_lowercase();
        let is_filter = lower == b"ddb.iofilters" && value.windows(5).any(|part| part == b"crypt");
        if is_filter || lower.starts_with(b"encryption") || lower.starts_with(b"ddb.encryption") {
            let key = shown(key);
            self.refusal = Some(Refusal::Unsupported(Unsupported::Encrypted { at, key }));
        }
        Ok(())
    }

    fn conclude(&mut self, values: &Values) -> Result<(), Error> {
        let label = values.get("encoding").map_or(String::new(), |(value, _)| shown(value));
        let charset = Charset::new(label);
        if let Some(problem) = charset.problem(self.names(values)) {
            let message =
                format!("the declared encoding {} {problem}: names are used unchanged", charset.label());
            self.find(codes::DESCRIPTOR_ENCODING, Severity::Warning, self.at, message);
        }
        self.lines.iter_mut().for_each(|line| line.decode(&charset));
        self.tracking =
            values.get("changeTrackPath").filter(|(name, _)| !name.is_empty()).map(|(name, at)| {
                let name = charset.read(name);
                let (others, encoding) = (name.others(), name.encoding);
                FileRef {
                    others,
                    encoding,
                    ..FileRef::new(Some(ImageName(name.bytes)), at, FileRole::ChangeTracking)
                }
            });
        check_version(values)?;
        self.conclude_type(values)?;
        if let Some((value, at)) = values.get("CID") {
            self.cid = Some(id("CID", value, at)?);
        } else {
            let message = "the descriptor has no CID: children cannot verify their parent";
            self.find(codes::DESCRIPTOR_NO_CID, Severity::Warning, self.at, message.into());
        }
        if let Some((value, at)) = values.get("isNativeSnapshot")
            && value.eq_ignore_ascii_case(b"yes")
        {
            let message = "a snapshot kept by the storage system: the files may be incomplete";
            self.find(codes::DESCRIPTOR_NATIVE_SNAPSHOT, Severity::Warning, at, message.into());
        }
        self.uuid = uuid_text(values, "ddb.uuid.image")?;
        self.modification = uuid_text(values, "ddb.uuid.modification")?;
        self.parent = Parent::read(values, &charset)?;
        Ok(())
    }

    /// Whether the text describes a disk.
    ///
    /// An extent may reserve space for a descriptor without having one.
    pub(crate) fn is_any(&self) -> bool {
        self.cid.is_some() || self.create_type.is_some() || !self.lines.is_empty()
    }

    /// All file names, undecoded.
    fn names<'n>(&'n self, values: &'n Values) -> impl Iterator<Item = &'n [u8]> {
        let names = self.lines.iter().filter_map(|line| line.name.as_ref()).map(|(_, name)| name.as_slice());
        let keys = ["parentFileNameHint", "changeTrackPath"];
        names.chain(keys.into_iter().filter_map(|key| values.get(key)).map(|(name, _)| name))
    }

    /// The file name of the single flat extent of a disk with a device type.
    ///
    /// `None` if it is the name of a device.
    fn device_file(&self) -> Option<String> {
        let [Line { storage: Storage::Flat { at: 0 }, name: Some((_, name)), .. }] = self.lines.as_slice()
        else {
            return None;
        };
        let is_device = [&b"/dev/"[..], b"\\\\", b"//"].iter().any(|start| name.starts_with(start));
        (!is_device).then(|| shown(name))
    }

    fn conclude_type(&mut self, values: &Values) -> Result<(), Error> {
        let Some((value, at)) = values.get("createType") else {
            let message = "the descriptor has no createType: the type is derived from its extents".into();
            self.find(codes::DESCRIPTOR_NO_CREATE_TYPE, Severity::Warning, self.at, message);
            return Ok(());
        };
        let name = shown(value);
        let is_one_of = |known: &[&str]| known.iter().any(|known| known.eq_ignore_ascii_case(&name));
        if is_one_of(&PHYSICAL) {
            if let Some(file) = self.device_file() {
                return Err(Unsupported::PhysicalFile { at, name, file }.into());
            }
            return Err(Unsupported::Physical { at, name }.into());
        }
        if !is_one_of(&FILES) {
            return Err(Unsupported::CreateType { at, name }.into());
        }
        self.create_type = Some(name);
        Ok(())
    }

    fn find(&mut self, code: &'static Code, severity: Severity, at: u64, message: String) {
        self.findings.push(Finding { code, severity, at: Some(at), message });
    }

    fn tell_odd(&mut self, odd: Vec<(u64, String)>) {
        let more = odd.len().saturating_sub(LISTED);
        for (at, line) in odd.into_iter().take(LISTED) {
            let message = format!("invalid descriptor line: {line}");
            self.find(codes::DESCRIPTOR_ODD_LINE, Severity::Warning, at, message);
        }
        if more > 0 {
            let message = format!("{more} more invalid lines");
            self.find(codes::DESCRIPTOR_ODD_LINE, Severity::Warning, self.at, message);
        }
    }
}

/// Rejects unsupported versions.
///
/// Version 2 marks encrypted disks, version 3 adds a file of changed blocks. The additions of version 4 (ESX
/// 6.5 and later) are undocumented; its lines are the same as those of the other versions.
fn check_version(values: &Values) -> Result<(), Error> {
    let Some((value, at)) = values.get("version") else { return Ok(()) };
    match extent_line::number(value) {
        Some(1..=4) => Ok(()),
        Some(version) => {
            let (what, known) = ("the descriptor", "1 to 4");
            Err(Unsupported::Version { at, what, known, version }.into())
        }
        None => Err(Corrupt::Value { at, key: "version", expected: "a number", found: shown(value) }.into()),
    }
}

/// Types with files as extents.
const FILES: [&str; 14] = [
    "monolithicSparse",
    "monolithicFlat",
    "twoGbMaxExtentSparse",
    "twoGbMaxExtentFlat",
    "2GbMaxExtentSparse",
    "2GbMaxExtentFlat",
    "streamOptimized",
    "vmfs",
    "vmfsSparse",
    "vmfsThin",
    "vmfsPreallocated",
    "vmfsEagerZeroedThick",
    "seSparse",
    "custom",
];
/// Types with devices as extents.
const PHYSICAL: [&str; 9] = [
    "fullDevice",
    "partitionedDevice",
    "vmfsRaw",
    "vmfsRDM",
    "vmfsRDMP",
    "vmfsRawDeviceMap",
    "vmfsPassthroughRawDeviceMap",
    "vmfsSparseRDM",
    "vmfsSparseRDMP",
];

fn refused(problem: Problem) -> Error {
    match problem {
        Problem::Corrupt(detail) => detail.into(),
        Problem::Unsupported(detail) => detail.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Disk DescriptorFile\nversion=1\nCID=5074c169\nparentCID=ffffffff\n\
        createType=\"twoGbMaxExtentSparse\"\n\n# Extent description\nRW 20480 SPARSE \"b-s001.vmdk\"\n\n\
        # The Disk Data Base\n#DDB\n\nddb.adapterType = \"ide\"\n";

    fn read(text: &str) -> Descriptor {
        Descriptor::read(text.as_bytes(), 512).unwrap_or_else(|error| panic!("{error}"))
    }

    fn corrupt(text: &str) -> Corrupt {
        let error = Descriptor::read(text.as_bytes(), 512).unwrap_err();
        error.detail::<Corrupt>().unwrap_or_else(|| panic!("{error}")).clone()
    }

    #[test]
    fn a_plain_descriptor() {
        let found = read(TEXT);
        assert_eq!(found.create_type.as_deref(), Some("twoGbMaxExtentSparse"));
        assert_eq!((found.cid, found.parent.is_none()), (Some(0x5074_c169), true));
        assert_eq!(found.shown, [("adapter-type", String::from("ide"))]);
        let at = 512 + TEXT.find("RW").unwrap() as u64;
        assert_eq!((found.lines.len(), found.lines[0].at, found.lines[0].sectors), (1, at, 20480));
        assert_eq!(found.findings, []);
    }

    #[test]
    fn windows_lines_a_byte_order_mark_and_padding() {
        let mut text = String::from("\u{feff}") + &TEXT.replace('\n', "\r\n") + "\0\0\0\0";
        let found = read(&text);
        let at = 512 + text.find("RW").unwrap() as u64;
        assert_eq!((found.lines[0].at, found.cid, found.findings.len()), (at, Some(0x5074_c169), 0));
        text.push_str("ddb.x = 1");
        assert_eq!(read(&text).findings[0].code.id, "vmdk.descriptor.after-end");
    }

    #[test]
    fn odd_lines_are_findings_with_their_place() {
        let text = TEXT.replace("#DDB", "hello world\n#DDB");
        let found = read(&text);
        let at = 512 + text.find("hello").unwrap() as u64;
        assert_eq!((found.findings.len(), found.findings[0].at), (1, Some(at)));
        let many = "x\n".repeat(20) + TEXT;
        assert_eq!(read(&many).findings.len(), LISTED + 1);
    }

    #[test]
    fn parents() {
        let text = TEXT.replace("parentCID=ffffffff", "parentCID=1a\nparentFileNameHint=\"my base.vmdk\"");
        let at = 512 + text.find("parentFile").unwrap() as u64;
        let found = read(&text).parent.unwrap().reference();
        let want = ImageName(b"my base.vmdk".to_vec());
        assert_eq!((found.name, found.at, found.identities), (want, at, Vec::from(["0000001a".into()])));
        assert_eq!((found.format.as_deref(), found.revision), (Some("vmdk"), None));
        let nameless = TEXT.replace("parentCID=ffffffff", "parentCID=1a");
        let at = 512 + nameless.find("parentCID").unwrap() as u64;
        assert!(matches!(corrupt(&nameless), Corrupt::Parent { at: found, .. } if found == at));
        let idless = TEXT.replace("parentCID=ffffffff", "parentFileNameHint=\"a\"");
        let at = 512 + idless.find("parentFile").unwrap() as u64;
        assert!(matches!(corrupt(&idless), Corrupt::Parent { at: found, .. } if found == at));
    }

    #[test]
    fn virtualbox_names_a_parent_by_its_uuid() {
        let (own, parent) = ("3F1C2B6A-0d7e-4a55-9a0b-6a1d2c3e4f50", "b7d2a9e4-5c31-4f0e-8e6d-112233445566");
        let text = String::from(TEXT)
            + &format!(
                "ddb.uuid.image=\"{own}\"\nddb.uuid.parent=\"{{{parent}}}\"\n\
                ddb.uuid.modification=\"{parent}\"\nddb.uuid.parentmodification=\"{own}\"\n"
            );
        let found = read(&text);
        assert_eq!(found.uuid, Some(own.to_ascii_lowercase()));
        assert_eq!(found.modification.as_deref(), Some(parent));
        let at = 512 + text.find("ddb.uuid.parent=").unwrap() as u64;
        let below = found.parent.unwrap().reference();
        assert_eq!((below.is_named(), below.at, below.label()), (false, at, parent.into()));
        assert_eq!((below.format, below.revision), (None, Some(own.to_ascii_lowercase())));
        // `parentFileNameHint` gives the name, and a content id of VMware takes precedence over a uuid.
        let hinted = text.replace("CID=5074c169\n", "CID=5074c169\nparentFileNameHint=\"a\"\n");
        let below = read(&hinted).parent.unwrap().reference();
        assert_eq!((below.label(), below.identities), ("a".into(), Vec::from([parent.into()])));
        let both = hinted.replace("parentCID=ffffffff", "parentCID=1a");
        assert_eq!(read(&both).parent.unwrap().reference().identities, ["0000001a"]);
        let nil = text.replace(parent, "00000000-0000-0000-0000-000000000000");
        assert_eq!((read(&nil).parent, read(&nil).modification), (None, None));
        for key in ["image", "parent", "modification", "parentmodification"] {
            let line = format!("ddb.uuid.{key}=\"3f1c2b6a-0d7e-4a55-9a0b-6a1d2c3e4f5\"\n");
            let wrong = String::from(TEXT) + &line;
            let at = 512 + TEXT.len() as u64;
            assert!(matches!(corrupt(&wrong), Corrupt::Value { at: found, .. } if found == at), "{key}");
        }
    }

    #[test]
    fn invalid_values_are_rejected() {
        for value in ["", "+1", "xyz", "123456789"] {
            let text = TEXT.replace("5074c169", value);
            let at = 512 + text.find("CID").unwrap() as u64;
            let want =
                Corrupt::Value { at, key: "CID", expected: "1 to 8 hexadecimal digits", found: value.into() };
            assert_eq!(corrupt(&text), want);
        }
        let text = String::from(TEXT) + "CID=1\n";
        let at = 512 + text.rfind("CID").unwrap() as u64;
        assert_eq!(corrupt(&text), Corrupt::Twice { at, key: "CID" });
        assert!(Descriptor::read((String::from(TEXT) + "CID=5074c169\n").as_bytes(), 0).is_ok());
    }

    #[test]
    fn versions() {
        let at = 512 + TEXT.find("version").unwrap() as u64;
        for version in 1..=4 {
            read(&TEXT.replace("version=1", &format!("version={version}")));
        }
        let error = Descriptor::read(TEXT.replace("version=1", "version=5").as_bytes(), 512).unwrap_err();
        let (what, known) = ("the descriptor", "1 to 4");
        assert_eq!(error.detail(), Some(&Unsupported::Version { at, what, known, version: 5 }));
        let want = Corrupt::Value { at, key: "version", expected: "a number", found: "x".into() };
        assert_eq!(corrupt(&TEXT.replace("version=1", "version=x")), want);
    }

    #[test]
    fn types_by_name() {
        let of = |name: &str| TEXT.replace("twoGbMaxExtentSparse", name);
        for name in FILES {
            assert_eq!(read(&of(name)).create_type.as_deref(), Some(name));
        }
        let at = 512 + TEXT.find("createType").unwrap() as u64;
        for name in PHYSICAL {
            let error = Descriptor::read(of(name).as_bytes(), 512).unwrap_err();
            assert_eq!(error.detail(), Some(&Unsupported::Physical { at, name: name.into() }));
        }
        let disk = of("fullDevice").replace("SPARSE \"b-s001.vmdk\"", "FLAT \"pc.img\" 0");
        let error = Descriptor::read(disk.as_bytes(), 512).unwrap_err();
        let (name, file) = ("fullDevice".into(), "pc.img".into());
        assert_eq!(error.detail(), Some(&Unsupported::PhysicalFile { at, name, file }));
        for device in ["/dev/sda", "\\\\.\\PhysicalDrive0", "//./PhysicalDrive0"] {
            let error = Descriptor::read(disk.replace("pc.img", device).as_bytes(), 512).unwrap_err();
            assert_eq!(error.detail(), Some(&Unsupported::Physical { at, name: "fullDevice".into() }));
        }
        let error = Descriptor::read(of("floppy").as_bytes(), 512).unwrap_err();
        assert_eq!(error.detail(), Some(&Unsupported::CreateType { at, name: "floppy".into() }));
        let missing = TEXT.replace("createType", "x");
        assert_eq!(read(&missing).findings[0].code.id, "vmdk.descriptor.no-create-type");
    }

    #[test]
    fn encrypted_disks_and_names_in_another_encoding() {
        for line in ["ddb.iofilters = \"vmwarevmcrypt\"", "encryptionKeys=\"vmware:key/list\""] {
            assert!(read(&(String::from(TEXT) + line)).refusal.is_some());
        }
        let mut text = TEXT.replace("version=1", "encoding=\"windows-1252\"").into_bytes();
        let at = text.windows(6).position(|part| part == b"b-s001").unwrap();
        text[at] = 0xe9;
        let found = Descriptor::read(&text, 0).unwrap();
        let (_, name) = found.lines[0].name.as_ref().unwrap();
        assert_eq!(
            (&name[..], &found.lines[0].others[0].0[..]),
            ("é-s001.vmdk".as_bytes(), &b"\xe9-s001.vmdk"[..])
        );
        let unknown = String::from_utf8_lossy(&text).replace("windows-1252", "IBM850");
        assert_eq!(read(&unknown).findings[0].code.id, "vmdk.descriptor.encoding");
    }
}
