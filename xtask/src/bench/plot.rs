//! The ratios as bars.

use std::fmt::Write as _;

use super::tables::Row;

const WIDTH: f64 = 900.0;
/// Where the bars begin, and how long one of ratio 1 is.
const LEFT: f64 = 330.0;
const ONE: f64 = 400.0;
/// Longer ones are cut here.
const LONGEST: f64 = 1.3;
const LINE: f64 = 22.0;

/// Time relative to the fastest other tool, one bar per row; a mark at the target.
pub(super) fn svg(sections: &[(&str, Vec<Row>)]) -> String {
    let mut body = String::new();
    let mut y = LINE;
    for (title, rows) in sections {
        let rows: Vec<_> = rows.iter().filter_map(|row| Some((row, row.ratio()?))).collect();
        if rows.is_empty() {
            continue;
        }
        text(&mut body, 8.0, y, "font-weight='bold'", title);
        y += LINE;
        for (row, ratio) in rows {
            bar(&mut body, y, row, ratio);
            y += LINE;
        }
        y += LINE / 2.0;
    }
    let one = LEFT + ONE;
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {y}' font-family='sans-serif' font-size='13'>\n\
         <rect width='100%' height='100%' fill='white'/>\n{body}\
         <line x1='{one}' x2='{one}' y1='0' y2='{y}' stroke='#888' stroke-dasharray='4 3'/>\n</svg>\n"
    )
}

fn bar(body: &mut String, y: f64, row: &Row, ratio: f64) {
    text(body, 20.0, y, "", &row.name);
    let is_wanted = row.at_most.is_none_or(|most| ratio <= most);
    let colour = if is_wanted { "#3a7d44" } else { "#b5651d" };
    let (top, height, length) = (y - 12.0, LINE - 8.0, ratio.min(LONGEST) * ONE);
    let _ =
        writeln!(body, "<rect x='{LEFT}' y='{top}' width='{length:.0}' height='{height}' fill='{colour}'/>");
    if let Some(most) = row.at_most {
        let x = LEFT + most.min(LONGEST) * ONE;
        let bottom = top + height + 2.0;
        let _ = writeln!(
            body,
            "<line x1='{x:.0}' x2='{x:.0}' y1='{top}' y2='{bottom}' stroke='black' stroke-width='2'/>"
        );
    }
    text(body, LEFT + length + 6.0, y, "", &format!("{ratio:.2}"));
}

fn text(body: &mut String, x: f64, y: f64, style: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(body, "<text x='{x:.0}' y='{y:.0}' {style}>{words}</text>");
}
