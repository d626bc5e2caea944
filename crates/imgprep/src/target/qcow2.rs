//! QCOW2 as a target.

use imgprep_map::{Error, ImageWriter};
use imgprep_qcow2::{ClusterCompression, ClusterSize, Qcow2Writer};

use super::error::{TargetError, zlib_level, zstd_level};
use super::kind::{NewImage, Properties, TargetKind};
use super::settings::{Method, Settings, TargetOption};

/// A QCOW2, version 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qcow2Target {
    /// Bytes of a cluster.
    pub cluster_size: ClusterSize,
    /// The compression, if clusters are compressed.
    pub compression: Option<ClusterCompression>,
}

impl Qcow2Target {
    pub(super) const OPTIONS: &'static [TargetOption] = &[
        TargetOption {
            key: "cluster_size",
            values: "SIZE",
            default: "64K",
            about: "bytes of a cluster, a power of two from 512 to 2M",
        },
        TargetOption {
            key: "compress",
            values: "on|off",
            default: "off, but on if a compression type or level is given",
            about: "compress clusters that become smaller",
        },
        TargetOption {
            key: "compression_type",
            values: "zlib|zstd",
            default: "zlib",
            about: "compression of the clusters; QEMU reads zstd since version 5.1",
        },
        TargetOption::LEVEL,
    ];

    /// A compression type or a level implies compression.
    pub(super) fn parse(settings: &Settings<'_>) -> Result<Self, TargetError> {
        let clusters = "clusters have a power of two from 512 to 2M bytes";
        let cluster_size = settings.size("cluster_size", clusters, ClusterSize::new)?.unwrap_or_default();
        let compress = settings.switch("compress")?;
        // zlib is QEMU's default, which all its versions read.
        let compression = match settings.method()?.unwrap_or(Method::Zlib) {
            Method::Zlib => ClusterCompression::Zlib { level: settings.zlib_level()? },
            Method::Zstd => ClusterCompression::Zstd { level: settings.zstd_level()? },
        };
        let is_implied = settings.has("level") || settings.has("compression_type");
        if is_implied && compress == Some(false) {
            return Err(TargetError::Contradiction("compress=off contradicts the compression type or level"));
        }
        let compression = compress.unwrap_or(is_implied).then_some(compression);
        Ok(Self { cluster_size, compression })
    }
}

impl TargetKind for Qcow2Target {
    fn properties(&self) -> Properties {
        Properties { compression: self.compression.map(Into::into), ..Properties::new(imgprep_qcow2::NAME) }
    }

    fn set_level(&mut self, level: u32) -> Result<(), TargetError> {
        self.compression = Some(match self.compression {
            Some(ClusterCompression::Zstd { .. }) => ClusterCompression::Zstd { level: zstd_level(level)? },
            _ => ClusterCompression::Zlib { level: zlib_level(level)? },
        });
        Ok(())
    }

    fn writer(&self, image: &NewImage) -> Result<Box<dyn ImageWriter>, Error> {
        Ok(Box::new(Qcow2Writer::new(image.disk_size, self.cluster_size, self.compression)?))
    }
}
