//! Which images, and what each becomes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use globset::{Glob, GlobSet, GlobSetBuilder};
use imgprep::{
    Access, Disk, Error, FollowPolicy, Limits, Mismatch, OpenOptions, ParseOptions, SizeChoice,
    SourceOptions, Target, by_name, check_link, parts_among, reason,
};
use walkdir::WalkDir;

use crate::fingerprint::absolute;
use crate::job_spec::{ImportRules, JobSpec};
use crate::record::path_text;
use crate::template::{Template, below};
use crate::{BatchError, JOURNAL_NAME};

/// How a folder is searched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// Whether folders in it are searched, too.
    pub recursive: bool,
    /// Names that are taken; the known extensions of images if there are none.
    pub include: Vec<String>,
    /// Names that are left out.
    pub exclude: Vec<String>,
}

/// An image with its job specification.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its file.
    pub source: PathBuf,
    /// Its folder, below the one that was searched.
    pub dir: PathBuf,
    /// Its options.
    pub spec: JobSpec,
    /// How its output is named.
    pub name: Template,
    /// The output's own name, if it has one.
    pub output: Option<PathBuf>,
    /// The folder that it was found in by a search: a link does not lead out of it.
    pub searched: Option<PathBuf>,
}

/// One image and its output.
#[derive(Clone, Debug)]
pub struct Job {
    /// The image.
    pub source: PathBuf,
    /// The output's whole path.
    pub output: PathBuf,
    /// The output path relative to the output folder: it identifies the job.
    pub key: String,
    /// Its options.
    pub spec: JobSpec,
    /// The target that these options select.
    pub target: Target,
    /// Bytes that the source takes on its file system.
    pub weight: u64,
    /// The folder that it was found in by a search, if it was.
    pub searched: Option<PathBuf>,
}

impl Job {
    /// The bitmap next to a RAW, if requested.
    pub fn bitmap(&self) -> Option<PathBuf> {
        (self.spec.bitmap && self.target.takes_bitmap()).then(|| self.output.with_extension("mf"))
    }

    /// Opens the image. A link of a searched folder is followed within that folder only, unless the policy is `any`.
    pub(crate) fn open(&self) -> Result<Disk, Error> {
        if let Some(folder) = &self.searched {
            imgprep::check_link(&self.source, folder, self.spec.follow)?;
        }
        Disk::open(&self.source, &open_options(self))
    }

    /// A checksum of the source path and the specification: it changes with any option.
    pub(crate) fn checksum(&self) -> u32 {
        // OK: plain values and a map with text keys always have a JSON.
        let spec = serde_json::to_vec(&self.spec).unwrap_or_default();
        crc32fast::hash(&[absolute(&self.source).as_os_str().as_encoded_bytes(), &spec].concat())
    }
}

/// Images and where they go.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The output folder.
    pub out: PathBuf,
    /// In the order in which they were named or found.
    pub jobs: Vec<Job>,
    /// What a searched folder has besides: files that are not images by their names, parts of an image that is taken, and links to
    /// folders.
    pub left_out: Vec<PathBuf>,
}

/// Images with their places below the searched folder, and files that are not taken.
pub type Searched = (Vec<(PathBuf, PathBuf)>, Vec<PathBuf>);

/// Images below `folder` with their places, and files that are not taken. Hidden ones are not looked at.
pub fn search(folder: &Path, search: &Search, out: &Path) -> Result<Searched, Error> {
    let default: Vec<_> = known_extensions().map(|extension| format!("*.{extension}")).collect();
    let include = globs(if search.include.is_empty() { &default } else { &search.include })?;
    let exclude = globs(&search.exclude)?;
    let out = out.canonicalize().ok();
    let depth = if search.recursive { usize::MAX } else { 1 };
    let walk = WalkDir::new(folder).min_depth(1).max_depth(depth).sort_by_file_name().into_iter();
    let is_hidden = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b".");
    let is_out = |path: &Path| out.is_some() && path.canonicalize().ok() == out && path != folder;
    let (mut found, mut left_out) = (Vec::new(), Vec::new());
    let kept = walk.filter_entry(|entry| {
        !(is_hidden(entry.file_name()) || entry.file_type().is_dir() && is_out(entry.path()))
    });
    for entry in kept {
        let entry = entry.map_err(|error| unlisted(&error))?;
        let is_link = entry.path_is_symlink();
        // A link to a folder is not followed. One that leads nowhere is taken, and fails when it is opened.
        if is_link && entry.path().is_dir() {
            left_out.push(entry.into_path());
            continue;
        }
        let is_file = entry.path().is_file() || is_link && !entry.path().exists();
        if entry.file_type().is_dir() || !is_file || entry.file_name() == JOURNAL_NAME {
            continue;
        }
        let below = entry.path().strip_prefix(folder).unwrap_or(entry.path());
        let is_in = |globs: &GlobSet| globs.is_match(below) || globs.is_match(entry.file_name());
        let dir = below.parent().unwrap_or(Path::new("")).to_path_buf();
        if is_in(&include) && !is_in(&exclude) {
            found.push((entry.into_path(), dir));
        } else {
            left_out.push(entry.into_path());
        }
    }
    leave_out_parts(&mut found, &mut left_out);
    Ok((found, left_out))
}

/// Extensions of the files that a search takes by default.
fn known_extensions() -> impl Iterator<Item = &'static str> {
    imgprep::image_extensions().chain(imgprep::LIKELY_EXTENSIONS.iter().copied())
}

/// Parts of a disk that another image of their folder names are no images of their own. Parts that none
/// names stay: they fail, and are reported so.
fn leave_out_parts(found: &mut Vec<(PathBuf, PathBuf)>, left_out: &mut Vec<PathBuf>) {
    let mut folders: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    // A link that leads out of its folder is not opened to look for names of parts.
    let is_own =
        |path: &Path| check_link(path, path.parent().unwrap_or(Path::new("")), FollowPolicy::Beside).is_ok();
    for (path, _) in found.iter().filter(|(path, _)| is_own(path)) {
        folders.entry(path.parent().unwrap_or(Path::new("")).to_path_buf()).or_default().push(path.clone());
    }
    let parts: BTreeSet<PathBuf> =
        folders.values().flat_map(|paths| parts_among(paths, &OpenOptions::default()).into_keys()).collect();
    found.retain(|(path, _)| !parts.contains(path));
    left_out.extend(parts);
}

/// Why a folder could not be listed, with its name.
fn unlisted(error: &walkdir::Error) -> Error {
    let what = match error.io_error() {
        Some(error) => format!("cannot list the folder: {}", reason(error)),
        None => error.to_string(),
    };
    let listed = Error::new(BatchError::Listing { what });
    match error.path() {
        Some(path) => listed.in_path(path_text(path)),
        None => listed,
    }
}

fn globs(patterns: &[String]) -> Result<GlobSet, Error> {
    let wrong = |error: globset::Error| BatchError::Setting { what: error.to_string() };
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let glob = globset::GlobBuilder::new(pattern).case_insensitive(true).literal_separator(false).build();
        set.add(Glob::clone(&glob.map_err(wrong)?));
    }
    Ok(set.build().map_err(wrong)?)
}

/// Names all outputs, and refuses what would write one of them twice or over an image that is read.
pub fn assemble(
    out: &Path,
    found: Vec<Found>,
    left_out: Vec<PathBuf>,
    rules: &dyn ImportRules,
) -> Result<Batch, Error> {
    let mut jobs: Vec<Job> = Vec::with_capacity(found.len());
    for image in found {
        jobs.push(job(out, image, rules)?);
    }
    let mut written: HashMap<PathBuf, usize> = HashMap::with_capacity(jobs.len());
    for (index, job) in jobs.iter().enumerate() {
        for output in [Some(job.output.clone()), job.bitmap()].into_iter().flatten() {
            let text = path_text(&output);
            if let Some(first) = written.insert(output, index) {
                let first = path_text(&jobs[first].source);
                return Err(
                    BatchError::OutputTwice { output: text, first, second: path_text(&job.source) }.into()
                );
            }
        }
    }
    // A link in the way to the folder must not hide that it is one.
    let folder = out.canonicalize().unwrap_or_else(|_| out.to_path_buf());
    for job in &jobs {
        let real = job.source.canonicalize().unwrap_or_else(|_| job.source.clone());
        let over = real.strip_prefix(&folder).ok().map(|below| out.join(below));
        if let Some(over) = over.filter(|over| written.contains_key(over)) {
            return Err(BatchError::OutputIsInput { output: path_text(&over) }.into());
        }
    }
    Ok(Batch { out: out.to_path_buf(), jobs, left_out })
}

fn job(out: &Path, image: Found, rules: &dyn ImportRules) -> Result<Job, Error> {
    let wrong = |what| Error::new(BatchError::Setting { what }).in_path(path_text(&image.source));
    image.spec.profile.as_deref().map_or(Ok(()), |name| rules.check_profile(name)).map_err(wrong)?;
    let target = image.spec.target().map_err(wrong)?;
    let relative = match &image.output {
        Some(output) => below(output),
        None => image.name.output(&image.source, &image.dir, target.name()),
    };
    let relative = relative.map_err(wrong)?;
    if image.spec.bitmap && !target.takes_bitmap() {
        return Err(wrong("a bitmap can only be written next to a RAW".into()));
    }
    let weight = imgprep::space_taken(&image.source).unwrap_or(0);
    Ok(Job {
        output: out.join(&relative),
        key: path_text(&relative),
        source: image.source,
        spec: image.spec,
        target,
        weight,
        searched: image.searched,
    })
}

/// How a source is opened.
pub(crate) fn open_options(job: &Job) -> OpenOptions {
    let spec = &job.spec;
    OpenOptions {
        from: spec.from.as_deref().and_then(by_name),
        parse: ParseOptions {
            limits: Limits::default(),
            snapshot: spec.snapshot.clone(),
            size: SizeChoice::Current,
            salvage: spec.salvage,
        },
        follow: spec.follow,
        associated_follow: None,
        mismatch: if spec.accept_parent { Mismatch::Accept } else { Mismatch::Refuse },
        source: SourceOptions { access: if spec.salvage { Access::Positioned } else { Access::Mapped } },
        parents: Vec::new(),
        namespace: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct NoRules;

    impl ImportRules for NoRules {}

    fn found(source: &Path, name: &str) -> Found {
        let name = Template::parse(name).unwrap();
        Found {
            source: source.into(),
            dir: PathBuf::new(),
            spec: JobSpec { to: "raw".into(), ..JobSpec::default() },
            name,
            output: None,
            searched: None,
        }
    }

    fn names(paths: &[(PathBuf, PathBuf)]) -> Vec<String> {
        paths
            .iter()
            .map(|(path, dir)| format!("{}:{}", dir.display(), path.file_name().unwrap().display()))
            .collect()
    }

    #[test]
    fn a_folder_gives_its_images_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for dir in ["sub", "out", ".hidden"] {
            std::fs::create_dir(root.join(dir)).unwrap();
        }
        for file in [
            "b.qcow2",
            "a.RAW",
            "notes.txt",
            ".a.raw",
            "sub/c.vmdk",
            "sub/c-flat.vmdk",
            "out/x.raw",
            ".hidden/y.raw",
        ] {
            std::fs::write(root.join(file), "").unwrap();
        }
        std::os::unix::fs::symlink(root, root.join("sub/loop")).unwrap();
        let all = |recursive, include: &[&str], exclude: &[&str]| {
            let texts = |list: &[&str]| list.iter().map(|text| (*text).to_string()).collect();
            let how = Search { recursive, include: texts(include), exclude: texts(exclude) };
            search(root, &how, &root.join("out")).unwrap()
        };
        let (found, left_out) = all(false, &[], &[]);
        assert_eq!(
            (names(&found), left_out),
            (vec![":a.RAW".into(), ":b.qcow2".into()], vec![root.join("notes.txt")])
        );
        // No descriptor names the flat file: it stays, to fail.
        let found = names(&all(true, &[], &["*.qcow2"]).0);
        assert_eq!(found, [":a.RAW", "sub:c-flat.vmdk", "sub:c.vmdk"]);
        let text = "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType=\"vmfs\"\n\
                    RW 0 VMFS \"c-flat.vmdk\"\n";
        std::fs::write(root.join("sub/c.vmdk"), text).unwrap();
        let (found, left_out) = all(true, &[], &["*.qcow2"]);
        assert_eq!(names(&found), [":a.RAW", "sub:c.vmdk"]);
        assert_eq!(left_out.last(), Some(&root.join("sub/c-flat.vmdk")));
        assert_eq!(names(&all(true, &["sub/*"], &[]).0), ["sub:c.vmdk"]);
        // Asked for without its descriptor.
        assert_eq!(names(&all(true, &["*-flat.vmdk"], &[]).0), ["sub:c-flat.vmdk"]);
        let how = Search { include: vec!["{a".into()], ..Search::default() };
        assert_eq!(search(root, &how, root).unwrap_err().code(), "batch.setting");
    }

    #[test]
    fn one_output_for_two_images_is_refused() {
        let out = Path::new("out");
        let images =
            vec![found(Path::new("a.vhd"), "{stem}.{ext}"), found(Path::new("a.vmdk"), "{stem}.{ext}")];
        let error = assemble(out, images, Vec::new(), &NoRules).unwrap_err();
        assert_eq!(error.code(), "batch.output.twice");
        assert!(error.to_string().contains("a.vhd and a.vmdk would both be written to out/a.raw"), "{error}");
    }

    #[test]
    fn an_image_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("a.raw");
        std::fs::write(&source, "").unwrap();
        let images = vec![found(&source, "{name}")];
        let error = assemble(folder.path(), images, Vec::new(), &NoRules).unwrap_err();
        assert_eq!(error.code(), "batch.output.is-input");
    }
}
