//! The closed list of rules.

use std::cmp::Ordering;
use std::fmt;

use serde::{Serialize, Serializer};

/// Rows: variant and name.
macro_rules! rule_ids {
    ($($variant:ident $name:literal;)*) => {
        /// A rule. The order is that of the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum RuleId {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl RuleId {
            /// All rules, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Stable: `group/name`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

rule_ids! {
    FormatAccepted "format/accepted";
    SizeFile "size/file";
    SizeFileExact "size/file-exact";
    SizeDisk "size/disk";
    SizeDiskLarge "size/disk-large";
    SizeDiskSmall "size/disk-small";
    SizeWholeGib "size/whole-gib";
    ImportBitmapMissing "import/bitmap-missing";
    ImportBitmapStale "import/bitmap-stale";
    ImportBitmapContents "import/bitmap-contents";
    ImportFlatVmdk "import/flat-vmdk";
    ImportSnapshot "import/snapshot";
    ImportEncrypted "import/encrypted";
    ImportName "import/name";
    ImportMinDisk "import/min-disk";
    ImportBoot "import/boot";
    ImportSectorSize "import/sector-size";
    ImportIso "import/iso";
    AfterReplicate "after/replicate";
    AfterExport "after/export";
    AfterEncrypt "after/encrypt";
    FormatAmbiguous "format/ambiguous";
    FormatNoDisk "format/no-disk";
    FormatExtension "format/extension";
    FormatUnread "format/unread";
    FormatUnsupported "format/unsupported";
    FormatEmpty "format/empty";
    SafetyBackingFile "safety/backing-file";
    SafetyDataFile "safety/data-file";
    SafetyExtentPath "safety/extent-path";
    SafetyOutsidePath "safety/outside-path";
    SafetySymlink "safety/symlink";
    SafetyUnknownFeature "safety/unknown-feature";
    SafetyOptionalFeature "safety/optional-feature";
    SafetyEncrypted "safety/encrypted";
    SafetyNestedFormat "safety/nested-format";
    SafetyTableSize "safety/table-size";
    SafetyLimit "safety/limit";
    SafetyBackingFormat "safety/backing-format";
    SafetyFooterDiffers "safety/footer-differs";
    SafetyDescriptorLine "safety/descriptor-line";
    StructureHeader "structure/header";
    StructureCut "structure/cut";
    StructurePastEnd "structure/past-end";
    StructureOverlap "structure/overlap";
    StructureTable "structure/table";
    StructureRefcount "structure/refcount";
    StructureLeak "structure/leak";
    StructureCopied "structure/copied";
    StructureSnapshot "structure/snapshot";
    StructureBitmap "structure/bitmap";
    StructureMarkedCorrupt "structure/marked-corrupt";
    StructureDirty "structure/dirty";
    StructureChecksum "structure/checksum";
    StructurePayload "structure/payload";
    StructureVendorLayout "structure/vendor-layout";
    StructureParent "structure/parent";
    StructureUnchecked "structure/unchecked";
    StructureNotOpened "structure/not-opened";
    StructureNote "structure/note";
}

impl RuleId {
    /// The rule of this name, checked at compile time where the name is a constant.
    pub(crate) const fn of(name: &str) -> Self {
        let mut index = 0;
        while index < Self::ALL.len() {
            if is_same(Self::ALL[index].name().as_bytes(), name.as_bytes()) {
                return Self::ALL[index];
            }
            index += 1;
        }
        panic!("the list of rules has no such name")
    }

    /// The rule of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|id| id.name() == name)
    }

    /// The part of the name before the slash.
    pub fn group(self) -> &'static str {
        self.name().split('/').next().unwrap_or_default()
    }
}

const fn is_same(a: &[u8], b: &[u8]) -> bool {
    let mut index = 0;
    while index < a.len() && index < b.len() && a[index] == b[index] {
        index += 1;
    }
    index == a.len() && index == b.len()
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// By name, as reports list them.
impl Ord for RuleId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name().cmp(other.name())
    }
}

impl PartialOrd for RuleId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Serialize for RuleId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
