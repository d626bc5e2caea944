//! The one command that gets somebody on from a file that is not read.

/// For image formats that another program reads. `FILE` stands for the file's name everywhere here.
pub(crate) const ANOTHER_READER: &str = "qemu-img convert -O raw FILE FILE.raw";

#[rustfmt::skip]
const COMMANDS: &[(&str, &str)] = &[
    ("gzip",     "gzip -dc FILE > FILE.unpacked"),
    ("xz",       "xz -dc FILE > FILE.unpacked"),
    ("lzma",     "xz -dc --format=lzma FILE > FILE.unpacked"),
    ("zstd",     "zstd -dc FILE > FILE.unpacked"),
    ("bzip2",    "bzip2 -dc FILE > FILE.unpacked"),
    ("lz4",      "lz4 -dc FILE > FILE.unpacked"),
    ("lzip",     "lzip -dc FILE > FILE.unpacked"),
    ("lzop",     "lzop -dc FILE > FILE.unpacked"),
    ("compress", "gzip -dc FILE > FILE.unpacked"),
    ("tar",      "tar xf FILE"),
    ("ova",      "tar xf FILE"),
    ("xva",      "tar xf FILE"),
    ("zip",      "unzip FILE"),
    ("7z",       "7z x FILE"),
    ("rar",      "unrar x FILE"),
    ("cpio",     "cpio -idm -F FILE"),
    ("ar",       "ar x FILE"),
    ("cab",      "cabextract FILE"),
    ("wim",      "wimlib-imagex info FILE"),
    ("cd-sectors", "bchunk FILE FILE.cue FILE.track"),
    ("android-sparse", "simg2img FILE FILE.raw"),
    ("sparseimage", "hdiutil convert FILE -format UDTO -o FILE.raw"),
    ("ewf",      "ewfexport -f raw -t FILE.raw FILE"),
    ("partclone", "partclone.restore --restore_raw_file -s FILE -o FILE.raw"),
    ("vma",      "vma extract FILE FILE.extracted"),
    ("git-lfs",  "git lfs pull"),
];

/// What is called how, and its command.
pub fn commands() -> impl Iterator<Item = (&'static str, &'static str)> {
    COMMANDS.iter().copied()
}

/// The command for what is called `name`.
pub(crate) fn command(name: &str) -> Option<&'static str> {
    COMMANDS.iter().find(|(known, _)| *known == name).map(|(_, command)| *command)
}
