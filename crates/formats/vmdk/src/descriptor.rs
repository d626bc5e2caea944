//! The text descriptor (5.0, "The Descriptor File"): lines -> meaning.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use imgprep_map::{Error, Finding, ImageName, Severity};

use crate::error::Refusal;
use crate::extent_line::{self, Line, Problem, shown};
use crate::{Corrupt, Unsupported, encoding};

/// A parent's id that means "no parent".
const NO_PARENT: u32 = 0xffff_ffff;
/// Odd lines that are told one by one.
const TOLD: usize = 8;

/// A descriptor whose lines were understood.
#[derive(Debug, Default)]
pub(crate) struct Descriptor {
    /// Offset of its first byte in its file.
    pub(crate) at: u64,
    pub(crate) create_type: Option<String>,
    pub(crate) cid: Option<u32>,
    /// The parent's id, its name, and where that stands.
    pub(crate) parent: Option<(u32, ImageName, u64)>,
    pub(crate) lines: Vec<Line>,
    /// Values of the disk data base that are told.
    pub(crate) shown: Vec<(&'static str, String)>,
    /// Why the disk can't be read though it can be described.
    pub(crate) refusal: Option<Refusal>,
    pub(crate) findings: Vec<Finding>,
}

/// Lines `KEY = "VALUE"` that mean something here, as they were found.
#[derive(Default)]
struct Values {
    found: Vec<(&'static str, Vec<u8>, u64)>,
}

/// Keys of the header that decide what the disk is.
const KEYS: [&str; 7] =
    ["version", "createType", "CID", "parentCID", "parentFileNameHint", "encoding", "isNativeSnapshot"];
/// Keys of the disk data base, and the names under which they are told.
const SHOWN: [(&str, &str); 5] = [
    ("ddb.adapterType", "adapter-type"),
    ("ddb.virtualHWVersion", "hardware-version"),
    ("ddb.uuid", "uuid"),
    ("ddb.longContentID", "long-content-id"),
    ("ddb.thinProvisioned", "thin-provisioned"),
];

impl Descriptor {
    /// Reads the text that stands at `at` of its file.
    pub(crate) fn read(text: &[u8], at: u64) -> Result<Self, Error> {
        let mut descriptor = Self { at, ..Self::default() };
        let mut values = Values::default();
        let mut odd = Vec::new();
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        if let Some(behind) = text[end..].iter().position(|byte| *byte != 0) {
            let message = String::from("there are bytes behind the end of the text");
            let at = at + (end + behind) as u64;
            descriptor.find("vmdk.descriptor.behind-end", Severity::Warning, at, message);
        }
        let skipped = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let mut line_at = at + skipped as u64;
        for whole in text[skipped.min(end)..end].split(|byte| *byte == b'\n') {
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
        let encoding = values.get("encoding").map_or(String::new(), |(value, _)| shown(value));
        if !encoding.is_empty() && !encoding::is_known(&encoding) && self.has_foreign_name(values) {
            let message =
                format!("names are in {encoding}, which is not known: they are taken as they stand");
            self.find("vmdk.descriptor.encoding", Severity::Warning, self.at, message);
        }
        for line in &mut self.lines {
            if let Some((_, name)) = &mut line.name {
                *name = encoding::decode(name, &encoding);
            }
        }
        check_version(values)?;
        self.conclude_type(values)?;
        if let Some((value, at)) = values.get("CID") {
            self.cid = Some(id("CID", value, at)?);
        } else {
            let message = "the descriptor has no CID: children can't tell whether it is their parent";
            self.find("vmdk.descriptor.no-cid", Severity::Warning, self.at, message.into());
        }
        if let Some((value, at)) = values.get("isNativeSnapshot")
            && value.eq_ignore_ascii_case(b"yes")
        {
            let message = "a snapshot that the storage system keeps: its files may not be all of it";
            self.find("vmdk.descriptor.native-snapshot", Severity::Warning, at, message.into());
        }
        self.conclude_parent(values, &encoding)
    }

    fn has_foreign_name(&self, values: &Values) -> bool {
        let names = self.lines.iter().filter_map(|line| line.name.as_ref()).map(|(_, name)| &name[..]);
        let hint = values.get("parentFileNameHint").map(|(name, _)| name);
        names.chain(hint).any(|name| !name.is_ascii())
    }

    fn conclude_type(&mut self, values: &Values) -> Result<(), Error> {
        let Some((value, at)) = values.get("createType") else {
            let message = "the descriptor has no createType: its extents tell what it is".into();
            self.find("vmdk.descriptor.no-create-type", Severity::Warning, self.at, message);
            return Ok(());
        };
        let name = shown(value);
        let is_one_of = |known: &[&str]| known.iter().any(|known| known.eq_ignore_ascii_case(&name));
        if is_one_of(&PHYSICAL) {
            return Err(Unsupported::Physical { at, name }.into());
        }
        if !is_one_of(&FILES) {
            return Err(Unsupported::CreateType { at, name }.into());
        }
        self.create_type = Some(name);
        Ok(())
    }

    /// An id without a name, or a name without an id, leaves open what is below.
    fn conclude_parent(&mut self, values: &Values, encoding: &str) -> Result<(), Error> {
        let parent = match values.get("parentCID") {
            Some((value, at)) => Some((id("parentCID", value, at)?, at)).filter(|(id, _)| *id != NO_PARENT),
            None => None,
        };
        match (parent, values.get("parentFileNameHint")) {
            (None, None) => Ok(()),
            (Some((cid, _)), Some((name, at))) => {
                self.parent = Some((cid, ImageName(encoding::decode(name, encoding)), at));
                Ok(())
            }
            (Some((_, at)), None) => {
                let reason = "the disk has a parent (parentCID), which is not named (parentFileNameHint)";
                Err(Corrupt::Parent { at, reason }.into())
            }
            (None, Some((_, at))) => {
                let reason =
                    "the disk names a parent (parentFileNameHint), and parentCID says that it has none";
                Err(Corrupt::Parent { at, reason }.into())
            }
        }
    }

    fn find(&mut self, code: &'static str, severity: Severity, at: u64, message: String) {
        self.findings.push(Finding { code, severity, at: Some(at), message });
    }

    fn tell_odd(&mut self, odd: Vec<(u64, String)>) {
        let more = odd.len().saturating_sub(TOLD);
        for (at, line) in odd.into_iter().take(TOLD) {
            let message = format!("no line of a descriptor: {line}");
            self.find("vmdk.descriptor.odd-line", Severity::Warning, at, message);
        }
        if more > 0 {
            let message = format!("{more} more odd lines");
            self.find("vmdk.descriptor.odd-line", Severity::Warning, self.at, message);
        }
    }
}

/// Version 2 was never described as different, 3 adds a file of changed blocks.
fn check_version(values: &Values) -> Result<(), Error> {
    let Some((value, at)) = values.get("version") else { return Ok(()) };
    match extent_line::number(value) {
        Some(1..=3) => Ok(()),
        Some(version) => {
            let (what, known) = ("the descriptor", "1 to 3 are");
            Err(Unsupported::Version { at, what, known, version }.into())
        }
        None => Err(Corrupt::Value { at, key: "version", expected: "a number", found: shown(value) }.into()),
    }
}

/// Types whose extents are files.
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
/// Types whose extents are devices.
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

impl Values {
    fn get(&self, key: &str) -> Option<(&[u8], u64)> {
        self.found.iter().find(|(name, ..)| *name == key).map(|(_, value, at)| (&value[..], *at))
    }

    fn add(&mut self, key: &'static str, value: &[u8], at: u64) -> Result<(), Corrupt> {
        match self.get(key) {
            Some((before, _)) if before == value => Ok(()),
            Some(_) => Err(Corrupt::Twice { at, key }),
            None => {
                self.found.push((key, value.to_vec(), at));
                Ok(())
            }
        }
    }
}

fn refused(problem: Problem) -> Error {
    match problem {
        Problem::Corrupt(detail) => detail.into(),
        Problem::Unsupported(detail) => detail.into(),
    }
}

/// `KEY = "VALUE"`, blanks and quotes left out.
pub(crate) fn key_and_value(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = line.iter().position(|byte| *byte == b'=').filter(|_| !line.starts_with(b"#"))?;
    let (key, value) = (line[..equals].trim_ascii(), line[equals + 1..].trim_ascii());
    let inner = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    // A key is one word: else the line is a sentence with a sign in it.
    let is_key = !key.is_empty() && !key.iter().any(u8::is_ascii_whitespace);
    is_key.then_some((key, inner.unwrap_or(value)))
}

fn id(key: &'static str, value: &[u8], at: u64) -> Result<u32, Corrupt> {
    let digits = core::str::from_utf8(value).ok().filter(|text| !text.starts_with('+'));
    digits.and_then(|text| u32::from_str_radix(text, 16).ok()).ok_or_else(|| Corrupt::Value {
        at,
        key,
        expected: "1 to 8 hexadecimal digits",
        found: ImageName(value.to_vec()).to_string(),
    })
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
        text.push('x');
        assert_eq!(read(&text).findings[0].code, "vmdk.descriptor.behind-end");
    }

    #[test]
    fn odd_lines_are_findings_with_their_place() {
        let text = TEXT.replace("#DDB", "hello world\n#DDB");
        let found = read(&text);
        let at = 512 + text.find("hello").unwrap() as u64;
        assert_eq!((found.findings.len(), found.findings[0].at), (1, Some(at)));
        let many = "x\n".repeat(20) + TEXT;
        assert_eq!(read(&many).findings.len(), TOLD + 1);
    }

    #[test]
    fn parents() {
        let text = TEXT.replace("parentCID=ffffffff", "parentCID=1a\nparentFileNameHint=\"my base.vmdk\"");
        let at = 512 + text.find("parentFile").unwrap() as u64;
        assert_eq!(read(&text).parent, Some((0x1a, ImageName(b"my base.vmdk".to_vec()), at)));
        let nameless = TEXT.replace("parentCID=ffffffff", "parentCID=1a");
        let at = 512 + nameless.find("parentCID").unwrap() as u64;
        assert!(matches!(corrupt(&nameless), Corrupt::Parent { at: found, .. } if found == at));
        let idless = TEXT.replace("parentCID=ffffffff", "parentFileNameHint=\"a\"");
        let at = 512 + idless.find("parentFile").unwrap() as u64;
        assert!(matches!(corrupt(&idless), Corrupt::Parent { at: found, .. } if found == at));
    }

    #[test]
    fn values_that_can_not_be() {
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
        for version in 1..=3 {
            read(&TEXT.replace("version=1", &format!("version={version}")));
        }
        let error = Descriptor::read(TEXT.replace("version=1", "version=4").as_bytes(), 512).unwrap_err();
        let (what, known) = ("the descriptor", "1 to 3 are");
        assert_eq!(error.detail(), Some(&Unsupported::Version { at, what, known, version: 4 }));
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
        let error = Descriptor::read(of("floppy").as_bytes(), 512).unwrap_err();
        assert_eq!(error.detail(), Some(&Unsupported::CreateType { at, name: "floppy".into() }));
        let missing = TEXT.replace("createType", "x");
        assert_eq!(read(&missing).findings[0].code, "vmdk.descriptor.no-create-type");
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
        assert_eq!(found.lines[0].name.as_ref().unwrap().1, "é-s001.vmdk".as_bytes());
        let gbk = String::from_utf8_lossy(&text).replace("windows-1252", "GBK");
        assert_eq!(read(&gbk).findings[0].code, "vmdk.descriptor.encoding");
    }
}
