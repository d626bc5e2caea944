//! Reference counts against use, as `qemu-img check` counts them: leaks, corruptions, COPIED
//! flags, snapshots, bitmaps (sections "Host cluster management", "Snapshots", "Bitmaps").
//!
//! Every table is walked once, an L2 table that an L1 table names many times is walked once
//! with that weight. Uses are counted in chunks that are made where something is used; when
//! they take more memory than the budget, the highest are dropped and counted in a pass of
//! their own.

use alloc::format;
use alloc::string::String;
use core::ops::ControlFlow;

use imgprep_map::{Checked, Error, FileId, Files, Finding, ReadAt, Severity};

use crate::counts::Counts;
use crate::map::Map;
use crate::refcounts::Refcounts;

type Found<'f> = &'f mut dyn FnMut(Finding) -> ControlFlow<()>;

/// What a check writes down.
pub(crate) struct Report<'f> {
    pub(crate) checked: Checked,
    found: Found<'f>,
    /// What is told once, not in every pass.
    pub(crate) is_first_pass: bool,
    pub(crate) is_over: bool,
}

impl<'f> Report<'f> {
    pub(crate) fn new(found: Found<'f>) -> Self {
        Self { checked: Checked::default(), found, is_first_pass: true, is_over: false }
    }

    /// `count` corruptions of one kind, unless an earlier pass told them.
    pub(crate) fn corrupt(&mut self, code: &'static str, at: u64, count: u64, message: String) {
        if self.is_first_pass {
            self.checked.corruptions = self.checked.corruptions.saturating_add(count);
            self.tell(code, Severity::Error, Some(at), message);
        }
    }

    pub(crate) fn tell(&mut self, code: &'static str, severity: Severity, at: Option<u64>, message: String) {
        if !self.is_over {
            self.is_over = (self.found)(Finding { code, severity, at, message }).is_break();
        }
    }
}

/// Bytes of a table, with zeros where the file ends before it does.
pub(crate) fn padded(file: &dyn ReadAt, at: u64, len: usize) -> Result<alloc::borrow::Cow<'_, [u8]>, Error> {
    let there = usize::try_from(file.len().saturating_sub(at)).unwrap_or(usize::MAX).min(len);
    let mut bytes = file.slice(at.min(file.len()), there)?;
    if there < len {
        // OK: at most a cluster or a page of a table.
        bytes.to_mut().resize(len, 0);
    }
    Ok(bytes)
}

/// Checks all of an image.
pub(crate) fn check(map: &Map, files: &dyn Files, found: Found<'_>) -> Result<Checked, Error> {
    let Some(file) = files.get(FileId::SELF) else { return Ok(Checked::default()) };
    let mut report = Report::new(found);
    let refcounts = Refcounts::new(&map.header, file);
    report.checked.total = Some(map.active_size().div_ceil(map.header.cluster_size()));
    report.checked.allocated = Some(0);
    report.checked.fragmented = Some(0);
    report.checked.packed = Some(0);
    refcounts.check_place(&mut report);
    let mut start = 0;
    let mut highest = 0;
    loop {
        let mut counts = Counts::new(&map.header, file.len(), start, map.budget);
        refcounts.touch_blocks(&mut counts)?;
        map.count_uses(file, &refcounts, &mut counts, &mut report)?;
        refcounts.count_blocks(&mut counts, &mut report)?;
        let end = counts.end();
        highest = highest.max(refcounts.compare(&counts, &mut report)?);
        if end == u64::MAX || report.is_over {
            break;
        }
        start = end;
        report.is_first_pass = false;
    }
    report.checked.image_end = Some(highest.saturating_add(1) << map.header.cluster_bits);
    Ok(report.checked)
}

/// `clusters 3 to 7` or `cluster 3`.
pub(crate) fn clusters(first: u64, count: u64) -> String {
    if count == 1 { format!("cluster {first}") } else { format!("clusters {first} to {}", first + count - 1) }
}
