//! The codes of errors and findings as a page of the documentation.

use std::fmt::Write;

use imgprep::map::RemedyTemplate;
use imgprep::policy::rule;
use imgprep::{Class, Code};

#[path = "../../crates/cli/src/codes.rs"]
mod command_line;

/// All codes of the program, by id.
fn all() -> Vec<&'static Code> {
    let own = [command_line::PRINT, command_line::USAGE];
    let mut all: Vec<_> = imgprep::codes().chain(imgprep_batch::CODES.iter().copied()).chain(own).collect();
    all.sort_by_key(|code| code.id);
    all
}

/// The page, in Markdown.
pub(crate) fn page() -> String {
    let mut page = String::from(
        "# Codes of errors and findings\n\n\
         Made from the tables in `crates/**/src/codes.rs` by `cargo xtask docs`: edit those.\n\n\
         Every error and every finding has a stable code. The first word is the format or the area. The class says what\n\
         kind of trouble an error is; codes without a class are used by findings only. The rule is what `imgprep check`\n\
         reports for the code; `imgprep check --explain RULE` explains it. Codes without a rule are no property of an\n\
         image: the request could not be carried out, and the message says why. A finding under `structure/table` that is\n\
         less than an error is reported under `structure/note`, and an error under `structure/note` under `structure/table`.\n",
    );
    let mut area = "";
    for code in all() {
        if code.area() != area {
            area = code.area();
            let _ = write!(
                page,
                "\n## {area}\n\n| code | class | meaning | rule | what to do |\n|---|---|---|---|---|\n"
            );
        }
        let class = code.class.map_or("-", Class::name);
        let _ = writeln!(page, "| `{}` | {class} | {} | {} |", code.id, code.meaning, rule_and_remedy(code));
    }
    page
}

/// The last two columns.
fn rule_and_remedy(code: &Code) -> String {
    let Some(id) = code.rule else { return "- | see the message".into() };
    let link = |id: &str| format!("[{id}](rules.md#{})", id.replace('/', ""));
    let of_finding = code.finding_rule.map_or(String::new(), |id| format!("; as a finding {}", link(id)));
    let remedies = rule(id).map_or(&[][..], |rule| rule.remedies);
    let remedies: Vec<_> = remedies.iter().map(markdown).collect();
    let remedies = if remedies.is_empty() { "see the rule".into() } else { remedies.join(" or ") };
    format!("{}{of_finding} | {remedies}", link(id))
}

/// Command lines as code, words as text.
fn markdown(remedy: &RemedyTemplate) -> String {
    match remedy {
        RemedyTemplate::Words(text) => text.replace('|', "\\|"),
        command => format!("`{}`", command.to_string().replace("    #", " #")),
    }
}
