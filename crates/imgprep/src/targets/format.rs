//! The writable formats: one table for the command line, manifests and messages.

use imgprep_map::Error;

use super::error::TargetError;
use super::qcow::QcowTarget;
use super::qcow2::Qcow2Target;
use super::qed::QedTarget;
use super::settings::{Settings, TargetOption, usage};
use super::target::Target;
use super::vdi::VdiTarget;
use super::vhd::VhdTarget;
use super::vhdx::VhdxTarget;
use super::vmdk::VmdkTarget;
use super::zvhd::{Zvhd2Target, ZvhdTarget};
use crate::listed::listed;

/// A writable format.
pub struct TargetFormat {
    /// Its name, as in [`Target::name`].
    pub name: &'static str,
    /// Other names and file extensions that select it.
    pub aliases: &'static [&'static str],
    /// Its options.
    pub options: &'static [TargetOption],
    parse: fn(&Settings<'_>) -> Result<Target, TargetError>,
}

/// The writable formats.
pub const TARGETS: &[TargetFormat] = &[
    TargetFormat {
        name: imgprep_zvhd::ZVHD2,
        aliases: &[],
        options: Zvhd2Target::OPTIONS,
        parse: |settings| Zvhd2Target::parse(settings).map(Target::Zvhd2),
    },
    TargetFormat {
        name: imgprep_zvhd::ZVHD,
        aliases: &[],
        options: ZvhdTarget::OPTIONS,
        parse: |settings| ZvhdTarget::parse(settings).map(Target::Zvhd),
    },
    TargetFormat {
        name: imgprep_qcow2::NAME,
        aliases: &[],
        options: Qcow2Target::OPTIONS,
        parse: |settings| Qcow2Target::parse(settings).map(Target::Qcow2),
    },
    TargetFormat {
        name: imgprep_vdi::NAME,
        aliases: &[],
        options: VdiTarget::OPTIONS,
        parse: |settings| VdiTarget::parse(settings).map(Target::Vdi),
    },
    TargetFormat {
        name: imgprep_vhd::NAME,
        aliases: &["vpc"],
        options: VhdTarget::OPTIONS,
        parse: |settings| VhdTarget::parse(settings).map(Target::Vhd),
    },
    TargetFormat {
        name: imgprep_vhdx::NAME,
        aliases: &[],
        options: VhdxTarget::OPTIONS,
        parse: |settings| VhdxTarget::parse(settings).map(Target::Vhdx),
    },
    TargetFormat {
        name: imgprep_vmdk::NAME,
        aliases: &[],
        options: VmdkTarget::OPTIONS,
        parse: |settings| VmdkTarget::parse(settings).map(Target::Vmdk),
    },
    TargetFormat {
        name: imgprep_qed::NAME,
        aliases: &[],
        options: QedTarget::OPTIONS,
        parse: |settings| QedTarget::parse(settings).map(Target::Qed),
    },
    TargetFormat {
        name: imgprep_qcow::NAME,
        aliases: &[],
        options: QcowTarget::OPTIONS,
        parse: |settings| QcowTarget::parse(settings).map(Target::Qcow),
    },
    TargetFormat { name: imgprep_raw::NAME, aliases: &["img"], options: &[], parse: |_| Ok(Target::Raw) },
];

/// The names of the writable formats: `zvhd2, qcow2 and raw`.
pub fn writable() -> String {
    let names: Vec<_> = TARGETS.iter().map(|format| format.name).collect();
    listed(&names, "and")
}

/// Whether this is the name or extension of an image format, though not of RAW, whose aliases are common words.
fn is_image_format(name: &str) -> bool {
    let is_readable = imgprep_catalog::by_name(name).is_some_and(|format| format.name != imgprep_raw::NAME);
    is_readable || ["avhd", "avhdx", "vhds"].contains(&name)
}

impl TargetFormat {
    /// The format of this name, alias or extension, in capital or small letters.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        let is_named = |known: &str| known.eq_ignore_ascii_case(name);
        TARGETS
            .iter()
            .find(|format| is_named(format.name) || format.aliases.iter().any(|alias| is_named(alias)))
    }

    /// The same, or the error that lists the writable formats.
    pub fn from_name(name: &str) -> Result<&'static Self, TargetError> {
        Self::by_name(name).ok_or_else(|| {
            let (is_known, name, writable) = (is_image_format(name), name.into(), writable());
            if is_known {
                TargetError::NotWritten { name, writable }
            } else {
                TargetError::Unknown { name, writable }
            }
        })
    }

    /// The target with these options, each as `KEY=VALUE`.
    pub fn target<'a>(&self, options: impl IntoIterator<Item = &'a str>) -> Result<Target, TargetError> {
        (self.parse)(&Settings::new(self.name, self.options, options)?)
    }

    /// A summary of the options: `zvhd2 has level=N and checksum=on|off`.
    pub fn usage(&self) -> String {
        usage(self.name, self.options)
    }
}

impl Target {
    /// The target of this name, alias or extension (`raw`, `img`, `zvhd2`, `qcow2`), with default options.
    pub fn from_name(name: &str) -> Result<Self, Error> {
        Ok(Self::parse(name, [])?)
    }

    /// The target of this name with these options, each as `KEY=VALUE`.
    pub fn parse<'a>(name: &str, options: impl IntoIterator<Item = &'a str>) -> Result<Self, TargetError> {
        TargetFormat::from_name(name)?.target(options)
    }
}

#[cfg(test)]
mod tests {
    use imgprep_map::{Compression, Detail as _};
    use imgprep_qcow2::{ClusterCompression, ClusterSize, Compat};

    use super::*;

    #[test]
    fn names_and_aliases_are_those_of_the_readable_format() {
        for target in TARGETS {
            for name in target.aliases.iter().chain([&target.name]) {
                assert_eq!(imgprep_catalog::by_name(name).map(|format| format.name), Some(target.name));
            }
        }
    }

    #[test]
    fn every_format_is_made_by_its_name_with_its_defaults() {
        for format in TARGETS {
            assert_eq!(Target::parse(format.name, []).unwrap().name(), format.name);
        }
        assert_eq!(Target::parse("img", []), Ok(Target::Raw));
        assert_eq!(Target::parse("RAW", []), Ok(Target::Raw));
        assert!(writable().starts_with("zvhd2, zvhd, ") && writable().ends_with(" and raw"));
        for (name, want) in [("vhds", "cannot write vhds"), ("floppy", "floppy: unknown format")] {
            let error = Target::parse(name, []).unwrap_err().to_string();
            let (start, formats) = error.split_once("the writable formats are ").unwrap();
            assert!(start.starts_with(want) && formats == writable(), "{error}");
        }
    }

    #[test]
    fn options_are_read_by_the_table() {
        let sized = |bytes| ClusterSize::new(bytes).unwrap();
        let plain = Target::Qcow2(Qcow2Target {
            compat: Compat::V3,
            backing: None,
            cluster_size: sized(4096),
            compression: None,
        });
        assert_eq!(Target::parse("qcow2", ["cluster_size=4k"]), Ok(plain));
        let zstd = Target::Qcow2(Qcow2Target {
            compat: Compat::V3,
            backing: None,
            cluster_size: sized(65536),
            compression: Some(ClusterCompression::Zstd { level: 9 }),
        });
        assert_eq!(Target::parse("qcow2", ["compression_type=zstd", "level=9"]), Ok(zstd));
        let zlib = Target::Qcow2(Qcow2Target {
            compat: Compat::V3,
            backing: None,
            cluster_size: sized(65536),
            compression: Some(ClusterCompression::Zlib { level: 6 }),
        });
        assert_eq!(Target::parse("qcow2", ["compress=on"]), Ok(zlib));
        let unchecked =
            Target::Zvhd2(Zvhd2Target { compression: Compression::Zstd { level: 3, has_checksum: false } });
        assert_eq!(Target::parse("zvhd2", ["checksum=off"]), Ok(unchecked));
        assert_eq!(
            Target::parse("zvhd2", ["compression_type=zlib", "level=1"]),
            Ok(Target::Zvhd2(Zvhd2Target { compression: Compression::ZlibOpen { level: 1 } }))
        );
    }

    #[test]
    fn wrong_options_are_named() {
        for (name, options, want) in [
            ("raw", &["level=3"][..], "raw has no options"),
            (
                "zvhd2",
                &["cluster_size=4k"],
                "zvhd2 has level=N, compression_type=zstd|zlib and checksum=on|off",
            ),
            ("zvhd2", &["checksum=maybe"], "expected checksum=on|off"),
            ("zvhd2", &["level=x"], "expected a whole number"),
            ("zvhd2", &["level=3", "level=3"], "duplicate option"),
            ("zvhd2", &["level=23"], "level 23: zstd has levels 1 to 22"),
            ("zvhd2", &["compression_type=zlib", "checksum=on"], "zlib payloads of a ZVHD2 have no checksum"),
            ("qcow2", &["compression_type=lz4"], "expected compression_type=zlib|zstd"),
            ("qcow2", &["cluster_size=256"], "clusters have a power of two from 512 to 2M bytes"),
            ("qcow2", &["cluster_size=4G"], "clusters have a power of two from 512 to 2M bytes"),
            ("qcow2", &["compress"], "expected compress=on|off"),
            ("vdi", &["static=yes"], "expected static=on|off"),
            ("vhd", &["subformat=sparse"], "expected subformat=dynamic|fixed"),
            ("vhd", &["block_size=3M"], "blocks have a power of two from 512K to 256M bytes"),
            ("vhd", &["align=256"], "the alignment is a power of two from 512 to 1G"),
            (
                "vhd",
                &["subformat=fixed", "block_size=2M"],
                "subformat=fixed contradicts block_size: it has no blocks",
            ),
            ("qcow2", &["compat=2"], "expected compat=1.1|0.10"),
            (
                "qcow2",
                &["compat=0.10", "compression_type=zstd"],
                "compat=0.10 contradicts compression_type=zstd: version 2 has zlib only",
            ),
            (
                "vmdk",
                &["subformat=vmfs"],
                "expected subformat=monolithicSparse|monolithicFlat|twoGbMaxExtentSparse|twoGbMaxExtentFlat|streamOptimized",
            ),
            ("vmdk", &["adapter_type=sata"], "expected adapter_type=ide|lsilogic|buslogic|legacyESX"),
            ("vmdk", &["hwversion=0"], "the version of the hardware is a number from 1 to 99"),
            ("vmdk", &["grain=4K"], "grains have a power of two from 8K to 1M bytes"),
            (
                "vmdk",
                &["subformat=monolithicFlat", "grain=8K"],
                "grain requires a subformat that is not flat",
            ),
            ("vmdk", &["level=3"], "level requires subformat=streamOptimized"),
            ("vmdk", &["subformat=streamOptimized", "level=10"], "level 10: zlib has levels 1 to 9"),
            ("qcow2", &["compress=off", "level=1"], "compress=off contradicts the compression type or level"),
            ("vhdx", &["block_size=512K"], "blocks have a power of two from 1M to 256M bytes"),
            ("vhdx", &["logical_sector_size=1024"], "expected logical_sector_size=512|4096"),
            ("vhdx", &["log_size=1000K"], "the log has whole MiB, less than 4G"),
            ("qed", &["cluster_size=2K"], "clusters have a power of two from 4K to 4M bytes"),
            ("qed", &["table_size=1"], "tables have a power of two from 2 to 16 clusters"),
            ("qed", &["cluster_size=4M"], "which QEMU does not open: reduce cluster_size or table_size"),
            ("qcow", &["cluster_size=128K"], "clusters have a power of two from 512 to 64K bytes"),
            ("qcow", &["level=0"], "level 0: zlib has levels 1 to 9"),
            ("qcow", &["level=3", "compress=off"], "compress=off contradicts the compression level"),
        ] {
            let error = Target::parse(name, options.iter().copied()).unwrap_err();
            assert!(error.to_string().ends_with(want), "{name} {options:?}: {error}");
            let is_level = matches!(error, TargetError::Level { .. });
            assert_eq!(error.code().id, if is_level { "convert.level" } else { "convert.option" });
        }
    }

    /// An option that no format parses would be accepted without effect.
    #[test]
    fn every_option_of_every_format_is_parsed() {
        for format in TARGETS {
            for option in format.options {
                // Any text but nothing is a name.
                let value = if option.values == "NAME" { "" } else { "?" };
                let invalid = format!("{}={value}", option.key);
                let error = Target::parse(format.name, [invalid.as_str()]).unwrap_err().to_string();
                assert!(error.starts_with(&invalid), "{} {invalid}: {error}", format.name);
            }
        }
    }
}
