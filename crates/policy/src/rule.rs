//! A rule, and which rule a parser's code belongs to.

use imgprep_map::Class;

use crate::RULES;
use crate::table::Rule;

/// The rule of this id.
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}

/// The rule of this id, which is one of the table's own.
pub(crate) fn known(id: &'static str) -> &'static Rule {
    // OK: a test calls it with every id that the sources name; a wrong one falls on the last rule.
    rule(id).unwrap_or(&RULES[RULES.len() - 1])
}

/// The endings and beginnings of parsers' codes, first match wins. New formats that keep to these
/// words are mapped without a line here.
#[rustfmt::skip]
const CODES: &[(&str, &str)] = &[
    ("detect.ambiguous",    "format/ambiguous"),
    ("detect.looks-like",   "format/ambiguous"),
    ("detect.unsupported",  "format/unread"),
    ("detect.no-disk",      "format/no-disk"),
    ("detect.extension-*",  "format/extension"),
    ("detect.empty",        "format/empty"),
    ("detect.padded",       "format/unread"),
    ("raw.empty",           "format/empty"),
    ("zvhd.payload.finished", "structure/vendor-layout"),
    ("zvhd.header.current-size", "structure/vendor-layout"),
    ("zvhd.header.middle",  "structure/vendor-layout"),
    ("zvhd.record.gap",     "structure/vendor-layout"),
    ("zvhd.record.size",    "structure/vendor-layout"),
    ("zvhd.index.rest",     "structure/note"),
    ("zvhd.payload.frames", "structure/note"),
    ("*.not-opened",        "structure/not-opened"),
    ("vmdk.extent.alone",   "format/unsupported"),
    ("vmdk.stream.behind-end", "structure/header"),
    ("*.unknown-feature",   "safety/unknown-feature"),
    ("*.optional-feature",  "safety/optional-feature"),
    ("qed.check.compat-features", "safety/optional-feature"),
    ("qed.check.autoclear-features", "safety/optional-feature"),
    ("*.encrypted",         "safety/encrypted"),
    ("vmdk.footer.field",   "safety/footer-differs"),
    ("vmdk.check.footer",   "safety/footer-differs"),
    ("vmdk.descriptor.odd-line", "safety/descriptor-line"),
    ("*.limit.*",           "safety/limit"),
    ("open.files.limit",    "safety/limit"),
    ("open.chain.depth",    "safety/limit"),
    ("engine.unit-too-large", "safety/limit"),
    ("*.table.past-end",    "safety/table-size"),
    ("*.map.past-end",      "safety/table-size"),
    ("*.region.past-end",   "safety/table-size"),
    ("*.too-short",         "safety/table-size"),
    ("*.leak",              "structure/leak"),
    ("qcow2.refcount.unreadable", "structure/unchecked"),
    ("qcow2.snapshot.overlap", "structure/unchecked"),
    ("qcow2.refcount.*",    "structure/refcount"),
    ("qcow2.copied",        "structure/copied"),
    ("qcow2.bitmaps",       "structure/note"),
    ("*.bitmap.*",          "structure/bitmap"),
    ("*.bitmaps.*",         "structure/bitmap"),
    ("*.snapshot.*",        "structure/snapshot"),
    ("*.corrupt-flag",      "structure/marked-corrupt"),
    ("*.dirty",             "structure/dirty"),
    ("*.need-check",        "structure/dirty"),
    ("*.log.replayed",      "structure/dirty"),
    ("*.checksum",          "structure/checksum"),
    ("*-overlap",           "structure/overlap"),
    ("*.overlap",           "structure/overlap"),
    ("*-shared",            "structure/overlap"),
    ("*.duplicate",         "structure/overlap"),
    ("*.partition-past-end", "structure/cut"),
    ("disk.gpt-past-end",   "structure/cut"),
    ("*.past-end",          "structure/past-end"),
    ("*.cut",               "structure/cut"),
    ("*.metadata.*",        "structure/header"),
    ("*.region.*",          "structure/header"),
    ("*.descriptor.*",      "structure/header"),
    ("*.footers-differ",    "structure/header"),
    ("*.headers-differ",    "structure/header"),
    ("*.missing",           "structure/cut"),
    ("codec.*",             "structure/payload"),
    ("deep.*",              "structure/payload"),
    ("*.payload.*",         "structure/payload"),
    ("open.parent.*",       "structure/parent"),
    ("open.chain.cycle",    "structure/parent"),
    ("open.file.own-part",  "structure/overlap"),
    ("*.no-format",         "safety/backing-format"),
    ("*.backing.unplaced",  "structure/header"),
    ("*.backing.unflagged", "structure/header"),
    ("*.data-file.unflagged", "structure/header"),
    ("*.size.beyond",       "structure/header"),
    ("*.header.*",          "structure/header"),
    ("*.extension.*",       "structure/header"),
    ("*.footer.*",          "structure/header"),
];

/// The rule that a parser's code and class belong to. `None`: it is no violation on the
/// image, the check could not be done (I/O errors, contradicting options).
pub fn rule_of_code(code: &str, class: Option<Class>) -> Option<&'static Rule> {
    let named = CODES.iter().find(|(pattern, _)| matches(pattern, code));
    match (named, class) {
        (Some((_, "structure/not-opened")), _) => rule("structure/not-opened"),
        (Some((_, id)), Some(Class::Unsupported)) if id.starts_with("structure/") => {
            rule("format/unsupported")
        }
        (Some((_, id)), _) => rule(id),
        (None, None) => rule("structure/note"),
        (None, Some(Class::Corrupt)) => rule("structure/table"),
        (None, Some(Class::Limit)) => rule("safety/limit"),
        (None, Some(Class::Unsupported)) => rule("format/unsupported"),
        (None, Some(Class::Io | Class::Refused)) => None,
    }
}

fn matches(pattern: &str, code: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(middle), Some(_)) => code.contains(middle.trim_end_matches('*')),
        (Some(end), None) => code.ends_with(end),
        (None, Some(start)) => code.starts_with(start),
        (None, None) => code == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_leads_to_a_rule_of_the_table() {
        for (pattern, id) in CODES {
            assert!(rule(id).is_some(), "{pattern}: {id}");
        }
    }

    #[test]
    fn codes_of_formats_to_come_have_their_rules() {
        let id = |code, class| rule_of_code(code, class).map(|rule| rule.id);
        for (code, want) in [
            ("vhdx.bat.overlap", "structure/overlap"),
            ("vhdx.metadata.overlap", "structure/overlap"),
            ("vhdx.metadata.missing", "structure/header"),
            ("vhdx.region.past-end", "safety/table-size"),
            ("vhdx.check.place-shared", "structure/overlap"),
            ("vhd.check.bat-overlap", "structure/overlap"),
            ("vhd.footer.missing", "structure/cut"),
            ("vdi.map.past-end", "safety/table-size"),
            ("vdi.check.duplicate", "structure/overlap"),
            ("qed.table.past-end", "safety/table-size"),
            ("qed.check.leak", "structure/leak"),
            ("vmdk.footer.field", "safety/footer-differs"),
            ("vmdk.descriptor.odd-line", "safety/descriptor-line"),
            ("vmdk.descriptor.value", "structure/header"),
            ("vmdk.grain.past-end", "structure/past-end"),
            ("vhd.footer.checksum", "structure/checksum"),
            ("vdi.header.field", "structure/header"),
            ("qed.l2.entry", "structure/table"),
            ("qed.header.unknown-feature", "safety/unknown-feature"),
            ("zvhd.limit.records", "safety/limit"),
            ("codec.unpack.garbage", "structure/payload"),
        ] {
            assert_eq!(id(code, Some(Class::Corrupt)), Some(want), "{code}");
        }
        assert_eq!(id("io.read.failed", Some(Class::Io)), None);
        assert_eq!(id("vhd.odd", None), Some("structure/note"));
    }
}
