//! What a comparison finds, and how many walks it takes.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use imgprep_map::{DiskMap, FileUse, Files, ReadAt, Visitor};

use super::*;

/// What was asked of a map: walks over its uses, and uses that were handed out.
#[derive(Clone, Default)]
struct Asked {
    walks: Arc<AtomicUsize>,
    uses: Arc<AtomicUsize>,
}

impl Asked {
    fn both(&self) -> (usize, usize) {
        (self.walks.load(Ordering::Relaxed), self.uses.load(Ordering::Relaxed))
    }
}

struct Uses(Vec<FileUse>, Asked);

impl DiskMap for Uses {
    fn size(&self) -> u64 {
        0
    }
    fn stride(&self) -> u64 {
        1
    }
    fn visit(&self, _: &dyn Files, _: Range<u64>, _: Visitor<'_>) -> Result<(), Error> {
        Ok(())
    }
    fn file_usage(
        &self,
        _: &dyn Files,
        visitor: &mut dyn FnMut(FileUse) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.1.walks.fetch_add(1, Ordering::Relaxed);
        let _ = self.0.iter().cloned().try_for_each(|file_use| {
            self.1.uses.fetch_add(1, Ordering::Relaxed);
            visitor(file_use)
        });
        Ok(())
    }
}

fn file_use(range: Range<u64>, kind: UseKind, disk: u64) -> FileUse {
    FileUse { file: FileId::SELF, range, kind, disk: Some(disk) }
}

fn layer(uses: Vec<FileUse>) -> (Layer, Asked) {
    let files: Vec<Arc<dyn ReadAt>> = vec![Arc::new(vec![0u8; 1 << 20])];
    let asked = Asked::default();
    let map = Box::new(Uses(uses, asked.clone()));
    (Layer { map, files, names: vec!["a".into()] }, asked)
}

fn check_with(uses: Vec<FileUse>, memory: u64) -> Option<EngineError> {
    let result = check(&layer(uses).0, memory, OnLoss::Stop, &Interrupt::default(), &mut |_| {});
    result.err().map(|error| error.detail::<EngineError>().unwrap().clone())
}

/// Everything that is found, how far the comparison went, and what it asked for.
fn check_all(uses: Vec<FileUse>, memory: u64) -> (Vec<EngineError>, Compared, (usize, usize)) {
    let (layer, asked) = layer(uses);
    let mut found = Vec::new();
    let compared = check(&layer, memory, OnLoss::Zero, &Interrupt::default(), &mut |error| {
        found.push(error.detail::<EngineError>().unwrap().clone());
    });
    (found, compared.unwrap(), asked.both())
}

fn shared(disk: u64) -> EngineError {
    let user = |disk| (UseKind::Data, Some(disk));
    EngineError::Overlap { bytes: 512..1024, first: user(0), second: user(disk) }
}

/// So many entries that all name one block.
fn repeated(count: u64) -> Vec<FileUse> {
    (0..count).map(|n| file_use(512..1024, UseKind::Data, n * 512)).collect()
}

#[test]
fn an_overlap_in_a_full_budget_ends_the_only_pass() {
    let (found, compared, asked) = check_all(repeated(100_000), 0);
    assert_eq!((compared, asked), (Compared::Part, (1, MIN_ROOM)));
    assert_eq!(found.len(), MIN_ROOM - 1);
    let (layer, asked) = layer(repeated(100_000));
    let error = check(&layer, 0, OnLoss::Stop, &Interrupt::default(), &mut |_| {}).unwrap_err();
    assert!(matches!(error.detail(), Some(EngineError::Overlap { bytes, .. }) if *bytes == (512..1024)));
    assert_eq!(asked.both(), (1, MIN_ROOM));
}

#[test]
fn conflicts_are_reported_up_to_a_bound() {
    let (found, compared, asked) = check_all(repeated(10_000), 1 << 20);
    assert_eq!((found.len(), compared, asked), (MAX_CONFLICTS, Compared::Part, (1, 10_000)));
    let (found, compared, _) = check_all(repeated(4), 1 << 20);
    assert_eq!((found.len(), compared), (3, Compared::All));
    assert!(found.contains(&shared(512)), "{found:?}");
}

#[test]
fn passes_are_bounded_by_the_runs_of_the_file() {
    // Last to first with gaps: nothing can be joined, each pass keeps half of the budget.
    let uses: Vec<_> =
        (0..5000).rev().map(|n| file_use(n * 100..n * 100 + 50, UseKind::Data, n * 7)).collect();
    let (found, compared, (walks, handed)) = check_all(uses, 0);
    assert_eq!((found, compared), (Vec::new(), Compared::All));
    assert_eq!((walks, handed), (9, 45_000));
}

#[test]
fn runs_that_continue_each_other_are_joined_where_the_budget_is_full() {
    // Every other block first: sorted, they are one run.
    let block = |n: u64| file_use(n * 50..n * 50 + 50, UseKind::Data, n * 50);
    let uses: Vec<_> = (0..5000).step_by(2).chain((1..5000).step_by(2)).map(block).collect();
    let (found, _, (walks, _)) = check_all(uses, 4000 * size_of::<Run>() as u64);
    assert_eq!((found, walks), (Vec::new(), 1));
}

#[test]
fn an_overlap_in_a_later_pass_is_found() {
    let mut uses: Vec<_> =
        (0..5000).rev().map(|n| file_use(n * 100..n * 100 + 50, UseKind::Data, n * 7)).collect();
    uses.push(file_use(450_020..450_200, UseKind::Metadata("bitmap"), 0));
    let (found, compared, _) = check_all(uses, 0);
    let user = |disk| (UseKind::Data, Some(disk));
    let bitmap = (UseKind::Metadata("bitmap"), Some(0));
    let overlap = |bytes, first, second| EngineError::Overlap { bytes, first, second };
    let want = vec![
        overlap(450_020..450_050, user(4500 * 7 + 20), bitmap),
        overlap(450_100..450_150, bitmap, user(4501 * 7)),
    ];
    assert_eq!((found, compared), (want, Compared::All));
}

#[test]
fn a_raised_interrupt_ends_the_walk() {
    let (layer, asked) = layer(repeated(100));
    let interrupt = Interrupt::default();
    interrupt.raise();
    let error = check(&layer, 0, OnLoss::Zero, &interrupt, &mut |_| {}).unwrap_err();
    assert_eq!(error.detail(), Some(&EngineError::Interrupted));
    assert_eq!(asked.both(), (1, 1));
}

#[test]
fn neighbours_are_no_conflict() {
    use UseKind::{CompressedAtMost, Data, Metadata};
    let uses = vec![
        file_use(0..512, Metadata("header"), 0),
        file_use(512..1024, Data, 0),
        file_use(1024..2048, Data, 512),
        file_use(2048..3000, CompressedAtMost, 4096),
        file_use(2900..3100, CompressedAtMost, 8192),
    ];
    assert_eq!(check_with(uses, 1 << 20), None);
}

#[test]
fn shared_data_is_found_with_both_users() {
    use UseKind::Data;
    let uses =
        vec![file_use(512..1024, Data, 0), file_use(4096..8192, Data, 8192), file_use(768..1280, Data, 4096)];
    let want =
        EngineError::Overlap { bytes: 768..1024, first: (Data, Some(256)), second: (Data, Some(4096)) };
    assert_eq!(check_with(uses, 1 << 20), Some(want));
}

#[test]
fn a_payload_in_a_table_is_found_though_payloads_may_share() {
    use UseKind::{CompressedAtMost, Metadata};
    let uses = vec![
        file_use(0..4096, Metadata("l2 table"), 0),
        file_use(5000..5600, CompressedAtMost, 0),
        file_use(4000..4100, CompressedAtMost, 4096),
    ];
    let want = EngineError::Overlap {
        bytes: 4000..4096,
        first: (Metadata("l2 table"), Some(0)),
        second: (CompressedAtMost, Some(4096)),
    };
    assert_eq!(check_with(uses, 1 << 20), Some(want));
}

#[test]
fn a_table_after_long_payloads_is_found() {
    use UseKind::{CompressedAtMost, Metadata};
    let uses = vec![
        file_use(0..5000, CompressedAtMost, 0),
        file_use(100..200, CompressedAtMost, 4096),
        file_use(4000..4096, Metadata("l2 table"), 0),
    ];
    let want = EngineError::Overlap {
        bytes: 4000..4096,
        first: (CompressedAtMost, Some(0)),
        second: (Metadata("l2 table"), Some(0)),
    };
    assert_eq!(check_with(uses, 1 << 20), Some(want));
}

#[test]
fn data_past_the_end_is_found() {
    let bytes = (1 << 20) - 512..(1 << 20) + 512;
    let uses = vec![file_use(bytes.clone(), UseKind::Data, 0)];
    let want = EngineError::PastEnd { bytes, user: (UseKind::Data, Some(0)), file_len: 1 << 20 };
    assert_eq!(imgprep_map::Detail::code(&want).id, "usage.past-end");
    assert_eq!(check_with(uses, 1 << 20), Some(want));
}

#[test]
fn a_conflict_is_found_with_too_little_memory_for_one_pass() {
    let mut uses: Vec<_> = (0..5000).map(|n| file_use(n * 100..n * 100 + 50, UseKind::Data, n * 7)).collect();
    assert_eq!(check_with(uses.clone(), 0), None);
    uses.push(file_use(333_340..333_345, UseKind::Metadata("bitmap"), 0));
    let want = EngineError::Overlap {
        bytes: 333_340..333_345,
        first: (UseKind::Data, Some(3333 * 7 + 40)),
        second: (UseKind::Metadata("bitmap"), Some(0)),
    };
    assert_eq!(check_with(uses, 0), Some(want));
}

#[test]
fn all_files_of_a_layer_are_compared_in_one_walk() {
    let in_file = |file, range: Range<u64>, disk| FileUse {
        file: FileId(file),
        ..file_use(range, UseKind::Data, disk)
    };
    let (len, past_end) = (1 << 20, (1 << 20) - 512..(1 << 20) + 512);
    let uses = vec![
        in_file(1, past_end.clone(), 4096),
        in_file(0, 0..512, 0),
        in_file(1, 0..512, 512),
        in_file(2, 100..600, 1024),
        in_file(0, 256..768, 2048),
        in_file(2, 600..700, 1524),
    ];
    let (mut layer, asked) = layer(uses);
    layer.files = (0..3).map(|_| Arc::new(vec![0u8; len]) as Arc<dyn ReadAt>).collect();
    layer.names = vec!["a".into(), "b".into(), "c".into()];
    let mut found = Vec::new();
    let compared = check(&layer, 1 << 20, OnLoss::Zero, &Interrupt::default(), &mut |error| {
        found.push((error.file(), error.detail::<EngineError>().unwrap().clone()));
    });
    let user = |disk| (UseKind::Data, Some(disk));
    let overlap = EngineError::Overlap { bytes: 256..512, first: user(256), second: user(2048) };
    let past_end = EngineError::PastEnd { bytes: past_end, user: user(4096), file_len: len as u64 };
    assert_eq!(found, [(FileId(0), overlap), (FileId(1), past_end)]);
    assert_eq!((compared.unwrap(), asked.both()), (Compared::All, (1, 6)));
}

#[test]
fn passes_over_several_files_share_one_budget() {
    let uses = (0..5000).rev().map(|n| FileUse {
        file: FileId((n % 3) as u32),
        ..file_use(n * 100..n * 100 + 50, UseKind::Data, n * 7)
    });
    let mut uses: Vec<_> = uses.collect();
    uses.push(FileUse { file: FileId(2), ..file_use(499_720..499_760, UseKind::Metadata("bitmap"), 0) });
    let (mut layer, asked) = layer(uses);
    layer.files = (0..3).map(|_| Arc::new(vec![0u8; 1 << 20]) as Arc<dyn ReadAt>).collect();
    layer.names = vec!["a".into(), "b".into(), "c".into()];
    let mut found = Vec::new();
    let compared = check(&layer, 0, OnLoss::Zero, &Interrupt::default(), &mut |error| found.push(error));
    assert_eq!((compared.unwrap(), found.len(), asked.both().0), (Compared::All, 1, 9));
    assert_eq!((found[0].file(), found[0].code().id), (FileId(2), "usage.overlap"));
}
