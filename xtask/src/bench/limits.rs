//! What the machine can do at best: the same work on the same blocks and nothing around it.
//!
//! Each runs in a process of its own (`xtask limit NAME FILE`), so that it is timed like a job.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use flate2::{Compress, Compression, FlushCompress, Status};

use super::ways;
use super::workers::{BLOCK, Work, each};

/// Runs one of them.
pub(crate) fn run(name: &str, path: &str) -> io::Result<()> {
    let file = File::open(path)?;
    let len = usize::try_from(file.metadata()?.len()).unwrap_or(0);
    match name {
        "deflate" => deflate(&file, len)?,
        "compress" => each(len.div_ceil(BLOCK), || compress(&file, len)),
        "scan" => each(len.div_ceil(BLOCK), || scan(&file, len)),
        "decompress" => {
            let records = records(&file, len)?;
            each(records.len(), || decompress(&file, &records));
        }
        _ => return ways::run(name, &file, Path::new(path)),
    }
    Ok(())
}

/// Deflate of level 6 on every block that is not all zeros, by one thread: what a single stream needs at least.
fn deflate(file: &File, len: usize) -> io::Result<()> {
    let mut compressor = Compress::new(Compression::new(6), false);
    let mut block = vec![0; BLOCK];
    // Deflate grows incompressible data by a few bytes in each 16 KiB.
    let mut out = vec![0; BLOCK + BLOCK / 64];
    for at in (0..len).step_by(BLOCK) {
        let block = &mut block[..BLOCK.min(len - at)];
        file.read_exact_at(block, at as u64)?;
        if block.iter().any(|byte| *byte != 0) {
            compressor.reset();
            let status = compressor.compress(block, &mut out, FlushCompress::Finish);
            if !matches!(status, Ok(Status::StreamEnd)) {
                return Err(io::Error::other(format!("deflate of the block at {at}: {status:?}")));
            }
        }
    }
    Ok(())
}

/// zstd of level 3 on every block that is not all zeros.
fn compress(file: &File, len: usize) -> Work<'_> {
    let mut compressor = zstd::bulk::Compressor::new(3).expect("a context of level 3");
    let mut block = vec![0; BLOCK];
    let mut out = vec![0; zstd::zstd_safe::compress_bound(BLOCK)];
    Box::new(move |index| {
        let at = index * BLOCK;
        let end = BLOCK.min(len - at);
        file.read_exact_at(&mut block[..end], at as u64).expect("the file is there");
        if block.iter().any(|byte| *byte != 0) {
            compressor.compress_to_buffer(&block[..end], &mut out[..]).expect("there is room");
        }
    })
}

/// A look at every byte through positioned reads into one buffer that stays in the cache.
fn scan(file: &File, len: usize) -> Work<'_> {
    let mut block = vec![0u8; 256 << 10];
    Box::new(move |index| {
        let end = (index + 1) * BLOCK;
        for at in (index * BLOCK..end.min(len)).step_by(block.len()) {
            let part = block.len().min(len - at);
            file.read_exact_at(&mut block[..part], at as u64).expect("the file is there");
            std::hint::black_box(block[..part].iter().fold(0, |or, byte| or | byte));
        }
    })
}

/// Place and length of every payload of a ZVHD2: records follow each other from the second page on.
fn records(file: &File, len: usize) -> io::Result<Vec<(usize, usize)>> {
    let mut records = Vec::new();
    let mut at = 4096;
    let mut head = [0; 20];
    while at + 48 < len {
        file.read_exact_at(&mut head, at as u64)?;
        if &head[..11] != b"hwstream bg" {
            break;
        }
        let payload = u32::from_le_bytes([head[12], head[13], head[14], head[15]]) as usize;
        records.push((at + 48, payload));
        at += (48 + payload + 4).next_multiple_of(4096);
    }
    Ok(records)
}

fn decompress<'a>(file: &'a File, records: &'a [(usize, usize)]) -> Work<'a> {
    let mut decompressor = zstd::bulk::Decompressor::new().expect("a context");
    let (mut payload, mut block) = (Vec::new(), vec![0; BLOCK]);
    Box::new(move |index| {
        let (at, len) = records[index];
        payload.resize(len, 0);
        file.read_exact_at(&mut payload, at as u64).expect("the file is there");
        decompressor.decompress_to_buffer(&payload, &mut block[..]).expect("it is zstd");
    })
}
