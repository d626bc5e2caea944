//! The images of a batch and their outputs.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use imgprep::{
    Access, Disk, Error, Limits, Mismatch, OpenOptions, ParseOptions, SizeChoice, SourceOptions, Target,
    by_name,
};

use super::job_spec::{ImportRules, JobSpec};
use super::template::{Template, below};
use crate::BatchError;
use crate::journal::fingerprint::absolute;
use crate::journal::record::path_text;

/// An image with its job specification.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its file.
    pub source: PathBuf,
    /// Its folder, below the one that was searched.
    pub dir: PathBuf,
    /// Its options.
    pub spec: JobSpec,
    /// The template for the name of its output.
    pub name: Template,
    /// The output's own name, if it has one.
    pub output: Option<PathBuf>,
    /// The folder whose search found it: links must not lead out of it.
    pub searched: Option<PathBuf>,
}

/// One image and its output.
#[derive(Clone, Debug)]
pub struct Job {
    /// The image.
    pub source: PathBuf,
    /// The path of the output.
    pub output: PathBuf,
    /// The output path relative to the output folder: it identifies the job.
    pub key: String,
    /// Its options.
    pub spec: JobSpec,
    /// The target that these options select.
    pub target: Target,
    /// Bytes that the source takes on its file system.
    pub weight: u64,
    /// The folder whose search found it, if any.
    pub searched: Option<PathBuf>,
}

impl Job {
    /// The bitmap next to a RAW, if requested.
    pub fn bitmap(&self) -> Option<PathBuf> {
        (self.spec.bitmap && self.target.takes_bitmap()).then(|| self.output.with_extension("mf"))
    }

    /// Files of an image of several files, apart from the output itself, in their order: the first ones are written.
    pub(crate) fn extents(&self) -> Vec<PathBuf> {
        self.target.extent_paths(&self.output)
    }

    /// Those of them that exist.
    pub(crate) fn existing_extents(&self) -> Vec<PathBuf> {
        self.extents().into_iter().filter(|path| path.symlink_metadata().is_ok()).collect()
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
        // OK: plain values and a map with text keys can always be serialized.
        let spec = serde_json::to_vec(&self.spec).unwrap_or_default();
        crc32fast::hash(&[absolute(&self.source).as_os_str().as_encoded_bytes(), &spec].concat())
    }
}

/// Images and their outputs.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The output folder.
    pub out: PathBuf,
    /// In the order in which they were named or found.
    pub jobs: Vec<Job>,
    /// Other entries of searched folders: files that are not images by their names, parts of an included image, and links
    /// to folders.
    pub left_out: Vec<PathBuf>,
}

/// Names all outputs. Rejects an output that would be written twice, or that would replace a source.
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
    // Extents of two images differ if their descriptors do.
    for job in jobs.iter().filter(|job| job.target.is_multi_file()) {
        if let Some((extent, other)) = job.extents().iter().find_map(|path| written.get_key_value(path)) {
            let (output, first) = (path_text(extent), path_text(&jobs[*other].source));
            return Err(BatchError::OutputTwice { output, first, second: path_text(&job.source) }.into());
        }
    }
    let extents: HashSet<PathBuf> = jobs.iter().flat_map(Job::existing_extents).collect();
    // The comparison must not depend on links in the path of the folder.
    let folder = out.canonicalize().unwrap_or_else(|_| out.to_path_buf());
    for job in &jobs {
        let real = job.source.canonicalize().unwrap_or_else(|_| job.source.clone());
        let over = real.strip_prefix(&folder).ok().map(|below| out.join(below));
        if let Some(over) = over.filter(|over| written.contains_key(over) || extents.contains(over)) {
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

/// The options to open the source of a job.
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

    #[test]
    fn one_output_for_two_images_is_refused() {
        let out = Path::new("out");
        let images =
            vec![found(Path::new("a.vhd"), "{stem}.{ext}"), found(Path::new("a.vmdk"), "{stem}.{ext}")];
        let error = assemble(out, images, Vec::new(), &NoRules).unwrap_err();
        assert_eq!(error.code().id, "batch.output.twice");
        assert!(error.to_string().contains("a.vhd and a.vmdk would both be written to out/a.raw"), "{error}");
    }

    #[test]
    fn an_extent_is_neither_another_output_nor_a_source() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let split = |source: &Path| {
            let options = [("subformat".to_string(), "twoGbMaxExtentSparse".to_string())].into();
            let image = found(source, "{stem}.{ext}");
            Found { spec: JobSpec { to: "vmdk".into(), options, ..image.spec }, ..image }
        };
        let images = || vec![split(&at("a.raw")), split(&at("a-s002.raw"))];
        let error = assemble(&at("out"), images(), Vec::new(), &NoRules).unwrap_err();
        assert_eq!(error.code().id, "batch.output.twice");
        assert!(error.to_string().contains("both be written to"), "{error}");
        assert!(error.to_string().contains("a-s002.vmdk"), "{error}");
        std::fs::write(at("a-s480.vmdk"), "").unwrap();
        let to = |name: &str, source: &str| Found { output: Some(name.into()), ..split(&at(source)) };
        let apart = vec![to("b.vmdk", "a.raw"), to("c.vmdk", "a-s480.vmdk")];
        assert!(assemble(folder.path(), apart, Vec::new(), &NoRules).is_ok());
        let over = vec![to("a.vmdk", "a.raw"), to("c.vmdk", "a-s480.vmdk")];
        let error = assemble(folder.path(), over, Vec::new(), &NoRules).unwrap_err();
        assert_eq!(error.code().id, "batch.output.is-input");
    }

    #[test]
    fn an_image_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("a.raw");
        std::fs::write(&source, "").unwrap();
        let images = vec![found(&source, "{name}")];
        let error = assemble(folder.path(), images, Vec::new(), &NoRules).unwrap_err();
        assert_eq!(error.code().id, "batch.output.is-input");
    }
}
