//! `JUnit` XML that conforms to the schema of Jenkins' xUnit plugin (`junit-10.xsd`). All `JUnit` output is written here.

use quick_junit::Report;

/// The report as XML, with a newline at its end.
pub fn xml(report: &Report) -> String {
    // OK: writing into memory does not fail, and all names are text.
    let xml = without_sum_of_skipped(&report.to_string().unwrap_or_default());
    // In a log, `##[...]` is a command to runners of CI jobs.
    xml.replace("##", "#&#35;")
}

/// `quick-junit` writes `skipped` at the outermost element, too, where the schema has no such attribute.
fn without_sum_of_skipped(xml: &str) -> String {
    const MARK: &str = " skipped=\"";
    let tag = xml.find("<testsuites").and_then(|at| Some(at..at + xml[at..].find('>')?));
    let found = tag.and_then(|tag| Some(tag.start + xml[tag].find(MARK)?));
    let Some(start) = found else { return xml.into() };
    let value = start + MARK.len();
    // OK: a value ends with its quote.
    let end = xml[value..].find('"').map_or(value, |len| value + len + 1);
    format!("{}{}", &xml[..start], &xml[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_outermost_sum_of_skipped_goes() {
        let xml = "<x?><testsuites a=\"1\" skipped=\"12\" b=\"2\"><testsuite skipped=\"12\"/></testsuites>";
        let want = "<x?><testsuites a=\"1\" b=\"2\"><testsuite skipped=\"12\"/></testsuites>";
        assert_eq!(without_sum_of_skipped(xml), want);
        assert_eq!(without_sum_of_skipped(want), want);
        assert_eq!(without_sum_of_skipped(""), "");
    }
}
