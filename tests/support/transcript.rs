//! All that a format's crate reports of its test images, as text, so that every change of it is noticed.
//!
//! Whether the text is right is for other tests to show: the recipes know the disks, and other programs read the images. Here
//! nothing touches a file, so that a whole format takes a second or two.

use std::fmt::{Debug, Write as _};
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::Arc;

use imgprep_map::{
    Error, Extent, FileId, FileRef, FileUse, Files, Finding, Image, Limits, OverlayReader, ParseOptions,
    Parsed, Probe, ReadAt, SizeChoice, Source, StructureCounts,
};
use testdata_gen::{FormatImages, GoodImage, ImageFile, Noise, of_format};

/// Changes that are tried on each good image: fewer where its file is larger than [`SMALL`].
const CHANGES: [u32; 2] = [64, 4];

/// Length of a file that is copied in no time, in bytes.
const SMALL: usize = 1 << 19;

/// How a format's crate opens an image.
pub type Parse = fn(&dyn ReadAt, &ParseOptions) -> Result<Parsed, Error>;

/// What a format's crate recognises in the first and the last bytes of a file.
pub type Recognise = fn(&Probe<'_>) -> String;

/// Compares what a format's crate reports of every image of `format` with the golden file at `golden`: one line an image, with
/// checksums of the output.
///
/// `IMGPREP_UPDATE_GOLDEN` writes the golden file instead, `IMGPREP_TRANSCRIPTS=FOLDER` writes the whole text into a folder.
///
/// # Panics
///
/// Where a line differs, or an image is read as another disk than its recipe's.
pub fn assert_transcript(format: &str, recognise: Recognise, parse: Parse, golden: &str) {
    let (mut lines, mut text) = (String::new(), String::new());
    for (name, sections) in transcript(format, recognise, parse) {
        lines += &name;
        for (section, printed) in sections {
            _ = write!(lines, "; {section} {:08x}", crc32fast::hash(printed.as_bytes()));
            _ = write!(text, "== {name}: {section}\n{printed}");
        }
        lines += "\n";
    }
    if let Some(folder) = std::env::var_os("IMGPREP_TRANSCRIPTS") {
        std::fs::write(Path::new(&folder).join(format!("{format}.txt")), text)
            .expect("the transcript can be written");
    }
    if std::env::var_os("IMGPREP_UPDATE_GOLDEN").is_some() {
        std::fs::write(golden, &lines).expect("the golden file can be written");
        return;
    }
    let then =
        std::fs::read_to_string(golden).expect("the golden file is there: IMGPREP_UPDATE_GOLDEN=1 writes it");
    let differs = then.lines().zip(lines.lines()).find(|(then, now)| then != now);
    assert!(differs.is_none(), "{}: was and is\n{}\n{}", golden, differs.unwrap().0, differs.unwrap().1);
    assert_eq!(then.lines().count(), lines.lines().count(), "{golden}: images");
}

type Sections = Vec<(&'static str, String)>;

fn transcript(format: &str, recognise: Recognise, parse: Parse) -> Vec<(String, Sections)> {
    let FormatImages { good, others } = of_format(format);
    let mut all = Vec::new();
    for image in &good {
        let subject = Subject::new(&image.files, image.snapshot, parse);
        let mut sections = subject.sections();
        sections.push(("probe", probed(&image.files[0].bytes, recognise)));
        sections.push(("limits", subject.limited()));
        sections.push(("cuts", subject.cut()));
        sections.push(("changes", subject.changed(image)));
        subject.assert_plain_bytes(image);
        all.push((image.name.clone(), sections));
    }
    all.extend(others.into_iter().map(|(name, files)| {
        let subject = Subject::new(&files, None, parse);
        let mut sections = subject.sections();
        sections.push(("probe", probed(&files[0].bytes, recognise)));
        (name, sections)
    }));
    assert!(!all.is_empty(), "images of the format {format}");
    all
}

fn probed(bytes: &[u8], recognise: Recognise) -> String {
    let head = slice(bytes, &(0..Probe::HEAD));
    let tail = slice(bytes, &((bytes.len() as u64).saturating_sub(Probe::TAIL)..u64::MAX));
    recognise(&Probe { head, tail, file_len: bytes.len() as u64 }) + "\n"
}

/// An opened image with its files.
struct Opened {
    image: Image,
    files: Vec<Arc<dyn ReadAt>>,
}

struct Subject<'a> {
    first: Arc<dyn ReadAt>,
    files: &'a [ImageFile],
    snapshot: Option<&'a str>,
    parse: Parse,
}

impl<'a> Subject<'a> {
    fn new(files: &'a [ImageFile], snapshot: Option<&'a str>, parse: Parse) -> Self {
        Self { first: Arc::new(files[0].bytes.clone()), files, snapshot, parse }
    }

    fn options(&self) -> ParseOptions {
        let snapshot = self.snapshot.map(str::to_string);
        ParseOptions { snapshot, size: SizeChoice::Original, ..ParseOptions::default() }
    }

    fn open(&self, options: &ParseOptions) -> Result<Opened, Error> {
        self.open_as(Arc::clone(&self.first), options)
    }

    /// Opens `first` in place of the first file.
    fn open_as(&self, first: Arc<dyn ReadAt>, options: &ParseOptions) -> Result<Opened, Error> {
        let mut files = vec![Arc::clone(&first)];
        let mut parsed = (self.parse)(&*first, options)?;
        loop {
            match parsed {
                Parsed::Done(image) => {
                    if files.len() == 1 {
                        files.extend(image.files.iter().map(|wanted| self.named(wanted)));
                    }
                    if let Some(overlay) = &image.overlay {
                        files[0] = Arc::new(OverlayReader::new(first, Arc::clone(overlay)));
                    }
                    return Ok(Opened { image: *image, files });
                }
                Parsed::Needs(needs) => {
                    files.truncate(1);
                    files.extend(needs.files.iter().map(|wanted| self.named(wanted)));
                    parsed = (needs.resume)(&files)?;
                }
            }
        }
    }

    /// The file of the image that is called so, or an empty one.
    fn named(&self, wanted: &FileRef) -> Arc<dyn ReadAt> {
        let name = wanted
            .name
            .as_ref()
            .map(|name| String::from_utf8_lossy(&name.0).into_owned())
            .unwrap_or_default();
        let found = self.files.iter().find(|file| name.ends_with(&file.name));
        Arc::new(found.map(|file| file.bytes.clone()).unwrap_or_default())
    }

    fn sections(&self) -> Sections {
        let mut all = Vec::new();
        match self.open(&self.options()) {
            Ok(opened) => {
                all.push(("facts", facts(&opened.image)));
                all.push(("extents", extents(&opened)));
                all.push(("uses", uses(&opened)));
                all.push(("check", check(&opened)));
            }
            Err(error) => all.push(("refused", error_line(&error))),
        }
        let salvage = ParseOptions { salvage: true, ..self.options() };
        all.push((
            "salvage",
            self.open(&salvage).map_or_else(|error| error_line(&error), |opened| salvaged(&opened)),
        ));
        let current = ParseOptions { size: SizeChoice::Current, ..self.options() };
        let missing = ParseOptions { snapshot: Some("no such snapshot".into()), ..self.options() };
        let [current, missing] = [current, missing].map(|options| {
            self.open(&options)
                .map_or_else(|error| error_line(&error), |opened| format!("{}\n", opened.image.size))
        });
        all.push(("options", current + &missing));
        all
    }

    /// The output with small limits.
    fn limited(&self) -> String {
        let whole = Limits::default();
        let limits = [
            Limits { files: 0, ..whole },
            Limits { text_bytes: 0, ..whole },
            Limits { resident_bytes: 0, ..whole },
            Limits { snapshots: 0, ..whole },
            Limits { text_bytes: 300, resident_bytes: 300, snapshots: 1, files: 1, ..whole },
        ];
        let printed = limits.map(|limits| {
            let opened = self.open(&ParseOptions { limits, ..self.options() });
            opened.map_or_else(|error| error_line(&error), |opened| format!("{:?}\n", opened.image.findings))
        });
        printed.concat()
    }

    /// What is reported about a file that was cut where structures begin or end.
    fn cut(&self) -> String {
        let original = &self.files[0].bytes;
        let short =
            [0, 4, 16, 24, 48, 64, 72, 80, 104, 112, 384, 511, 512, 513, 1024, 1536, 2048, 4096, 65536];
        let long = [original.len() / 2, original.len() - 512.min(original.len()), original.len() - 1];
        let lens = short.into_iter().chain(long).filter(|len| *len < original.len());
        let mut text = String::new();
        for len in lens {
            let printed = match self.open_as(Arc::new(original[..len].to_vec()), &self.options()) {
                Ok(opened) => {
                    [facts(&opened.image), extents(&opened), uses(&opened), check(&opened)].concat()
                }
                Err(error) => error_line(&error),
            };
            _ = writeln!(text, "cut to {len}: {:08x}", crc32fast::hash(printed.as_bytes()));
        }
        text
    }

    /// The output with a few changed bytes of the metadata.
    fn changed(&self, image: &GoodImage) -> String {
        let original = &image.files[0].bytes;
        let seed = image.name.bytes().fold(7u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        let mut noise = Noise::new(seed);
        let mut text = String::new();
        let mut bytes = original.clone();
        for _ in 0..CHANGES[usize::from(original.len() > SMALL)] {
            let (at, new) = change(original, &noise.bytes(8));
            let place = at..at + new.len();
            bytes[place.clone()].copy_from_slice(&new);
            // The text alone would be long: a changed table may have thousands of extents.
            let printed = match self.open_as(Arc::new(bytes.clone()), &self.options()) {
                Ok(opened) => {
                    [facts(&opened.image), extents(&opened), uses(&opened), check(&opened)].concat()
                }
                Err(error) => error_line(&error),
            };
            bytes[place.clone()].copy_from_slice(&original[place]);
            let first = printed.lines().next().unwrap_or_default();
            _ = writeln!(text, "{at}: {new:02x?}: {:08x} {first}", crc32fast::hash(printed.as_bytes()));
        }
        text
    }

    /// Compares the plain data in the files with the recipe's disk.
    fn assert_plain_bytes(&self, image: &GoodImage) {
        let opened = self.open(&self.options()).unwrap_or_else(|error| panic!("{}: {error}", image.name));
        for Extent { disk, source } in walk(&opened, 0..opened.image.size).0 {
            let wanted = slice(&image.disk, &disk);
            let found = match source {
                Source::Zero { .. } => vec![0; wanted.len()],
                Source::Data { file, at } => {
                    let file = opened.files.get(file).expect("a file that was opened");
                    file.slice(at, wanted.len()).expect("bytes of the file").into_owned()
                }
                _ => continue,
            };
            assert!(found == wanted, "{}: {disk:?} is another disk", image.name);
        }
    }
}

fn slice<'a>(bytes: &'a [u8], range: &Range<u64>) -> &'a [u8] {
    let end = usize::try_from(range.end).map_or(bytes.len(), |end| end.min(bytes.len()));
    let start = usize::try_from(range.start).map_or(end, |start| start.min(end));
    &bytes[start..end]
}

fn facts(image: &Image) -> String {
    let names = (&image.identity, &image.other_identities, &image.revision);
    let mut text = format!("{} bytes, sectors of {}, {:?}\n", image.size, image.sector, image.facts);
    _ = writeln!(text, "known as {names:?}, parent {:?}", image.parent);
    _ = writeln!(text, "files {:?}, attachments {:?}", image.files, image.attachments);
    text + &lines(&image.findings)
}

fn walk(opened: &Opened, range: Range<u64>) -> (Vec<Extent>, Result<(), Error>) {
    let mut extents = Vec::new();
    let walked = opened.image.map.visit(&opened.files, range, &mut |extent| {
        extents.push(extent);
        ControlFlow::Continue(())
    });
    (extents, walked)
}

/// The extents, and whether those of a part of the disk are a part of them.
fn extents(opened: &Opened) -> String {
    let size = opened.image.size;
    let (map, third) = (&opened.image.map, size / 3);
    let (extents, walked) = walk(opened, 0..size);
    let is_whole = walked.is_ok();
    let error = walked.map_or_else(|error| error_line(&error), |()| String::new());
    for range in [third + 1..size - third, 0..third, size - third..size, third..third + size.min(1)] {
        let (part, walked) = walk(opened, range.clone());
        let whole: Vec<_> = extents.iter().filter_map(|extent| clipped(extent, &range)).collect();
        assert!(!is_whole || walked.is_err() || part == whole, "{range:?} is not what the whole says");
        let mut first = Vec::new();
        let _ = map.visit(&opened.files, range, &mut |extent| {
            first.push(extent);
            ControlFlow::Break(())
        });
        assert!(first.as_slice() == &part[..part.len().min(1)], "a walk that ends after one extent");
    }
    format!("{error}strides of {}, stream {}\n{}", map.stride(), map.is_stream(), lines(&extents))
}

fn clipped(extent: &Extent, range: &Range<u64>) -> Option<Extent> {
    let (start, end) = (extent.disk.start.max(range.start), extent.disk.end.min(range.end));
    (start < end).then(|| extent.part(start, end))
}

fn uses(opened: &Opened) -> String {
    let mut uses = Vec::new();
    let reported = opened.image.map.file_usage(&opened.files, &mut |one| {
        uses.push(one);
        ControlFlow::Continue(())
    });
    uses.sort_by_key(|one: &FileUse| (one.file, one.range.start, one.range.end));
    reported.map_or_else(|error| error_line(&error), |()| String::new()) + &lines(&uses)
}

/// The structure check, the check before a conversion, and the check of what the disk does not use.
fn check(opened: &Opened) -> String {
    let map = &opened.image.map;
    let mut findings: Vec<Finding> = Vec::new();
    let mut found = |finding: Finding| {
        findings.push(finding);
        ControlFlow::Continue(())
    };
    let checked =
        map.check(&opened.files, &mut found).map(|checked: StructureCounts| format!("{checked:?}\n"));
    let unused = map.check_unused(&opened.files, &mut found).map(|()| String::new());
    let crossed = map.cross_check(&opened.files).map(|findings| lines(&findings));
    let mut count = 0;
    let _ = map.check(&opened.files, &mut |_| {
        count += 1;
        ControlFlow::Break(())
    });
    assert!(count <= 1, "a check that ends after one finding has {count}");
    let printed =
        [checked, unused, crossed].map(|printed| printed.unwrap_or_else(|error| error_line(&error)));
    printed.concat() + &lines(&findings)
}

/// The walk of a caller that continues after every lost range.
fn salvaged(opened: &Opened) -> String {
    let size = opened.image.size;
    let (mut text, mut at) = (lines(&opened.image.findings), 0);
    while at < size {
        let (extents, walked) = walk(opened, at..size);
        text += &lines(&extents);
        let Err(error) = walked else { break };
        text += &error_line(&error);
        match error.disk() {
            Some(lost) if lost.end > at => at = lost.end,
            _ => break,
        }
    }
    text
}

fn lines<T: Debug>(all: &[T]) -> String {
    all.iter().map(|one| format!("  {one:?}\n")).collect()
}

fn error_line(error: &Error) -> String {
    let (code, class, at, disk) = (error.code().id, error.class(), error.at(), error.disk());
    let FileId(file) = error.file();
    format!("{code} ({class:?}) at {at:?} of file {file}, disk {disk:?}: {error}\n")
}

/// A change that depends on nothing but `choice`: where, and the bytes that are put there.
fn change(bytes: &[u8], choice: &[u8]) -> (usize, Vec<u8>) {
    const VALUES: [u64; 8] = [0, 1, u64::MAX, 1 << 63, 1 << 40, 0x7fff_ffff, 512, 0x0101_0101_0101_0101];
    let number = |from: usize| usize::from(choice[from]) << 8 | usize::from(choice[from + 1]);
    let len = bytes.len();
    // Where structures are: the first bytes, the last page, and what follows zeros anywhere.
    let at = match choice[0] % 4 {
        0 | 1 => number(1) % len.min(128),
        2 => number(1) % len.min(65536),
        _ => len - 1 - number(1) % len.min(4096),
    };
    let at = bytes[at..].iter().position(|byte| *byte != 0).map_or(at, |skip| at + skip);
    let width = [1, 2, 4, 8][usize::from(choice[7]) % 4].min(len - at);
    let value = VALUES[usize::from(choice[5]) % VALUES.len()];
    let value = if choice[6].is_multiple_of(2) { value.to_be_bytes() } else { value.to_le_bytes() };
    (at, value[..width].to_vec())
}
