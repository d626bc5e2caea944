//! The command that extracts or converts a file that is not readable as an image.
//!
//! `FILE` stands for the file's name, `OUT` for a name that no file has yet. Commands must work for every
//! name (decompressors reject names without their extension, but not when they write to standard output), and leave the
//! file unchanged.

use imgprep_map::RemedyTemplate;

/// For image formats that another program reads.
pub(crate) const ANOTHER_READER: RemedyTemplate = RemedyTemplate::tool("qemu-img convert -O raw FILE OUT");
/// For contents whose format only the user knows.
pub(crate) const AS_RAW: RemedyTemplate = RemedyTemplate::imgprep("info", "--from raw FILE");

#[rustfmt::skip]
const COMMANDS: &[(&str, &str)] = &[
    ("gzip",     "gzip -dc FILE > OUT"),
    ("xz",       "xz -dc FILE > OUT"),
    ("lzma",     "xz -dc --format=lzma FILE > OUT"),
    ("zstd",     "zstd -dc FILE > OUT"),
    ("bzip2",    "bzip2 -dc FILE > OUT"),
    ("lz4",      "lz4 -dc FILE > OUT"),
    ("lzip",     "lzip -dc FILE > OUT"),
    ("lzop",     "lzop -dc < FILE > OUT"),
    ("lrzip",    "lrzip -d -o OUT FILE"),
    ("bzip3",    "bzip3 -dc FILE > OUT"),
    ("compress", "gzip -dc FILE > OUT"),
    ("tar",      "tar xf FILE"),
    ("ova",      "tar xf FILE"),
    ("xva",      "tar xf FILE"),
    ("zip",      "unzip FILE"),
    ("7z",       "7z x FILE"),
    ("rar",      "unrar x FILE"),
    ("cpio",     "cpio -idm -F FILE"),
    ("rpm",      "rpm2archive FILE"),
    ("ar",       "ar x FILE"),
    ("cab",      "cabextract FILE"),
    ("xar",      "xar -xf FILE"),
    ("squashfs", "unsquashfs FILE"),
    ("wim",      "wimlib-imagex info FILE"),
    ("cd-sectors", "bchunk FILE FILE.cue FILE.track"),
    ("android-sparse", "simg2img FILE OUT"),
    ("sparseimage", "hdiutil convert FILE -format UDTO -o OUT"),
    ("ewf",      "ewfexport -f raw -t OUT FILE"),
    ("partclone", "partclone.restore --restore_raw_file -s FILE -o OUT"),
    ("ntfsclone", "ntfsclone --restore-image --output OUT FILE"),
    ("vma",      "vma extract FILE FILE.extracted"),
    ("openpgp",  "gpg --output OUT --decrypt FILE"),
    ("age",      "age --decrypt --output OUT FILE"),
    ("vmdk-utf16", "iconv -f UTF-16 -t UTF-8 FILE > OUT.vmdk"),
    ("vmdk-utf16le", "iconv -f UTF-16LE -t UTF-8 FILE > OUT.vmdk"),
    ("vmdk-utf16be", "iconv -f UTF-16BE -t UTF-8 FILE > OUT.vmdk"),
    ("git-lfs",  "git lfs pull"),
];

/// Every recognised kind with its command.
pub fn commands() -> impl Iterator<Item = (&'static str, &'static str)> {
    COMMANDS.iter().copied()
}

/// The command for the kind `name`.
pub(crate) fn command(name: &str) -> Option<RemedyTemplate> {
    COMMANDS.iter().find(|(known, _)| *known == name).map(|(_, line)| RemedyTemplate::tool(line))
}
