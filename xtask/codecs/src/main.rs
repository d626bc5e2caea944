//! `codecs NAME FILE`: MB/s of the codecs on the bytes of a file, one line each. Best of seven.

use std::time::Instant;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

const CLUSTER: usize = 64 << 10;
const BLOCK: usize = 2 << 20;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let data = std::fs::read(&args[2]).expect("the file is there");
    let data = &data[..data.len() / BLOCK * BLOCK];
    let say = |what: &str, work: &mut dyn FnMut()| {
        println!("{}\t{what}\t{:.0}", args[1], data.len() as f64 / best(work) / 1e6);
    };
    let clusters: Vec<_> =
        data.chunks(CLUSTER).map(|unit| compress(unit, false, FlushCompress::Finish)).collect();
    let blocks: Vec<_> = data.chunks(BLOCK).map(|unit| compress(unit, true, FlushCompress::Sync)).collect();
    let mut out = vec![0; BLOCK];
    if args[1] == "libdeflate" {
        let mut inflater = libdeflater::Decompressor::new();
        say("inflate 64 KiB", &mut || {
            for compressed in &clusters {
                inflater.deflate_decompress(compressed, &mut out[..CLUSTER]).expect("it inflates");
            }
        });
        let compressed: Vec<_> = data.chunks(BLOCK).map(|unit| zstd::bulk::compress(unit, 3).unwrap()).collect();
        say("zstd, decompress 2 MiB", &mut || {
            for compressed in &compressed {
                zstd::bulk::decompress_to_buffer(compressed, &mut out).expect("it decompresses");
            }
        });
        return;
    }
    let mut inflate = |compressed: &[Vec<u8>], has_head: bool, len: usize| {
        let mut inflater = Decompress::new(has_head);
        for compressed in compressed {
            inflater.reset(has_head);
            inflater.decompress(compressed, &mut out[..len], FlushDecompress::None).expect("it inflates");
            assert_eq!(inflater.total_out(), len as u64);
        }
    };
    say("inflate 64 KiB", &mut || inflate(&clusters, false, CLUSTER));
    say("inflate 2 MiB", &mut || inflate(&blocks, true, BLOCK));
    say("deflate 2 MiB, level 6", &mut || {
        data.chunks(BLOCK).for_each(|unit| drop(compress(unit, true, FlushCompress::Sync)));
    });
}

fn compress(unit: &[u8], has_head: bool, flush: FlushCompress) -> Vec<u8> {
    let mut out = Vec::with_capacity(unit.len() + unit.len() / 8 + 1024);
    let mut deflater = Compress::new(Compression::new(6), has_head);
    deflater.compress_vec(unit, &mut out, flush).expect("it deflates");
    assert_eq!(deflater.total_in(), unit.len() as u64);
    out
}

fn best(work: &mut dyn FnMut()) -> f64 {
    let mut seconds = f64::MAX;
    for _ in 0..7 {
        let begun = Instant::now();
        work();
        seconds = seconds.min(begun.elapsed().as_secs_f64());
    }
    seconds
}
