//! A raised interrupt ends every walk over the tables of an image.

use std::ops::ControlFlow;

use imgprep_engine::{EngineError, Interrupt, OnLoss, Options, Progress, conflicts};
use testdata_gen::{good, write_files};

use crate::support::structure::counted;

#[test]
fn raised_interrupt_ends_every_walk_of_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let interrupt = Interrupt::default();
    interrupt.raise();
    let progress = Progress::default();
    let threads = std::num::NonZeroUsize::MIN;
    let options = Options {
        threads,
        memory: 1 << 20,
        on_loss: OnLoss::Zero,
        interrupt: &interrupt,
        progress: &progress,
        observe: &|_| {},
    };
    let mut formats = std::collections::BTreeSet::new();
    for image in good() {
        if image.files.len() != 1 || image.format == "raw" || !formats.insert(image.format) {
            continue;
        }
        let path = write_files(&image.files, folder.path()).unwrap();
        let (layer, asked) = counted(&path);
        let mut nothing = |_| ControlFlow::Continue(());
        let walks = [
            conflicts(&layer, &options, &mut |error| panic!("{error}")).map(|_| ()),
            imgprep_engine::gaps(&layer, &options, &mut |error| panic!("{error}")),
            imgprep_engine::check_structure(&layer, &options, &mut nothing).map(|_| ()),
            imgprep_engine::check_unused(&layer, &interrupt, &mut |_| {}),
        ];
        for walked in walks {
            let error = walked.expect_err(&image.name);
            assert_eq!(error.detail(), Some(&EngineError::Interrupted), "{}", image.name);
        }
        assert_eq!((asked.calls(), asked.bytes()), (0, 0), "{}", image.name);
    }
    assert!(formats.len() >= 8, "{formats:?}");
}
