//! What the tables of a layer say against each other, before a conversion.

use std::ops::Range;
use std::sync::Arc;

use imgprep_map::{Error, Finding, ReadAt, ReadError, Severity};

use crate::{Interrupt, Layer, Options};

/// Contradictions in a layer that leave it readable: see [`DiskMap::cross_check`](imgprep_map::DiskMap::cross_check).
///
/// Tables that cannot be read are one more finding: whether that ends the run is decided by the walk that needs them.
/// Fails only when the run is interrupted.
pub fn cross_check(layer: &Layer, options: &Options<'_>) -> Result<Vec<Finding>, Error> {
    let files: Vec<Arc<dyn ReadAt>> = layer.files.iter().map(|file| interruptible(file, options)).collect();
    let checked = layer.map.cross_check(&files);
    options.interrupt.check()?;
    Ok(checked.unwrap_or_else(|error| {
        let message = format!("the tables could not be cross-checked: {}", error.what());
        vec![Finding { code: error.code(), severity: Severity::Warning, at: error.at(), message }]
    }))
}

fn interruptible(file: &Arc<dyn ReadAt>, options: &Options<'_>) -> Arc<dyn ReadAt> {
    Arc::new(Interruptible { file: Arc::clone(file), interrupt: options.interrupt.clone() })
}

/// A file whose reads fail once the run is interrupted: so every walk over its tables ends at the next one.
struct Interruptible {
    file: Arc<dyn ReadAt>,
    interrupt: Interrupt,
}

impl ReadAt for Interruptible {
    fn len(&self) -> u64 {
        self.file.len()
    }

    fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
        if self.interrupt.is_raised() {
            return Err(ReadError::Failed { at, reason: "interrupted".into() });
        }
        self.file.read_exact_at(buf, at)
    }

    fn mapped(&self, range: Range<u64>) -> Option<&[u8]> {
        if self.interrupt.is_raised() { None } else { self.file.mapped(range) }
    }

    fn will_read(&self, range: Range<u64>) {
        self.file.will_read(range);
    }

    fn will_read_soon(&self, range: Range<u64>) {
        self.file.will_read_soon(range);
    }

    fn verify_mapping(&self) -> Result<(), ReadError> {
        self.file.verify_mapping()
    }

    fn next_data(&self, at: u64) -> u64 {
        self.file.next_data(at)
    }

    fn next_hole(&self, at: u64) -> u64 {
        self.file.next_hole(at)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::ops::ControlFlow;

    use imgprep_map::{DiskMap, FileId, FileUse, Files, Visitor};

    use super::*;
    use crate::{EngineError, OnLoss, Progress};

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
        assert_eq!((found[0].code, found[0].severity), ("io.read.past-end", Severity::Warning));
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
