//! The one command that gets somebody on from a file that is not read.

/// For image formats that another program reads. `FILE` stands for the file's name everywhere here.
pub(crate) const ANOTHER_READER: &str = "qemu-img convert -O raw FILE FILE.raw";

#[rustfmt::skip]
const COMMANDS: &[(&str, &str)] = &[
    ("gzip",     "gzip -dk FILE"),
    ("xz",       "xz -dk FILE"),
    ("lzma",     "xz -dk --format=lzma FILE"),
    ("zstd",     "zstd -d FILE"),
    ("bzip2",    "bzip2 -dk FILE"),
    ("lz4",      "lz4 -dm FILE"),
    ("lzip",     "lzip -dk FILE"),
    ("lzop",     "lzop -d FILE"),
    ("compress", "gzip -dk FILE"),
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
    ("iso9660",  "imgprep info --from raw FILE"),
    ("udf",      "imgprep info --from raw FILE"),
    ("cd-sectors", "bchunk FILE FILE.cue FILE.track"),
    ("android-sparse", "simg2img FILE FILE.raw"),
    ("sparseimage", "hdiutil convert FILE -format UDTO -o FILE.raw"),
    ("ewf",      "ewfexport -f raw -t FILE.raw FILE"),
    ("partclone", "partclone.restore --restore_raw_file -s FILE -o FILE.raw"),
    ("vma",      "vma extract FILE FILE.extracted"),
    ("git-lfs",  "git lfs pull"),
];

/// The command for what is called `name`.
pub(crate) fn command(name: &str) -> Option<&'static str> {
    COMMANDS.iter().find(|(known, _)| *known == name).map(|(_, command)| *command)
}
