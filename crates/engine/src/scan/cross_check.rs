//! Contradictions between the tables of a layer, before a conversion.

use imgprep_map::{Error, Finding, Severity};

use crate::watched::Watched;
use crate::{Layer, Options};

/// Contradictions in a layer that leave it readable: see [`DiskMap::cross_check`](imgprep_map::DiskMap::cross_check).
///
/// Unreadable tables are a finding, too: the walk that needs them decides whether the run ends. Fails only if the run is
/// interrupted.
pub fn cross_check(layer: &Layer, options: &Options<'_>) -> Result<Vec<Finding>, Error> {
    let checked = layer.map.cross_check(&Watched::new(&layer.files, options.interrupt));
    options.interrupt.check()?;
    Ok(checked.unwrap_or_else(|error| {
        let message = format!("the tables could not be cross-checked: {}", error.what());
        vec![Finding { code: error.code(), severity: Severity::Warning, at: error.at(), message }]
    }))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::ops::{ControlFlow, Range};
    use std::sync::Arc;

    use imgprep_map::{DiskMap, FileId, FileUse, Files, Visitor};

    use super::*;
    use crate::{EngineError, Interrupt, OnLoss, Progress};

    /// Reads its file until that fails.
    struct Endless;

    impl DiskMap for Endless {
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
            _: &mut dyn FnMut(FileUse) -> ControlFlow<()>,
        ) -> Result<(), Error> {
            Ok(())
        }
        fn cross_check(&self, files: &dyn Files) -> Result<Vec<Finding>, Error> {
            let file = files.get(FileId::SELF).unwrap();
            for at in 0.. {
                let _ = file.slice(at, 1)?;
            }
            Ok(Vec::new())
        }
    }

    fn checked(interrupt: &Interrupt) -> Result<Vec<Finding>, Error> {
        let layer = Layer { map: Box::new(Endless), files: vec![Arc::new(vec![0u8; 3])], names: Vec::new() };
        let options = Options {
            threads: NonZeroUsize::MIN,
            memory: 1 << 20,
            on_loss: OnLoss::Stop,
            interrupt,
            progress: &Progress::default(),
            observe: &|_| {},
        };
        cross_check(&layer, &options)
    }

    #[test]
    fn a_table_that_cannot_be_read_is_a_finding() {
        let found = checked(&Interrupt::default()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].code.id, found[0].severity), ("io.read.past-end", Severity::Warning));
        assert_eq!(found[0].at, Some(3));
    }

    #[test]
    fn an_interrupt_ends_the_walk() {
        let interrupt = Interrupt::default();
        interrupt.raise();
        let error = checked(&interrupt).unwrap_err();
        assert_eq!(error.detail::<EngineError>(), Some(&EngineError::Interrupted));
    }
}
