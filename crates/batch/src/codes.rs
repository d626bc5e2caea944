//! The codes of batches.

use imgprep::Code;

/// All codes of this crate.
#[rustfmt::skip]
pub const CODES: &[Code] = &[
    Code::unsupported("batch.defect", "format/unsupported", "a defect of imgprep stopped this image").without_rule(),
    Code::refused("batch.journal.exists", "the output folder already contains a batch"),
    Code::io("batch.journal.failed", "the journal of the batch cannot be read or written"),
    Code::io("batch.listing", "a folder could not be listed"),
    Code::refused("batch.locked", "another batch works in this folder"),
    Code::refused("batch.manifest", "the list of jobs is not valid TOML or has an invalid entry"),
    Code::refused("batch.no-jobs", "no image was named or found"),
    Code::refused("batch.options.differ", "the batch was started with other options"),
    Code::refused("batch.output.is-input", "an output would replace an image of the batch"),
    Code::refused("batch.output.twice", "two images would get the same output name"),
    Code::refused("batch.setting", "a setting of the batch is invalid"),
    Code::refused("batch.stopped", "the batch was stopped before this image was done"),
    Code::io("batch.threads", "threads could not be started"),
];
