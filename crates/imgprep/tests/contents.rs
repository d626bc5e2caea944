//! Comparisons, digests and receipts through the library, without files.

use std::num::NonZeroUsize;

use imgprep::{
    Checksum, CompareOptions, DigestAlgorithm, Disk, ErrorKind, Interrupt, MemoryOutput, OnLoss, Progress,
    RunOptions, Target, compare, digest, hex,
};

const MIB: usize = 1 << 20;

/// A disk of three chunks, the middle one of zeros.
fn bytes() -> Vec<u8> {
    let mut bytes = vec![7; 5 * MIB];
    bytes[2 * MIB..4 * MIB].fill(0);
    bytes
}

fn raw(bytes: Vec<u8>) -> Disk {
    let options = imgprep::OpenOptions { from: imgprep::by_name("raw"), ..Default::default() };
    imgprep::open_reader_with(bytes, &options).unwrap()
}

fn run<T>(threads: usize, observe: &dyn Fn(&Progress, &Interrupt), work: impl Fn(&RunOptions<'_>) -> T) -> T {
    let interrupt = Interrupt::default();
    work(&RunOptions {
        threads: NonZeroUsize::new(threads).unwrap(),
        memory: 64 << 20,
        on_loss: OnLoss::Stop,
        interrupt: &interrupt,
        progress: &Progress::default(),
        observe: &|progress| observe(progress, &interrupt),
    })
}

#[test]
fn disks_in_memory_are_compared() {
    let mut other = bytes();
    other[4 * MIB + 5000] ^= 1;
    other.extend([0; 100]);
    let (a, b) = (raw(bytes()), raw(other));
    for threads in [1, 3] {
        let compared = |disks: [&Disk; 2]| {
            run(threads, &|_, _| {}, |options| compare(disks, &CompareOptions::default(), options)).unwrap()
        };
        let found = compared([&a, &b]);
        let start = 4 * MIB as u64 + 4096;
        assert_eq!(found.differences.listed().first(), Some(&(start..start + 4096)));
        assert_eq!(
            (found.differences.count(), found.has_same_contents(), found.has_same_size()),
            (1, false, false)
        );
        assert!(compared([&b, &b]).has_same_contents());
    }
}

#[test]
fn progress_of_a_comparison_ends_at_the_bytes_of_both_disks() {
    let (a, b) = (raw(bytes()), raw(vec![7; MIB]));
    let last = std::cell::Cell::new(None);
    let observe = |progress: &Progress, _: &Interrupt| last.set(Some(progress.read()));
    run(2, &observe, |options| compare([&a, &b], &CompareOptions::default(), options)).unwrap();
    let last = last.get().unwrap();
    assert_eq!(last.percent(), 100, "{last:?}");
}

#[test]
fn an_interrupt_ends_comparisons_and_digests() {
    let (a, b) = (raw(vec![7; 64 * MIB]), raw(vec![8; 64 * MIB]));
    let raise = |_: &Progress, interrupt: &Interrupt| interrupt.raise();
    for threads in [1, 2] {
        let compared = run(threads, &raise, |options| compare([&a, &b], &CompareOptions::default(), options));
        assert_eq!(compared.unwrap_err().kind(), ErrorKind::Interrupted);
        let hashed = run(threads, &raise, |options| digest(&a, &DigestAlgorithm::ALL, options));
        assert_eq!(hashed.unwrap_err().kind(), ErrorKind::Interrupted);
    }
}

/// The same disk has the same digests in every format, and a conversion reports them.
#[test]
fn a_conversion_in_memory_reports_the_digests_of_source_output_and_file() {
    let disk = raw(bytes());
    for algorithm in DigestAlgorithm::ALL {
        let want = run(2, &|_, _| {}, |options| digest(&disk, &[algorithm], options)).unwrap();
        let output = MemoryOutput::new();
        let conversion = disk.convert(Target::from_name("qcow2").unwrap());
        let done = conversion.checksum(Checksum::Digest(algorithm)).verify(true).write_to(&output).unwrap();
        let digests = done.digests.unwrap();
        assert_eq!((digests.source, digests.output), (Some(want[0]), Some(want[0])), "{algorithm:?}");
        let file = raw(output.to_vec());
        let of_file = run(2, &|_, _| {}, |options| digest(&file, &[algorithm], options)).unwrap();
        assert_eq!(digests.file, Some(of_file[0]));
        assert_ne!(hex(&of_file[0].bytes), hex(&want[0].bytes));
    }
}
