//! Options that would let a failed operation succeed.

/// Rows: documentation, variant, name, text.
macro_rules! hints {
    ($($(#[$about:meta])* $variant:ident $name:literal $text:literal;)*) => {
        /// An option that would let the operation succeed.
        ///
        /// An error message names no option of a program. The error carries a hint instead, and the caller renders it in
        /// its own terms: the command line names its options, [`text`](Self::text) is neutral.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Hint {
            $($(#[$about])* $variant,)*
        }

        impl Hint {
            /// All hints.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name in JSON.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What to do, without the options of any program.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

hints! {
    /// Select one of the matching formats.
    SelectFormat "select-format" "select the format explicitly";
    /// Read the file as a RAW disk.
    ReadAsRaw "read-as-raw" "read the file as a RAW disk, if it is one";
    /// Convert the named data file instead, as a RAW disk.
    ConvertDataFile "convert-data-file" "convert that file instead, as a RAW disk";
    /// Open files in the image's own folder.
    FollowBeside "follow-beside" "allow files in the image's own folder to be opened";
    /// Open files outside the image's own folder.
    FollowAny "follow-any" "allow files outside the image's own folder to be opened";
    /// Put the parent next to the image, or specify it.
    LocateParent "locate-parent" "put the parent next to the image, or specify it";
    /// The same, or search the folder above as well.
    LocateParentAbove "locate-parent-above"
        "put the parent next to the image, specify it, or allow the folder above to be searched";
    /// Specify which file is the parent.
    SelectParent "select-parent" "specify the parent";
    /// Accept a parent whose identity does not match.
    AcceptParent "accept-parent" "accept a mismatched parent";
    /// Obtain the file again, or convert what can be read.
    Salvage "salvage" "obtain the file again, or convert what can be read";
    /// Replace the existing output.
    ReplaceOutput "replace-output" "allow the existing file to be replaced";
    /// Change the file although it may be in use.
    IgnoreUse "ignore-use" "make sure that no program uses the file, and allow it to be changed";
    /// Overwrite the contents of the device.
    OverwriteDevice "overwrite-device" "allow the contents of the device to be overwritten";
    /// Give the outputs names that differ.
    RenameOutputs "rename-outputs" "choose other output names";
    /// Select another output folder.
    ChangeFolder "change-folder" "choose another output folder";
    /// Continue the earlier batch, or start over.
    ResumeBatch "resume-batch" "continue the earlier batch, or start over";
    /// Convert the images again.
    RestartBatch "restart-batch" "convert the images again";
}

impl Hint {
    /// The hint of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|hint| hint.name() == name)
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
