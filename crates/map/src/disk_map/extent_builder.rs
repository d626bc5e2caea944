//! Coalescing of extents: without gaps, in ascending order, as few as possible.

use core::ops::{ControlFlow, Range};

use crate::{Error, Extent, Source};

/// Turns a walk over table entries into the extents of a map.
///
/// A format pushes lengths and sources in disk order; the builder clips them to the
/// visited range, merges adjacent ones and passes them on. So
/// no format can leave a gap, go backwards, or omit the merging.
pub struct ExtentBuilder<'f> {
    range: Range<u64>,
    at: u64,
    pending: Option<Extent>,
    /// Whether the visitor ended the walk.
    is_stopped: bool,
    sink: &'f mut dyn FnMut(Extent) -> ControlFlow<()>,
}

impl<'f> ExtentBuilder<'f> {
    /// Visits what a disk of `size` bytes has of `range`: `walk` gets that part, which is not empty, and a builder that
    /// starts at `from` (at or before `range.start`: where the first table entry begins). Pushed extents are passed on
    /// also when the walk fails.
    pub fn visit<T>(
        range: Range<u64>,
        size: u64,
        from: u64,
        sink: &'f mut dyn FnMut(Extent) -> ControlFlow<()>,
        walk: impl FnOnce(&Range<u64>, &mut Self) -> Result<T, Error>,
    ) -> Result<(), Error> {
        let range = range.start..range.end.min(size);
        if range.is_empty() {
            return Ok(());
        }
        let mut builder = Self::new(range.clone(), from, sink);
        let walked = walk(&range, &mut builder);
        builder.finish();
        walked.map(|_| ())
    }

    /// Starts at disk offset `from` (at or before `range.start`: where the first
    /// table entry begins) and passes on the part inside `range`.
    pub fn new(range: Range<u64>, from: u64, sink: &'f mut dyn FnMut(Extent) -> ControlFlow<()>) -> Self {
        debug_assert!(from <= range.start);
        Self { range, at: from, pending: None, is_stopped: false, sink }
    }

    /// The disk offset of the next push.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The next `len` bytes of the disk come from `source`.
    ///
    /// `Break` if the visitor ended the walk or the range is covered.
    pub fn push(&mut self, len: u64, source: Source) -> ControlFlow<()> {
        if self.is_stopped {
            return ControlFlow::Break(());
        }
        if self.lengthens(len, &source) {
            return ControlFlow::Continue(());
        }
        let whole = Extent { disk: self.at..self.at.saturating_add(len), source };
        self.at = whole.disk.end;
        let start = whole.disk.start.max(self.range.start);
        let end = whole.disk.end.min(self.range.end);
        if start < end {
            self.merge(whole.part(start, end))?;
        }
        if self.at >= self.range.end { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// The usual case, without a move: data that continues where the last data ended.
    fn lengthens(&mut self, len: u64, source: &Source) -> bool {
        let (Some(held), Source::Data { file, at }) = (&mut self.pending, source) else { return false };
        let Source::Data { file: held_file, at: held_at } = &held.source else { return false };
        let end = self.at.saturating_add(len);
        let fits = held.disk.end == self.at && end < self.range.end;
        let goes_on = held_file == file && held_at.checked_add(self.at - held.disk.start) == Some(*at);
        if fits && goes_on {
            held.disk.end = end;
            self.at = end;
        }
        fits && goes_on
    }

    /// Passes on the pending extent. Must be called at the end of every visit,
    /// also of one that fails: the extents before the failure are valid.
    pub fn finish(mut self) {
        if let Some(last) = self.pending.take() {
            let _ = (self.sink)(last);
        }
    }

    fn merge(&mut self, next: Extent) -> ControlFlow<()> {
        match &mut self.pending {
            Some(held) if continues(held, &next) => held.disk.end = next.disk.end,
            _ => {
                if let Some(held) = self.pending.replace(next)
                    && (self.sink)(held).is_break()
                {
                    self.pending = None;
                    self.is_stopped = true;
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(())
    }
}

fn continues(held: &Extent, next: &Extent) -> bool {
    match (&held.source, &next.source) {
        (Source::Data { file: a, at }, Source::Data { file: b, at: next_at }) => {
            a == b && at.checked_add(held.disk.end - held.disk.start) == Some(*next_at)
        }
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::{FileId, ReadError};

    const HOLE: Source = Source::Zero { explicit: false };

    fn data(at: u64) -> Source {
        Source::Data { file: FileId::SELF, at }
    }

    fn tile(range: Range<u64>, from: u64, pushes: &[(u64, Source)]) -> Vec<Extent> {
        let mut out = Vec::new();
        let mut take = |extent| {
            out.push(extent);
            ControlFlow::Continue(())
        };
        let mut builder = ExtentBuilder::new(range, from, &mut take);
        for (len, source) in pushes {
            if builder.push(*len, source.clone()).is_break() {
                break;
            }
        }
        builder.finish();
        out
    }

    #[test]
    fn merges_what_continues_and_nothing_else() {
        let got = tile(0..50, 0, &[(10, data(0)), (10, data(10)), (10, data(90)), (10, HOLE), (10, HOLE)]);
        let want = [
            Extent { disk: 0..20, source: data(0) },
            Extent { disk: 20..30, source: data(90) },
            Extent { disk: 30..50, source: HOLE },
        ];
        assert_eq!(got, want);
    }

    #[test]
    fn a_visitor_that_ends_the_walk_is_not_called_again() {
        let mut calls = 0;
        let mut take = |_| {
            calls += 1;
            ControlFlow::Break(())
        };
        ExtentBuilder::visit(5..50, 40, 0, &mut take, |range, builder| {
            assert_eq!(range, &(5..40));
            let _ = builder.push(10, data(0));
            assert!(builder.push(10, data(90)).is_break());
            assert!(builder.push(20, HOLE).is_break());
            Ok(())
        })
        .unwrap();
        assert_eq!(calls, 1);
    }

    #[test]
    fn extents_before_a_failure_are_passed_on() {
        let mut out = Vec::new();
        let mut take = |extent| {
            out.push(extent);
            ControlFlow::Continue(())
        };
        let failed = ExtentBuilder::visit(0..50, 50, 0, &mut take, |_, builder| {
            let _ = builder.push(10, data(0));
            Err::<(), _>(ReadError::Failed { at: 7, reason: "bad".into() }.into())
        });
        assert_eq!(failed.unwrap_err().at(), Some(7));
        assert_eq!(out, [Extent { disk: 0..10, source: data(0) }]);
        assert!(
            ExtentBuilder::visit(50..60, 50, 50, &mut |_| panic!("nothing is there"), |_, _| Ok(())).is_ok()
        );
    }

    #[test]
    fn clips_to_the_range_and_moves_the_file_offset() {
        let got = tile(15..18, 10, &[(10, data(100)), (10, HOLE)]);
        assert_eq!(got, [Extent { disk: 15..18, source: data(105) }]);
    }

    #[test]
    fn a_push_before_the_range_is_dropped() {
        let got = tile(20..30, 0, &[(10, data(0)), (10, HOLE), (10, Source::Parent)]);
        assert_eq!(got, [Extent { disk: 20..30, source: Source::Parent }]);
    }

    #[test]
    fn explicit_zeros_and_holes_stay_apart() {
        let got = tile(0..20, 0, &[(10, HOLE), (10, Source::Zero { explicit: true })]);
        assert_eq!(got.len(), 2);
    }

    #[test]
    fn a_visitor_that_breaks_is_not_called_again() {
        let mut calls = 0;
        let mut take = |_| {
            calls += 1;
            ControlFlow::Break(())
        };
        let mut builder = ExtentBuilder::new(0..30, 0, &mut take);
        assert!(builder.push(10, data(0)).is_continue());
        assert!(builder.push(10, HOLE).is_break());
        builder.finish();
        assert_eq!(calls, 1);
    }
}
