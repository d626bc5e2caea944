//! Hints of the library, rendered as options of this program.

use imgprep::Hint;

/// The advice in terms of the command line.
pub(crate) fn text(hint: Hint) -> &'static str {
    match hint {
        Hint::SelectFormat => "select the format with --from",
        Hint::ReadAsRaw => "--from raw reads the file as a RAW disk",
        Hint::ConvertDataFile => "convert that file instead, with --from raw",
        Hint::FollowBeside => "--follow beside opens files in the image's own folder",
        Hint::FollowAny => "--follow any opens files outside the image's own folder",
        Hint::LocateParent => "put the parent next to the image, or specify it with --parent",
        Hint::LocateParentAbove => {
            "put the parent next to the image, specify it with --parent, or search the folder above with --follow any"
        }
        Hint::SelectParent => "select the parent with --parent",
        Hint::AcceptParent => "--accept-parent accepts a mismatched parent",
        Hint::Salvage => "obtain the file again, or convert what can be read with --salvage",
        Hint::ReplaceOutput => "--force replaces the file",
        Hint::IgnoreUse => "make sure that no program uses the file, and add --force",
        Hint::OverwriteDevice => "--force overwrites the contents of the device",
        Hint::RenameOutputs => "choose other names, for example with --name '{name}.{ext}'",
        Hint::ChangeFolder => "choose another folder with --out",
        Hint::ResumeBatch => "--resume continues the earlier batch, --force starts over",
        Hint::RestartBatch => "--force converts these images again",
        other => other.text(),
    }
}

/// The same advice next to a remedy, unless the remedy already contains the option.
pub(crate) fn beside(hint: Option<Hint>, remedy: Option<&impl ToString>) -> Option<&'static str> {
    let text = text(hint?);
    let mut options = text.split([' ', ',']).filter(|word| word.starts_with("--"));
    let remedy = remedy.map(ToString::to_string);
    let is_known = remedy.is_some_and(|remedy| options.any(|option| remedy.contains(option)));
    (!is_known).then_some(text)
}

/// The same for a command that has two images: the options of the second one have names of their own.
pub(crate) fn for_command(text: &str, command: &str) -> String {
    match command {
        "compare" => {
            text.replace("--parent", "--parent or --parent-b").replace("--from", "--from or --from-b")
        }
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn each_hint_names_an_option_that_exists() {
        let program = crate::command::Args::command();
        let known: Vec<_> = program
            .get_subcommands()
            .flat_map(clap::Command::get_arguments)
            .filter_map(|argument| argument.get_long())
            .collect();
        for hint in Hint::ALL {
            let mut options =
                text(*hint).split([' ', ',']).filter_map(|word| word.strip_prefix("--")).peekable();
            assert!(options.peek().is_some(), "{hint:?}");
            options.for_each(|option| assert!(known.contains(&option), "--{option}"));
        }
    }

    #[test]
    fn hints_of_a_comparison_name_the_options_of_both_images() {
        let text = |command| for_command(text(Hint::SelectParent), command);
        assert_eq!(text("compare"), "select the parent with --parent or --parent-b");
        assert_eq!(text("convert"), "select the parent with --parent");
    }

    #[test]
    fn a_hint_is_omitted_where_the_remedy_contains_its_option() {
        let salvage = Some(Hint::Salvage);
        assert_eq!(beside(salvage, Some(&"imgprep convert --salvage a b")), None);
        assert_eq!(beside(salvage, Some(&"copy it again from its source")), Some(text(Hint::Salvage)));
        assert_eq!(beside(None, None::<&String>), None);
    }
}
