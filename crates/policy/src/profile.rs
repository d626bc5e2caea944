//! The import rules of a cloud, as data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::InputError;
use crate::input::read;
use crate::size::Bytes;

/// The import rules of one cloud.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Profile {
    /// As in `--profile`.
    pub name: String,
    /// The name in texts.
    pub title: String,
    /// Characters that object names must not contain.
    #[serde(default)]
    pub forbidden_in_names: String,
    /// Imports of smaller disks are doubtful.
    pub(crate) disk_small: Bytes,
    /// Disks of the cloud are multiples of this.
    pub(crate) disk_unit: Bytes,
    /// Bytes of a logical sector of the cloud's disks, if documented.
    pub(crate) disk_sector: Option<u32>,
    /// Larger images cannot be copied or exported in the usual way.
    pub(crate) after_large: Option<Bytes>,
    /// Larger images cannot be exported at all.
    pub(crate) export_max: Option<Bytes>,
    /// Export formats.
    #[serde(default)]
    pub(crate) export_formats: Vec<String>,
    /// Export formats of large images.
    #[serde(default)]
    pub(crate) export_large_formats: Vec<String>,
    /// Formats that other platforms do not read.
    #[serde(default)]
    pub(crate) cloud_formats: Vec<String>,
    /// `createType`s of a VMDK that is complete in one file.
    #[serde(default)]
    pub(crate) vmdk_in_one_file: Vec<String>,
    /// Size limits of disks in the cloud.
    pub(crate) system: DiskBounds,
    pub(crate) data: DiskBounds,
    /// Import routes.
    pub(crate) route: Vec<Route>,
    /// Other platforms, and the formats that they read.
    #[serde(default)]
    pub(crate) export: Vec<Platform>,
    /// For each rule, the document that defines it.
    #[serde(default)]
    pub(crate) sources: BTreeMap<String, String>,
}

/// Size limits of disks in the cloud, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DiskBounds {
    pub(crate) min: Bytes,
    pub(crate) max: Bytes,
}

/// One import route.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Route {
    /// As in `--route`.
    pub id: String,
    /// The name in texts.
    pub title: String,
    /// Accepted formats.
    pub formats: Vec<String>,
    /// The target format for this route.
    pub target: String,
    /// Maximum length of the file, in bytes.
    pub(crate) file_max: Bytes,
    /// Between this and `file_max` the result depends on the interpretation of the unit (GB or GiB).
    pub(crate) file_doubt: Option<Bytes>,
    /// Maximum virtual size, if it is below the limit of the cloud's disks.
    pub(crate) disk_max: Option<Bytes>,
    /// Larger disks are not documented.
    pub(crate) disk_doubt: Option<Bytes>,
    /// Whether a document requires `min_disk` to exceed the virtual size.
    #[serde(default)]
    pub(crate) min_disk_above: bool,
    /// The bitmap that must accompany the file.
    pub(crate) bitmap: Option<Bitmap>,
    /// Whether the storage must not encrypt the file.
    #[serde(default)]
    pub(crate) plain_storage: bool,
}

/// A platform to which a disk of the cloud can be moved.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Platform {
    /// The name in texts.
    pub(crate) title: String,
    /// The format that it reads.
    pub(crate) format: String,
    /// Options of that format, as after `-o`.
    #[serde(default)]
    pub(crate) options: String,
    /// Maximum virtual size of the format, in bytes.
    pub(crate) disk_max: Option<Bytes>,
}

/// The bitmap of a route.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Bitmap {
    /// The extension; the stem is that of the image.
    pub(crate) extension: String,
    /// The command that creates it, with `{raw}` and `{mf}` for the names.
    pub(crate) command: String,
}

/// The use of an image in the cloud.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskRole {
    /// The disk that a machine boots from.
    #[default]
    System,
    /// Any other disk.
    Data,
}

impl DiskRole {
    /// Both, in the order of the help.
    pub const ALL: [Self; 2] = [Self::System, Self::Data];

    /// Its name, as in `--disk`.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Data => "data",
        }
    }
}

const BUILT_IN: &[(&str, &str)] = &[
    ("flexible-engine", include_str!("../profiles/flexible-engine.toml")),
    ("huawei-ims", include_str!("../profiles/huawei-ims.toml")),
    ("otc", include_str!("../profiles/otc.toml")),
];

/// The names of the built-in profiles.
pub fn built_in() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

impl Profile {
    /// Parses a profile; errors contain `name`.
    pub fn parse(name: &str, text: &str) -> Result<Self, InputError> {
        let profile: Self = read(name, text)?;
        let at_top = |message: String| InputError { name: name.into(), line: 1, column: 1, message };
        if profile.disk_unit.0 == 0 {
            return Err(at_top("disk-unit is 0".into()));
        }
        if let Some(id) = profile.sources.keys().find(|id| crate::rule(id).is_none()) {
            return Err(at_top(format!("sources: unknown rule {id:?}")));
        }
        Ok(profile)
    }

    /// A built-in profile.
    pub fn built_in(name: &str) -> Option<Result<Self, InputError>> {
        BUILT_IN.iter().find(|(known, _)| *known == name).map(|(name, text)| Self::parse(name, text))
    }

    /// The import routes, in the order of the profile.
    pub fn routes(&self) -> &[Route] {
        &self.route
    }

    /// The extension of the bitmap that a route requires next to the file.
    pub fn bitmap_extension(&self) -> Option<&str> {
        self.route.iter().find_map(|route| route.bitmap.as_ref()).map(|bitmap| &*bitmap.extension)
    }

    pub(crate) fn bounds(&self, disk: DiskRole) -> DiskBounds {
        match disk {
            DiskRole::System => self.system,
            DiskRole::Data => self.data,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_profiles_are_read_under_their_names() {
        for name in built_in() {
            let profile = Profile::built_in(name).unwrap().unwrap();
            assert_eq!(profile.name, name);
            assert_eq!(profile.routes().len(), 3);
            for rule in crate::RULES.iter().filter(|rule| rule.source.is_empty()) {
                assert!(profile.sources.contains_key(rule.id.name()), "{name}: no source for {}", rule.id);
            }
        }
        assert!(Profile::built_in("elsewhere").is_none());
    }

    #[test]
    fn errors_in_a_profile_have_a_line_and_column() {
        let good = include_str!("../profiles/otc.toml");
        let first = |text: &str, needle: &str| text[..text.find(needle).unwrap()].matches('\n').count() + 1;
        for (from, to, word) in [
            ("disk-small =", "disk-smal =", "disk-smal"),
            ("disk-unit = \"1 GiB\"", "disk-unit = \"1 GB\"", "invalid size"),
            ("file-max = \"128 GiB\"", "file-max = -1", "negative"),
        ] {
            assert!(good.contains(from), "{from}");
            let bad = good.replacen(from, to, 1);
            let error = Profile::parse("my.toml", &bad).unwrap_err();
            assert_eq!(error.line, first(&bad, to), "{error}");
            assert!(error.message.contains(word) && error.to_string().starts_with("my.toml:"), "{error}");
        }
        let error = Profile::parse("x", &good.replace("\"size/whole-gib\"", "\"size/whole\"")).unwrap_err();
        assert_eq!(error.message, "sources: unknown rule \"size/whole\"");
    }
}
