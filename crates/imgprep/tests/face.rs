//! The public API, used as another program uses it.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use imgprep::{
    Checksum, Compression, Error, ErrorKind, Existing, Interrupt, MemoryFiles, MemoryOutput, OpenOptions,
    Output, ReadAt, ReadError, Sink, SinkKind, Target, WriteError, Zvhd2Target,
};
use testdata_gen::{GoodImage, good, sample};

/// Images of one file of which the current disk is read.
fn single_files() -> impl Iterator<Item = GoodImage> {
    good().into_iter().filter(|image| image.files.len() == 1 && image.snapshot.is_none())
}

fn failed<T>(result: Result<T, Error>) -> Error {
    result.err().expect("it fails")
}

#[test]
fn every_image_in_memory_becomes_the_same_disk_in_memory() {
    let mut formats = std::collections::BTreeSet::new();
    for image in single_files() {
        let disk = match imgprep::open_reader(image.files[0].bytes.clone()) {
            Ok(disk) => disk,
            Err(error) => panic!("{}: {error}", image.name),
        };
        // The disk of a ZVHD2 is a whole number of GiB, which would have to fit into memory as RAW.
        if disk.size() > 64 << 20 {
            continue;
        }
        let raw = MemoryOutput::new();
        let done = disk.convert(Target::Raw).verify(true).threads(2).write_to(&raw).unwrap();
        assert!(done.is_verified, "{}", image.name);
        let bytes = raw.to_vec();
        assert!(bytes.starts_with(&image.disk), "{}", image.name);
        assert!(bytes[image.disk.len()..].iter().all(|byte| *byte == 0), "{}", image.name);
        formats.insert(image.format);
    }
    assert!(formats.len() >= 6, "{formats:?}");
}

#[test]
fn qcow2_in_memory_becomes_zvhd2_in_memory_and_raw_again() {
    for image in single_files().filter(|image| image.format == "qcow2").take(8) {
        let disk = imgprep::open_reader(image.files[0].bytes.clone()).unwrap();
        let zvhd2 = MemoryOutput::new();
        let target = Target::from_name("zvhd2").unwrap();
        let done = disk.convert(target).compression_level(1).verify(true).write_to(&zvhd2).unwrap();
        assert!(done.is_verified);
        assert_eq!(done.len, ReadAt::len(&zvhd2));

        // The output is a source, too. Its disk is extended to a whole GiB: the part that is compared is read by extent.
        let back = imgprep::open_reader(zvhd2.clone()).unwrap();
        assert_eq!(back.layers()[0].facts.format, "zvhd2");
        let output = Prefix::new(image.disk.len());
        back.convert(Target::Raw).write_to(&output).unwrap();
        assert!(*output.bytes.lock().unwrap() == image.disk, "{}", image.name);
    }
}

/// An output of the caller that keeps the first bytes and requires the others to be zeros.
struct Prefix {
    bytes: std::sync::Mutex<Vec<u8>>,
}

impl Prefix {
    fn new(len: usize) -> Self {
        Self { bytes: std::sync::Mutex::new(vec![0; len]) }
    }
}

impl Sink for Prefix {
    fn kind(&self) -> SinkKind {
        SinkKind::Random
    }

    fn reads_as_zeros(&self) -> bool {
        true
    }

    fn write_at(&self, at: u64, parts: &[&[u8]]) -> Result<(), WriteError> {
        let mut bytes = self.bytes.lock().unwrap();
        let at = usize::try_from(at).unwrap();
        for (index, byte) in (at..).zip(parts.concat()) {
            match bytes.get_mut(index) {
                Some(kept) => *kept = byte,
                None => assert_eq!(byte, 0, "at {index}"),
            }
        }
        Ok(())
    }

    fn zero(&self, range: Range<u64>) -> Result<(), WriteError> {
        let mut bytes = self.bytes.lock().unwrap();
        let kept = |at: u64| usize::try_from(at).unwrap().min(bytes.len());
        let range = kept(range.start)..kept(range.end);
        bytes[range].fill(0);
        Ok(())
    }

    fn set_len(&self, _: u64) -> Result<(), WriteError> {
        Ok(())
    }
}

impl Output for &Prefix {
    fn sink(&self) -> &dyn Sink {
        *self
    }

    fn label(&self) -> String {
        "prefix".into()
    }
}

#[test]
fn an_output_that_cannot_be_read_back_is_not_verified() {
    let disk = imgprep::open_reader(vec![7; 4096]).unwrap();
    let output = Prefix::new(4096);
    let error = failed(disk.convert(Target::Raw).verify(true).write_to(&output));
    assert_eq!((error.code().id, error.path()), ("convert.verify-unreadable", Some("prefix")));
    assert_eq!(*output.bytes.lock().unwrap(), [0; 4096], "nothing was written");
}

/// A source of the caller whose last byte cannot be read.
struct Failing;

impl ReadAt for Failing {
    fn len(&self) -> u64 {
        1 << 20
    }

    fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
        if at + buf.len() as u64 > (1 << 20) - 4096 {
            return Err(ReadError::Failed { at, reason: "gone".into() });
        }
        buf.fill(7);
        Ok(())
    }
}

#[test]
fn errors_have_a_kind_a_code_a_path_and_an_offset() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.qcow2");
    let error = failed(imgprep::open(&missing));
    assert_eq!((error.kind(), error.code().id), (ErrorKind::NotFound, "io.open.not-found"));
    assert_eq!((error.path(), error.offset()), (missing.to_str(), None));

    let error = failed(imgprep::check(&missing).run());
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = failed(imgprep::check(folder.path()).profile("no-such").run());
    assert_eq!((error.kind(), error.code().id), (ErrorKind::Refused, "check.profile"));

    let mut corrupt = sample().files[0].bytes.clone();
    corrupt[20..24].copy_from_slice(&77_u32.to_be_bytes());
    let error = failed(imgprep::open_reader(corrupt));
    assert_eq!(error.offset(), Some(20), "{error}");
    assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported | ErrorKind::LimitExceeded));

    let options = imgprep::OpenOptions { from: imgprep::by_name("raw"), ..imgprep::OpenOptions::default() };
    let error = match imgprep::open_reader_with(Failing, &options) {
        Ok(disk) => failed(disk.convert(Target::Raw).write_to(MemoryOutput::new())),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
}

#[test]
fn targets_have_names_and_levels() {
    let zvhd2 = Target::from_name("zvhd2").unwrap();
    assert_eq!(
        zvhd2,
        Target::Zvhd2(Zvhd2Target { compression: Compression::Zstd { level: 3, has_checksum: true } })
    );
    assert_eq!(
        zvhd2.clone().with_level(22).unwrap(),
        Target::Zvhd2(Zvhd2Target { compression: Compression::Zstd { level: 22, has_checksum: true } })
    );
    let zlib = Target::Zvhd2(Zvhd2Target { compression: Compression::ZlibOpen { level: 6 } });
    assert_eq!(
        zlib.clone().with_level(9).unwrap(),
        Target::Zvhd2(Zvhd2Target { compression: Compression::ZlibOpen { level: 9 } })
    );
    for (target, level) in
        [(&zvhd2, 0), (&zvhd2, 23), (&zvhd2, u32::MAX), (&zlib, 0), (&zlib, 10), (&Target::Raw, 1)]
    {
        assert_eq!(failed(target.clone().with_level(level)).code().id, "convert.level", "{target:?} {level}");
    }
    let error = failed(Target::from_name("avhdx"));
    assert_eq!((error.kind(), error.code().id), (ErrorKind::Unsupported, "convert.target"));
    let disk = imgprep::open_reader(vec![7; 512]).unwrap();
    let error = failed(disk.convert(Target::Raw).compression_level(3).write_to(MemoryOutput::new()));
    assert_eq!(error.code().id, "convert.level");
}

#[test]
fn a_file_appears_complete_and_is_replaced_only_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk.raw");
    let disk = imgprep::open_reader(vec![7; 3 << 20]).unwrap();
    let seen = RefCell::new(Vec::new());
    let done = disk
        .convert(Target::Raw)
        .verify(true)
        .checksum(Checksum::Crc32)
        .threads(1)
        .memory(64 << 20)
        .on_progress(|progress| seen.borrow_mut().push(progress.percent()))
        .write_to_path(&path)
        .unwrap();
    assert!(done.is_verified && done.crc32.is_some());
    assert_eq!(std::fs::read(&path).unwrap(), vec![7; 3 << 20]);
    assert_eq!(seen.borrow().last(), Some(&100));
    let error = failed(disk.convert(Target::Raw).write_to_path(&path));
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    disk.convert(Target::Raw).existing(Existing::Replace).write_to_path(&path).unwrap();

    let stop = Interrupt::default();
    stop.raise();
    let new = folder.path().join("new.raw");
    let error = failed(disk.convert(Target::Raw).interrupt(&stop).write_to_path(&new));
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert!(!new.exists());
}

#[test]
fn extents_tile_the_disk_as_the_visitor_reports_it() {
    for image in single_files() {
        let Ok(disk) = imgprep::open_reader(image.files[0].bytes.clone()) else { continue };
        let mut visited = Vec::new();
        disk.visit_extents(&mut |extent| {
            visited.push(extent);
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
        let iterated: Vec<_> = disk.extents().collect::<Result<_, _>>().unwrap();
        assert_eq!(iterated, visited, "{}", image.name);
    }
}

#[test]
fn a_reader_opens_no_other_file() {
    let image = good().into_iter().find(|image| image.format == "qcow2" && image.files.len() == 2).unwrap();
    // The name in the image exists in the current folder only if a file was left there.
    let top = image.files[0].bytes.clone();
    let disk = imgprep::open_reader(top).unwrap();
    assert_eq!(disk.unopened().len(), 1);
    let error = disk.extents().next().unwrap().unwrap_err();
    assert_eq!((error.kind(), error.code().id), (ErrorKind::Refused, "open.follow.denied"));
    assert_eq!(
        failed(disk.convert(Target::Raw).write_to(MemoryOutput::new())).code().id,
        "open.follow.denied"
    );
}

#[test]
fn a_chain_in_memory_is_read_from_its_namespace() {
    let mut formats = std::collections::BTreeSet::new();
    for image in good().into_iter().filter(|image| image.files.len() > 1 && image.snapshot.is_none()) {
        let mut files = MemoryFiles::new();
        for file in &image.files {
            files.add(format!("folder/{}", file.name), file.bytes.clone());
        }
        let options = OpenOptions { namespace: Some(Arc::new(files)), ..OpenOptions::default() };
        let disk = match imgprep::open_with(format!("folder/{}", image.files[0].name), &options) {
            Ok(disk) => disk,
            Err(error) => panic!("{}: {error}", image.name),
        };
        if disk.size() > 64 << 20 {
            continue;
        }
        let raw = MemoryOutput::new();
        disk.convert(Target::Raw).write_to(&raw).unwrap();
        assert!(raw.to_vec().starts_with(&image.disk), "{}", image.name);
        formats.insert(image.format);
    }
    assert!(formats.len() >= 4, "{formats:?}");
}

#[test]
fn a_missing_parent_in_memory_is_not_searched_on_disk() {
    let image = good().into_iter().find(|image| image.format == "qcow2" && image.files.len() == 2).unwrap();
    let mut files = MemoryFiles::new();
    files.add("top.qcow2", image.files[0].bytes.clone());
    let options = OpenOptions { namespace: Some(Arc::new(files)), ..OpenOptions::default() };
    let error = failed(imgprep::open_with("top.qcow2", &options));
    assert_eq!((error.kind(), error.code().id), (ErrorKind::NotFound, "open.name.missing"));
}

/// Compiles only if the types in the signatures of the public functions have names in `imgprep`.
#[test]
#[expect(clippy::too_many_lines, reason = "a list of types")]
fn types_in_public_signatures_can_be_named() {
    fn named<T: ?Sized>() -> usize {
        usize::from(!std::any::type_name::<T>().is_empty())
    }
    macro_rules! count {
        ($($name:ty),* $(,)?) => { 0 $(+ named::<$name>())* };
    }
    let count = count![
        // Opening, and what an opened disk reports.
        imgprep::OpenOptions,
        imgprep::FollowPolicy,
        imgprep::Mismatch,
        imgprep::SourceOptions,
        imgprep::Access,
        imgprep::ParseOptions,
        imgprep::Limits,
        imgprep::SizeChoice,
        imgprep::Format,
        imgprep::Detection,
        imgprep::Match,
        dyn imgprep::Namespace,
        imgprep::MemoryFiles,
        dyn imgprep::ImageFile,
        imgprep::NamedReader<Vec<u8>>,
        imgprep::FileIdentity,
        imgprep::SourceFile,
        dyn imgprep::ReadAt,
        imgprep::BlockCache<Vec<u8>>,
        imgprep::Chain,
        imgprep::Layer,
        imgprep::Image,
        imgprep::map::Overlay,
        dyn imgprep::DiskMap,
        imgprep::Named,
        imgprep::Disk,
        imgprep::LayerInfo,
        imgprep::Evidence,
        imgprep::Facts,
        imgprep::Value,
        imgprep::Snapshot,
        imgprep::Encryption,
        imgprep::Finding,
        imgprep::Severity,
        imgprep::ParentRef,
        imgprep::FileRef,
        imgprep::FileRole,
        imgprep::ImageName,
        imgprep::Allocation,
        imgprep::Counted,
        imgprep::DiskInspection,
        imgprep::DiskFacts,
        imgprep::Contents,
        imgprep::Oddity,
        imgprep::Partition,
        imgprep::PartitionKind,
        imgprep::Volume,
        imgprep::StructureCounts,
        imgprep::Extents<'_>,
        imgprep::ResolvedExtent,
        imgprep::Source,
        imgprep::FileId,
        imgprep::Codec,
        imgprep::CompressedLen,
        // Conversions and bitmaps.
        imgprep::Conversion<'_>,
        imgprep::Target,
        imgprep::Qcow2Target,
        imgprep::BackingFile,
        imgprep::VdiTarget,
        imgprep::VhdTarget,
        imgprep::VhdSubformat,
        imgprep::VhdBlockSize,
        imgprep::ClusterSize,
        imgprep::Qcow2Compat,
        imgprep::ClusterCompression,
        imgprep::Zvhd2Target,
        imgprep::ZvhdTarget,
        imgprep::Compression,
        imgprep::CompareOptions,
        imgprep::Comparison,
        imgprep::Differences,
        imgprep::Digest,
        imgprep::DigestAlgorithm,
        imgprep::ConversionDigests,
        imgprep::Verification,
        imgprep::VerifiedFile<'_>,
        imgprep::Expected,
        imgprep::Property,
        imgprep::ComparedProperty,
        imgprep::OptimizeOptions,
        imgprep::Optimized,
        imgprep::Fragmentation,
        imgprep::UnknownUse,
        imgprep::ConvertOptions,
        imgprep::Destination,
        imgprep::Existing,
        imgprep::Sync,
        imgprep::Verify,
        imgprep::Checksum,
        imgprep::BitmapMaker,
        imgprep::BitmapShape,
        imgprep::BitOrder,
        imgprep::BitmapCommand,
        imgprep::BitmapWritten,
        imgprep::OutputOptions,
        dyn imgprep::Output,
        dyn imgprep::Sink,
        imgprep::SinkKind,
        imgprep::MemoryOutput,
        imgprep::Converted,
        imgprep::Plan,
        imgprep::Measure,
        imgprep::Measurement,
        imgprep::policy::RouteFit,
        imgprep::TableScan,
        imgprep::AllocationHistogram,
        imgprep::PartAllocation,
        imgprep::Loss,
        imgprep::OnLoss,
        imgprep::RunOptions<'_>,
        imgprep::Interrupt,
        imgprep::Progress,
        imgprep::ProgressReading,
        imgprep::Files,
        imgprep::Role,
        // Checks.
        imgprep::Check,
        imgprep::CheckOptions,
        imgprep::Depth,
        imgprep::CheckedFile,
        imgprep::Outcome,
        imgprep::policy::Profile,
        imgprep::policy::CheckIntent,
        imgprep::policy::DiskRole,
        imgprep::policy::Levels,
        imgprep::policy::Violation,
        imgprep::policy::Place,
        imgprep::policy::Rule,
        imgprep::policy::RuleId,
        imgprep::policy::RouteVerdict,
        imgprep::policy::ExportCommand,
        imgprep::policy::Verdict,
        // Errors.
        imgprep::Error,
        imgprep::ErrorKind,
        imgprep::Class,
        imgprep::Code,
        dyn imgprep::Detail,
        imgprep::RequestError,
        imgprep::DetectError,
        imgprep::OpenError,
        imgprep::CreateError,
        imgprep::ReadError,
        imgprep::WriteError,
        imgprep::ChainError,
        imgprep::EngineError,
    ];
    assert!(count > 100, "{count}");
}
