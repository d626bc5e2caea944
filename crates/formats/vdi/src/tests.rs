//! Tests of the whole crate: from the bytes of a file to an image or an error.

use alloc::string::ToString as _;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use imgprep_map::{
    Error, Extent, FileId, Image, ParseOptions, Parsed, Probe, ReadAt, ReadError, Severity, Source,
    StructureCounts, UseKind,
};

use imgprep_format_kit::Invalid;

use crate::Corrupt;
use crate::codes;

/// An image of version 1.1 for a disk of four blocks of 512 bytes and 100 bytes.
///
/// The data begin at offset 1024.
fn file(entries: &[u32; 5], kind: u32, allocated: u32) -> Vec<u8> {
    let mut file = vec![0; 1024 + 3 * 512];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, crate::layout::TEXT);
    put(64, &[0x7f, 0x10, 0xda, 0xbe, 1, 0, 1, 0]);
    for (at, value) in [
        (72, 400u32),
        (76, kind),
        (340, 512),
        (344, 1024),
        (360, 512),
        (368, 4 * 512 + 100),
        (376, 512),
        (384, 5),
        (388, allocated),
    ] {
        put(at, &value.to_le_bytes());
    }
    put(392, &[1; 16]);
    put(408, &[2; 16]);
    if kind > 2 {
        put(424, &[3; 16]);
        put(440, &[4; 16]);
    }
    for (index, entry) in entries.iter().enumerate() {
        put(512 + index * 4, &entry.to_le_bytes());
    }
    file
}

const NEVER: u32 = u32::MAX;
const ZERO: u32 = u32::MAX - 1;

fn parse_with(file: &dyn ReadAt, options: &ParseOptions) -> Result<Image, Error> {
    match crate::parse(file, options)? {
        Parsed::Done(image) => Ok(*image),
        Parsed::Needs(_) => panic!("a VDI is one file"),
    }
}

fn parse(file: &dyn ReadAt) -> Image {
    parse_with(file, &ParseOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn visit(image: &Image, file: &dyn ReadAt, range: Range<u64>) -> (Vec<Extent>, Result<(), Error>) {
    let mut out = Vec::new();
    let done = image.map.visit(&file, range, &mut |extent| {
        out.push(extent);
        ControlFlow::Continue(())
    });
    (out, done)
}

fn data(at: u64) -> Source {
    Source::Data { file: FileId::SELF, at }
}

fn codes(image: &Image) -> Vec<(&'static str, Severity, Option<u64>)> {
    image.findings.iter().map(|finding| (finding.code.id, finding.severity, finding.at)).collect()
}

#[test]
fn each_entry_has_its_own_answer() {
    for (kind, unwritten) in [(1, Source::Zero { explicit: false }), (3, Source::Parent), (4, Source::Parent)]
    {
        let file = file(&[NEVER, ZERO, 1, 2, 0], kind, 3);
        let image = parse(&file);
        let (extents, done) = visit(&image, &file, 0..u64::MAX);
        done.unwrap();
        let want = [
            (0..512, unwritten),
            (512..1024, Source::Zero { explicit: true }),
            (1024..2048, data(1024 + 512)),
            (2048..2148, data(1024)),
        ];
        assert_eq!(extents, want.map(|(disk, source)| Extent { disk, source }));
        assert_eq!(visit(&image, &file, 1500..1600).0, [Extent { disk: 1500..1600, source: data(2012) }]);
        assert!(visit(&image, &file, 2148..9000).0.is_empty());
    }
}

#[test]
fn the_last_block_may_end_where_the_disk_does() {
    let mut file = file(&[NEVER, NEVER, NEVER, NEVER, 2], 2, 3);
    file.truncate(1024 + 2 * 512 + 100);
    let image = parse(&file);
    visit(&image, &file, 0..2148).1.unwrap();
    file.pop();
    let (extents, done) = visit(&image, &file, 0..2148);
    assert_eq!(extents.last().unwrap().disk, 0..2048);
    let error = done.unwrap_err();
    let want = Invalid::DataPastEnd {
        code: codes::BLOCK_PAST_END,
        at: 512 + 16,
        start: 2048,
        end: 2148,
        file_len: 2147,
    };
    assert_eq!(error.detail(), Some(&want));
    assert_eq!(error.disk(), Some(2048..2148));
}

#[test]
fn a_block_that_is_not_allocated_is_read_by_a_salvage_only() {
    let file = file(&[0, 1, 2, NEVER, NEVER], 1, 2);
    let error = visit(&parse(&file), &file, 0..2148).1.unwrap_err();
    assert_eq!(error.detail(), Some(&Corrupt::PastAllocated { at: 520, found: 2, allocated: 2 }));
    assert_eq!(error.disk(), Some(1024..1536));
    let salvage = ParseOptions { salvage: true, ..ParseOptions::default() };
    let image = parse_with(&file, &salvage).unwrap();
    visit(&image, &file, 0..2148).1.unwrap();
}

#[test]
fn usage_is_the_header_the_map_and_stored_blocks() {
    let file = file(&[2, ZERO, NEVER, 9, 0], 1, 3);
    let mut uses = Vec::new();
    let image = parse(&file);
    let done = image.map.file_usage(&(&file as &dyn ReadAt), &mut |file_use| {
        uses.push((file_use.range, file_use.kind, file_use.disk));
        ControlFlow::Continue(())
    });
    done.unwrap();
    let want = [
        (0..472, UseKind::Metadata("the header"), None),
        (512..532, UseKind::Metadata("the block map"), None),
        (2048..2560, UseKind::Data, Some(0)),
        (1024..1124, UseKind::Data, Some(2048)),
    ];
    assert_eq!(uses, want);
}

#[test]
fn the_parent_is_known_by_its_uuid_only() {
    let image = parse(&file(&[NEVER; 5], 4, 0));
    let parent = image.parent.unwrap();
    assert!(!parent.is_named());
    assert_eq!(
        (parent.at, parent.identities),
        (424, vec!["03030303-0303-0303-0303-030303030303".to_string()])
    );
    assert_eq!(parent.revision.as_deref(), Some("04040404-0404-0404-0404-040404040404"));
    assert_eq!(image.identity.as_deref(), Some("01010101-0101-0101-0101-010101010101"));
    assert_eq!(image.revision.as_deref(), Some("02020202-0202-0202-0202-020202020202"));
}

#[test]
fn a_link_fits_the_type() {
    let mut linked = file(&[NEVER; 5], 1, 0);
    linked[430] = 1;
    let error = parse_with(&linked, &ParseOptions::default()).unwrap_err();
    let found = Some("00000000-0000-0001-0000-000000000000".to_string());
    assert_eq!(error.detail(), Some(&Corrupt::Link { at: 424, kind: "dynamic", has_parent: false, found }));
    let mut orphan = file(&[NEVER; 5], 3, 0);
    orphan[424..440].fill(0);
    let error = parse_with(&orphan, &ParseOptions::default()).unwrap_err();
    assert_eq!(error.detail(), Some(&Corrupt::Link { at: 424, kind: "undo", has_parent: true, found: None }));
    assert!(
        error.to_string().starts_with("an image of type undo has a parent, but its link is null"),
        "{error}"
    );
}

#[test]
fn oddities_are_findings() {
    let mut sound = file(&[0, NEVER, ZERO, NEVER, 1], 1, 2);
    sound.truncate(2048);
    let odd_size = ("vdi.header.odd-size", Severity::Note, Some(368));
    assert_eq!(codes(&parse(&sound)), [odd_size]);
    for (at, value, want) in [
        (388, 3u32, ("vdi.header.allocated", Severity::Warning, Some(388))),
        (384, 6, ("vdi.map.longer", Severity::Warning, Some(384))),
        (376, 1536, ("vdi.header.block-size", Severity::Warning, Some(376))),
        (340, 516, ("vdi.header.map-unaligned", Severity::Warning, Some(340))),
        (344, 1028, ("vdi.header.data-unaligned", Severity::Warning, Some(344))),
        (344, 512, ("vdi.file.length", Severity::Warning, Some(344))),
        (344, 1536, ("vdi.file.length", Severity::Warning, Some(344))),
        (380, 512, ("vdi.header.block-extra", Severity::Warning, Some(380))),
        (80, 3, ("vdi.header.unknown-flags", Severity::Note, Some(80))),
        (468, 4096, ("vdi.header.lchs-sector", Severity::Note, Some(468))),
    ] {
        let mut file = sound.clone();
        file[at..at + 4].copy_from_slice(&value.to_le_bytes());
        assert!(codes(&parse(&file)).contains(&want), "{want:?}");
    }
}

/// A file that consists of `head` and a hole after it.
struct Sparse {
    head: Vec<u8>,
    len: u64,
}

impl ReadAt for Sparse {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
        for (n, byte) in buf.iter_mut().enumerate() {
            let at = usize::try_from(at).unwrap() + n;
            assert!(at < self.head.len() + 4096, "the hole is read at {at}");
            *byte = self.head.get(at).copied().unwrap_or(0);
        }
        Ok(())
    }

    fn next_data(&self, at: u64) -> u64 {
        if at < self.head.len() as u64 { at } else { self.len }
    }
}

#[test]
fn a_map_that_was_never_written_is_not_walked() {
    let mut head = file(&[NEVER; 5], 1, 0);
    head.truncate(512);
    head[368..376].copy_from_slice(&(512u64 * 0xffff_fff0).to_le_bytes());
    head[384..388].copy_from_slice(&0xffff_fff0u32.to_le_bytes());
    let file = Sparse { head, len: 1 << 40 };
    let image = parse(&file);
    let error = visit(&image, &file, 0..image.size).1.unwrap_err();
    assert_eq!(error.detail(), Some(&Corrupt::MapHole { at: 512, len: 0xffff_fff0 * 4 }));
    assert_eq!(error.disk(), Some(0..image.size));
    let mut uses = 0;
    let done = image.map.file_usage(&(&file as &dyn ReadAt), &mut |_| {
        uses += 1;
        ControlFlow::Continue(())
    });
    assert!(done.is_ok() && uses == 2, "{uses}");
    let want = [
        ("vdi.header.allocated-unchecked", Severity::Note, Some(388)),
        ("vdi.file.length", Severity::Warning, Some(344)),
    ];
    assert_eq!(codes(&image), want);
    assert_eq!(error.code().id, "vdi.map.hole");
}

#[test]
fn known_by_its_signature_or_by_its_text_where_it_is_cut() {
    let whole = file(&[NEVER; 5], 1, 0);
    let probe = |head: &[u8]| {
        crate::probe(&Probe { head, tail: head, file_len: head.len() as u64 }).map(|evidence| evidence.at)
    };
    assert_eq!(probe(&whole), Some(64));
    assert_eq!(probe(b"<<< QEMU VM Virtual Disk Im"), Some(0));
    assert_eq!(probe(&[b"<<< ".as_slice(), &[b' '; 400]].concat()), None);
    assert_eq!(probe(&[0; 512]), None);
}

fn check(image: &Image, file: &dyn ReadAt) -> (StructureCounts, Vec<(&'static str, Severity, u64)>) {
    let mut all = Vec::new();
    let checked = image.map.check(&file, &mut |finding| {
        all.push((finding.code.id, finding.severity, finding.at.unwrap()));
        ControlFlow::Continue(())
    });
    (checked.unwrap(), all)
}

#[test]
fn a_good_image_has_numbers_and_no_findings() {
    let file = file(&[0, ZERO, 1, NEVER, 2], 1, 3);
    let want = StructureCounts {
        image_end: Some(1024 + 3 * 512),
        total: Some(5),
        allocated: Some(3),
        fragmented: Some(0),
        ..StructureCounts::default()
    };
    assert_eq!(check(&parse(&file), &file), (want, vec![]));
}

#[test]
fn blocks_that_do_not_follow_their_neighbour_are_fragmented() {
    for (entries, allocated, fragmented) in [
        ([0, 1, 2, NEVER, NEVER], 3, 0),
        ([NEVER, ZERO, 2, NEVER, NEVER], 1, 0),
        ([1, 0, 2, NEVER, NEVER], 3, 2),
        ([2, ZERO, 1, NEVER, 0], 3, 2),
        ([0, NEVER, 2, ZERO, 1], 3, 2),
        ([1, NEVER, 2, ZERO, 0], 3, 1),
    ] {
        let file = file(&entries, 1, 3);
        let (checked, _) = check(&parse(&file), &file);
        assert_eq!(
            (checked.allocated, checked.fragmented),
            (Some(allocated), Some(fragmented)),
            "{entries:?}"
        );
    }
}

#[test]
fn a_number_of_blocks_that_a_long_map_contradicts_is_found_by_the_check() {
    // 2^24 + 1 entries: more than the parser counts. All but the first page were never written.
    let mut head = file(&[NEVER; 5], 1, 7);
    head.truncate(512);
    head.resize(4096, 0xff);
    let entries = (1u32 << 24) + 1;
    head[368..376].copy_from_slice(&(512 * 896u64).to_le_bytes());
    head[384..388].copy_from_slice(&entries.to_le_bytes());
    let file = Sparse { head, len: 1 << 30 };
    let (_, findings) = check(&parse(&file), &file);
    assert!(findings.contains(&("vdi.check.allocated", Severity::Warning, 388)), "{findings:?}");
}

#[test]
fn a_check_of_more_places_than_are_kept_ends_with_a_finding() {
    // Each entry references a block in another chunk of 4096 blocks; at most 2^15 chunks are kept.
    let entries = (1u32 << 15) + 2;
    let (map_at, data_at) = (512, (512 + entries * 4).next_multiple_of(512));
    let mut head = file(&[NEVER; 5], 1, entries);
    head.resize(data_at as usize, 0);
    head[344..348].copy_from_slice(&data_at.to_le_bytes());
    head[368..376].copy_from_slice(&(512 * u64::from(entries)).to_le_bytes());
    head[384..388].copy_from_slice(&entries.to_le_bytes());
    for (index, at) in (0..entries).zip((map_at..).step_by(4)) {
        head[at..at + 4].copy_from_slice(&(index * 4096).to_le_bytes());
    }
    let file = Sparse { head, len: 1 << 40 };
    let (checked, findings) = check(&parse(&file), &file);
    let at = map_at as u64 + (4 << 15);
    assert!(findings.contains(&("vdi.check.too-large", Severity::Warning, at)), "{findings:?}");
    assert_eq!((checked.check_errors, checked.allocated), (1, Some((1 << 15) + 1)));
}

#[test]
fn data_that_begin_after_the_file_are_found_by_the_check() {
    let mut file = file(&[NEVER; 5], 1, 0);
    file[344..348].copy_from_slice(&4096u32.to_le_bytes());
    let (_, findings) = check(&parse(&file), &file);
    assert!(findings.contains(&("vdi.check.data-past-end", Severity::Warning, 344)), "{findings:?}");
}

#[test]
fn another_signature_is_named_with_its_place() {
    let mut file = file(&[NEVER; 5], 1, 0);
    file[65] = 0;
    let error = parse_with(&file, &ParseOptions::default()).unwrap_err();
    assert_eq!((error.code().id, error.at()), ("vdi.header.signature", Some(64)));
}

#[test]
fn every_kind_of_invalid_entry_is_reported() {
    use Severity::{Error, Warning};
    for (entries, allocated, code, severity, at, corruptions, leaks) in [
        ([0, 0, 1, NEVER, 2], 4, "vdi.check.duplicate", Error, 516, 1, 0),
        ([0, 5, 1, NEVER, 2], 3, "vdi.check.out-of-range", Error, 516, 1, 0),
        ([0, 3, 1, NEVER, 2], 4, "vdi.check.past-end", Error, 516, 0, 0),
        ([0, 2, 1, NEVER, NEVER], 2, "vdi.check.past-allocated", Error, 516, 1, 0),
        ([0, NEVER, NEVER, NEVER, 2], 2, "vdi.check.past-allocated", Error, 528, 0, 1),
        ([0, NEVER, 2, NEVER, NEVER], 3, "vdi.check.leak", Warning, 1536, 1, 1),
        ([0, NEVER, NEVER, NEVER, NEVER], 1, "vdi.check.trailing", Warning, 1536, 0, 2),
    ] {
        let file = file(&entries, 1, allocated);
        let (checked, findings) = check(&parse(&file), &file);
        assert_eq!(findings.first(), Some(&(code, severity, at)), "{entries:?}");
        assert_eq!((checked.corruptions, checked.leaks), (corruptions, leaks), "{entries:?} {findings:?}");
    }
}

#[test]
fn a_check_of_a_map_that_was_never_written_costs_nothing() {
    let mut head = file(&[NEVER; 5], 1, 0);
    head.truncate(512);
    head[368..376].copy_from_slice(&(512u64 * 0xffff_fff0).to_le_bytes());
    head[384..388].copy_from_slice(&0xffff_fff0u32.to_le_bytes());
    head[388..392].copy_from_slice(&[0xff; 4]);
    let file = Sparse { head, len: 1 << 50 };
    let (checked, findings) = check(&parse(&file), &file);
    // All entries except the first, plus the number of allocated blocks in the header.
    assert_eq!(checked.corruptions, 0xffff_fff0);
    assert_eq!((checked.allocated, checked.fragmented), (Some(0xffff_fff0), Some(0xffff_ffef)));
    assert!(findings.contains(&("vdi.check.duplicate", Severity::Error, 516)), "{findings:?}");
    assert!(findings.len() < 9, "{findings:?}");
}
