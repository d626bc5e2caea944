//! The codes of the engine.

imgprep_map::code_table! {
    USAGE_MANY_CONFLICTS = limit("usage.many-conflicts", "safety/limit", "the comparison of uses stopped after too many conflicts");
    USAGE_OVERLAP = corrupt("usage.overlap", "structure/overlap", "two parts of the image use the same bytes of the file");
    USAGE_PAST_END = corrupt("usage.past-end", "structure/past-end", "a part of the image lies past the end of the file");
    ENGINE_FILE_NOT_OPEN = refused("engine.file-not-open", "a file of the image is not open");
    ENGINE_INTERRUPTED = refused("engine.interrupted", "the run was interrupted");
    ENGINE_MEMORY = limit("engine.memory", "safety/limit", "the memory budget is too small for the number of threads");
    ENGINE_THREADS = io("engine.threads", "threads could not be started");
    ENGINE_BLOCK_TOO_LARGE = limit("engine.block-too-large", "safety/limit", "a compressed block is too large to decompress at once");
    VERIFY_DIFFERS = io("verify.differs", "the output read back differs from the source");
}
