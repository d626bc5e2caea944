//! Selection of the footer: the one at the end, or its copy at the start.
//!
//! The specification defines the footer at the end; the copy is used if that one is damaged.
//! If only the copy is present, the file may be truncated: the tables then show which blocks
//! are missing, and every block that is read is checked against the file length. Two sound
//! footers that describe different disks are rejected. They occur, for example, in a file
//! that was truncated right after another image inside its disk.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use imgprep_map::{Code, Error, Finding, ReadAt, Severity};

use crate::Corrupt;
use crate::codes;
use crate::error::Unsupported;
use crate::footer::{FooterCandidate, Note, SelectedFooter, damaged};
use crate::layout::{RawFooter, footer_at};

/// Finds both footers and selects one.
pub(crate) fn read(file: &dyn ReadAt) -> Result<SelectedFooter, Error> {
    let end = FooterCandidate::at_end(file)?;
    let is_one = matches!(end, FooterCandidate::Sound { at: 0, .. } | FooterCandidate::Damaged { at: 0, .. });
    let start = if is_one { FooterCandidate::Nothing } else { FooterCandidate::at_start(file)? };
    footer_select(end, start, file.len())
}

fn footer_select(
    end: FooterCandidate,
    start: FooterCandidate,
    file_len: u64,
) -> Result<SelectedFooter, Error> {
    let selected = |at, raw: RawFooter, tail, findings| Ok(SelectedFooter { at, raw, tail, findings });
    match (end, start) {
        (FooterCandidate::Poisoned { at }, _) | (_, FooterCandidate::Poisoned { at }) => {
            Err(Unsupported::Poisoned { at }.into())
        }
        (FooterCandidate::Sound { at, raw, note }, start) => {
            let mut findings: Vec<_> = note.into_iter().map(|note| note_finding(note, at)).collect();
            findings.extend(beside_sound(at, &raw, start)?);
            selected(at, raw, Some(at..file_len), findings)
        }
        (FooterCandidate::Damaged { at, raw, expected }, FooterCandidate::Sound { raw: copy, .. })
            if can_replace(at, &raw, &copy) =>
        {
            let error = damaged(at, &raw, expected);
            let message = format!("{error}: the copy at the start is used");
            let finding =
                finding(codes::FOOTER_CHECKSUM, Severity::Warning, at + footer_at::CHECKSUM, message);
            selected(0, copy, Some(at..file_len), [finding].into())
        }
        (FooterCandidate::Damaged { at, raw, expected }, _)
        | (FooterCandidate::Nothing, FooterCandidate::Damaged { at, raw, expected }) => {
            Err(damaged(at, &raw, expected).into())
        }
        (end, FooterCandidate::Sound { raw, .. }) if is_sparse(&raw) => {
            selected(0, raw, None, [missing(&end, file_len)].into())
        }
        (FooterCandidate::Cut { at }, _) | (_, FooterCandidate::Cut { at }) => {
            Err(Corrupt::FooterCut { at, file_len }.into())
        }
        (FooterCandidate::Followed { at }, _) => Err(Corrupt::FooterFollowed { at, file_len }.into()),
        (FooterCandidate::Nothing, FooterCandidate::Sound { raw, .. }) => {
            let at = footer_at::DISK_TYPE;
            Err(Corrupt::OnlyAtStart { at, kind: raw.disk_type, file_len }.into())
        }
        (FooterCandidate::Nothing, _) => Err(Corrupt::NoFooter { file_len }.into()),
    }
}

/// Whether the disk has blocks, and therefore a copy of the footer.
///
/// Also true for unsupported disk types, which are reported later.
fn is_sparse(raw: &RawFooter) -> bool {
    raw.disk_type != 2
}

/// Compares a sound footer at the end with its copy at the start.
///
/// Fails if they describe different disks. Returns a finding for other differences, or for an invalid copy.
fn beside_sound(at: u64, raw: &RawFooter, start: FooterCandidate) -> Result<Option<Finding>, Error> {
    // A fixed disk begins at the start of the file: the bytes there belong to the guest.
    if !is_sparse(raw) && raw.current_size == at {
        return Ok(None);
    }
    match start {
        FooterCandidate::Sound { raw: copy, .. } => match difference(raw, &copy) {
            Some(field) => Err(Corrupt::FootersDiffer { at, field }.into()),
            None if *raw == copy || !is_sparse(raw) => Ok(None),
            None => {
                let severity = if raw.uuid == copy.uuid { Severity::Note } else { Severity::Warning };
                let message =
                    "the footer and its copy at the start differ in fields that do not affect the disk";
                Ok(Some(finding(codes::FOOTER_DIFFER, severity, 0, message.into())))
            }
        },
        _ if !is_sparse(raw) => Ok(None),
        FooterCandidate::Damaged { raw: copy, expected, .. } => {
            let message =
                format!("copy at the start: {}: the footer at the end is used", damaged(0, &copy, expected));
            Ok(Some(finding(codes::FOOTER_COPY, Severity::Warning, footer_at::CHECKSUM, message)))
        }
        _ => {
            let message = "the footer has no copy at the start: the one at the end is used";
            Ok(Some(finding(codes::FOOTER_COPY, Severity::Warning, 0, message.into())))
        }
    }
}

/// The first field in which two footers describe different disks.
fn difference(end: &RawFooter, start: &RawFooter) -> Option<&'static str> {
    let geometry = |raw: &RawFooter| (raw.cylinders, raw.heads, raw.sectors_per_track);
    let fields = [
        ("disk type", end.disk_type == start.disk_type),
        ("current size", end.current_size == start.current_size),
        ("data offset", end.data_offset == start.data_offset),
        ("geometry", geometry(end) == geometry(start)),
        ("creator application", end.creator == start.creator),
    ];
    fields.into_iter().find(|(_, is_same)| !is_same).map(|(name, _)| name)
}

/// Whether `copy` can replace a damaged footer at the end.
///
/// It cannot if the damaged footer has type and size of a fixed disk: the apparent copy is then the first sector of
/// the guest.
fn can_replace(at: u64, raw: &RawFooter, copy: &RawFooter) -> bool {
    is_sparse(copy) && (is_sparse(raw) || raw.current_size != at)
}

fn missing(end: &FooterCandidate, file_len: u64) -> Finding {
    let (at, why) = match end {
        FooterCandidate::Cut { at } => (*at, "the footer at the end is truncated"),
        FooterCandidate::Followed { at } => (*at, "the footer at the end is followed by other bytes"),
        _ => (file_len, "the footer at the end is missing: the file may have been truncated"),
    };
    let message = format!("{why}: the copy at the start is used, missing blocks are rejected");
    finding(codes::FOOTER_MISSING, Severity::Error, at, message)
}

fn note_finding(note: Note, at: u64) -> Finding {
    match note {
        Note::HiddenAfterwards => finding(
            codes::FOOTER_HIDDEN_CHECKSUM,
            Severity::Note,
            at + footer_at::HIDDEN,
            "marked hidden after the checksum was computed, as early td-util did".into(),
        ),
    }
}

fn finding(code: &'static Code, severity: Severity, at: u64, message: String) -> Finding {
    Finding { code, severity, at: Some(at), message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Part;
    use crate::error::test::detail;
    use crate::layout::FOOTER;

    fn raw(disk_type: u32, current_size: u64) -> RawFooter {
        RawFooter { current_size, disk_type, ..RawFooter::decode(&[0; 512]) }
    }

    fn sound(at: u64, raw: RawFooter) -> FooterCandidate {
        FooterCandidate::Sound { at, raw, note: None }
    }

    fn broken(at: u64, raw: RawFooter) -> FooterCandidate {
        FooterCandidate::Damaged { at, raw, expected: 7 }
    }

    /// File offset of the selected footer, and code of the first finding.
    fn taken(end: FooterCandidate, start: FooterCandidate) -> (u64, Option<&'static str>) {
        let selected = footer_select(end, start, 8192).unwrap();
        (selected.at, selected.findings.first().map(|finding| finding.code.id))
    }

    fn refused(end: FooterCandidate, start: FooterCandidate) -> Corrupt {
        detail(footer_select(end, start, 8192).map(|_| ()))
    }

    const AT: u64 = 8192 - FOOTER;

    #[test]
    fn the_footer_at_the_end_is_used_and_a_damaged_copy_reported() {
        let disk = || raw(3, 9);
        assert_eq!(taken(sound(AT, disk()), sound(0, disk())), (AT, None));
        assert_eq!(taken(sound(AT, disk()), broken(0, disk())), (AT, Some("vhd.footer.copy")));
        assert_eq!(taken(sound(AT, disk()), FooterCandidate::Nothing), (AT, Some("vhd.footer.copy")));
        let later = RawFooter { timestamp: 5, ..disk() };
        assert_eq!(taken(sound(AT, later), sound(0, disk())), (AT, Some("vhd.footer.differ")));
    }

    #[test]
    fn the_copy_replaces_the_footer_with_a_finding() {
        let disk = || raw(4, 9);
        assert_eq!(taken(broken(AT, disk()), sound(0, disk())), (0, Some("vhd.footer.checksum")));
        for end in [
            FooterCandidate::Nothing,
            FooterCandidate::Cut { at: 8000 },
            FooterCandidate::Followed { at: 7000 },
        ] {
            assert_eq!(taken(end, sound(0, disk())), (0, Some("vhd.footer.missing")));
        }
    }

    #[test]
    fn two_sound_footers_of_different_disks_are_refused() {
        let want = |field| Corrupt::FootersDiffer { at: AT, field };
        assert_eq!(refused(sound(AT, raw(3, 9)), sound(0, raw(3, 10))), want("current size"));
        assert_eq!(refused(sound(AT, raw(2, 9)), sound(0, raw(3, 9))), want("disk type"));
        for (copy, field) in [
            (RawFooter { data_offset: 1024, ..raw(3, 9) }, "data offset"),
            (RawFooter { cylinders: 1, ..raw(3, 9) }, "geometry"),
            (RawFooter { heads: 1, ..raw(3, 9) }, "geometry"),
            (RawFooter { sectors_per_track: 1, ..raw(3, 9) }, "geometry"),
            (RawFooter { creator: *b"vpc ", ..raw(3, 9) }, "creator application"),
        ] {
            assert_eq!(refused(sound(AT, raw(3, 9)), sound(0, copy)), want(field));
        }
        let other = RawFooter { uuid: [1; 16], ..raw(3, 9) };
        assert_eq!(taken(sound(AT, raw(3, 9)), sound(0, other)), (AT, Some("vhd.footer.differ")));
    }

    #[test]
    fn the_first_sector_of_a_fixed_disk_is_the_guests() {
        assert_eq!(taken(sound(AT, raw(2, AT)), sound(0, raw(3, 10))), (AT, None));
        let want = Corrupt::Checksum { at: AT + 64, part: Part::Footer, expected: 7, found: 0 };
        assert_eq!(refused(broken(AT, raw(2, AT)), sound(0, raw(3, 10))), want);
    }

    #[test]
    fn an_image_without_a_valid_footer_is_rejected() {
        let want = |at| Corrupt::Checksum { at, part: Part::Footer, expected: 7, found: 0 };
        assert_eq!(refused(broken(AT, raw(3, 9)), broken(0, raw(3, 9))), want(AT + 64));
        assert_eq!(refused(FooterCandidate::Nothing, broken(0, raw(3, 9))), want(64));
        assert_eq!(
            refused(FooterCandidate::Nothing, FooterCandidate::Nothing),
            Corrupt::NoFooter { file_len: 8192 }
        );
        assert_eq!(
            refused(FooterCandidate::Cut { at: 8000 }, FooterCandidate::Nothing),
            Corrupt::FooterCut { at: 8000, file_len: 8192 }
        );
        let want = Corrupt::FooterFollowed { at: 7000, file_len: 8192 };
        assert_eq!(refused(FooterCandidate::Followed { at: 7000 }, FooterCandidate::Nothing), want);
        let want = Corrupt::OnlyAtStart { at: 60, kind: 2, file_len: 8192 };
        assert_eq!(refused(FooterCandidate::Nothing, sound(0, raw(2, 9))), want);
    }

    #[test]
    fn an_image_in_the_middle_of_a_resize_is_refused() {
        let error =
            footer_select(FooterCandidate::Poisoned { at: AT }, sound(0, raw(3, 9)), 8192).unwrap_err();
        assert_eq!(error.detail(), Some(&Unsupported::Poisoned { at: AT }));
    }
}
