//! `imgprep.toml`.

use serde::Deserialize;

use crate::input::read;
use crate::{DiskRole, InputError};

/// The file's name.
pub const CONFIG_NAME: &str = "imgprep.toml";

/// What a configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// For the command `check`.
    #[serde(default)]
    pub check: Check,
}

/// The section `[check]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Check {
    /// A built-in profile.
    pub profile: Option<String>,
    /// A profile of one's own, relative to the configuration's folder.
    pub profile_file: Option<String>,
    /// What the image will be.
    pub disk: Option<DiskRole>,
    /// The route that counts.
    pub route: Option<String>,
    /// Whether payloads are decompressed.
    pub deep: Option<bool>,
    /// Rules that are errors.
    pub deny: Vec<String>,
    /// Rules that are warnings.
    pub warn: Vec<String>,
    /// Rules that are not reported.
    pub allow: Vec<String>,
}

impl Config {
    /// A configuration with every setting, commented out.
    pub const TEMPLATE: &str = "\
# Settings of `imgprep check`, found from the working directory upwards.
# Command-line options take precedence.
[check]
# profile = \"huawei-ims\"          # or otc, flexible-engine
# profile-file = \"my-cloud.toml\"  # relative to this file
# disk = \"system\"                 # or data
# route = \"import\"
# deep = false
deny = []                         # rules or groups: \"structure/leak\", \"safety/*\", \"warnings\"
warn = []
allow = []
";

    /// Reads the text of a configuration called `name`.
    pub fn parse(name: &str, text: &str) -> Result<Self, InputError> {
        read(name, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_a_configuration_that_changes_nothing() {
        assert_eq!(Config::parse("t", Config::TEMPLATE), Ok(Config::default()));
        let all =
            Config::TEMPLATE.replace("\n# ", "\n").replace("Command-line options", "# Command-line options");
        let all = Config::parse("t", &all).unwrap();
        assert_eq!(all.check.disk, Some(DiskRole::System));
        assert_eq!(all.check.profile.as_deref(), Some("huawei-ims"));
    }

    #[test]
    fn an_unknown_key_is_reported_with_its_place() {
        let error = Config::parse("imgprep.toml", "[check]\nden = []\n").unwrap_err();
        assert_eq!((error.line, error.column), (2, 1));
        assert!(error.message.contains("den"), "{error}");
    }
}
