//! The codes of batches.

imgprep::map::code_table! {
    DEFECT = unsupported("batch.defect", "format/unsupported", "a defect of imgprep stopped this image").without_rule();
    JOURNAL_EXISTS = refused("batch.journal.exists", "the output folder already contains a batch");
    JOURNAL_FAILED = io("batch.journal.failed", "the journal of the batch cannot be read or written");
    LISTING = io("batch.listing", "a folder could not be listed");
    LOCKED = refused("batch.locked", "another batch works in this folder");
    MANIFEST = refused("batch.manifest", "the list of jobs is not valid TOML or has an invalid entry");
    NO_JOBS = refused("batch.no-jobs", "no image was named or found");
    OPTIONS_DIFFER = refused("batch.options.differ", "the batch was started with other options");
    OUTPUT_IS_INPUT = refused("batch.output.is-input", "an output would replace an image of the batch");
    OUTPUT_TWICE = refused("batch.output.twice", "two images would get the same output name");
    SETTING = refused("batch.setting", "a setting of the batch is invalid");
    STOPPED = refused("batch.stopped", "the batch was stopped before this image was done");
    THREADS = io("batch.threads", "threads could not be started");
}
