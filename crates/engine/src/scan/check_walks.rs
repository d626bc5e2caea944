//! The walks of a check over the tables of a layer.

use std::ops::ControlFlow;

use imgprep_map::{Error, Finding, StructureCounts};

use super::usage::{self, Compared};
use crate::watched::Watched;
use crate::{Interrupt, Layer, OnLoss, Options};

type Found<'f> = &'f mut dyn FnMut(Error) -> ControlFlow<()>;

/// Compares the uses of a layer with each other and with its files, and reports the
/// conflicts in the order of the file.
pub fn conflicts(
    layer: &Layer,
    options: &Options<'_>,
    found: &mut dyn FnMut(Error),
) -> Result<Compared, Error> {
    usage::check(layer, options.memory / 2, OnLoss::Zero, options.interrupt, found)
}

/// Runs the structure check of a layer's format ([`DiskMap::check`](imgprep_map::DiskMap::check)).
pub fn check_structure(
    layer: &Layer,
    options: &Options<'_>,
    found: &mut dyn FnMut(Finding) -> ControlFlow<()>,
) -> Result<StructureCounts, Error> {
    let checked = layer.map.check(&Watched::new(&layer.files, options.interrupt), found);
    options.interrupt.check()?;
    checked
}

/// Checks the parts of a layer's files that its tables do not refer to
/// ([`DiskMap::check_unused`](imgprep_map::DiskMap::check_unused)). Unreadable bytes do not belong to the disk: they end
/// the check of the layer without an error.
pub fn check_unused(
    layer: &Layer,
    interrupt: &Interrupt,
    found: &mut dyn FnMut(Finding),
) -> Result<(), Error> {
    let checked = layer.map.check_unused(&Watched::new(&layer.files, interrupt), &mut |finding| {
        found(finding);
        ControlFlow::Continue(())
    });
    interrupt.check()?;
    match checked {
        Err(error) if error.format() != "io" => Err(layer.name(error)),
        _ => Ok(()),
    }
}

/// Walks the tables of a layer and reports every unreadable range of its disk.
pub fn gaps(layer: &Layer, options: &Options<'_>, found: Found<'_>) -> Result<(), Error> {
    let size = layer.map.size();
    let files = Watched::new(&layer.files, options.interrupt);
    let mut at = 0;
    while at < size {
        options.interrupt.check()?;
        let walked = layer.map.visit(&files, at..size, &mut |_| {
            if options.interrupt.is_raised() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        options.interrupt.check()?;
        let Err(error) = walked else { break };
        let error = layer.name(error);
        let lost = error.disk();
        if found(error).is_break() {
            break;
        }
        match lost {
            Some(lost) if lost.end > at => at = lost.end,
            _ => break,
        }
    }
    options.interrupt.check()
}
