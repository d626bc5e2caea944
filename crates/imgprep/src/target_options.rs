//! The writable formats and their options: one table for the command line, manifests and messages.

use imgprep_map::Compression;
use imgprep_qcow2::{ClusterCompression, ClusterSize};
use imgprep_vhd::{BlockSize as VhdBlockSize, Subformat as VhdSubformat};

use crate::Target;
use crate::listed::listed;
use crate::size::parse_size;
use crate::target_error::{TargetError, zlib_level, zstd_level};

/// A writable format.
pub struct TargetFormat {
    /// Its name, as in [`Target::name`].
    pub name: &'static str,
    /// Other names and file extensions that select it.
    pub aliases: &'static [&'static str],
    /// Its options.
    pub options: &'static [TargetOption],
    make: fn(&Settings) -> Result<Target, TargetError>,
}

/// An option of a writable format.
#[derive(Clone, Copy, Debug)]
pub struct TargetOption {
    /// The name, before the `=`.
    pub key: &'static str,
    /// The valid values, as in help texts.
    pub values: &'static str,
    /// The default value.
    pub default: &'static str,
    /// Its effect.
    pub about: &'static str,
    set: fn(&mut Settings, &str) -> Result<(), String>,
}

/// The writable formats.
pub const TARGETS: &[TargetFormat] = &[
    TargetFormat {
        name: imgprep_zvhd::ZVHD2,
        aliases: &[],
        options: &[
            LEVEL,
            TargetOption {
                key: "compression_type",
                values: "zstd|zlib",
                default: "zstd",
                about: "compression of the blocks",
                set: compression_type,
            },
            TargetOption {
                key: "checksum",
                values: "on|off",
                default: "on",
                about: "store a checksum of the contents in each zstd block",
                set: |settings, value| put(&mut settings.has_checksum, switch(value)?),
            },
        ],
        make: zvhd2,
    },
    TargetFormat {
        name: imgprep_qcow2::NAME,
        aliases: &[],
        options: &[
            TargetOption {
                key: "cluster_size",
                values: "SIZE",
                default: "64K",
                about: "bytes of a cluster, a power of two from 512 to 2M",
                set: |settings, value| put(&mut settings.cluster_size, cluster_size(value)?),
            },
            TargetOption {
                key: "compress",
                values: "on|off",
                default: "off, but on if a compression type or level is given",
                about: "compress clusters that become smaller",
                set: |settings, value| put(&mut settings.compress, switch(value)?),
            },
            TargetOption {
                key: "compression_type",
                values: "zlib|zstd",
                default: "zlib",
                about: "compression of the clusters; QEMU reads zstd since version 5.1",
                set: compression_type,
            },
            LEVEL,
        ],
        make: qcow2,
    },
    TargetFormat {
        name: imgprep_vdi::NAME,
        aliases: &[],
        options: &[TargetOption {
            key: "static",
            values: "on|off",
            default: "off",
            about: "store all blocks, in the order of the disk",
            set: |settings, value| put(&mut settings.is_static, switch(value)?),
        }],
        make: |settings| Ok(Target::Vdi { is_static: settings.is_static.unwrap_or(false) }),
    },
    TargetFormat {
        name: imgprep_vhd::NAME,
        aliases: &["vpc"],
        options: &[
            TargetOption {
                key: "subformat",
                values: "dynamic|fixed",
                default: "dynamic",
                about: "store the blocks with data, or all bytes of the disk",
                set: subformat,
            },
            TargetOption {
                key: "block_size",
                values: "SIZE",
                default: "2M",
                about: "bytes of a block of a dynamic image, a power of two from 512K to 256M",
                set: |settings, value| put(&mut settings.block_size, size(value)?),
            },
            TargetOption {
                key: "align",
                values: "SIZE",
                default: "512",
                about: "round the virtual size up to a multiple of this power of two; Azure requires 1M",
                set: |settings, value| put(&mut settings.align, alignment(value)?),
            },
        ],
        make: vhd,
    },
    TargetFormat { name: imgprep_raw::NAME, aliases: &["img"], options: &[], make: |_| Ok(Target::Raw) },
];

const LEVEL: TargetOption = TargetOption {
    key: "level",
    values: "N",
    default: "3 for zstd, 6 for zlib",
    about: "compression level: zstd 1 to 22, zlib 1 to 9",
    set: |settings, value| {
        let level = value.parse().map_err(|_| String::from("expected a whole number"))?;
        put(&mut settings.level, level)
    },
};

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
        let mut settings = Settings::default();
        for option in options {
            let wrong = |what: String| TargetError::Option { option: option.into(), what };
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            let known = self.options.iter().find(|known| known.key == key);
            let known = known.ok_or_else(|| wrong(self.usage()))?;
            (known.set)(&mut settings, value).map_err(|what| {
                wrong(if what.is_empty() { format!("expected {}={}", known.key, known.values) } else { what })
            })?;
        }
        (self.make)(&settings)
    }

    /// A summary of the options: `zvhd2 has level=N and checksum=on|off`.
    pub fn usage(&self) -> String {
        if self.options.is_empty() {
            return format!("{} has no options", self.name);
        }
        let options: Vec<_> =
            self.options.iter().map(|option| format!("{}={}", option.key, option.values)).collect();
        format!("{} has {}", self.name, listed(&options, "and"))
    }
}

impl Target {
    /// The target of this name with these options, each as `KEY=VALUE`.
    pub fn parse<'a>(name: &str, options: impl IntoIterator<Item = &'a str>) -> Result<Self, TargetError> {
        TargetFormat::from_name(name)?.target(options)
    }
}

/// The parsed options of a target of any format.
#[derive(Default)]
struct Settings {
    level: Option<u32>,
    is_zlib: Option<bool>,
    has_checksum: Option<bool>,
    compress: Option<bool>,
    cluster_size: Option<ClusterSize>,
    is_static: Option<bool>,
    is_fixed: Option<bool>,
    block_size: Option<u64>,
    align: Option<u64>,
}

fn put<T>(place: &mut Option<T>, value: T) -> Result<(), String> {
    if place.replace(value).is_some() { Err("duplicate option".into()) } else { Ok(()) }
}

/// An empty message means "one of the values in the table".
fn switch(value: &str) -> Result<bool, String> {
    match value {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        _ => Err(String::new()),
    }
}

fn compression_type(settings: &mut Settings, value: &str) -> Result<(), String> {
    match value {
        "zlib" => put(&mut settings.is_zlib, true),
        "zstd" => put(&mut settings.is_zlib, false),
        _ => Err(String::new()),
    }
}

fn cluster_size(value: &str) -> Result<ClusterSize, String> {
    let size = parse_size(value).ok().and_then(ClusterSize::new);
    size.ok_or_else(|| "clusters have a power of two from 512 to 2M bytes".into())
}

fn size(value: &str) -> Result<u64, String> {
    parse_size(value).map_err(|error| error.to_string())
}

fn subformat(settings: &mut Settings, value: &str) -> Result<(), String> {
    match value {
        "fixed" => put(&mut settings.is_fixed, true),
        "dynamic" => put(&mut settings.is_fixed, false),
        _ => Err(String::new()),
    }
}

fn alignment(value: &str) -> Result<u64, String> {
    let size = parse_size(value).ok().filter(|size| size.is_power_of_two() && (512..=1 << 30).contains(size));
    size.ok_or_else(|| "the alignment is a power of two from 512 to 1G".into())
}

fn vhd(settings: &Settings) -> Result<Target, TargetError> {
    let subformat = match (settings.is_fixed.unwrap_or(false), settings.block_size) {
        (true, Some(_)) => {
            return Err(TargetError::Contradiction(
                "subformat=fixed contradicts block_size: it has no blocks",
            ));
        }
        (true, None) => VhdSubformat::Fixed,
        (false, None) => VhdSubformat::Dynamic { block_size: VhdBlockSize::default() },
        (false, Some(size)) => VhdSubformat::Dynamic {
            block_size: VhdBlockSize::new(size).ok_or_else(|| TargetError::Option {
                option: format!("block_size={size}"),
                what: "blocks have a power of two from 512K to 256M bytes".into(),
            })?,
        },
    };
    Ok(Target::Vhd { subformat, align: settings.align.unwrap_or(512) })
}

fn zvhd2(settings: &Settings) -> Result<Target, TargetError> {
    let is_zlib = settings.is_zlib.unwrap_or(false);
    if is_zlib && settings.has_checksum == Some(true) {
        // Only a finished stream has a checksum, and the vendor's reader rejects finished streams.
        return Err(TargetError::Option {
            option: "checksum=on".into(),
            what: "zlib payloads of a ZVHD2 have no checksum".into(),
        });
    }
    Ok(Target::Zvhd2(if is_zlib {
        Compression::ZlibOpen { level: zlib_level(settings.level.unwrap_or(6))? }
    } else {
        let has_checksum = settings.has_checksum.unwrap_or(true);
        Compression::Zstd { level: zstd_level(settings.level.unwrap_or(3))?, has_checksum }
    }))
}

/// A compression type or a level implies compression.
fn qcow2(settings: &Settings) -> Result<Target, TargetError> {
    let is_implied = settings.level.is_some() || settings.is_zlib.is_some();
    if is_implied && settings.compress == Some(false) {
        return Err(TargetError::Contradiction("compress=off contradicts the compression type or level"));
    }
    // QEMU's default, which all its versions read.
    let is_zlib = settings.is_zlib.unwrap_or(true);
    let compression = if is_zlib {
        ClusterCompression::Zlib { level: zlib_level(settings.level.unwrap_or(6))? }
    } else {
        ClusterCompression::Zstd { level: zstd_level(settings.level.unwrap_or(3))? }
    };
    Ok(Target::Qcow2 {
        cluster_size: settings.cluster_size.unwrap_or_default(),
        compression: settings.compress.unwrap_or(is_implied).then_some(compression),
    })
}

#[cfg(test)]
mod tests {
    use imgprep_map::Detail as _;

    use super::*;

    #[test]
    fn every_format_is_made_by_its_name_with_its_defaults() {
        for format in TARGETS {
            assert_eq!(Target::parse(format.name, []).unwrap().name(), format.name);
        }
        assert_eq!(Target::parse("img", []), Ok(Target::Raw));
        assert_eq!(Target::parse("RAW", []), Ok(Target::Raw));
        assert_eq!(writable(), "zvhd2, qcow2, vdi, vhd and raw");
        for (name, want) in [
            ("vmdk", "cannot write vmdk: the writable formats are zvhd2, qcow2, vdi, vhd and raw"),
            ("floppy", "floppy: unknown format; the writable formats are zvhd2, qcow2, vdi, vhd and raw"),
        ] {
            assert_eq!(Target::parse(name, []).unwrap_err().to_string(), want);
        }
    }

    #[test]
    fn options_are_read_by_the_table() {
        let sized = |bytes| ClusterSize::new(bytes).unwrap();
        let plain = Target::Qcow2 { cluster_size: sized(4096), compression: None };
        assert_eq!(Target::parse("qcow2", ["cluster_size=4k"]), Ok(plain));
        let zstd = Target::Qcow2 {
            cluster_size: sized(65536),
            compression: Some(ClusterCompression::Zstd { level: 9 }),
        };
        assert_eq!(Target::parse("qcow2", ["compression_type=zstd", "level=9"]), Ok(zstd));
        let zlib = Target::Qcow2 {
            cluster_size: sized(65536),
            compression: Some(ClusterCompression::Zlib { level: 6 }),
        };
        assert_eq!(Target::parse("qcow2", ["compress=on"]), Ok(zlib));
        let unchecked = Target::Zvhd2(Compression::Zstd { level: 3, has_checksum: false });
        assert_eq!(Target::parse("zvhd2", ["checksum=off"]), Ok(unchecked));
        assert_eq!(
            Target::parse("zvhd2", ["compression_type=zlib", "level=1"]),
            Ok(Target::Zvhd2(Compression::ZlibOpen { level: 1 }))
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
            ("qcow2", &["compress=off", "level=1"], "compress=off contradicts the compression type or level"),
        ] {
            let error = Target::parse(name, options.iter().copied()).unwrap_err();
            assert!(error.to_string().ends_with(want), "{name} {options:?}: {error}");
            let is_level = matches!(error, TargetError::Level { .. });
            assert_eq!(error.code(), if is_level { "convert.level" } else { "convert.option" });
        }
    }
}
