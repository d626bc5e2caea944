//! QCOW2 as a target.

use imgprep_map::{Error, ImageWriter};
use imgprep_qcow2::{ClusterCompression, ClusterSize, Compat, NewBackingFile, Qcow2Writer, WriteOptions};

use super::error::{TargetError, zlib_level, zstd_level};
use super::kind::{BackingFile, NewImage, Properties, TargetKind};
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
    /// The backing file: blocks that are the same there are not stored.
    pub backing: Option<BackingFile>,
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
        TargetOption {
            key: "backing_file",
            values: "NAME",
            default: "none",
            about: "store only what differs from this image, relative to the folder of the output",
        },
        TargetOption {
            key: "backing_fmt",
            values: "FMT",
            default: "detected",
            about: "format of the backing file",
        },
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
        let name = settings.parsed("backing_file", "expected a file name", |name| {
            (!name.is_empty()).then(|| name.to_string())
        })?;
        let format = settings.parsed("backing_fmt", "unknown format", |name| {
            imgprep_catalog::by_name(name).map(|format| format.name)
        })?;
        if name.is_none() && format.is_some() {
            return Err(TargetError::Contradiction("backing_fmt requires backing_file"));
        }
        let backing = name.map(|name| BackingFile { name, format });
        Ok(Self { compat, cluster_size, compression, backing })
    }
}

/// QEMU's name of a format.
fn qemu_name(format: &'static str) -> &'static str {
    if format == imgprep_vhd::NAME { "vpc" } else { format }
}

impl TargetKind for Qcow2Target {
    fn backing(&self) -> Option<&BackingFile> {
        self.backing.as_ref()
    }

    fn set_backing_format(&mut self, format: &'static str) {
        if let Some(backing) = &mut self.backing {
            backing.format = Some(format);
        }
    }

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
        let Self { compat, cluster_size, compression, .. } = *self;
        let backing = self.backing.as_ref().map(|backing| NewBackingFile {
            name: backing.name.clone(),
            format: qemu_name(backing.format.unwrap_or(imgprep_raw::NAME)).into(),
        });
        let options = WriteOptions { compat, cluster_size, compression, backing };
        Ok(Box::new(Qcow2Writer::new(image.disk_size, options)?))
    }
}
