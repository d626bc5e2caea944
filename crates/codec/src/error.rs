//! Errors of payloads. The engine adds the file offset.

use imgprep_map::{Class, Code, Detail};

use crate::codes;

/// A payload that does not decompress to one block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecompressError {
    /// The payload is invalid.
    #[error("invalid {codec} payload: {reason}, after {produced} of {expected} bytes")]
    Garbage {
        /// The format's name.
        codec: &'static str,
        /// The decoder's message.
        reason: String,
        /// Bytes decompressed before the error.
        produced: u64,
        /// Bytes of the block.
        expected: u64,
    },
    /// The payload ends before the block is full.
    #[error("the payload decompresses to {produced} bytes, expected {expected}")]
    Short {
        /// Decompressed bytes.
        produced: u64,
        /// Bytes of the block.
        expected: u64,
    },
    /// The payload decompresses to more than the block.
    #[error("the payload decompresses to more than the expected {expected} bytes")]
    Long {
        /// Bytes of the block.
        expected: u64,
    },
    /// Bytes of the payload are left over.
    #[error("the block is full with {left} of {len} payload bytes left")]
    LeftOver {
        /// Bytes that were not used.
        left: u64,
        /// Bytes of the payload.
        len: u64,
    },
    /// An earlier record of the stream could not be decompressed, so this one cannot be decompressed either.
    #[error("the stream is damaged in an earlier record")]
    BrokenStream,
}

impl Detail for DecompressError {
    fn code(&self) -> &'static Code {
        match self {
            Self::Garbage { .. } => codes::DECOMPRESS_GARBAGE,
            Self::Short { .. } => codes::DECOMPRESS_SHORT,
            Self::Long { .. } => codes::DECOMPRESS_LONG,
            Self::LeftOver { .. } => codes::DECOMPRESS_LEFT_OVER,
            Self::BrokenStream => codes::DECOMPRESS_BROKEN_STREAM,
        }
    }

    fn class(&self) -> Class {
        Class::Corrupt
    }

    fn at(&self) -> Option<u64> {
        None
    }
}

/// A block that could not be compressed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompressError {
    /// The codec has no such level.
    #[error("invalid compression level {level}: {range}")]
    Level {
        /// The requested level.
        level: i64,
        /// The supported levels.
        range: &'static str,
    },
    /// The encoder failed.
    #[error("compression failed: {reason}")]
    Failed {
        /// The encoder's message.
        reason: String,
    },
}

impl Detail for CompressError {
    fn code(&self) -> &'static Code {
        match self {
            Self::Level { .. } => codes::COMPRESS_LEVEL,
            Self::Failed { .. } => codes::COMPRESS_FAILED,
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::Level { .. } => Class::Refused,
            Self::Failed { .. } => Class::Io,
        }
    }

    fn at(&self) -> Option<u64> {
        None
    }
}
