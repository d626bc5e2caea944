//! The codes of names, parents and chains.

use imgprep_map::Code;

/// All codes of this crate.
#[rustfmt::skip]
pub const CODES: &[Code] = &[
    Code::finding("detect.extension-differs", "format/extension", "a parent is read as RAW although its name is that of another format"),
    Code::corrupt("open.chain.cycle", "structure/parent", "the chain of parents leads back to one of its layers"),
    Code::limit("open.chain.depth", "safety/limit", "the chain of parents has too many layers"),
    Code::finding("open.extent.beside", "structure/note", "an extent is not where the image names it; the one beside the image is read"),
    Code::corrupt("open.extent.namesakes", "structure/table", "two extents would lead to the same file beside the image"),
    Code::corrupt("open.file.own-part", "structure/overlap", "the image names itself as one of its parts"),
    Code::limit("open.files.limit", "safety/limit", "the image names too many files"),
    Code::refused("open.gate.outside", "a named file lies outside of the image's folder"),
    Code::refused("open.gate.shut", "the image needs another file, which the options do not open"),
    Code::corrupt("open.name.bad", "structure/table", "a name in the image is not a file name"),
    Code::io("open.name.missing", "a named file does not exist").under("structure/cut"),
    Code::refused("open.name.protocol", "a name in the image is an address, which is never opened"),
    Code::unsupported("open.name.unnamed", "format/unsupported", "the image does not name the file that contains its data"),
    Code::limit("open.parent.candidates", "structure/parent", "too many files could be the unnamed parent"),
    Code::corrupt("open.parent.changed", "structure/parent", "the parent was changed after the image was created over it"),
    Code::unsupported("open.parent.format", "format/unsupported", "the declared format of the parent is not read"),
    Code::corrupt("open.parent.mismatch", "structure/parent", "the parent has another id than the image expects"),
    Code::refused("open.parent.none", "a parent was given for an image that has none").under("structure/parent"),
    Code::io("open.parent.not-found", "no file beside the image has the id of its parent").under("structure/parent"),
    Code::corrupt("open.parent.several", "structure/parent", "several files have the id of the parent"),
];
