//! Options that would let a failed operation succeed.

/// An option that would let the operation succeed.
///
/// An error message names no option of a program. The error carries a hint instead, and the caller renders it in
/// its own terms: the command line names its options, [`text`](Self::text) is neutral.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hint {
    /// Select one of the matching formats.
    SelectFormat,
    /// Read the file as a RAW disk.
    ReadAsRaw,
    /// Convert the named data file instead, as a RAW disk.
    ConvertDataFile,
    /// Open files in the image's own folder.
    FollowBeside,
    /// Open files outside the image's own folder.
    FollowAny,
    /// Put the parent next to the image, or specify it.
    LocateParent,
    /// The same, or search the folder above as well.
    LocateParentAbove,
    /// Specify which file is the parent.
    SelectParent,
    /// Accept a parent whose identity does not match.
    AcceptParent,
    /// Obtain the file again, or convert what can be read.
    Salvage,
    /// Replace the existing output.
    ReplaceOutput,
    /// Overwrite the contents of the device.
    OverwriteDevice,
    /// Give the outputs names that differ.
    RenameOutputs,
    /// Select another output folder.
    ChangeFolder,
    /// Continue the earlier batch, or start over.
    ResumeBatch,
    /// Convert the images again.
    RestartBatch,
}

impl Hint {
    /// All hints.
    pub const ALL: &[Self] = &[
        Self::SelectFormat,
        Self::ReadAsRaw,
        Self::ConvertDataFile,
        Self::FollowBeside,
        Self::FollowAny,
        Self::LocateParent,
        Self::LocateParentAbove,
        Self::SelectParent,
        Self::AcceptParent,
        Self::Salvage,
        Self::ReplaceOutput,
        Self::OverwriteDevice,
        Self::RenameOutputs,
        Self::ChangeFolder,
        Self::ResumeBatch,
        Self::RestartBatch,
    ];

    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::SelectFormat => "select-format",
            Self::ReadAsRaw => "read-as-raw",
            Self::ConvertDataFile => "convert-data-file",
            Self::FollowBeside => "follow-beside",
            Self::FollowAny => "follow-any",
            Self::LocateParent => "locate-parent",
            Self::LocateParentAbove => "locate-parent-above",
            Self::SelectParent => "select-parent",
            Self::AcceptParent => "accept-parent",
            Self::Salvage => "salvage",
            Self::ReplaceOutput => "replace-output",
            Self::OverwriteDevice => "overwrite-device",
            Self::RenameOutputs => "rename-outputs",
            Self::ChangeFolder => "change-folder",
            Self::ResumeBatch => "resume-batch",
            Self::RestartBatch => "restart-batch",
        }
    }

    /// The hint of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|hint| hint.name() == name)
    }

    /// What to do, without the options of any program.
    pub fn text(self) -> &'static str {
        match self {
            Self::SelectFormat => "select the format explicitly",
            Self::ReadAsRaw => "read the file as a RAW disk, if it is one",
            Self::ConvertDataFile => "convert that file instead, as a RAW disk",
            Self::FollowBeside => "allow files in the image's own folder to be opened",
            Self::FollowAny => "allow files outside the image's own folder to be opened",
            Self::LocateParent => "put the parent next to the image, or specify it",
            Self::LocateParentAbove => {
                "put the parent next to the image, specify it, or allow the folder above to be searched"
            }
            Self::SelectParent => "specify the parent",
            Self::AcceptParent => "accept a mismatched parent",
            Self::Salvage => "obtain the file again, or convert what can be read",
            Self::ReplaceOutput => "allow the existing file to be replaced",
            Self::OverwriteDevice => "allow the contents of the device to be overwritten",
            Self::RenameOutputs => "choose other output names",
            Self::ChangeFolder => "choose another output folder",
            Self::ResumeBatch => "continue the earlier batch, or start over",
            Self::RestartBatch => "convert the images again",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hint_is_found_by_its_name() {
        for hint in Hint::ALL {
            assert_eq!(Hint::by_name(hint.name()), Some(*hint));
        }
        assert_eq!(Hint::by_name("force"), None);
    }

    #[test]
    fn no_text_names_an_option() {
        assert!(Hint::ALL.iter().all(|hint| !hint.text().contains("--") && !hint.text().is_empty()));
    }
}
