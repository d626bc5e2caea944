//! The extents of a disk as an iterator.

use std::ops::ControlFlow;

use imgprep_engine::ResolvedExtent;
use imgprep_map::Error;

use crate::Disk;

/// Extents that are collected by one walk.
const BATCH: usize = 1024;

/// The extents of a disk in ascending order, without gaps or overlaps. After an error there are no more.
///
/// Created by [`Disk::extents`].
pub struct Extents<'a> {
    disk: &'a Disk,
    /// Disk offset at which the next walk begins.
    next: u64,
    found: std::vec::IntoIter<ResolvedExtent>,
    failure: Option<Error>,
    is_done: bool,
}

impl Disk {
    /// The extents of the disk in ascending order: where its bytes are stored, layer by layer.
    ///
    /// Bytes reported as stored may have been read through a mapping: the iterator ends with an error if a page of it could
    /// not be read.
    pub fn extents(&self) -> Extents<'_> {
        let failure = self.check_complete().err();
        let is_done = failure.is_some();
        Extents { disk: self, next: 0, found: Vec::new().into_iter(), failure, is_done }
    }
}

impl Extents<'_> {
    fn walk(&mut self) {
        let mut found = Vec::new();
        let walked = self.disk.stack().visit(self.next..u64::MAX, &mut |extent| {
            self.next = extent.disk.end;
            found.push(extent);
            if found.len() < BATCH { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        self.is_done = walked.is_err() || found.len() < BATCH;
        self.failure = walked.and_then(|()| self.disk.stack().verify_mapping()).err();
        self.is_done |= self.failure.is_some();
        self.found = found.into_iter();
    }
}

impl Iterator for Extents<'_> {
    type Item = Result<ResolvedExtent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.found.len() == 0 && !self.is_done {
            self.walk();
        }
        self.found.next().map(Ok).or_else(|| self.failure.take().map(Err))
    }
}

impl std::iter::FusedIterator for Extents<'_> {}
