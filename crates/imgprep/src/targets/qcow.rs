//! QCOW as a target.

use imgprep_map::{Compression, Error, ImageWriter};
use imgprep_qcow::{ClusterSize, QcowWriter};

use super::error::{TargetError, zlib_level};
use super::kind::{NewImage, Properties, TargetKind};
use super::settings::{Settings, TargetOption};

/// A QCOW, version 1, without a backing file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QcowTarget {
    /// Bytes of a cluster.
    pub cluster_size: ClusterSize,
    /// zlib's level, if clusters are compressed.
    pub level: Option<u32>,
}

impl QcowTarget {
    pub(super) const OPTIONS: &'static [TargetOption] = &[
        TargetOption {
            key: "cluster_size",
            values: "SIZE",
            default: "4K",
            about: "bytes of a cluster, a power of two from 512 to 64K",
        },
        TargetOption {
            key: "compress",
            values: "on|off",
            default: "off, but on if a compression level is given",
            about: "compress clusters that become smaller, with zlib",
        },
        TargetOption { key: "level", values: "N", default: "6", about: "compression level, 1 to 9" },
    ];

    /// A level implies compression.
    pub(super) fn parse(settings: &Settings<'_>) -> Result<Self, TargetError> {
        let clusters = "clusters have a power of two from 512 to 64K bytes";
        let cluster_size = settings.size("cluster_size", clusters, ClusterSize::new)?.unwrap_or_default();
        let (compress, level) = (settings.switch("compress")?, settings.zlib_level()?);
        let is_implied = settings.has("level");
        if is_implied && compress == Some(false) {
            return Err(TargetError::Contradiction("compress=off contradicts the compression level"));
        }
        Ok(Self { cluster_size, level: compress.unwrap_or(is_implied).then_some(level) })
    }
}

impl TargetKind for QcowTarget {
    fn properties(&self) -> Properties {
        let deflate = |level| Compression::Deflate { level, window_bits: imgprep_qcow::WINDOW_BITS };
        Properties { compression: self.level.map(deflate), ..Properties::new(imgprep_qcow::NAME) }
    }

    fn set_level(&mut self, level: u32) -> Result<(), TargetError> {
        self.level = Some(zlib_level(level)?);
        Ok(())
    }

    fn writer(&self, image: &NewImage) -> Result<Box<dyn ImageWriter>, Error> {
        Ok(Box::new(QcowWriter::new(image.disk_size, self.cluster_size, self.level)?))
    }
}
