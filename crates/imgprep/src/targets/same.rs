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
