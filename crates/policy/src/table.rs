//! The table of rules.

use imgprep_map::Severity::{Error, Note, Warning};
use imgprep_map::{RemedyTemplate, RemedyTemplate as Remedy, Severity};

use crate::RuleId;

/// One rule. The table is the only list: help and documentation are generated from it.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Stable: `group/name`.
    pub id: RuleId,
    /// The default severity.
    pub severity: Severity,
    /// The requirement, one line.
    pub requirement: &'static str,
    /// The reason.
    pub why: &'static str,
    /// The source of the requirement. Empty: the profile names a document.
    pub source: &'static str,
    /// What to do, best first: the first remedy that works on the file is shown. Commands are complete and can be
    /// pasted into a shell; `{src}`, `{zvhd2}`, `{raw}`, `{copy}`, `{renamed}` stand for quoted names, `{target}` for the
    /// name in the format of the route, `{least}` for the size of the cloud's smallest disk, `{bitmap}` for the command
    /// that creates a bitmap.
    pub remedies: &'static [RemedyTemplate],
}

/// A row: id, severity, what it says, why, source, remedies.
macro_rules! rules {
    ($($id:literal $severity:ident, $requirement:literal, $why:literal, $source:literal, $remedies:expr;)*) => {
        &[$(Rule { id: RuleId::of($id), severity: $severity, requirement: $requirement, why: $why, source: $source, remedies: $remedies }),*]
    };
}

const CONVERT: Remedy = Remedy::imgprep("convert", "{src} {zvhd2}");
const CONVERT_WHOLE: Remedy = Remedy::imgprep("convert", "{src} {zvhd2} --follow beside");
const SALVAGE: Remedy = Remedy::imgprep("convert", "--salvage {src} {zvhd2}")
    .with_comment("if a new copy is damaged as well: lost ranges are filled with zeros and listed");
const COPY_AGAIN: Remedy = Remedy::Words("copy it again from its source");
/// Rewrites the image: the same disk with new tables. Snapshots and bitmaps would be lost: such an image is repaired.
const REWRITE: Remedy = Remedy::imgprep("optimize", "{src} {copy}");
const REPAIR: Remedy = Remedy::tool("cp {src} {copy} && qemu-img check -r all {copy}").on_copy("repairs");
/// The alternative to the bitmap tool: a format without a bitmap.
const NO_BITMAP: Remedy =
    Remedy::imgprep("convert", "{src} {zvhd2}").with_comment("a ZVHD2 needs no bitmap; else: {bitmap}");

/// All rules, by group. The source of a rule without one is that of the profile.
#[rustfmt::skip]
pub const RULES: &[Rule] = rules![
    // What an import accepts.
    "format/accepted" Error,
        "the file has a format that the import accepts",
        "the import detects the format from the contents, not from the extension, and rejects other formats after the upload",
        "", &[Remedy::imgprep("convert", "{src} {target}"), Remedy::tool("qemu-img convert -O raw {src} {raw}")];
    "size/file" Error,
        "the file does not exceed the size limit of the route",
        "the upload is rejected, often after hours; the limit applies to the file, not to the virtual disk",
        "", &[CONVERT];
    "size/file-exact" Warning,
        "the file size does not lie between the two interpretations of the limit",
        "the documentation does not define whether GB is 10^9 or 2^30 bytes for this limit",
        "", &[CONVERT];
    "size/disk" Error,
        "the disk does not exceed the largest disk of its kind in the cloud",
        "it does not fit on any disk of the cloud; the limit applies to the virtual size, regardless of the file size",
        "", &[Remedy::Words("shrink the disk on the source machine: file system, then partition, then disk")];
    "size/disk-large" Warning,
        "the disk does not exceed the size that is documented for this route",
        "larger disks are documented for the fast import only",
        "", &[CONVERT];
    "size/disk-small" Warning,
        "the disk is at least as large as the smallest disk of the cloud",
        "imports of smaller disks have been observed to fail, and few operating systems fit on them",
        "", &[Remedy::imgprep("convert", "{src} {raw} && truncate -s {least} {raw}").on_copy("enlarges")];
    "size/whole-gib" Note,
        "the disk is a whole number of GiB",
        "the cloud rounds the disk size up to a whole GiB: the added space is empty, and a backup GPT is no longer at the end of the disk",
        "", &[];
    "import/bitmap-missing" Error,
        "a RAW for a fast import has its bitmap next to it, with the same file stem",
        "the fast import reads the bitmap first and fails without it",
        "", &[NO_BITMAP];
    "import/bitmap-stale" Error,
        "the bitmap is neither empty nor older than its RAW",
        "blocks that were written after the bitmap was created are lost silently",
        "", &[NO_BITMAP];
    "import/bitmap-contents" Error,
        "the bitmap marks every block of the RAW that contains data",
        "unmarked blocks are lost silently",
        "", &[NO_BITMAP];
    "import/flat-vmdk" Error,
        "a VMDK is complete in one file",
        "the import rejects a descriptor without its data and a -flat.vmdk without its descriptor",
        "", &[CONVERT_WHOLE, Remedy::Words("put the descriptor and all its files into one folder, then convert the descriptor")];
    "import/snapshot" Error,
        "the image is complete without a parent or backing file",
        "the parent is not uploaded, and the import does not search for it",
        "", &[CONVERT_WHOLE, Remedy::Words("put the named file into the same folder, then convert the image")];
    "import/encrypted" Error,
        "the disk is encrypted neither by the image format nor by the guest",
        "the import has no key: it can neither inject drivers nor boot the machine",
        "", &[Remedy::Words("decrypt it where the key is available (qemu-img convert, manage-bde -off, cryptsetup), then check it again")];
    "import/name" Error,
        "the file name contains no characters that the import rejects",
        "the file name becomes the name of the object in the storage",
        "", &[Remedy::tool("mv -n {src} {renamed}")];
    "import/min-disk" Note,
        "the value to register as min_disk",
        "it must not be smaller than the virtual disk; the documentation of the fast import requires it to be larger",
        "", &[];
    "import/boot" Note,
        "the firmware that can boot the disk",
        "a machine that is registered with the other firmware does not boot",
        "", &[];
    "import/sector-size" Error,
        "the partition table uses the sector size of the cloud's disks",
        "with another sector size, neither the table nor its partitions are found, and the machine does not boot",
        "", &[Remedy::Words("move the system to a disk with 512-byte sectors (reinstall it, or restore a file-level backup): a conversion keeps the sector size")];
    "import/iso" Note,
        "an ISO is registered as an ISO image",
        "ISO images are a separate image type that cannot be replicated, exported or encrypted",
        "", &[Remedy::Words("register it as an ISO image")];
    "after/replicate" Note,
        "the image can be replicated later, within a region or across regions",
        "larger images cannot be replicated",
        "", &[];
    "after/export" Note,
        "how the image can be exported later",
        "large images support fast export only, in fewer formats",
        "", &[];
    "after/encrypt" Note,
        "the file is stored in a bucket without encryption",
        "a fast import accepts only unencrypted files; an encrypted image can be neither shared nor exported by fast export",
        "", &[Remedy::Words("upload to a bucket without default encryption")];
    // What the file is.
    "format/ambiguous" Error,
        "the file matches one format only",
        "a checker and an importer may read such a file as different formats",
        "this program", &[Remedy::imgprep("convert", "{src} {zvhd2}").with_comment("if this is the correct format; otherwise select one with --from")];
    "format/no-disk" Error,
        "the file is a disk image",
        "archives, compressed files, text and ISO images are not disk images",
        "this program", &[];
    "format/extension" Error,
        "the contents of the file match its name",
        "an image with a missing header, or a part of a disk, is otherwise read as a RAW disk with invalid contents",
        "this program", &[Remedy::imgprep("check", "--from raw {src}").with_comment("if it is a RAW disk; otherwise obtain the image again")];
    "format/unread" Error,
        "the format is supported by this program",
        "files of other formats cannot be checked",
        "this program", &[Remedy::tool("qemu-img convert -O raw {src} {raw}")];
    "format/unsupported" Error,
        "the image uses only features that this program supports",
        "unsupported features cannot be checked",
        "this program", &[];
    "format/empty" Error,
        "the file is not empty",
        "an empty file is a disk of 0 bytes, and usually the result of a failed upload or copy",
        "this program", &[];
    // Files of unknown origin.
    "safety/backing-file" Error,
        "the image names no parent or backing file",
        "a program that follows the name also reads that file",
        "OpenStack OSSA-2024-001, CVE-2024-32498", &[CONVERT_WHOLE];
    "safety/data-file" Error,
        "the image stores its data in its own file",
        "a reader opens the named data file: this was CVE-2024-32498",
        "OpenStack OSSA-2024-001, CVE-2024-32498", &[CONVERT_WHOLE];
    "safety/extent-path" Warning,
        "the image consists of one file",
        "a reader opens the named extent files",
        "OpenStack OSSA-2024-001, CVE-2024-32498", &[CONVERT_WHOLE];
    "safety/outside-path" Error,
        "no file name in the image leads outside its own folder",
        "an absolute path, a path with .., or an address makes a reader open files of the host or connect to a server",
        "OpenStack OSSA-2024-001, CVE-2024-32498", &[Remedy::Words("do not open it with programs that follow file names in images")];
    "safety/symlink" Warning,
        "neither the image nor the files that it names are symbolic links",
        "the link may lead to another file after the check",
        "this program", &[];
    "safety/unknown-feature" Error,
        "the image declares no unknown incompatible feature",
        "the specification forbids reading an image with an unknown incompatible feature",
        "the format's specification", &[];
    "safety/optional-feature" Warning,
        "the image declares no unknown compatible or autoclear feature",
        "a reader may ignore them, so their contents are neither checked nor converted",
        "the format's specification", &[Remedy::imgprep("convert", "{src} {zvhd2}").with_comment("keeps the disk only; inspect the features with the program that wrote them")];
    "safety/encrypted" Warning,
        "the payload of the image is not encrypted",
        "encrypted contents cannot be checked",
        "this program", &[];
    "safety/nested-format" Error,
        "neither the disk nor any of its partitions begins with the header of another image format",
        "a program that probes the format of the decoded disk detects that image and follows its file names: this was CVE-2015-5163, among others",
        "OpenStack OSSA-2024-001", &[Remedy::Words("read the disk with --from raw only, and never let a program probe its format")];
    "safety/table-size" Error,
        "tables have the size that the disk requires and lie inside the file",
        "a header that declares huge tables makes readers allocate them",
        "the format's specification", &[];
    "safety/limit" Error,
        "the image does not exceed the limits of this program",
        "no legitimate image comes close to them",
        "this program", &[];
    "safety/backing-format" Warning,
        "an image with a backing file declares the format of that file",
        "a reader that probes the format can be tricked into using the wrong one",
        "QEMU's documentation of backing_fmt", &[CONVERT_WHOLE];
    "safety/footer-differs" Error,
        "the footer of a VMDK matches its header",
        "a checker that uses one and an importer that uses the other read different images",
        "the VMware Virtual Disks specification 5.0, \"Stream-Optimized Compressed Sparse Extents\"", &[Remedy::imgprep("convert", "{src} {zvhd2}").with_comment("if the sender cannot provide it again"), Remedy::Words("obtain it again from the sender")];
    "safety/descriptor-line" Error,
        "the descriptor of a VMDK contains only valid lines",
        "another reader may accept an invalid line, or the file may be crafted to match another format as well",
        "the VMware Virtual Disks specification 5.0, \"The Descriptor File\"", &[Remedy::imgprep("convert", "{src} {zvhd2} --follow beside").with_comment("after reviewing the lines")];
    // Structure.
    "structure/header" Error, "header fields are consistent", "readers may rely on different fields",
        "the format's specification", &[];
    "structure/cut" Error, "the file is complete", "the file was truncated, for example by an interrupted upload",
        "the format's specification", &[COPY_AGAIN];
    "structure/past-end" Error, "all offsets lie inside the file", "that part of the disk is lost, or the file was truncated",
        "the format's specification", &[CONVERT, SALVAGE, COPY_AGAIN];
    "structure/overlap" Error, "no two structures use the same bytes of the file", "one of them is wrong, and a write to one changes the other",
        "the format's specification", &[CONVERT, SALVAGE, COPY_AGAIN];
    "structure/table" Error, "table entries are valid", "that part of the disk cannot be located",
        "the format's specification", &[CONVERT, SALVAGE, COPY_AGAIN];
    "structure/refcount" Error, "reference counts are not smaller than the number of references", "a writer treats such a cluster as free and overwrites it",
        "QCOW2, section \"Host cluster management\"", &[REWRITE, REPAIR, CONVERT];
    "structure/leak" Warning, "all allocated space of the file is used", "leaked space is wasted; the disk is not affected",
        "the format's specification", &[REWRITE, Remedy::tool("cp {src} {copy} && qemu-img check -r leaks {copy}").on_copy("repairs"), CONVERT];
    "structure/copied" Error, "COPIED flags match the reference counts", "a writer may modify a cluster that a snapshot shares",
        "QCOW2, section \"Cluster mapping\"", &[REWRITE, REPAIR, CONVERT];
    "structure/snapshot" Error, "the snapshot table is valid", "snapshots cannot be read, or are lost",
        "QCOW2, section \"Snapshots\"", &[];
    "structure/bitmap" Error, "bitmaps are valid", "invalid bitmaps are dropped, or changed blocks are missed",
        "the format's specification", &[];
    "structure/marked-corrupt" Error, "the image is not marked as corrupt", "a program detected corruption and marked the image",
        "the format's specification", &[REPAIR];
    "structure/dirty" Warning, "the image was closed properly", "reference counts may be stale, and the last writes may be missing",
        "the format's specification", &[REWRITE, REPAIR, CONVERT];
    "structure/checksum" Error, "checksums match", "bytes of the file were changed",
        "the format's specification", &[COPY_AGAIN];
    "structure/payload" Error, "every compressed range decompresses to exactly its part of the disk", "that part of the disk is lost",
        "the format's specification", &[SALVAGE, COPY_AGAIN];
    "structure/vendor-layout" Error, "a ZVHD or ZVHD2 has the layout of the vendor's writer",
        "the cloud uses the vendor's reader, which rejects such a file or may read a different disk from it",
        "files of the vendor's converter, tried with its reader", &[CONVERT];
    "structure/parent" Error, "the parent is the one that the image was created from", "the disk would mix unrelated contents",
        "the format's specification", &[];
    "structure/unchecked" Error, "all tables can be read", "unreadable tables are not checked",
        "this program", &[];
    "structure/not-opened" Warning, "all files of the image were opened", "the contents of other files are not checked",
        "this program", &[Remedy::imgprep("check", "--follow beside {src}")];
    "structure/note" Note, "the image has no anomalies", "an anomaly may need attention",
        "this program", &[];
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_id_has_one_row_with_all_texts() {
        assert_eq!(RULES.len(), RuleId::ALL.len());
        for (index, rule) in RULES.iter().enumerate() {
            assert_eq!(rule.id as usize, index, "{}: the list of ids has the order of the table", rule.id);
            assert!(
                rule.id.name().split('/').count() == 2
                    && !rule.requirement.is_empty()
                    && !rule.why.is_empty()
            );
        }
    }
}
