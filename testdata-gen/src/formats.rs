//! The images of all formats: one row a format, which names the functions of its folder.

use crate::model::{AnomalousImage, BrokenImage, GoodImage, ImageFile, Provoking};
use crate::{polyglot, qcow, qcow2, qed, raw, vdi, vhd, vhdx, vmdk, zvhd};

/// What the folder of a format offers; `Vec::new` where it has no such images.
struct Images {
    /// The names of the formats, which are the extensions of their files.
    names: &'static [&'static str],
    good: fn() -> Vec<GoodImage>,
    broken: fn() -> Vec<BrokenImage>,
    anomalous: fn() -> Vec<AnomalousImage>,
    /// Images with one damage, most of them met by users.
    cases: fn() -> Vec<AnomalousImage>,
    /// Images for the codes that no other image has.
    provoking: fn() -> Vec<Provoking>,
}

/// Every format.
const FORMATS: [Images; 9] = [
    Images {
        names: &["raw"],
        good: raw::good::good,
        broken: Vec::new,
        anomalous: Vec::new,
        cases: Vec::new,
        provoking: Vec::new,
    },
    Images {
        names: &["qcow"],
        good: qcow::good::good,
        broken: qcow::broken::broken,
        anomalous: qcow::anomalous::anomalous,
        cases: qcow::cases::damaged,
        provoking: qcow::provoking::provoking,
    },
    Images {
        names: &["qcow2"],
        good: qcow2::good::good,
        broken: qcow2::broken::broken,
        anomalous: Vec::new,
        cases: qcow2::cases::damaged,
        provoking: qcow2::provoking::provoking,
    },
    Images {
        names: &["qed"],
        good: qed::good::good,
        broken: qed::broken::broken,
        anomalous: qed::anomalous::anomalous,
        cases: qed::cases::damaged,
        provoking: qed::provoking::provoking,
    },
    Images {
        names: &["vdi"],
        good: vdi::good::good,
        broken: vdi::broken::broken,
        anomalous: vdi::anomalous::anomalous,
        cases: vdi::cases::vdi_cases,
        provoking: Vec::new,
    },
    Images {
        names: &["vhd"],
        good: vhd::good::good,
        broken: vhd::broken::broken,
        anomalous: vhd::anomalous::anomalous,
        cases: vhd::cases::vhd_cases,
        provoking: Vec::new,
    },
    Images {
        names: &["vhdx"],
        good: vhdx::good::good,
        broken: vhdx::broken::broken,
        anomalous: vhdx::anomalous::anomalous,
        cases: Vec::new,
        provoking: Vec::new,
    },
    Images {
        names: &["zvhd", "zvhd2"],
        good: zvhd::good::good,
        broken: zvhd::broken::broken,
        anomalous: Vec::new,
        cases: Vec::new,
        provoking: Vec::new,
    },
    Images {
        names: &["vmdk"],
        good: vmdk::good::good,
        broken: vmdk::broken::broken,
        anomalous: vmdk::anomalous::anomalous,
        cases: Vec::new,
        provoking: Vec::new,
    },
];

/// Images that must be read correctly, with their disks.
pub fn good() -> Vec<GoodImage> {
    let mut all: Vec<_> = FORMATS.iter().flat_map(|format| (format.good)()).collect();
    all.push(qcow2::good::sample());
    all
}

/// Images that must be rejected, each named after its defect.
pub fn broken() -> Vec<BrokenImage> {
    let mut all: Vec<_> = FORMATS.iter().flat_map(|format| (format.broken)()).collect();
    all.extend(polyglot::broken());
    all
}

/// Images that are read correctly and whose structure is wrong, each named after its defect.
pub fn anomalous() -> Vec<AnomalousImage> {
    FORMATS.iter().flat_map(|format| (format.anomalous)()).collect()
}

/// Codes of `check` that a conversion reports, too.
const REPORTED_BY_CONVERSIONS: [&str; 4] = [
    "vhd.check.batmap-full",
    "vhdx.check.place-reserved",
    "vmdk.check.entry-beyond-capacity",
    "vmdk.check.table-beyond-capacity",
];

/// Images that a conversion reads with a finding of this code at this place.
pub fn damaged() -> Vec<AnomalousImage> {
    let mut all = [qcow2::cases::damaged(), qed::cases::damaged(), qcow::cases::damaged()].concat();
    all.extend(anomalous().into_iter().filter(|image| REPORTED_BY_CONVERSIONS.contains(&image.code)));
    all
}

/// Images that look like the damaged ones and are correct: a conversion reports nothing.
pub fn undamaged() -> Vec<ImageFile> {
    [qcow2::cases::undamaged(), qcow::cases::undamaged(), qed::cases::undamaged()].concat()
}

/// One image for each code that neither the broken nor the anomalous images have.
pub fn provoking() -> Vec<Provoking> {
    FORMATS.iter().flat_map(|format| (format.provoking)()).collect()
}

/// All images of one format but those that are large.
#[derive(Clone, Debug, Default)]
pub struct FormatImages {
    /// Images that are read, with their disks.
    pub good: Vec<GoodImage>,
    /// Images that are rejected, or read with a finding; each with its name.
    pub others: Vec<(String, Vec<ImageFile>)>,
}

/// The images of the format of this name, without the cost of making all others; none for an unknown name.
pub fn of_format(name: &str) -> FormatImages {
    let Some(format) = FORMATS.iter().find(|format| format.names.contains(&name)) else {
        return FormatImages::default();
    };
    let is_of_format = |files: &[ImageFile]| files[0].name.rsplit('.').next() == Some(name);
    let mut good = (format.good)();
    good.retain(|image| is_of_format(&image.files));
    let mut others = others(format);
    others.retain(|(_, files)| is_of_format(files));
    FormatImages { good, others }
}

fn others(format: &Images) -> Vec<(String, Vec<ImageFile>)> {
    let broken = (format.broken)().into_iter().map(|image| (image.name.to_string(), image.files));
    let anomalous = (format.anomalous)().into_iter().chain((format.cases)());
    let anomalous = anomalous.map(|image| (image.name.to_string(), image.files));
    let provoking = (format.provoking)().into_iter().enumerate().map(|(index, (name, code, _, _, bytes))| {
        (format!("{code} {index}"), vec![ImageFile { name: format!("provoking.{name}"), bytes }])
    });
    broken.chain(anomalous).chain(provoking).collect()
}
