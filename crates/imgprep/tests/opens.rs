//! How often a command opens a path and detects its format.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use imgprep::policy::Profile;
use imgprep::{
    ChainError, CheckOptions, CheckedFile, Depth, Disk, FollowPolicy, ImageFile, ImageName, Interrupt,
    MemoryFiles, MemoryOutput, Namespace, OnLoss, OpenError, OpenOptions, Progress, ReadAt, ReadError,
    RunOptions, Target, check_disk, check_file,
};

/// Bytes at the beginning of a file that the detection reads at once.
const HEAD: usize = 64 << 10;

/// Files in memory, with the number of times that each was opened.
#[derive(Default)]
struct CountedFiles {
    files: MemoryFiles,
    opened: Mutex<BTreeMap<PathBuf, u64>>,
}

impl Namespace for CountedFiles {
    fn resolve(
        &self,
        image: &Path,
        name: &ImageName,
        at: u64,
        follow: FollowPolicy,
    ) -> Result<PathBuf, ChainError> {
        self.files.resolve(image, name, at, follow)
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn ImageFile>, OpenError> {
        *self.opened.lock().unwrap().entry(path.into()).or_default() += 1;
        self.files.open(path)
    }

    fn siblings(&self, image: &Path) -> Vec<PathBuf> {
        self.files.siblings(image)
    }
}

/// A file that counts how often its format is detected.
struct Detected {
    bytes: Vec<u8>,
    count: Arc<AtomicU64>,
}

impl ReadAt for Detected {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
        if (at, buf.len()) == (0, HEAD) {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        self.bytes.read_exact_at(buf, at)
    }
}

/// One file in a namespace of its own.
struct Case {
    files: Arc<CountedFiles>,
    detections: Arc<AtomicU64>,
}

const NAME: &str = "folder/a.qcow2";

impl Case {
    fn new(bytes: Vec<u8>) -> Self {
        let detections = Arc::default();
        let mut files = CountedFiles::default();
        files.files.add(NAME, Detected { bytes, count: Arc::clone(&detections) });
        Self { files: Arc::new(files), detections }
    }

    fn options(&self) -> CheckOptions {
        let namespace: Arc<dyn Namespace> = self.files.clone();
        CheckOptions {
            open: OpenOptions {
                follow: FollowPolicy::None,
                namespace: Some(namespace),
                ..OpenOptions::default()
            },
            profile: Some(Profile::built_in("otc").unwrap().unwrap()),
            intent: imgprep::policy::CheckIntent::default(),
            depth: Depth::Payloads,
            bitmap: None,
        }
    }

    /// How often the file was opened, and how often its format was detected.
    fn counts(&self) -> (u64, u64) {
        let opened = self.files.opened.lock().unwrap().get(Path::new(NAME)).copied().unwrap_or_default();
        (opened, self.detections.load(Ordering::Relaxed))
    }
}

fn with_run<T>(work: impl FnOnce(&RunOptions<'_>) -> T) -> T {
    work(&RunOptions {
        threads: std::num::NonZeroUsize::MIN,
        memory: 64 << 20,
        on_loss: OnLoss::Stop,
        interrupt: &Interrupt::default(),
        progress: &Progress::default(),
        observe: &|_| {},
    })
}

fn checked(case: &Case) -> CheckedFile {
    with_run(|run| check_file(Path::new(NAME), &case.options(), run))
}

fn qcow2() -> Vec<u8> {
    let mut disk = vec![0; 1 << 20];
    disk[100_000..300_000].fill(7);
    let output = MemoryOutput::new();
    imgprep::open_reader(disk)
        .unwrap()
        .convert(Target::from_name("qcow2").unwrap())
        .write_to(&output)
        .unwrap();
    output.to_vec()
}

#[test]
fn a_check_opens_and_detects_a_file_once() {
    let case = Case::new(qcow2());
    let found = checked(&case);
    assert_eq!(
        (found.format.as_deref(), found.size, found.error.is_none()),
        (Some("qcow2"), Some(1 << 20), true)
    );
    assert!(found.violations.iter().all(|violation| violation.rule.id.group() != "structure"));
    assert_eq!(case.counts(), (1, 1));
}

#[test]
fn a_check_of_a_file_that_cannot_be_parsed_opens_it_once() {
    let mut bytes = qcow2();
    bytes[40..48].copy_from_slice(&1_u64.to_be_bytes()); // The L1 table is not aligned.
    let case = Case::new(bytes);
    let found = checked(&case);
    assert_eq!((found.format.as_deref(), found.size), (Some("qcow2"), None));
    assert!(!found.violations.is_empty());
    assert_eq!(case.counts(), (1, 1));
}

#[test]
fn a_check_of_an_ambiguous_file_opens_it_once() {
    let mut bytes = qcow2();
    let is_fixed = |bytes: &[u8]| !bytes.starts_with(b"conectix");
    let mut vhds = testdata_gen::good().into_iter().filter(|image| image.format == "vhd");
    let vhd = vhds.find(|image| is_fixed(&image.files[0].bytes)).unwrap().files.remove(0).bytes;
    bytes.extend_from_slice(&vhd[vhd.len() - 512..]);
    let case = Case::new(bytes);
    let found = checked(&case);
    assert_eq!(found.size, None);
    assert!(found.violations.iter().any(|violation| violation.rule.id.name() == "format/ambiguous"));
    assert_eq!(case.counts(), (1, 1));
}

#[test]
fn a_check_of_an_open_disk_does_not_open_its_file() {
    let case = Case::new(qcow2());
    let options = case.options();
    let disk = Disk::open(Path::new(NAME), &options.open).unwrap();
    assert_eq!(case.counts(), (1, 1));
    let found = with_run(|run| check_disk(&disk, &options, run));
    assert_eq!(case.counts(), (1, 1));
    let other = checked(&case);
    assert_eq!(format!("{:?}", found.violations), format!("{:?}", other.violations));
    assert_eq!(format!("{:?}", found.routes), format!("{:?}", other.routes));
    assert_eq!((found.name, found.format, found.size), (other.name, other.format, other.size));
}

#[test]
fn a_check_of_an_open_disk_as_another_format_reads_its_head_once() {
    let case = Case::new(qcow2());
    let mut options = case.options();
    let disk = Disk::open(Path::new(NAME), &options.open).unwrap();
    options.open.from = imgprep::by_name("raw");
    let found = with_run(|run| check_disk(&disk, &options, run));
    assert_eq!(found.format.as_deref(), Some("raw"));
    // The second read is the search for the head of another image in the disk, which is the file here.
    assert_eq!(case.counts(), (1, 2));
}

#[test]
fn a_file_that_cannot_be_opened_as_a_disk_is_opened_and_probed_once() {
    let mut bytes = qcow2();
    bytes[40..48].copy_from_slice(&1_u64.to_be_bytes()); // The L1 table is not aligned.
    let case = Case::new(bytes);
    let options = case.options().open;
    let probed = imgprep::probe(NAME, &options).unwrap();
    let error = Disk::open_probed(&probed, &options).err().unwrap();
    assert_eq!((error.code().id, error.path()), ("qcow2.header.field", Some(NAME)));
    assert_eq!(probed.matches.iter().map(|found| found.name).collect::<Vec<_>>(), ["qcow2"]);
    assert_eq!(case.counts(), (1, 1));
}

#[test]
fn a_parent_that_is_found_by_its_id_is_opened_once() {
    let chain = testdata_gen::good().into_iter().find(|image| image.name == "vdi-chain-of-three").unwrap();
    let (mut files, top) = (CountedFiles::default(), Path::new("folder").join(&chain.files[0].name));
    let mut detections = Vec::new();
    for file in chain.files {
        let count: Arc<AtomicU64> = Arc::default();
        detections.push(Arc::clone(&count));
        files.files.add(Path::new("folder").join(&file.name), Detected { bytes: file.bytes, count });
    }
    let files = Arc::new(files);
    let namespace: Arc<dyn Namespace> = files.clone();
    let options =
        OpenOptions { follow: FollowPolicy::Beside, namespace: Some(namespace), ..OpenOptions::default() };
    assert_eq!(Disk::open(&top, &options).unwrap().layers().len(), 3);
    // Both searches examine all three files. The parent that one finds is not opened again for the chain.
    let opened = files.opened.lock().unwrap().clone();
    let mut counts: Vec<u64> = opened.into_values().collect();
    counts.sort_unstable();
    assert_eq!(counts, [2, 2, 3]);
}
