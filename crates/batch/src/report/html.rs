//! One page for people: sortable, readable on a phone and on paper, without a network.
//!
//! Names and messages come from untrusted files: all text is escaped by [`Text`], and the page's content security policy
//! forbids it to load anything.

use std::fmt::{self, Write};

use imgprep::printable;

use crate::{Record, State, Summary};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Headings of the columns, and whether they contain numbers.
const COLUMNS: [(&str, bool); 10] = [
    ("Image", false),
    ("Format", false),
    ("State", false),
    ("Disk", true),
    ("Before", true),
    ("After", true),
    ("Seconds", true),
    ("Disk/s", true),
    ("Allocation", true),
    ("Findings", true),
];

/// The report as one self-contained HTML page.
pub fn html(summary: &Summary) -> String {
    let heads = COLUMNS.iter().map(|(name, is_number)| {
        let class = if *is_number { " class=n" } else { "" };
        format!("<th scope=col{class}><button type=button>{name}</button></th>")
    });
    let heads: String = heads.collect();
    let rows: String = summary.records.iter().map(row).collect();
    format!(
        "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'\">\n<title>imgprep batch: {out}</title>\n<style>\n{STYLE}</style>\n\
         <header><h1>Batch conversion</h1><p>Outputs in {out}</p>\n{tiles}</header>\n\
         <main><table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n{legend}{left_out}</main>\n\
         <script>\n{SCRIPT}</script>\n</html>\n",
        out = Text(&summary.out),
        tiles = tiles(summary),
        legend = LEGEND,
        left_out = left_out(summary),
    )
}

const LEGEND: &str = "<p>Allocation from the disk's beginning to its end: \
    <span class=key style=\"background:var(--data)\"></span>data\
    <span class=key style=\"background:var(--packed)\"></span>compressed\
    <span class=key style=\"background:var(--zero)\"></span>zeros</p>\n";

fn tiles(summary: &Summary) -> String {
    let (before, after) = summary.sizes();
    let mut tiles = vec![
        ("images", summary.records.len().to_string(), ""),
        ("done", summary.done().to_string(), "good"),
        ("failed", summary.failed().to_string(), if summary.failed() > 0 { "bad" } else { "" }),
        ("not importable", summary.rejected().to_string(), if summary.rejected() > 0 { "bad" } else { "" }),
        ("before", size(before), ""),
        ("after", size(after), ""),
        ("time", format!("{:.1} s", summary.elapsed.as_secs_f64()), ""),
    ];
    if summary.stopped() > 0 {
        tiles.insert(3, ("not done", summary.stopped().to_string(), "warn"));
    }
    if summary.earlier() > 0 {
        tiles.insert(2, ("by an earlier run", summary.earlier().to_string(), ""));
    }
    let tile = |(what, value, class): &(&str, String, &str)| {
        format!("<li class=\"{class}\"><b>{value}</b>{what}</li>")
    };
    format!("<ul class=tiles>{}</ul>\n", tiles.iter().map(tile).collect::<String>())
}

fn row(record: &Record) -> String {
    let (state, class) = state(record);
    let seconds = record.seconds;
    let rate = rate(record);
    let number = |column: usize, key: Option<u64>, text: &str| {
        let key = key.map_or("-1".into(), |key| key.to_string());
        format!("<td class=n data-label=\"{}\" data-key=\"{key}\">{text}</td>", COLUMNS[column].0)
    };
    let bytes = |column, bytes: Option<u64>| number(column, bytes, &bytes.map_or(String::new(), size));
    let format = record.format.as_deref().unwrap_or_default();
    let variant = record.variant.as_deref().unwrap_or_default();
    format!(
        "<tr><td class=name data-label=Image data-key=\"{source}\">{source}<small>{output}</small></td>\
         <td data-label=Format data-key=\"{format}\">{described}</td>\
         <td data-label=State data-key=\"{state}\"><span class=\"state {class}\">{state}</span></td>\
         {disk}{before}{after}\
         <td class=n data-label=Seconds data-key=\"{seconds:.3}\">{seconds:.2}</td>{rate}\
         <td class=n data-label=Allocation data-key=\"{filled}\">{bar}</td>{findings}</tr>\n",
        source = Text(&record.source),
        output = Text(&record.output),
        format = Text(format),
        described = if format.is_empty() {
            String::new()
        } else {
            format!("<span>{}<small>{}</small></span>", Text(format), Text(variant))
        },
        disk = bytes(3, record.virtual_size),
        before = bytes(4, record.source_size),
        after = bytes(5, record.output_size),
        rate = number(7, rate, &rate.map_or(String::new(), |rate| format!("{}/s", size(rate)))),
        filled = filled(&record.allocation),
        bar = svg(&record.allocation),
        findings = findings(record),
    )
}

fn state(record: &Record) -> (&'static str, &'static str) {
    match (record.state, record.verdict.importable) {
        (State::Failed, _) => ("failed", "bad"),
        (State::Stopped, _) => ("not done", "warn"),
        (State::Done, Some(false)) => ("not importable", "bad"),
        (State::Done, Some(true)) => ("importable", "good"),
        (State::Done, None) => ("done, not judged", "good"),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(record: &Record) -> Option<u64> {
    let size = record.virtual_size.filter(|_| record.state == State::Done)?;
    Some((size as f64 / record.seconds.max(0.001)) as u64)
}

/// Number of parts of the bar that contain data.
fn filled(bar: &str) -> usize {
    bar.bytes().filter(|part| *part != b'z').count()
}

/// The allocation as an image: a rectangle for each run of equal parts, zeros as the background.
fn svg(bar: &str) -> String {
    if bar.is_empty() {
        return String::new();
    }
    let parts = bar.as_bytes();
    let mut rects = String::new();
    let mut at = 0;
    for run in parts.chunk_by(|one, other| one == other) {
        if run[0] != b'z' {
            let class = if run[0] == b'p' { 'p' } else { 'd' };
            rects += &format!("<rect class={class} x={at} width={} height=1 />", run.len());
        }
        at += run.len();
    }
    let percent = filled(bar) * 100 / parts.len();
    format!(
        "<svg viewBox=\"0 0 {} 1\" preserveAspectRatio=none role=img aria-label=\"{percent} percent data\">{rects}</svg>",
        parts.len()
    )
}

/// All findings, worst first, each with its remedy.
fn findings(record: &Record) -> String {
    let mut items = Vec::new();
    if let Some(error) = &record.error {
        items.push(item("bad", &error.message, "", error.remedy.as_deref().or(error.hint_text())));
    }
    for reason in &record.verdict.reasons {
        items.push(item(class(&reason.severity), &reason.message, &reason.rule, reason.remedy.as_deref()));
    }
    for lost in &record.losses {
        let message = format!("disk bytes {}..{} are zeros now: {}", lost.start, lost.end, lost.message);
        items.push(item("bad", &message, &lost.code, None));
    }
    for note in &record.findings {
        let place = note.offset.map_or(String::new(), |at| format!(", file offset {at}"));
        items.push(item(class(&note.severity), &note.message, &format!("{}{place}", note.code), None));
    }
    let count = items.len();
    let list = match count {
        0 => String::new(),
        1 => format!("<details><summary>1 finding</summary><ul>{}</ul></details>", items.concat()),
        _ => format!("<details><summary>{count} findings</summary><ul>{}</ul></details>", items.concat()),
    };
    format!("<td class=f data-label=Findings data-key=\"{count}\">{list}</td>")
}

fn class(severity: &str) -> &'static str {
    match severity {
        "error" => "bad",
        "warning" => "warn",
        _ => "",
    }
}

fn item(class: &str, message: &str, code: &str, remedy: Option<&str>) -> String {
    let remedy = remedy.map_or(String::new(), |remedy| format!("<br>Remedy: <code>{}</code>", Text(remedy)));
    // The message of an error contains its code.
    let code = if code.is_empty() { String::new() } else { format!(" <code>{}</code>", Text(code)) };
    format!("<li><span class=\"{class}\">{}</span>{code}{remedy}</li>", Text(message))
}

fn left_out(summary: &Summary) -> String {
    if summary.left_out.is_empty() {
        return String::new();
    }
    let items = summary.left_out.iter().map(|path| format!("<li>{}</li>", Text(path)));
    format!(
        "<details><summary>{} ignored: no image extension, a part of another image, or a link to a folder</summary><ul>{}</ul></details>\n",
        summary.left_out.len(),
        items.collect::<String>()
    )
}

/// `1.5 GiB`.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let unit = (bytes.max(1).ilog2() / 10) as usize;
    let shift = unit * 10;
    // OK: a tenth of the next smaller unit; the shift is at most 60.
    let tenths = if unit == 0 { 0 } else { (bytes >> (shift - 10)) % 1024 * 10 / 1024 };
    match tenths {
        0 => format!("{} {}", bytes >> shift, UNITS[unit]),
        tenths => format!("{}.{tenths} {}", bytes >> shift, UNITS[unit]),
    }
}

/// Untrusted text, escaped for HTML.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in printable(self.0).chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::record::{Failure, Note};

    #[test]
    fn a_stranger_s_text_stays_text() {
        let evil = "<script>alert('1')</script>\"\u{202e}\n";
        let record = Record {
            source: evil.into(),
            output: evil.into(),
            format: Some(evil.into()),
            error: Some(Failure { message: evil.into(), code: evil.into(), ..Failure::default() }),
            findings: vec![Note { message: evil.into(), ..Note::default() }],
            ..Record::default()
        };
        let row = row(&record);
        assert!(!row.contains("<script") && !row.contains("'1'") && !row.contains('\u{202e}'), "{row}");
        assert_eq!(
            Text(evil).to_string(),
            "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot;\\u{202e}\\n"
        );
    }

    #[test]
    fn an_allocation_bar_has_one_rectangle_per_run() {
        assert_eq!(svg(""), "");
        let svg = svg("ddzzpz");
        assert!(svg.contains("viewBox=\"0 0 6 1\""), "{svg}");
        assert!(
            svg.contains("<rect class=d x=0 width=2 height=1 /><rect class=p x=4 width=1 height=1 /></svg>"),
            "{svg}"
        );
        assert!(svg.contains("50 percent"), "{svg}");
    }

    #[test]
    fn sizes_are_short() {
        let sizes = [0, 1023, 1536, 40 << 30, u64::MAX].map(size);
        assert_eq!(sizes, ["0 B", "1023 B", "1.5 KiB", "40 GiB", "15.9 EiB"]);
    }
}
