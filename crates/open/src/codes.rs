//! The codes of names, parents and chains.

imgprep_map::code_table! {
    DETECT_EXTENSION_DIFFERS = finding("detect.extension-differs", "format/extension", "a parent is read as RAW although its name is that of another format");
    OPEN_CHAIN_CYCLE = corrupt("open.chain.cycle", "structure/parent", "the chain of parents leads back to one of its layers");
    OPEN_CHAIN_DEPTH = limit("open.chain.depth", "safety/limit", "the chain of parents has too many layers");
    OPEN_EXTENT_BESIDE = finding("open.extent.beside", "structure/note", "an extent is not where the image names it; the one beside the image is read");
    OPEN_EXTENT_SAME_NAME = corrupt("open.extent.same-name", "structure/table", "two extents would lead to the same file beside the image");
    OPEN_FILE_OWN_PART = corrupt("open.file.own-part", "structure/overlap", "the image names itself as one of its parts");
    OPEN_FILES_LIMIT = limit("open.files.limit", "safety/limit", "the image names too many files");
    OPEN_FOLLOW_OUTSIDE = refused("open.follow.outside", "a named file lies outside of the image's folder");
    OPEN_FOLLOW_DENIED = refused("open.follow.denied", "the image needs another file, which the options do not open");
    OPEN_NAME_INVALID = corrupt("open.name.invalid", "structure/table", "a name in the image is not a file name");
    OPEN_NAME_MISSING = io("open.name.missing", "a named file does not exist").under("structure/cut");
    OPEN_NAME_PROTOCOL = refused("open.name.protocol", "a name in the image is an address, which is never opened");
    OPEN_NAME_UNNAMED = unsupported("open.name.unnamed", "format/unsupported", "the image does not name the file that contains its data");
    OPEN_PARENT_CANDIDATES = limit("open.parent.candidates", "structure/parent", "too many files could be the unnamed parent");
    OPEN_PARENT_CHANGED = corrupt("open.parent.changed", "structure/parent", "the parent was changed after the image was created over it");
    OPEN_PARENT_FORMAT = unsupported("open.parent.format", "format/unsupported", "the declared format of the parent is not read");
    OPEN_PARENT_MISMATCH = corrupt("open.parent.mismatch", "structure/parent", "the parent has another id than the image expects");
    OPEN_PARENT_NONE = refused("open.parent.none", "a parent was given for an image that has none").under("structure/parent");
    OPEN_PARENT_NOT_FOUND = io("open.parent.not-found", "no file beside the image has the id of its parent").under("structure/parent");
    OPEN_PARENT_SEVERAL = corrupt("open.parent.several", "structure/parent", "several files have the id of the parent");
}
