//! The target that writes an image as it is: the same format, variant and block size.

use imgprep_map::{Facts, Value};

use super::error::TargetError;
use super::format::TargetFormat;
use super::target::Target;

impl Target {
    /// The target with the format, variant and block size of an image. Compressed formats stay compressed if `is_compressed`.
    ///
    /// `changes` are options, each as `KEY=VALUE`, that replace those of the image.
    pub fn same_as(facts: &Facts, is_compressed: bool, changes: &[String]) -> Result<Self, TargetError> {
        let format = TargetFormat::from_name(facts.format)?;
        let key = |option: &str| option.split('=').next().unwrap_or_default().to_string();
        let changed: Vec<_> = changes.iter().map(|option| key(option)).collect();
        let kept =
            options_of(facts, is_compressed).into_iter().filter(|option| !changed.contains(&key(option)));
        let options: Vec<_> = kept.chain(changes.iter().cloned()).collect();
        format.target(options.iter().map(String::as_str))
    }
}

/// The options that describe an image.
fn options_of(facts: &Facts, is_compressed: bool) -> Vec<String> {
    let named = |option: &str, detail: &str| Some(format!("{option}={}", text(facts, detail)?));
    let unit = |option: &str| Some(format!("{option}={}", facts.cluster_size?));
    let compressed = |option: &str| is_compressed.then(|| option.to_string());
    let options = match facts.format {
        imgprep_qcow2::NAME => vec![
            named("compat", "compat"),
            unit("cluster_size"),
            compressed("compress=on"),
            named("compression_type", "compression-type").filter(|_| is_compressed),
        ],
        imgprep_vdi::NAME => {
            let is_static = text(facts, "image-type").is_some_and(|kind| kind == "static");
            vec![is_static.then(|| "static=on".to_string())]
        }
        imgprep_vhd::NAME => vec![named("subformat", "subformat"), unit("block_size")],
        imgprep_vhdx::NAME => vec![
            named("subformat", "subformat"),
            unit("block_size"),
            named("logical_sector_size", "logical-sector"),
            named("log_size", "log-size"),
        ],
        imgprep_vmdk::NAME => vec![named("subformat", "create-type"), unit("grain")],
        imgprep_qed::NAME => vec![unit("cluster_size"), named("table_size", "table-size")],
        imgprep_qcow::NAME => vec![unit("cluster_size"), compressed("compress=on")],
        imgprep_zvhd::ZVHD2 if facts.variant.contains("zlib") => vec![Some("compression_type=zlib".into())],
        _ => Vec::new(),
    };
    options.into_iter().flatten().collect()
}

/// A fact as the value of an option.
fn text(facts: &Facts, name: &str) -> Option<String> {
    let (_, value) = facts.details.iter().find(|(detail, _)| *detail == name)?;
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryOutput, OpenOptions};

    #[test]
    fn an_image_is_described_by_the_options_that_it_was_written_with() {
        let disk = crate::open_reader(vec![7; 3 << 20]).unwrap();
        for (name, options) in [
            ("raw", ""),
            ("zvhd", ""),
            ("zvhd2", ""),
            ("zvhd2", "compression_type=zlib"),
            ("qcow2", ""),
            ("qcow2", "compat=0.10,cluster_size=4k"),
            ("qcow2", "compression_type=zstd"),
            ("qcow2", "compress=on,cluster_size=512"),
            ("qcow", "cluster_size=512,compress=on"),
            ("qed", "cluster_size=128K,table_size=2"),
            ("vdi", ""),
            ("vdi", "static=on"),
            ("vhd", "block_size=512K"),
            ("vhd", "subformat=fixed"),
            ("vhdx", "subformat=fixed,block_size=4M"),
            ("vhdx", "block_size=1M,log_size=3M,logical_sector_size=4096"),
            ("vmdk", "grain=8K"),
            ("vmdk", "subformat=streamOptimized"),
        ] {
            let target = Target::parse(name, options.split(',').filter(|option| !option.is_empty())).unwrap();
            let output = MemoryOutput::new();
            disk.convert(target.clone()).write_to(&output).unwrap();
            let options = OpenOptions { from: imgprep_catalog::by_name(name), ..OpenOptions::default() };
            let file = imgprep_io::NamedReader::new("image", output.to_vec());
            let image = crate::Disk::from_chain(crate::open_source("image".into(), file, &options).unwrap());
            let facts = &image.layers()[0].facts;
            let is_compressed = target.compression().is_some();
            assert_eq!(
                Target::same_as(facts, is_compressed, &[]).unwrap(),
                target,
                "{name} {:?}",
                facts.details
            );
        }
    }

    #[test]
    fn options_of_the_user_replace_those_of_the_image() {
        let mut facts = Facts::new(imgprep_qcow2::NAME, "");
        facts.cluster_size = Some(4096);
        let changes = ["cluster_size=64k".to_string(), "level=9".to_string()];
        let want = Target::parse("qcow2", ["cluster_size=64k", "level=9"]).unwrap();
        assert_eq!(Target::same_as(&facts, false, &changes), Ok(want));
    }
}
