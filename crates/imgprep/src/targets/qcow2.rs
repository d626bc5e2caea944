//! QCOW2 as a target.

use imgprep_map::{Error, ImageWriter};
use imgprep_qcow2::{ClusterCompression, ClusterSize, Compat, Qcow2Writer, WriteOptions};

use super::error::{TargetError, zlib_level, zstd_level};
use super::kind::{NewImage, Properties, TargetKind};
use super::settings::{Method, Settings, TargetOption};

/// A QCOW2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qcow2Target {
    /// Version 2 or 3.
    pub compat: Compat,
    /// Bytes of a cluster.
    pub cluster_size: ClusterSize,
    /// The compression, if clusters are compressed.
    pub compression: Option<ClusterCompression>,
}

impl Qcow2Target {
    pub(super) const OPTIONS: &'static [TargetOption] = &[
        TargetOption {
            key: "compat",
            values: "1.1|0.10",
            default: "1.1",
            about: "version 3, or version 2 for QEMU before 1.1",
        },
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
        let versions = [("1.1", Compat::V3), ("v3", Compat::V3), ("0.10", Compat::V2), ("v2", Compat::V2)];
        let compat = settings.choice("compat", &versions)?.unwrap_or_default();
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
        if compat == Compat::V2 && matches!(compression, Some(ClusterCompression::Zstd { .. })) {
            return Err(TargetError::Contradiction(
                "compat=0.10 contradicts compression_type=zstd: version 2 has zlib only",
            ));
        }
        Ok(Self { compat, cluster_size, compression })
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
        let Self { compat, cluster_size, compression } = *self;
        Ok(Box::new(Qcow2Writer::new(image.disk_size, WriteOptions { compat, cluster_size, compression })?))
    }
}
