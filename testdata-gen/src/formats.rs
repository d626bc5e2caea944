//! The images of one format, without the cost of making all others.

use crate::model::BrokenImage;
use crate::model::GoodImage;
use crate::model::ImageFile;
use crate::qcow2::cases::damaged;
use crate::qcow2::codes::provoking;
use crate::{AnomalousImage, qcow, qcow2, qed, vdi, vhd, vhdx, vmdk};

/// All images of a format but those that are large.
#[derive(Clone, Debug, Default)]
pub struct FormatImages {
    /// Images that are read, with their disks.
    pub good: Vec<GoodImage>,
    /// Images that are refused, or read with a finding; each with its name.
    pub others: Vec<(String, Vec<ImageFile>)>,
}

/// The images of the format of this name; none where there is no such format.
pub fn of_format(format: &str) -> FormatImages {
    let (good, broken, anomalous) = match format {
        "raw" => (qcow2::good::raw(), Vec::new(), Vec::new()),
        "qcow" => (qcow::encode::good(), qcow::encode::broken(), qcow::anomalous::anomalous()),
        "qcow2" => (qcow2::good::qcow2s(), qcow2::broken::qcow2s(), Vec::new()),
        "qed" => (qed::encode::good(), qed::encode::broken(), qed::anomalous::anomalous()),
        "vdi" => (
            vdi::encode::good(),
            vdi::encode::broken(),
            [vdi::anomalous::anomalous(), vdi::cases::vdi_cases()].concat(),
        ),
        "vhd" => (
            vhd::good::good(),
            vhd::broken::broken(),
            [vhd::anomalous::anomalous(), vhd::cases::vhd_cases()].concat(),
        ),
        "vhdx" => (vhdx::good::good(), vhdx::broken::broken(), vhdx::anomalous::anomalous()),
        "vmdk" => (vmdk::encode::good(), vmdk::encode::broken(), vmdk::anomalous::anomalous()),
        "zvhd" | "zvhd2" => (qcow2::good::zvhds(), qcow2::broken::zvhds(), Vec::new()),
        _ => return FormatImages::default(),
    };
    let is_of_format = |files: &[ImageFile]| files[0].name.rsplit('.').next() == Some(format);
    let mut others: Vec<_> =
        broken.into_iter().map(|BrokenImage { name, files, .. }| (name.to_string(), files)).collect();
    let has_damaged = matches!(format, "qcow" | "qcow2" | "qed");
    let damaged = if has_damaged { damaged() } else { Vec::new() };
    let anomalous = anomalous.into_iter().chain(damaged);
    others.extend(anomalous.map(|AnomalousImage { name, files, .. }| (name.to_string(), files)));
    let provoking = if has_damaged { provoking() } else { Vec::new() };
    others.extend(provoking.into_iter().enumerate().map(|(index, (format, code, _, _, bytes))| {
        (format!("{code} {index}"), vec![ImageFile { name: format!("provoking.{format}"), bytes }])
    }));
    others.retain(|(_, files)| is_of_format(files));
    FormatImages { good: good.into_iter().filter(|image| is_of_format(&image.files)).collect(), others }
}
