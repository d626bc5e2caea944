//! The manifest: images and their options, in TOML.
//!
//! Options that an image does not set come from `[defaults]`, and those that are not set there from the command line.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use imgprep::policy::DiskRole;
use imgprep::{Error, FollowPolicy, by_name};
use serde::Deserialize;
use toml::Spanned;

use super::job_spec::{ImportRules, JobSpec};
use super::jobs::Found;
use super::search::{Search, search};
use super::template::{Template, below};
use crate::BatchError;

/// An example with comments.
pub const EXAMPLE: &str = include_str!("example.toml");

/// The contents of a manifest.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    out: Option<PathBuf>,
    #[serde(default)]
    defaults: Settings,
    #[serde(default)]
    image: Vec<Spanned<Settings>>,
}

/// Settings of one image, or the defaults of all.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Settings {
    path: Option<Spanned<PathBuf>>,
    output: Option<Spanned<PathBuf>>,
    recursive: Option<bool>,
    include: Option<Vec<String>>,
    exclude: Option<Vec<String>>,
    from: Option<Spanned<String>>,
    snapshot: Option<String>,
    follow: Option<FollowPolicy>,
    accept_parent: Option<bool>,
    to: Option<Spanned<String>>,
    options: Option<Spanned<BTreeMap<String, OptionValue>>>,
    name: Option<Spanned<String>>,
    uuid: Option<Spanned<String>>,
    bitmap: Option<bool>,
    verify: Option<bool>,
    salvage: Option<bool>,
    r#for: Option<Spanned<String>>,
    disk: Option<DiskRole>,
}

/// `level = 3` and `level = "3"` are the same.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum OptionValue {
    Number(i64),
    Flag(bool),
    Text(String),
}

impl OptionValue {
    fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// Options of the command line for all images.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// Options of each image.
    pub spec: JobSpec,
    /// How outputs are named.
    pub name: Template,
    /// How folders are searched.
    pub search: Search,
}

/// A parsed manifest.
pub struct Manifest<'a> {
    text: &'a str,
    parsed: Text,
    path: &'a Path,
}

impl<'a> Manifest<'a> {
    /// Parses a manifest. An unknown key is an error with its line and column.
    pub fn parse(text: &'a str, path: &'a Path) -> Result<Self, Error> {
        let parsed = toml::from_str(text).map_err(|error| {
            let what = error.message().to_string();
            wrong(text, path, error.span().unwrap_or_default(), what)
        })?;
        Ok(Self { text, parsed, path })
    }

    /// The output folder, relative to the folder of the manifest.
    pub fn out(&self) -> Option<PathBuf> {
        self.parsed.out.as_ref().map(|out| self.folder().join(out))
    }

    /// All images of the manifest, and other files of its folders.
    pub fn images(
        &self,
        defaults: &Defaults,
        out: &Path,
        rules: &dyn ImportRules,
    ) -> Result<(Vec<Found>, Vec<PathBuf>), Error> {
        let all = &self.parsed.defaults;
        if let Some(path) = all.path.as_ref().or(all.output.as_ref()) {
            return Err(
                self.wrong(path.span(), "this key is allowed in [[image]] only, not in [defaults]".into())
            );
        }
        let (mut images, mut left_out) = (Vec::new(), Vec::new());
        for image in &self.parsed.image {
            let settings = image.as_ref();
            let Some(path) = &settings.path else {
                return Err(self.wrong(image.span(), "an [[image]] needs a path".into()));
            };
            let (spec, name) = self.settle(settings, defaults, rules)?;
            let source = self.folder().join(path.as_ref());
            let mut place = |source, dir, output, searched| {
                images.push(Found { source, dir, spec: spec.clone(), name: name.clone(), output, searched });
            };
            if !source.is_dir() {
                let output = settings.output.as_ref().map(|output| output.as_ref().clone());
                if let (Some(output), Some(set)) = (&output, &settings.output) {
                    below(output).map_err(|what| self.wrong(set.span(), what))?;
                }
                place(source, PathBuf::new(), output, None);
                continue;
            }
            if let Some(output) = &settings.output {
                return Err(self.wrong(
                    output.span(),
                    "the images of a folder cannot have one output: use `name`".into(),
                ));
            }
            let (found, others) = search(&source, &self.search(settings, defaults), out)?;
            found.into_iter().for_each(|(file, dir)| place(file, dir, None, Some(source.clone())));
            left_out.extend(others);
        }
        Ok((images, left_out))
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    fn search(&self, image: &Settings, defaults: &Defaults) -> Search {
        let all = &self.parsed.defaults;
        let line = &defaults.search;
        Search {
            recursive: image.recursive.or(all.recursive).unwrap_or(line.recursive),
            include: image.include.clone().or(all.include.clone()).unwrap_or(line.include.clone()),
            exclude: image.exclude.clone().or(all.exclude.clone()).unwrap_or(line.exclude.clone()),
        }
    }

    /// The option of the image, else of `[defaults]`, else of the command line.
    fn settle(
        &self,
        image: &Settings,
        defaults: &Defaults,
        rules: &dyn ImportRules,
    ) -> Result<(JobSpec, Template), Error> {
        let (all, line) = (&self.parsed.defaults, &defaults.spec);
        macro_rules! setting {
            ($field:ident) => {
                image.$field.as_ref().or(all.$field.as_ref())
            };
        }
        let text = |set: Option<&Spanned<String>>| set.map(|set| set.as_ref().clone());
        // Options belong to a target: with another target, the options of the outer levels are dropped.
        let to_below = image.to.is_none().then_some(&all.options);
        let options = image.options.as_ref().or(to_below.and_then(Option::as_ref));
        let inherits_line = setting!(to).is_none();
        let spec = JobSpec {
            from: text(setting!(from)).or_else(|| line.from.clone()),
            snapshot: setting!(snapshot).cloned().or_else(|| line.snapshot.clone()),
            follow: setting!(follow).copied().unwrap_or(line.follow),
            accept_parent: setting!(accept_parent).copied().unwrap_or(line.accept_parent),
            to: text(setting!(to)).unwrap_or_else(|| line.to.clone()),
            options: match options {
                Some(options) => {
                    options.as_ref().iter().map(|(key, value)| (key.clone(), value.text())).collect()
                }
                None if inherits_line => line.options.clone(),
                None => BTreeMap::new(),
            },
            uuid: text(setting!(uuid)).or_else(|| line.uuid.clone()),
            bitmap: setting!(bitmap).copied().unwrap_or(line.bitmap),
            verify: setting!(verify).copied().unwrap_or(line.verify),
            salvage: setting!(salvage).copied().unwrap_or(line.salvage),
            profile: text(setting!(r#for)).or_else(|| line.profile.clone()),
            disk: setting!(disk).copied().unwrap_or(line.disk),
        };
        if let Some(from) = setting!(from).filter(|from| by_name(from.as_ref()).is_none()) {
            return Err(self.wrong(from.span(), format!("from {}: not a readable format", from.as_ref())));
        }
        if let Some(name) = setting!(r#for) {
            rules.check_profile(name.as_ref()).map_err(|what| self.wrong(name.span(), what))?;
        }
        let blamed = options.map(Spanned::span).or(setting!(to).map(Spanned::span)).unwrap_or_default();
        spec.target().map_err(|what| self.wrong(blamed, what))?;
        let name = match setting!(name) {
            Some(name) => Template::parse(name.as_ref()).map_err(|what| self.wrong(name.span(), what))?,
            None => defaults.name.clone(),
        };
        Ok((spec, name))
    }

    fn wrong(&self, span: Range<usize>, what: String) -> Error {
        wrong(self.text, self.path, span, what)
    }
}

/// An error with its line and column.
fn wrong(text: &str, path: &Path, span: Range<usize>, what: String) -> Error {
    let before = text.get(..span.start).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Error::new(BatchError::Manifest { line, column, what }).in_path(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Known;

    impl ImportRules for Known {
        fn check_profile(&self, name: &str) -> Result<(), String> {
            if name == "p" { Ok(()) } else { Err(format!("no profile {name}")) }
        }
    }

    fn images(text: &str) -> Result<Vec<Found>, Error> {
        let spec = JobSpec { to: "zvhd2".into(), ..JobSpec::default() };
        let defaults = Defaults { spec, ..Defaults::default() };
        let manifest = Manifest::parse(text, Path::new("dir/jobs.toml"))?;
        Ok(manifest.images(&defaults, Path::new("out"), &Known)?.0)
    }

    fn place(text: &str) -> (usize, usize, String) {
        match images(text).unwrap_err().detail::<BatchError>() {
            Some(BatchError::Manifest { line, column, what }) => (*line, *column, what.clone()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_image_s_word_counts_more_than_the_defaults() {
        let text = "[defaults]\nto = 'raw'\nverify = true\nfor = 'p'\nname = '{name}.x'\n\
                    [[image]]\npath = 'a.img'\n[[image]]\npath = '/b.img'\nto = 'zvhd2'\nverify = false\n\
                    options = { level = 3 }\noutput = 'c/d.z'\nfrom = 'raw'\ndisk = 'data'\n";
        let found = images(text).unwrap();
        let (first, second) = (&found[0], &found[1]);
        assert_eq!(first.source, Path::new("dir/a.img"));
        assert_eq!(
            (first.spec.to.as_str(), first.spec.verify, first.spec.profile.as_deref()),
            ("raw", true, Some("p"))
        );
        assert_eq!(second.source, Path::new("/b.img"));
        assert_eq!((second.spec.to.as_str(), second.spec.verify), ("zvhd2", false));
        assert_eq!(second.spec.options["level"], "3");
        assert_eq!(second.output.as_deref(), Some(Path::new("c/d.z")));
        assert_eq!(second.spec.disk, DiskRole::Data);
        assert!(second.name.output(Path::new("b"), Path::new(""), "e").unwrap() == Path::new("b.x"));
    }

    #[test]
    fn what_is_wrong_has_its_line_and_column() {
        let (line, column, what) = place("[defaults]\nto = 'raw'\n  verfy = true\n");
        assert_eq!((line, column), (3, 3));
        assert!(what.contains("verfy") && what.contains("verify"), "{what}");
        assert_eq!(place("[[image]]\npath = 'a'\n[[image]]\npath='b'\nto = 'floppy'").0, 5);
        assert_eq!(
            place("[[image]]\npath = 'a'\noptions = { speed = 1 }"),
            (3, 11, "speed=1: zvhd2 has level=N, compression_type=zstd|zlib and checksum=on|off".into())
        );
        assert_eq!(place("x = 1\n").0, 1);
        assert_eq!(place("[[image]]\npath = 'ä' 1").0, 2);
        assert_eq!(place("[[image]]\npath = 'a'\nfrom = 'floppy'").0, 3);
        assert_eq!(place("[[image]]\npath = 'a'\nname = '{nom}'").0, 3);
        assert_eq!(place("[[image]]\npath = 'a'\noutput = '../x'").0, 3);
        assert_eq!(place("[[image]]\npath = 'a'\ndisk = 'floppy'").0, 3);
        assert_eq!(place("[[image]]\npath = 'a'\nfor = 'q'"), (3, 7, "no profile q".into()));
        assert_eq!(place("[[image]]\npath = 7").0, 2);
        assert_eq!(place("[defaults]\npath = 'a'").0, 2);
        assert_eq!(place("\n[[image]]\nto = 'raw'").0, 2);
    }

    #[test]
    fn the_example_is_a_manifest() {
        assert_eq!(images(EXAMPLE).unwrap().len(), 2);
    }
}
