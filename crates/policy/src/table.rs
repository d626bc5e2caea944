//! The table of rules.

use imgprep_map::Severity;
use imgprep_map::Severity::{Error, Note, Warning};

/// One rule. The table of them is the only list: the program's help and the documentation are made of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Stable: `group/name`.
    pub id: &'static str,
    /// The default severity.
    pub severity: Severity,
    /// What it demands or says, one line.
    pub says: &'static str,
    /// Why that matters.
    pub why: &'static str,
    /// Where the bound comes from. Empty: from the profile, which names a document for each rule.
    pub source: &'static str,
    /// What to do, best first: the first one that works on the file is shown. Commands stand by themselves, to be
    /// pasted into a shell; `{src}`, `{zvhd2}`, `{raw}`, `{copy}`, `{renamed}` stand for quoted names, `{target}` for the one that
    /// the route takes, `{least}` for
    /// the size of the cloud's smallest disk, `{bitmap}` for the command that makes a bitmap.
    pub remedies: &'static [&'static str],
}

/// A row: id, severity, what it says, why, source, remedies.
macro_rules! rules {
    ($($id:literal $severity:ident, $says:literal, $why:literal, $source:literal, $remedies:expr;)*) => {
        &[$(Rule { id: $id, severity: $severity, says: $says, why: $why, source: $source, remedies: $remedies }),*]
    };
}

const CONVERT: &str = "imgprep convert {src} {zvhd2}";
const CONVERT_WHOLE: &str = "imgprep convert {src} {zvhd2} --follow beside";
const SALVAGE: &str = "imgprep convert --salvage {src} {zvhd2}    # if a fresh copy is damaged, too: lost ranges become zeros and are listed";
const COPY_AGAIN: &str = "copy it again from where it came";
const REPAIR: &str = "cp {src} {copy} && qemu-img check -r all {copy}    # repairs a copy";
/// Beside the bitmap's own maker: what needs no bitmap.
const NO_BITMAP: &str = "imgprep convert {src} {zvhd2}    # a ZVHD2 needs no bitmap; else: {bitmap}";

/// All rules, by group. Those without a source of their own take it from the profile.
#[rustfmt::skip]
pub const RULES: &[Rule] = rules![
    // What an import takes.
    "format/accepted" Error,
        "the contents of the file are of a format that the import takes",
        "the import goes by the contents, not by the extension, and refuses the others after the upload",
        "", &["imgprep convert {src} {target}", "qemu-img convert -O raw {src} {raw}"];
    "size/file" Error,
        "the file is at most as long as the route allows",
        "the upload is refused, often after hours; the bound is for the file, not for the disk inside",
        "", &[CONVERT];
    "size/file-exact" Warning,
        "the file is not between the two readings of the bound",
        "the documents do not say whether GB is 10^9 or 2^30 bytes in this check",
        "", &[CONVERT];
    "size/disk" Error,
        "the disk is at most as large as the cloud's disks of its kind",
        "no disk of the cloud could hold it; the bound is for the virtual size, whatever the file's length",
        "", &["make the disk smaller inside the machine that it comes from: file system, partition, disk"];
    "size/disk-large" Warning,
        "the disk is at most as large as what is documented for this route",
        "no document says that a larger one is taken; fast import is documented for it",
        "", &[CONVERT];
    "size/disk-small" Warning,
        "the disk has at least the size that the smallest disk of the cloud has",
        "imports of smaller ones were seen to fail, and an operating system hardly fits",
        "", &["imgprep convert {src} {raw} && truncate -s {least} {raw}    # enlarges a copy"];
    "size/whole-gib" Note,
        "the disk is a whole number of GiB",
        "the cloud's disk will be the next whole one: the end of the disk is empty there, which a backup GPT at the old end notices",
        "", &[];
    "import/bitmap-missing" Error,
        "beside a RAW for a fast import lies its bitmap, with the same stem",
        "the fast import reads the bitmap first and fails without it",
        "", &[NO_BITMAP];
    "import/bitmap-stale" Error,
        "the bitmap is not empty and not older than its RAW",
        "blocks that were written after the bitmap was made are lost without a message",
        "", &[NO_BITMAP];
    "import/bitmap-contents" Error,
        "the bitmap marks every block of the RAW that holds data",
        "blocks that are not marked are lost without a message",
        "", &[NO_BITMAP];
    "import/flat-vmdk" Error,
        "a VMDK is whole in one file",
        "a descriptor without its data, or a -flat.vmdk without its descriptor, is no image to the import",
        "", &[CONVERT_WHOLE, "put the descriptor and all of its files into one folder, and convert the descriptor"];
    "import/snapshot" Error,
        "the image is whole: it needs no parent or backing file",
        "the layer below is not uploaded, and the import does not look for it",
        "", &[CONVERT_WHOLE, "put the file that it names beside it, and convert it"];
    "import/encrypted" Error,
        "the disk's contents are not locked away by the image's format or by the guest",
        "the import has no key: it can neither inject drivers nor start the machine",
        "", &["decrypt it where the key is (qemu-img convert, manage-bde -off, cryptsetup), then check again"];
    "import/name" Error,
        "the file's name has no character that the import refuses",
        "the name becomes the object's name in the storage",
        "", &["mv -n {src} {renamed}"];
    "import/min-disk" Note,
        "the number to register as min_disk",
        "it must not be less than the disk in the file; for a fast import a document says that it must be greater",
        "", &[];
    "import/boot" Note,
        "which firmware the disk can be started by",
        "a machine that is registered for the other firmware does not start",
        "", &[];
    "import/sector-size" Error,
        "the partition table counts in sectors of the size that the cloud's disks have",
        "a system that counts in other sectors finds neither the table nor its partitions, and nothing starts",
        "", &["copy the system onto a disk with 512-byte sectors (install it there, or restore a backup of its files): a conversion keeps the sectors"];
    "import/iso" Note,
        "an ISO is registered as an ISO image",
        "it is its own kind of image: never replicated, exported or encrypted",
        "", &["register it as an ISO image"];
    "after/replicate" Note,
        "the image can be replicated later, within a region or across",
        "larger images cannot",
        "", &[];
    "after/export" Note,
        "how the image can be exported later",
        "large ones leave by fast export only, in fewer formats",
        "", &[];
    "after/encrypt" Note,
        "the file is stored without encryption of the bucket",
        "a fast import takes only such files; an encrypted image can be neither shared nor exported by fast export",
        "", &["upload to a bucket without default encryption"];
    // What the file is.
    "format/ambiguous" Error,
        "the bytes of the file speak for one format only",
        "a file that is two things is read as one by the checker and as the other by the importer",
        "this program", &["imgprep convert {src} {zvhd2}    # if it is of that format; else name another one with --from"];
    "format/no-disk" Error,
        "the file is a disk image",
        "archives, compressed files, text and ISO images are none",
        "this program", &[];
    "format/extension" Error,
        "the contents of the file are what its name says",
        "an image whose header is missing, or a part of a disk, looks like a RAW disk, and is one of garbage",
        "this program", &["imgprep check --from raw {src}    # if it is a RAW disk; else get the image again"];
    "format/unread" Error,
        "the format is one that this program reads",
        "what is not read is not checked",
        "this program", &["qemu-img convert -O raw {src} {raw}"];
    "format/unsupported" Error,
        "the image uses nothing that this program does not know",
        "what is not understood can't be vouched for",
        "this program", &[];
    "format/empty" Error,
        "the file is not empty",
        "an empty file is a disk of 0 bytes, and mostly an upload or a copy that failed",
        "this program", &[];
    // Files of unknown origin.
    "safety/backing-file" Error,
        "the image names no parent or backing file",
        "whoever reads the image with a program that follows the name reads that file, too",
        "OpenStack OSSA-2024-001, CVE-2024-32498", &[CONVERT_WHOLE];
    "safety/data-file" Error,
        "the image keeps its data in itself",
        "a data file's name makes a reader open that file: this was CVE-2024-32498",
        "OpenStack OSSA-2024-001, CVE-2024-32498", &[CONVERT_WHOLE];
    "safety/extent-path" Warning,
        "the image is one file",
        "the names of further extents make a reader open these files",
        "OpenStack OSSA-2024-001, CVE-2024-32498", &[CONVERT_WHOLE];
    "safety/outside-path" Error,
        "no name in the image leads out of its own folder",
        "an absolute name, one with .., or an address makes a reader open files of the host, or connect somewhere",
        "OpenStack OSSA-2024-001, CVE-2024-32498", &["do not open it with programs that follow names"];
    "safety/symlink" Warning,
        "the image and the files that it names are no symbolic links",
        "what is checked may not be what is used later",
        "this program", &[];
    "safety/unknown-feature" Error,
        "the image declares no incompatible feature that is not known",
        "the specification forbids reading an image with an unknown incompatible feature",
        "the format's specification", &[];
    "safety/optional-feature" Warning,
        "the image declares no compatible or autoclear feature that is not known",
        "a reader may ignore them, so what they stand for is neither checked nor kept by a conversion",
        "the format's specification", &["imgprep convert {src} {zvhd2}    # keeps the disk only; what the features stand for, the program that made them can show"];
    "safety/encrypted" Warning,
        "the image does not lock its payload away",
        "what is encrypted can't be looked at",
        "this program", &[];
    "safety/nested-format" Error,
        "neither the disk inside nor a partition of it begins with the head of another image format",
        "a program that guesses the format of the decoded disk takes it for that image, with all names in it: this was CVE-2015-5163 and its like",
        "OpenStack OSSA-2024-001", &["read it with --from raw only, and never let a program guess"];
    "safety/table-size" Error,
        "tables are as large as the disk needs and lie inside the file",
        "a header that declares huge tables makes readers allocate them",
        "the format's specification", &[];
    "safety/limit" Error,
        "the image stays below this program's limits",
        "nothing honest comes near them",
        "this program", &[];
    "safety/backing-format" Warning,
        "an image that names a backing file says which format that has",
        "a reader that guesses can be made to guess wrong",
        "QEMU's documentation of backing_fmt", &[CONVERT_WHOLE];
    "safety/footer-differs" Error,
        "the footer of a VMDK says what its header says",
        "a checker that goes by the one and an importer that goes by the other see two different images",
        "the VMware Virtual Disks specification 5.0, \"Stream-Optimized Compressed Sparse Extents\"", &["imgprep convert {src} {zvhd2}    # if the one who made it cannot send it again", "get it again from who made it"];
    "safety/descriptor-line" Error,
        "the descriptor of a VMDK has no lines but those of a descriptor",
        "a line that is none may be one to another reader, or the file is made to be something else as well",
        "the VMware Virtual Disks specification 5.0, \"The Descriptor File\"", &["imgprep convert {src} {zvhd2} --follow beside    # after a look at the lines"];
    // Structure.
    "structure/header" Error, "header fields fit together", "a reader may take the other one for true",
        "the format's specification", &[];
    "structure/cut" Error, "the file is complete", "it was cut, as a broken upload does it",
        "the format's specification", &[COPY_AGAIN];
    "structure/past-end" Error, "all that is pointed to lies inside the file", "that part of the disk is lost, or the file was cut",
        "the format's specification", &[CONVERT, SALVAGE, COPY_AGAIN];
    "structure/overlap" Error, "no two uses share bytes of the file", "one of them is wrong, and a write to one changes the other",
        "the format's specification", &[CONVERT, SALVAGE, COPY_AGAIN];
    "structure/table" Error, "table entries are what they may be", "that part of the disk can't be found",
        "the format's specification", &[CONVERT, SALVAGE, COPY_AGAIN];
    "structure/refcount" Error, "reference counts are at least the uses", "a writer takes such a cluster for free and overwrites it",
        "QCOW2, section \"Host cluster management\"", &[REPAIR, CONVERT];
    "structure/leak" Warning, "all space of the file that is taken is used", "it is lost, nothing else",
        "the format's specification", &["cp {src} {copy} && qemu-img check -r leaks {copy}    # repairs a copy", CONVERT];
    "structure/copied" Error, "COPIED flags say what the reference counts say", "a writer changes a cluster that a snapshot shares",
        "QCOW2, section \"Cluster mapping\"", &[REPAIR, CONVERT];
    "structure/snapshot" Error, "the snapshot table is sound", "snapshots can't be read, or are lost",
        "QCOW2, section \"Snapshots\"", &[];
    "structure/bitmap" Error, "bitmaps are sound", "they are dropped, or blocks are missed",
        "the format's specification", &[];
    "structure/marked-corrupt" Error, "the image does not say of itself that it is corrupt", "a program found it broken and marked it",
        "the format's specification", &[REPAIR];
    "structure/dirty" Warning, "the image was closed properly", "counts may be stale, the last writes may be missing",
        "the format's specification", &[REPAIR, CONVERT];
    "structure/checksum" Error, "checksums are right", "bytes were changed",
        "the format's specification", &[COPY_AGAIN];
    "structure/payload" Error, "every compressed range decompresses to exactly its part of the disk", "that part of the disk is lost",
        "the format's specification", &[SALVAGE, COPY_AGAIN];
    "structure/vendor-layout" Error, "a ZVHD or ZVHD2 is laid out as the vendor's writer does it",
        "the cloud reads it with the vendor's reader, which refuses such a file or may read another disk from it",
        "files of the vendor's converter, tried with its reader", &[CONVERT];
    "structure/parent" Error, "the parent is the one that the image was made over", "the disk would be a mixture",
        "the format's specification", &[];
    "structure/unchecked" Error, "all tables could be read", "what can't be read is not checked",
        "this program", &[];
    "structure/not-opened" Warning, "all files of the image were looked at", "what lies in another file is not checked",
        "this program", &["imgprep check --follow beside {src}"];
    "structure/note" Note, "nothing is odd", "somebody should know",
        "this program", &[];
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_every_row_says_what_and_why() {
        for (index, rule) in RULES.iter().enumerate() {
            assert!(RULES[..index].iter().all(|other| other.id != rule.id), "{}", rule.id);
            assert!(rule.id.split('/').count() == 2 && !rule.says.is_empty() && !rule.why.is_empty());
        }
    }
}
