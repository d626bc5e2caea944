//! Writer of VMDK images. Each subformat has a writer of its own.

use alloc::boxed::Box;

use imgprep_map::{Error, ImageWriter};

use crate::flat_writer::FlatWriter;
use crate::sparse_writer::SparseWriter;
use crate::stream_writer::StreamWriter;
use crate::write_options::{Subformat, WriteOptions};

/// Creates the writer of an image.
///
/// `name` is the file name; the extents of a multi-file image are named after it. Fails if the disk is too
/// large for the subformat, or if a descriptor cannot contain the name.
pub fn writer(options: WriteOptions, name: &str) -> Result<Box<dyn ImageWriter>, Error> {
    Ok(match options.subformat {
        Subformat::MonolithicSparse => Box::new(SparseWriter::monolithic(options)?),
        Subformat::StreamOptimized { level } => Box::new(StreamWriter::new(options, level)?),
        Subformat::MonolithicFlat => Box::new(FlatWriter::monolithic(options, name)?),
        Subformat::SplitSparse => Box::new(SparseWriter::split(options, name)?),
        Subformat::SplitFlat => Box::new(FlatWriter::split(options, name)?),
    })
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;
    use core::ops::ControlFlow;

    use imgprep_map::{Emit, Extent, ParseOptions, Parsed, Placement, ReadAt, Source, Stored, usize_of};

    use super::*;
    use crate::Unsupported;
    use crate::write_options::{Adapter, GrainSize, HardwareVersion};

    /// A file in memory.
    #[derive(Default)]
    struct File(Vec<u8>);

    impl Emit for File {
        fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Error> {
            let (start, end) = (usize_of(at), usize_of(at) + bytes.len());
            self.0.resize(self.0.len().max(end), 0);
            self.0[start..end].copy_from_slice(bytes);
            Ok(())
        }
    }

    const STREAM: Subformat = Subformat::StreamOptimized { level: 6 };

    fn options(disk_size: u64, subformat: Subformat) -> WriteOptions {
        with_grain(8192, disk_size, subformat)
    }

    fn with_grain(grain: u64, disk_size: u64, subformat: Subformat) -> WriteOptions {
        WriteOptions {
            disk_size,
            subformat,
            adapter: Adapter::Ide,
            hardware_version: HardwareVersion::default(),
            grain: GrainSize::new(grain).unwrap(),
            uuid: [7; 16],
        }
    }

    /// Writes an image with payloads of length `len`.
    ///
    /// Each payload is filled with the number of its grain.
    fn file(disk_size: u64, subformat: Subformat, grains: &[u64], len: usize) -> Vec<u8> {
        let mut writer = writer(options(disk_size, subformat), "a.vmdk").unwrap();
        let mut file = File::default();
        writer.begin(&mut file).unwrap();
        for grain in grains {
            let stored = Stored { len: len as u64, is_compressed: len < 8192 };
            let Placement { at, head, tail } = writer.place(*grain, stored, &mut file).unwrap();
            let payload = vec![u8::try_from(grain % 251).unwrap(); len];
            file.write(at, &[head, payload, tail].concat()).unwrap();
        }
        let end = writer.finish(&mut file).unwrap();
        assert!(file.0.len() as u64 <= end && end <= writer.max_len(grains.len() as u64, len as u64));
        file.0.resize(usize_of(end), 0);
        file.0
    }

    #[test]
    fn written_images_are_read_without_a_finding() {
        // One table covers 512 grains.
        let (size, grains) = (1100 * 8192, [0, 1, 511, 512, 1099]);
        for (subformat, len) in
            [(Subformat::MonolithicSparse, 8192), (STREAM, 501), (STREAM, 500), (STREAM, 1)]
        {
            let file = file(size, subformat, &grains, len);
            let Ok(Parsed::Done(image)) = crate::parse(&file, &ParseOptions::default()) else {
                panic!("{subformat:?} is not read");
            };
            assert_eq!(image.findings, []);
            let mut allocated = Vec::new();
            let own: &dyn ReadAt = &file;
            let mut visit = |extent: Extent| {
                let first = extent.disk.start / 8192;
                let is_data = !matches!(extent.source, Source::Zero { .. });
                allocated.extend((first..extent.disk.end.div_ceil(8192)).filter(|_| is_data));
                ControlFlow::Continue(())
            };
            image.map.visit(&own, 0..size, &mut visit).unwrap();
            assert_eq!(allocated, grains, "{subformat:?}");
        }
    }

    #[test]
    fn a_disk_without_data_has_no_grain_tables_in_a_stream() {
        let file = file(1100 * 8192, STREAM, &[], 1);
        // Marker and directory, marker and footer, end of the stream.
        assert_eq!(file.len(), (64 << 10) + 5 * 512);
        assert_eq!(file[(64 << 10) + 512..(64 << 10) + 1024], [0; 512]);
    }

    #[test]
    fn a_directory_that_qemu_rejects_is_not_written() {
        let most = (32 << 20) * 512 * 8192;
        for subformat in [Subformat::MonolithicSparse, STREAM] {
            assert!(writer(options(most, subformat), "").is_ok());
            let error = writer(options(most + 512, subformat), "").err().unwrap();
            assert_eq!(error.code().id, "vmdk.write.disk-too-large");
            assert_eq!(error.detail(), Some(&Unsupported::WriteDiskTooLarge { size: most + 512, most }));
        }
    }

    /// Sector numbers have 32 bits.
    #[test]
    fn data_past_2_tib_of_a_file_is_rejected() {
        for subformat in [Subformat::MonolithicSparse, STREAM] {
            let mut writer = writer(with_grain(1 << 20, 4 << 40, subformat), "").unwrap();
            let mut file = File::default();
            let stored = Stored { len: 1 << 20, is_compressed: false };
            let mut at = 0;
            // A single grain table, so that no table is written far into the file.
            let error = loop {
                match writer.place(0, stored, &mut file) {
                    Ok(placement) => at = placement.at,
                    Err(error) => break error,
                }
            };
            assert_eq!(error.code().id, "vmdk.write.file-too-large");
            assert!(((2 << 40) - (2 << 20)..2 << 40).contains(&at), "{subformat:?}: {at}");
        }
    }
}
