//! The images of one format, without the cost of making all others.

use crate::broken;
use crate::good;
use crate::model::BrokenImage;
use crate::model::GoodImage;
use crate::model::ImageFile;
use crate::qcow2_cases::damaged;
use crate::qcow2_codes::provoking;
use crate::{
    AnomalousImage, anomalous_qcow, anomalous_qed, anomalous_vdi, anomalous_vhd, anomalous_vhdx,
    anomalous_vmdk, qcow, qed, vdi, vdi_cases, vhd_broken, vhd_cases, vhd_good, vhdx_broken, vhdx_good, vmdk,
};

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
        "raw" => (good::raw(), Vec::new(), Vec::new()),
        "qcow" => (qcow::good(), qcow::broken(), anomalous_qcow::anomalous()),
        "qcow2" => (good::qcow2s(), broken::qcow2s(), Vec::new()),
        "qed" => (qed::good(), qed::broken(), anomalous_qed::anomalous()),
        "vdi" => (vdi::good(), vdi::broken(), [anomalous_vdi::anomalous(), vdi_cases::vdi_cases()].concat()),
        "vhd" => (
            vhd_good::good(),
            vhd_broken::broken(),
            [anomalous_vhd::anomalous(), vhd_cases::vhd_cases()].concat(),
        ),
        "vhdx" => (vhdx_good::good(), vhdx_broken::broken(), anomalous_vhdx::anomalous()),
        "vmdk" => (vmdk::good(), vmdk::broken(), anomalous_vmdk::anomalous()),
        "zvhd" | "zvhd2" => (good::zvhds(), broken::zvhds(), Vec::new()),
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
