//! QED as a target.

use imgprep_map::{Error, ImageWriter};
use imgprep_qed::{QedWriter, Shape};

use super::error::TargetError;
use super::kind::{NewImage, Properties, TargetKind};
use super::settings::{Settings, TargetOption};

/// A QED without a backing file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QedTarget {
    /// Sizes of clusters and tables.
    pub shape: Shape,
}

impl QedTarget {
    pub(super) const OPTIONS: &'static [TargetOption] = &[
        TargetOption {
            key: "cluster_size",
            values: "SIZE",
            default: "64K",
            about: "bytes of a cluster, a power of two from 4K to 4M",
        },
        TargetOption {
            key: "table_size",
            values: "N",
            default: "4",
            about: "clusters of an L1 or L2 table, a power of two from 2 to 16",
        },
    ];

    pub(super) fn parse(settings: &Settings<'_>) -> Result<Self, TargetError> {
        let default = Shape::default();
        let clusters = "clusters have a power of two from 4K to 4M bytes";
        let with_small_tables = |size| Shape::new(size, 2).map(Shape::cluster_size);
        let cluster_size = settings.size("cluster_size", clusters, with_small_tables)?;
        let tables = "tables have a power of two from 2 to 16 clusters";
        let with_small_clusters = |value: &str| Shape::new(4096, value.parse().ok()?).map(Shape::table_size);
        let table_size = settings.parsed("table_size", tables, with_small_clusters)?;
        let shape = Shape::new(
            cluster_size.unwrap_or(default.cluster_size()),
            table_size.unwrap_or(default.table_size()),
        );
        let shape = shape.ok_or(TargetError::Contradiction(
            "the tables would cover 2^64 bytes or more, which QEMU does not open: reduce cluster_size or table_size",
        ))?;
        Ok(Self { shape })
    }
}

impl TargetKind for QedTarget {
    fn properties(&self) -> Properties {
        Properties::new(imgprep_qed::NAME)
    }

    fn writer(&self, image: &NewImage) -> Result<Box<dyn ImageWriter>, Error> {
        Ok(Box::new(QedWriter::new(image.disk_size, self.shape)?))
    }
}
