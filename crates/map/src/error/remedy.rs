//! What to do about a problem.

use alloc::string::String;
use core::fmt;

/// What to do about a problem: a command line that can be pasted into a shell, or words.
///
/// Tables contain templates, `Remedy<&'static str>`, whose command lines have placeholders. `Display` renders either
/// in one line, a comment like one of a shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Remedy<T = String> {
    /// A command of imgprep.
    Imgprep {
        /// Its name.
        command: &'static str,
        /// The arguments, and any commands that follow.
        arguments: T,
        /// When it applies, or what it does.
        comment: Option<Comment<T>>,
    },
    /// Commands of other programs.
    Tool {
        /// The command line.
        line: T,
        /// When it applies, or what it does.
        comment: Option<Comment<T>>,
    },
    /// An instruction in words.
    Words(T),
}

/// The comment of a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comment<T = String> {
    /// The command changes a copy of the file. A verb: "repairs".
    OnCopy(&'static str),
    /// When the command applies, what it does, or an alternative.
    Text(T),
}

/// A row of a table of remedies.
pub type RemedyTemplate = Remedy<&'static str>;

impl RemedyTemplate {
    /// A command of imgprep.
    pub const fn imgprep(command: &'static str, arguments: &'static str) -> Self {
        Self::Imgprep { command, arguments, comment: None }
    }

    /// Commands of other programs.
    pub const fn tool(line: &'static str) -> Self {
        Self::Tool { line, comment: None }
    }

    /// The same with a comment. Words have none.
    #[must_use]
    pub const fn with_comment(self, text: &'static str) -> Self {
        self.commented(Comment::Text(text))
    }

    /// The same for a command that changes a copy of the file. `verb` says what it does: "repairs".
    #[must_use]
    pub const fn on_copy(self, verb: &'static str) -> Self {
        self.commented(Comment::OnCopy(verb))
    }

    const fn commented(self, comment: Comment<&'static str>) -> Self {
        match self {
            Self::Imgprep { command, arguments, .. } => {
                Self::Imgprep { command, arguments, comment: Some(comment) }
            }
            Self::Tool { line, .. } => Self::Tool { line, comment: Some(comment) },
            Self::Words(_) => self,
        }
    }
}

impl<T: AsRef<str>> Remedy<T> {
    /// The remedy with each of its texts replaced.
    pub fn map<U>(&self, mut replace: impl FnMut(&str) -> U) -> Remedy<U> {
        let mut replaced = |comment: &Option<Comment<T>>| {
            comment.as_ref().map(|comment| match comment {
                Comment::OnCopy(verb) => Comment::OnCopy(verb),
                Comment::Text(text) => Comment::Text(replace(text.as_ref())),
            })
        };
        match self {
            Self::Imgprep { command, arguments, comment } => {
                let comment = replaced(comment);
                Remedy::Imgprep { command, arguments: replace(arguments.as_ref()), comment }
            }
            Self::Tool { line, comment } => {
                let comment = replaced(comment);
                Remedy::Tool { line: replace(line.as_ref()), comment }
            }
            Self::Words(text) => Remedy::Words(replace(text.as_ref())),
        }
    }
}

impl<T: fmt::Display> fmt::Display for Remedy<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let comment = match self {
            Self::Imgprep { command, arguments, comment } => {
                write!(f, "imgprep {command} {arguments}")?;
                comment
            }
            Self::Tool { line, comment } => {
                write!(f, "{line}")?;
                comment
            }
            Self::Words(text) => return write!(f, "{text}"),
        };
        match comment {
            Some(Comment::OnCopy(verb)) => write!(f, "    # {verb} a copy"),
            Some(Comment::Text(text)) => write!(f, "    # {text}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    const REPAIR: RemedyTemplate = RemedyTemplate::tool("cp {src} {copy} && fsck {copy}").on_copy("repairs");

    #[test]
    fn a_comment_follows_the_command() {
        let convert = RemedyTemplate::imgprep("convert", "{src} {raw}").with_comment("else {src}");
        assert_eq!(convert.to_string(), "imgprep convert {src} {raw}    # else {src}");
        assert_eq!(REPAIR.to_string(), "cp {src} {copy} && fsck {copy}    # repairs a copy");
        assert_eq!(Remedy::Words("copy it again").with_comment("now").to_string(), "copy it again");
    }

    #[test]
    fn every_text_of_a_template_is_replaced() {
        let convert = RemedyTemplate::imgprep("convert", "{src} {raw}").with_comment("else {src}");
        let filled = convert.map(|text| text.replace("{src}", "a b"));
        assert_eq!(filled.to_string(), "imgprep convert a b {raw}    # else a b");
        assert_eq!(REPAIR.map(str::len).to_string(), "30    # repairs a copy");
        assert_eq!(Remedy::Words("see {src}").map(|text| text.replace('{', "")).to_string(), "see src}");
    }
}
