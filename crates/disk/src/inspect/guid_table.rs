//! Selection between the primary and the backup GPT (UEFI 2.10, 5.2.3 and 5.3.2).
//!
//! A GPT is valid only with a protective MBR: without one it is a remnant of an earlier use of the disk. The
//! primary header is used if its checksums match, otherwise the backup in the last sector.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use imgprep_map::Severity;

use super::inspector::{Inspector, TAIL};
use crate::codes;
use crate::gpt::{Header, crc32};
use crate::{Contents, Oddity, Partition, mbr};

/// A table and its anomalies.
struct Table {
    header: Header,
    partitions: Vec<Partition>,
    flaws: Vec<Oddity>,
}

impl Inspector<'_> {
    /// Reads the GPT in use. Returns whether there is one.
    pub(super) fn find_gpt(&mut self, head: &[u8], is_protective: bool) -> bool {
        let first = self.header_at_the_beginning(head);
        if !is_protective {
            return false;
        }
        let first = first.map(|header| self.table(header, header.sector));
        match first {
            Some(first) if first.flaws.is_empty() => self.take_first(first),
            first => {
                let copy = self.copy_at_the_end().map(|(at, header)| self.table(header, at));
                match (first, copy) {
                    (Some(first), Some(copy)) if copy.flaws.is_empty() => self.take_copy_for(first, copy),
                    (Some(first), _) => self.take_first(first),
                    (None, Some(copy)) => self.take_copy(copy),
                    (None, None) => return false,
                }
            }
        }
        self.find_hybrid(head);
        true
    }

    /// Reports an unused GPT: a remnant if the disk has other contents.
    pub(super) fn report_unprotected_gpt(&mut self, head: &[u8]) {
        let Some(header) = self.header_at_the_beginning(head) else { return };
        let is_leftover = matches!(self.facts.contents, Contents::Mbr | Contents::Volume(_));
        let severity = if is_leftover { Severity::Note } else { Severity::Warning };
        let message = "a GPT without a protective MBR is ignored, as firmware and operating systems do";
        self.odd(codes::GPT_UNPROTECTED, severity, header.sector, message.into());
    }

    /// The header in sector 1. The sector size that the image declares is tried first.
    fn header_at_the_beginning(&self, head: &[u8]) -> Option<Header> {
        let sector = |size: usize| head.get(size..2 * size).and_then(Header::decode);
        match self.declared {
            4096 => sector(4096).or_else(|| sector(512)),
            _ => sector(512).or_else(|| sector(4096)),
        }
    }

    /// The header in the last sector, of either size, and its offset.
    fn copy_at_the_end(&mut self) -> Option<(u64, Header)> {
        let size = self.facts.size;
        let tail = self.read(size.saturating_sub(TAIL), TAIL.min(size))?;
        [512, 4096].into_iter().find_map(|sector| {
            let at = tail.len().checked_sub(sector)?;
            Some((size - sector as u64, Header::decode(&tail[at..])?))
        })
    }

    /// The entries of the header at disk offset `at`. Unneeded and unreadable entries are skipped.
    fn table(&mut self, header: Header, at: u64) -> Table {
        let mut table = Table { header, partitions: Vec::new(), flaws: Vec::new() };
        let mut flaw = |code, severity, at, message: String| {
            table.flaws.push(Oddity { code, severity, at, message });
        };
        if !header.is_sound {
            flaw(codes::GPT_HEADER, Severity::Warning, at, "the checksum of the GPT header is wrong".into());
        }
        let Some((start, len)) = header.entry_range() else {
            let message = format!("invalid table of {} entries of {} bytes", header.count, header.entry_size);
            flaw(codes::GPT_ENTRIES, Severity::Warning, at + 80, message);
            return table;
        };
        let Some(array) = self.read(start, len as u64) else { return table };
        if array.len() < len {
            let message = format!("the GPT's entries reach past the end of the disk at {}", self.facts.size);
            flaw(codes::GPT_ENTRIES, Severity::Error, at + 72, message);
            return table;
        }
        if crc32(&array) != header.entries_crc {
            let message = "the checksum of the GPT's entries is wrong".into();
            flaw(codes::GPT_ENTRIES, Severity::Warning, at + 88, message);
        }
        table.partitions = header.partitions(start, &array);
        table
    }

    fn take_first(&mut self, first: Table) {
        let header = first.header;
        self.facts.is_table_valid = first.flaws.is_empty();
        self.take(first);
        self.check_copy(&header);
    }

    fn take_copy(&mut self, copy: Table) {
        self.facts.is_table_valid = copy.flaws.is_empty();
        let at = copy.header.sector;
        self.take(copy);
        self.odd(
            codes::GPT_BACKUP_ONLY,
            Severity::Warning,
            at,
            "the GPT at the start is missing, but the copy at the end exists".into(),
        );
    }

    /// Uses the backup instead of a table with wrong checksums.
    fn take_copy_for(&mut self, first: Table, copy: Table) {
        for flaw in first.flaws {
            let message = format!("{}: the copy at the end of the disk is used", flaw.message);
            self.odd(flaw.code, Severity::Warning, flaw.at, message);
        }
        self.take(copy);
    }

    fn take(&mut self, table: Table) {
        // OK: 512 or 4096.
        self.facts.sector = u32::try_from(table.header.sector).unwrap_or(512);
        self.facts.oddities.extend(table.flaws);
        self.facts.partitions = table.partitions;
    }

    /// Compares the location of the backup with the end of the disk.
    fn check_copy(&mut self, header: &Header) {
        let size = self.facts.size;
        let at = header.sector + 32;
        let copy_end = header.alternate.saturating_add(1).saturating_mul(header.sector);
        if copy_end > size {
            let message = format!(
                "the GPT's copy ends at {copy_end}, the disk at {size}: the end of the disk is missing"
            );
            self.odd(codes::GPT_PAST_END, Severity::Error, at, message);
        } else if copy_end < size {
            let message =
                format!("the GPT's copy ends at {copy_end}, the disk at {size}: the disk was enlarged");
            self.odd(codes::GPT_NOT_AT_END, Severity::Note, at, message);
        } else if size <= self.reach && self.copy_at_the_end().is_none() && self.facts.unread.is_empty() {
            let message = "the GPT has no copy at the end of the disk".into();
            self.odd(codes::GPT_NO_COPY, Severity::Warning, at, message);
        }
    }

    /// A hybrid MBR has entries in addition to the protective one.
    fn find_hybrid(&mut self, head: &[u8]) {
        let own = mbr::entries(head).into_iter().flatten().find(|entry| entry.kind != mbr::PROTECTIVE);
        let Some(entry) = own else { return };
        self.facts.has_hybrid_mbr = true;
        let message = "the MBR also contains partitions: a hybrid MBR".into();
        self.odd(codes::HYBRID_MBR, Severity::Note, entry.at, message);
    }
}
