//! What else is brought along as "the disk": other programs' backups, saved machines, phone images,
//! descriptors, and pages that a download left instead of the file.

use imgprep_map::Probe;

use crate::foreign::{Foreign, Remedy, foreign};

use Remedy::NoDisk;

const BACKUP: Remedy = NoDisk("restore it with the program that made it");
const STATE: Remedy = NoDisk("it is the memory of a machine, not its disk: take the disk's own file");
const TEXT: Remedy = NoDisk("it is text about something else: get the file itself");

/// Name, offset, magic, what it says, what to do.
type Row = (&'static str, usize, &'static [u8], &'static str, Remedy);

#[rustfmt::skip]
const HEADS: &[Row] = &[
    ("android-sparse", 0, b"\x3a\xff\x26\xed\x01\0", "magic 3a ff 26 ed, version 1", NoDisk("it is a phone's sparse image: unfold it first")),
    ("sparseimage", 0, b"sprs\0\0\0",              "magic \"sprs\"",              NoDisk("macOS unfolds it")),
    ("ewf",         0, b"EVF\x09\x0d\x0a\xff\0",   "magic \"EVF\"",               NoDisk("it is a forensic copy: export it as RAW")),
    ("ewf",         0, b"EVF2\x0d\x0a\x81\0",      "magic \"EVF2\"",              NoDisk("it is a forensic copy: export it as RAW")),
    ("partclone",   0, b"partclone-image",         "magic \"partclone-image\"",   BACKUP),
    ("partimage",   0, b"PaRtImAgE-VoLuMe",        "magic \"PaRtImAgE-VoLuMe\"",  BACKUP),
    ("vma",         0, b"VMA\0\0\0\0\x01",         "magic \"VMA\", version 1",    BACKUP),
    ("qemu-state",  0, b"QEVM\0\0\0",              "magic \"QEVM\"",              STATE),
    ("vmware-state", 0, b"\xd0\xbe\xd2\xbe",       "magic d0 be d2 be",           STATE),
    ("vmware-state", 0, b"\xd2\xbe\xd2\xbe",       "magic d2 be d2 be",           STATE),
    ("virtualbox-state", 0, b"\x7fVirtualBox SavedState V", "magic \"VirtualBox SavedState\"", STATE),
    ("git-lfs",     0, b"version https://git-lfs.github.com/spec/", "the first line of a Git LFS pointer", NoDisk("it is a pointer that Git left: fetch the file that it stands for")),
];

/// Words that a text begins with, lower case: name, words, what they say.
const TEXTS: &[(&str, &[&str], &str)] = &[
    ("html", &["<!doctype html", "<html"], "an HTML page"),
    ("xml", &["<?xml", "<envelope"], "an XML document"),
    ("vmx", &[".encoding ="], "a machine's settings"),
];

pub(crate) fn recognise(probe: &Probe<'_>) -> Option<Foreign> {
    let head = HEADS.iter().find(|(_, at, magic, ..)| probe.has(*at, magic));
    let known =
        head.map(|(name, at, magic, says, remedy)| foreign(name, *at as u64, magic.len(), says, *remedy));
    known.or_else(|| text(probe.head))
}

/// A text begins with one of the words, and its first bytes are nothing but text.
fn text(head: &[u8]) -> Option<Foreign> {
    let start = &head[..head.len().min(256)];
    let from = usize::from(start.starts_with(b"\xef\xbb\xbf")) * 3;
    let start = start.get(from..)?.trim_ascii_start();
    let lower = start.to_ascii_lowercase();
    let is_text = start.iter().all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0xff));
    let begins = |words: &&[&str]| words.iter().any(|word| lower.starts_with(word.as_bytes()));
    let (name, _, says) = TEXTS.iter().find(|(_, words, _)| is_text && begins(words))?;
    let remedy = match *name {
        "xml" => NoDisk("if it is an OVF descriptor, convert the disks that it names"),
        "vmx" => NoDisk("convert the disks that it names"),
        _ => TEXT,
    };
    // OK: inside the head.
    Some(foreign(name, 0, start.len().min(24), says, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(start: &[u8]) -> Option<&'static str> {
        recognise(&Probe { head: start, tail: start, file_len: start.len() as u64 }).map(|found| found.name)
    }

    #[test]
    fn every_magic_is_known_and_none_that_lacks_its_last_byte() {
        for (want, at, magic, ..) in HEADS {
            let whole = [&vec![0; *at][..], magic, &[0; 600]].concat();
            assert_eq!(name(&whole), Some(*want));
            let mut near = whole;
            near[at + magic.len() - 1] ^= 0x40;
            assert_eq!(name(&near), None, "{want}");
        }
    }

    #[test]
    fn texts_are_known_by_their_first_words() {
        assert_eq!(name(b"<!DOCTYPE HTML>\n<title>404 Not Found</title>"), Some("html"));
        assert_eq!(name(b"\xef\xbb\xbf<?xml version=\"1.0\"?>\n<Envelope>"), Some("xml"));
        assert_eq!(name(b"  \n<html><body>"), Some("html"));
        assert_eq!(name(b".encoding = \"UTF-8\"\n"), Some("vmx"));
        assert_eq!(name(b"<html>\0\0\0"), None, "zeros are no text");
        assert_eq!(name(b"hello"), None);
        assert_eq!(name(b""), None);
    }
}
