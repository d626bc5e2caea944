//! Progress on one line of a terminal of any width.

use console::{Term, measure_text_width, truncate_str};
use imgprep::printable;

/// Columns available to a line on standard error.
///
/// The last column stays free: some terminals wrap the line when it is written.
pub(crate) fn width() -> usize {
    usize::from(Term::stderr().size().1).saturating_sub(1)
}

/// `[#####-----]  45%, PART, PART` in at most `width` columns.
///
/// The first part that does not fit and all parts after it are omitted.
pub(crate) fn line(width: usize, done: u64, total: u64, parts: &[String]) -> String {
    let cells: u64 = match width {
        100.. => 25,
        40.. => 10,
        _ => 0,
    };
    let share = |of: u64| u128::from(done.min(total)) * u128::from(of) / u128::from(total.max(1));
    let mut line = String::new();
    if cells > 0 {
        // OK: a share of `cells` is at most `cells`.
        let filled = share(cells) as usize;
        line = format!("[{}{}] ", "#".repeat(filled), "-".repeat(cells as usize - filled));
    }
    line += &format!("{:>3}%", share(100));
    let mut left = width.saturating_sub(measure_text_width(&line));
    for part in parts {
        let part = format!(", {}", printable(part));
        let columns = measure_text_width(&part);
        if columns > left {
            break;
        }
        left -= columns;
        line += &part;
    }
    truncate_str(&line, width, "").into_owned()
}

/// The end of a name, in at most `width` columns.
///
/// A name that is wider is cut at its start, since the names of one folder differ at the end.
pub(crate) fn end_of(name: &str, width: usize) -> String {
    const MARK: &str = "...";
    let name = printable(name);
    if measure_text_width(&name) <= width {
        return name.into_owned();
    }
    let mut left = width.saturating_sub(MARK.len());
    let mut start = name.len();
    for (at, c) in name.char_indices().rev() {
        let columns = measure_text_width(c.encode_utf8(&mut [0; 4]));
        if columns > left {
            break;
        }
        left -= columns;
        start = at;
    }
    truncate_str(&format!("{MARK}{}", &name[start..]), width, "").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_progress_line_fits_every_width() {
        let parts =
            ["18 GiB of 40 GiB", "210.5 MiB/s", "107 s left", "仮想機械\u{1b}[2J.qcow2"].map(String::from);
        for width in 0..300 {
            let text = line(width, 18 << 30, 40 << 30, &parts);
            assert!(measure_text_width(&text) <= width, "{width}: {text}");
            assert!(!text.contains(['\u{1b}', '\n']), "{text:?}");
        }
        assert_eq!(line(39, 18 << 30, 40 << 30, &parts), " 45%, 18 GiB of 40 GiB, 210.5 MiB/s");
        assert_eq!(
            line(79, 18 << 30, 40 << 30, &parts),
            "[####------]  45%, 18 GiB of 40 GiB, 210.5 MiB/s, 107 s left"
        );
        let wide = "[###########--------------]  45%, 18 GiB of 40 GiB, 210.5 MiB/s, 107 s left, 仮想機械\\u{1b}[2J.qcow2";
        assert_eq!(line(119, 18 << 30, 40 << 30, &parts), wide);
        assert_eq!(line(40, 0, 0, &[]), "[----------]   0%");
        assert_eq!(line(40, 7, 5, &[]), "[##########] 100%");
    }

    #[test]
    fn a_long_name_is_shortened_from_its_start() {
        assert_eq!(end_of("images/web.qcow2", 16), "images/web.qcow2");
        assert_eq!(end_of("images/web.qcow2", 12), "...web.qcow2");
        // Two columns each: five of them and the mark take 13.
        assert_eq!(end_of("仮想機械機械仮想", 13), "...械機械仮想");
        for width in 0..20 {
            assert!(measure_text_width(&end_of("仮想機械\u{202e}機械仮想.vmdk", width)) <= width);
        }
    }
}
