//! File names in the declared encoding of the descriptor.
//!
//! Labels are those of the WHATWG Encoding Standard, plus the code pages that it omits. The text need not be
//! decoded as a whole: in all supported encodings, ASCII bytes mean ASCII wherever a parser searches for a
//! line end or a quote.

use alloc::string::String;
use alloc::vec::Vec;

use encoding_rs::{BIG5, EUC_KR, Encoding, GBK, SHIFT_JIS};
use imgprep_map::ImageName;

/// Labels of ICU and Windows that the standard does not list.
const CODE_PAGES: [(&str, &Encoding); 13] = [
    ("cp936", GBK),
    ("ms936", GBK),
    ("windows-936", GBK),
    ("cp950", BIG5),
    ("ms950", BIG5),
    ("windows-950", BIG5),
    ("cp932", SHIFT_JIS),
    ("cp943", SHIFT_JIS),
    ("windows-932", SHIFT_JIS),
    ("windows-943", SHIFT_JIS),
    ("cp949", EUC_KR),
    ("ms949", EUC_KR),
    ("uhc", EUC_KR),
];

/// The encoding that a descriptor declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Charset {
    /// The label as written in the descriptor; empty if no encoding is declared.
    label: String,
}

/// One name of the descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// The name in UTF-8 if decoding is possible, otherwise the original bytes.
    pub(crate) bytes: Vec<u8>,
    /// The original bytes, if they differ.
    pub(crate) raw: Option<Vec<u8>>,
    /// The declared encoding, if the name is not UTF-8.
    pub(crate) encoding: Option<String>,
}

impl Charset {
    pub(crate) fn new(label: String) -> Self {
        Self { label }
    }

    fn encoding(&self) -> Option<&'static Encoding> {
        let lower = self.label.trim().to_ascii_lowercase();
        let page = CODE_PAGES.iter().find(|(label, _)| *label == lower).map(|(_, encoding)| *encoding);
        // Keys are ASCII bytes, which rules out UTF-16 and ISO-2022.
        page.or_else(|| Encoding::for_label(lower.as_bytes())).filter(|found| found.is_ascii_compatible())
    }

    /// Decodes a name to UTF-8 if its bytes are valid in the declared encoding.
    pub(crate) fn read(&self, raw: &[u8]) -> Name {
        let bytes = raw.to_vec();
        if raw.is_ascii() {
            return Name { bytes, raw: None, encoding: None };
        }
        let encoding = (!self.label.is_empty()).then(|| self.label.clone());
        match self.decoded(raw) {
            Some(decoded) if decoded != raw => Name { bytes: decoded, raw: Some(bytes), encoding },
            // The result is UTF-8, as expected of all names.
            Some(_) => Name { bytes, raw: None, encoding: None },
            None => Name { bytes, raw: None, encoding },
        }
    }

    fn decoded(&self, raw: &[u8]) -> Option<Vec<u8>> {
        let text = self.encoding()?.decode_without_bom_handling_and_without_replacement(raw)?;
        Some(text.into_owned().into_bytes())
    }

    /// The reason why these names are used undecoded despite a declared encoding.
    pub(crate) fn problem<'n>(&self, names: impl Iterator<Item = &'n [u8]>) -> Option<&'static str> {
        let is_known = self.encoding().is_some();
        let mut foreign = names.filter(|name| !name.is_ascii());
        if self.label.is_empty() {
            return None;
        }
        match foreign.find(|name| !is_known || self.decoded(name).is_none()) {
            Some(_) if is_known => Some("does not match a name in the descriptor"),
            Some(_) => Some("is unknown"),
            None => None,
        }
    }

    /// The label, for messages.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }
}

impl Name {
    /// The spellings to try after the first one.
    pub(crate) fn others(&self) -> Vec<ImageName> {
        self.raw.iter().cloned().map(ImageName).collect()
    }
}

#[cfg(test)]
mod tests {
    use alloc::borrow::ToOwned;

    use super::*;

    fn decoded(label: &str, raw: &[u8]) -> Option<String> {
        let name = Charset::new(label.to_owned()).read(raw);
        let is_foreign = !label.is_empty() && core::str::from_utf8(raw).is_err();
        assert_eq!(name.encoding.as_deref(), is_foreign.then_some(label), "{label}");
        assert_eq!(name.raw.as_deref(), (name.bytes != raw).then_some(raw), "{label}");
        name.raw.map(|_| String::from_utf8(name.bytes).unwrap())
    }

    #[test]
    fn names_of_every_encoding_are_decoded() {
        for (label, raw, want) in [
            ("windows-1252", &b"caf\xe9 \x80.vmdk"[..], "café €.vmdk"),
            ("ISO-8859-1", b"caf\xe9", "café"),
            ("ISO-8859-2", b"\xb3", "ł"),
            ("windows-1250", b"\xb3", "ł"),
            ("windows-1251", b"\xd1\xe5\xf0\xe2\xe5\xf0", "Сервер"),
            ("windows-1253", b"\xc4", "Δ"),
            ("windows-1255", b"\xe0", "א"),
            ("windows-1256", b"\xc8", "ب"),
            ("KOI8-R", b"\xf3", "С"),
            ("GBK", b"\xb7\xfe\xce\xf1\xc6\xf7", "服务器"),
            ("gb18030", b"\xb7\xfe", "服"),
            ("GB2312", b"\xb7\xfe", "服"),
            ("windows-936", b"\xb7\xfe", "服"),
            ("Big5", b"\xa6\xf8", "伺"),
            ("windows-950", b"\xa6\xf8", "伺"),
            ("Shift_JIS", b"\x89\xbc\x91\x7a", "仮想"),
            ("windows-31j", b"\x89\xbc", "仮"),
            ("EUC-JP", b"\xb2\xbe", "仮"),
            ("EUC-KR", b"\xbc\xad\xb9\xf6", "서버"),
            ("windows-949", b"\xbc\xad", "서"),
            ("TIS-620", b"\xa1", "ก"),
        ] {
            assert_eq!(decoded(label, raw).as_deref(), Some(want), "{label}");
        }
    }

    #[test]
    fn names_that_need_no_decoding_are_unchanged() {
        assert_eq!(decoded("UTF-8", "café".as_bytes()), None);
        assert_eq!(decoded("", b"\xe9"), None);
        let ascii = Charset::new("GBK".to_owned()).read(b"a.vmdk");
        assert_eq!(ascii, Name { bytes: b"a.vmdk".to_vec(), raw: None, encoding: None });
    }

    #[test]
    fn an_unusable_encoding_is_rejected() {
        let problem = |label: &str, raw: &[u8]| Charset::new(label.to_owned()).problem([raw].into_iter());
        for label in ["IBM850", "UTF-16LE", "ISO-2022-JP", "x"] {
            assert_eq!(decoded(label, b"\xe9\xe9"), None);
            assert_eq!(problem(label, b"\xe9\xe9"), Some("is unknown"), "{label}");
            assert_eq!(problem(label, b"e"), None, "{label}");
        }
        for label in ["UTF-8", "GBK", "Big5", "Shift_JIS", "EUC-KR"] {
            let want = Some("does not match a name in the descriptor");
            assert_eq!(problem(label, b"a\xff"), want, "{label}");
        }
        assert_eq!(problem("", b"\xff"), None);
        assert_eq!(problem("GBK", b"\xb7\xfe"), None);
    }
}
