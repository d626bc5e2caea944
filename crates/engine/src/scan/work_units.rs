//! Finds the chunks of a disk that may contain data, by one walk in disk order.

use std::ops::{ControlFlow, Range};

use imgprep_map::Error;

use crate::{Interrupt, Losses, OnLoss, Options, Stack};

/// Bytes of the disk that are walked at once: a map may merge the extents of a whole disk before it reports one.
const WINDOW: u64 = 1 << 30;

/// Returns the numbers of the chunks that may contain data, in ascending order.
pub(crate) struct WorkUnits<'a> {
    stack: &'a Stack,
    losses: &'a Losses,
    on_loss: OnLoss,
    interrupt: &'a Interrupt,
    chunk: u64,
    at: u64,
    run: Range<u64>,
}

impl<'a> WorkUnits<'a> {
    pub(crate) fn new(stack: &'a Stack, chunk: u64, options: &Options<'a>, losses: &'a Losses) -> Self {
        let Options { on_loss, interrupt, .. } = *options;
        Self { stack, losses, on_loss, interrupt, chunk, at: 0, run: 0..0 }
    }

    /// The next chunk; `None` after the last one. With [`OnLoss::Zero`] an error is returned only if the affected range of
    /// the disk is unknown.
    pub(crate) fn next(&mut self) -> Result<Option<u64>, Error> {
        if self.run.is_empty() && !self.find()? {
            return Ok(None);
        }
        Ok(self.run.next())
    }

    /// The range of the disk that a chunk covers.
    pub(crate) fn range(&self, chunk: u64) -> Range<u64> {
        let start = chunk * self.chunk;
        start..start.saturating_add(self.chunk).min(self.stack.size())
    }

    fn find(&mut self) -> Result<bool, Error> {
        while self.at < self.stack.size() {
            // Whole windows, so that every walk begins at the start of a table page.
            let end = (self.at / WINDOW).saturating_add(1).saturating_mul(WINDOW);
            let mut found = None;
            let walked = self.stack.visit_until(self.interrupt, self.at..end, &mut |extent| {
                if extent.is_zero() {
                    return ControlFlow::Continue(());
                }
                found = Some(extent.disk);
                ControlFlow::Break(())
            });
            if let Some(disk) = found {
                self.run = disk.start.max(self.at) / self.chunk..disk.end.div_ceil(self.chunk);
                self.at = self.run.end.saturating_mul(self.chunk);
                return Ok(true);
            }
            self.at = match walked {
                Ok(()) => end,
                Err(error) => self.pass_over(error)?,
            };
        }
        Ok(false)
    }

    /// The disk offset at which the walk continues after an error, or the error.
    fn pass_over(&self, error: Error) -> Result<u64, Error> {
        match error.disk() {
            Some(lost) if self.on_loss == OnLoss::Zero && lost.end > self.at => {
                self.losses.add(lost.clone(), &error);
                Ok(lost.end)
            }
            _ => Err(error),
        }
    }
}
