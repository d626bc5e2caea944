//! `--receipt`: proof of which output was made from which source.

use std::path::Path;

use imgprep::{
    BitmapMaker, Checksum, Compression, ConversionDigests, ConvertOptions, Converted, Digest,
    DigestAlgorithm, Disk, OutputOptions, Sync, write_atomic,
};
use serde_json::{Value as Json, json};

use crate::args::{ConvertArgs, ReceiptDigest};
use crate::failure::Failure;
use crate::options::existing;
use crate::render::json::{self, loss_json};

/// Fails if the receipt already exists and must not be replaced.
///
/// Checked before the conversion starts, and again when the receipt is written.
pub(crate) fn check_place(args: &ConvertArgs) -> Result<(), Failure> {
    match &args.receipt {
        Some(path) if path.exists() && !args.force => Err(Failure::Usage(format!(
            "{}: the receipt already exists; --force replaces it",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// The checksum that the conversion computes for the receipt.
pub(crate) fn checksum(args: &ConvertArgs) -> Checksum {
    match (&args.receipt, args.digest) {
        (None, _) => Checksum::Skip,
        (Some(_), Some(ReceiptDigest::None)) => Checksum::Crc32,
        (Some(_), Some(ReceiptDigest::Sha256)) => Checksum::Digest(DigestAlgorithm::Sha256),
        (Some(_), Some(ReceiptDigest::Blake3) | None) => Checksum::Digest(DigestAlgorithm::Blake3),
    }
}

pub(crate) fn write(
    args: &ConvertArgs,
    disk: &Disk,
    options: &ConvertOptions,
    done: &Converted,
) -> Result<(), Failure> {
    let Some(path) = &args.receipt else { return Ok(()) };
    let mut receipt = json!({
        "schema": "imgprep/receipt/1",
        "program": concat!("imgprep ", env!("CARGO_PKG_VERSION")),
        "source": disk.layers().iter().map(layer).collect::<Vec<_>>(),
        "snapshot": args.source.snapshot,
        "virtual-size": disk.size(),
        "crc32": done.crc32.map(|crc| format!("{crc:08x}")),
        "output": output(args, options, done),
        "bitmap": options.bitmap.as_ref().map(|(maker, path)| bitmap(maker, path)),
        "verified": done.is_verified,
        "losses": done.losses.iter().map(loss_json).collect::<Vec<_>>(),
    });
    if let Some(found) = &done.digests {
        receipt["digests"] = digests(found);
    }
    let sync = if args.no_sync { Sync::None } else { Sync::Full };
    let written = OutputOptions { existing: existing(args.force), sync, ..OutputOptions::default() };
    Ok(write_atomic(path, json::text(&receipt).as_bytes(), written)?)
}

fn digests(found: &ConversionDigests) -> Json {
    let value = |digest: &Option<Digest>| digest.map(|digest| imgprep::hex(&digest.bytes));
    json!({
        "algorithm": found.algorithm.name(), "source-contents": value(&found.source),
        "output-contents": value(&found.output), "output-file": value(&found.file),
    })
}

fn layer(info: &imgprep::LayerInfo) -> Json {
    json!({
        "filename": info.name, "format": info.facts.format, "length": info.file_len(), "modified": info.modified(),
    })
}

fn output(args: &ConvertArgs, options: &ConvertOptions, done: &Converted) -> Json {
    let compression = options.target.compression().map(|compression| match compression {
        Compression::Zstd { level, has_checksum } => {
            json!({ "type": "zstd", "level": level, "checksum": has_checksum })
        }
        Compression::Zlib { level } => json!({ "type": "zlib", "level": level, "checksum": true }),
        Compression::ZlibOpen { level }
        | Compression::DeflateOpen { level }
        | Compression::Deflate { level, .. } => {
            json!({ "type": "zlib", "level": level, "checksum": false })
        }
    });
    let uuid = imgprep::hex(&options.uuid);
    json!({
        "filename": args.dst.display().to_string(), "format": options.target.name(), "length": done.len,
        "data-blocks": done.data_blocks, "compression": compression,
        "uuid": options.target.has_uuid().then_some(uuid),
    })
}

fn bitmap(maker: &BitmapMaker, path: &Path) -> Json {
    let block = match maker {
        BitmapMaker::Ours(shape) => json!(shape.block),
        BitmapMaker::Command(_) => json!(null),
    };
    json!({ "filename": path.display().to_string(), "block-size": block })
}
