//! From one path to the layers of a disk.

use std::path::Path;
use std::sync::Arc;

use imgprep_catalog::{Detection, Format, by_name, denied_as_raw, is_raw, parse};
use imgprep_io::ImageFile;
use imgprep_map::{
    Detail as _, Error, Finding, Image, ImageName, Overlay, OverlayReader, ParentRef, ParseOptions, Parsed,
    ReadAt, ReadError, Severity, usize_of,
};

use crate::associated_file::associated_files;
use crate::codes;
use crate::follow_policy::last_part;
use crate::options::{Mismatch, OpenOptions};
use crate::read_image::{open_file, open_given, or_unread};
use crate::{ChainError, DetectedFile, FollowPolicy, ProbedFile, near, search};

/// One opened image.
#[derive(Debug)]
pub struct Layer {
    /// Its name, as given by the user or resolved from the layer above.
    pub name: String,
    /// What it was taken for, and why.
    pub detection: Detection,
    /// What it says.
    pub image: Box<Image>,
    /// Its files by [`FileId`](imgprep_map::FileId): itself, then its associated files.
    pub files: Vec<Arc<dyn ImageFile>>,
}

impl Layer {
    /// The files as what a map reads from.
    pub fn readers(&self) -> Vec<Arc<dyn ReadAt>> {
        readers(&self.files, self.image.overlay.as_ref())
    }

    /// The files' names, in the same order.
    pub fn names(&self) -> Vec<String> {
        let associated_files = self.files.iter().skip(1).map(|file| file.path().display().to_string());
        std::iter::once(self.name.clone()).chain(associated_files).collect()
    }
}

/// The files as a map reads them: the image itself with its log replayed.
fn readers(files: &[Arc<dyn ImageFile>], overlay: Option<&Arc<Overlay>>) -> Vec<Arc<dyn ReadAt>> {
    let mut readers: Vec<_> = files.iter().map(|file| Arc::clone(file) as Arc<dyn ReadAt>).collect();
    if let (Some(first), Some(overlay)) = (readers.first_mut(), overlay) {
        *first = Arc::new(OverlayReader::new(Arc::clone(first), Arc::clone(overlay)));
    }
    readers
}

/// A file that an image names but that was not opened.
#[derive(Debug)]
pub struct Named {
    /// The name as the image gives it.
    pub name: String,
    /// Why it was not opened.
    pub reason: Error,
}

/// The layers of a disk, top first.
#[derive(Debug)]
pub struct Chain {
    /// The format of the first layer, if the caller selected it.
    pub from: Option<&'static Format>,
    /// At least one.
    pub layers: Vec<Layer>,
    /// Unopened files of the last layer: with [`FollowPolicy::None`] only.
    pub unopened: Vec<Named>,
}

impl Chain {
    /// The given image.
    pub fn top(&self) -> &Layer {
        // OK: `open` puts the first layer in before anything else.
        &self.layers[0]
    }

    /// Fails if a file was replaced or modified since it was opened.
    pub fn unchanged(&self) -> Result<(), Error> {
        self.each_file(|file| file.unchanged())
    }

    /// Fails if a page of a mapping could not be read.
    pub fn verify_mapping(&self) -> Result<(), Error> {
        self.each_file(|file| file.verify_mapping())
    }

    /// The first file that another process has open for writing.
    pub fn file_in_use(&self) -> Option<&Path> {
        let mut files = self.layers.iter().flat_map(|layer| &layer.files);
        files.find(|file| file.has_writer()).map(|file| file.path())
    }

    /// Whether `path` is one of the files that are read.
    pub fn reads_from(&self, path: &Path) -> bool {
        let mut files = self.layers.iter().flat_map(|layer| &layer.files);
        files.any(|file| imgprep_io::is_same_file(path, file.identity()))
    }

    /// The last opened layer.
    fn lowest(&self) -> &Layer {
        // OK: `open_source` puts the first layer in before anything else.
        &self.layers[self.layers.len() - 1]
    }

    /// Adds a finding to the lowest layer.
    fn note(&mut self, oddity: &ChainError) {
        let finding = Finding {
            code: oddity.code(),
            severity: Severity::Error,
            at: oddity.at(),
            message: oddity.to_string(),
        };
        if let Some(lowest) = self.layers.last_mut() {
            lowest.image.findings.push(finding);
        }
    }

    fn each_file(&self, check: impl Fn(&dyn ImageFile) -> Result<(), ReadError>) -> Result<(), Error> {
        for file in self.layers.iter().flat_map(|layer| &layer.files) {
            check(&**file).map_err(|error| Error::new(error).in_path(file.path().display().to_string()))?;
        }
        Ok(())
    }
}

/// Opens an image and all files that it names.
///
/// With [`FollowPolicy::None`] other files are listed as unopened instead of opened.
pub fn open(path: &Path, options: &OpenOptions) -> Result<Chain, Error> {
    let name = path.display().to_string();
    open_source(name, open_given(path, options)?, options)
}

/// The same for an open source with the name `name`.
pub fn open_source(
    name: String,
    file: impl Into<Arc<dyn ImageFile>>,
    options: &OpenOptions,
) -> Result<Chain, Error> {
    open_probed(&probe(name, file.into())?, options)
}

/// The same for a file whose matching formats are known.
pub fn open_probed(file: &ProbedFile, options: &OpenOptions) -> Result<Chain, Error> {
    open_detected(detect(file, options.from)?, options)
}

/// The same for a file whose format is known. [`OpenOptions::from`] is not used.
pub fn open_detected(file: DetectedFile, options: &OpenOptions) -> Result<Chain, Error> {
    let mut chain = Chain { from: file.from, layers: Vec::new(), unopened: Vec::new() };
    let top = open_layer(&mut chain, file, &options.parse, options)?;
    chain.layers.push(top);
    while let Some(parent) = chain.lowest().image.parent.clone() {
        match follow(&mut chain, &parent, options) {
            Ok(layer) => chain.layers.push(layer),
            Err(reason) if options.follow == FollowPolicy::None => {
                chain.unopened.push(Named { name: parent.label(), reason });
                break;
            }
            Err(reason) => return Err(reason),
        }
    }
    if let Some(path) = options.parents.get(chain.layers.len() - 1).filter(|_| chain.unopened.is_empty()) {
        let surplus = ChainError::NoParent { parent: path.display().to_string() };
        return Err(Error::new(surplus).in_path(chain.lowest().name.clone()));
    }
    chain.verify_mapping()?;
    Ok(chain)
}

/// The layer below the lowest one.
///
/// The names that the image gives are tried in turn; where its parent can be recognised by an
/// identity, so are their last parts beside the image.
fn follow(chain: &mut Chain, parent: &ParentRef, options: &OpenOptions) -> Result<Layer, Error> {
    let above = chain.lowest().files[0].path().to_path_buf();
    let in_above = |error: ChainError| Error::new(error).in_path(above.display().to_string());
    let depth = options.parse.limits.chain_depth;
    if let Some(path) = options.parents.get(chain.layers.len() - 1) {
        return follow_given(chain, parent, path, options);
    }
    if !parent.is_named() {
        return follow_unnamed(chain, parent, options);
    }
    let named = || std::iter::once(&parent.name).chain(&parent.others);
    let beside: Vec<_> = named().filter(|_| !parent.identities.is_empty()).filter_map(last_part).collect();
    let (mut refused, mut stranger) = (None, None);
    for name in named().chain(&beside) {
        let path = match options.resolve(&above, name, parent.at, options.follow) {
            Ok(path) => path,
            Err(error) => {
                refused.get_or_insert_with(|| {
                    near::explain(error, &above, parent.encoding.as_deref(), &[], options)
                });
                continue;
            }
        };
        if chain.layers.len() as u64 >= u64::from(depth) {
            return Err(in_above(ChainError::Depth { limit: depth }));
        }
        let layer = open_below(chain, || open_file(&path, options).and_then(probe_below), parent, options)?;
        if mismatch(parent, &layer).is_none() {
            return accept(chain, parent, layer, options.mismatch).map_err(in_above);
        }
        // A stale file of that name: another name may lead to the right one.
        stranger.get_or_insert(layer);
    }
    if let Some(layer) = stranger {
        return accept(chain, parent, layer, options.mismatch).map_err(in_above);
    }
    let nameless = ChainError::Unnamed { at: parent.at };
    Err(in_above(refused.unwrap_or(nameless)))
}

/// The layer below, as specified by the user. Its id must match.
fn follow_given(
    chain: &mut Chain,
    parent: &ParentRef,
    path: &Path,
    options: &OpenOptions,
) -> Result<Layer, Error> {
    let above = chain.lowest().files[0].path().display().to_string();
    let layer = open_below(chain, || open_given(path, options).and_then(probe_below), parent, options)?;
    accept(chain, parent, layer, options.mismatch).map_err(|error| Error::new(error).in_path(above))
}

/// The parent, if the image identifies it by id only.
fn follow_unnamed(chain: &mut Chain, parent: &ParentRef, options: &OpenOptions) -> Result<Layer, Error> {
    let above = chain.lowest().files[0].path().to_path_buf();
    let in_above = |error: ChainError| Error::new(error).in_path(above.display().to_string());
    let depth = options.parse.limits.chain_depth;
    if chain.layers.len() as u64 >= u64::from(depth) && options.follow != FollowPolicy::None {
        return Err(in_above(ChainError::Depth { limit: depth }));
    }
    let file = search::parent_of(&above, parent, options).map_err(in_above)?;
    let layer = open_below(chain, || Ok(file), parent, options)?;
    accept(chain, parent, layer, options.mismatch).map_err(in_above)
}

/// The opened parent, if its id matches.
fn accept(
    chain: &mut Chain,
    parent: &ParentRef,
    layer: Layer,
    on_mismatch: Mismatch,
) -> Result<Layer, ChainError> {
    match mismatch(parent, &layer) {
        Some(error) if on_mismatch == Mismatch::Refuse => return Err(error),
        Some(error) => chain.note(&error),
        None => {}
    }
    if let (Some(expected), Some(found)) = (&parent.revision, &layer.image.revision)
        && expected != found
    {
        chain.note(&ChainError::Changed {
            at: parent.at,
            name: layer.name.clone(),
            expected: expected.clone(),
            found: found.clone(),
        });
    }
    Ok(layer)
}

fn open_below(
    chain: &mut Chain,
    open: impl FnOnce() -> Result<ProbedFile, Error>,
    parent: &ParentRef,
    options: &OpenOptions,
) -> Result<Layer, Error> {
    let above = chain.lowest().files[0].path().display().to_string();
    let from = parent_format(parent).map_err(|error| error.in_path(&above))?;
    let probed = open()?;
    let (path, file) = (probed.name.clone(), &probed.file);
    if chain.layers.iter().any(|layer| layer.files[0].identity() == file.identity()) {
        let name = if parent.is_named() { parent.label() } else { path };
        let cycle = ChainError::Cycle { at: parent.at, name };
        return Err(Error::new(cycle).in_path(above));
    }
    let parse = ParseOptions {
        limits: options.parse.limits,
        salvage: options.parse.salvage,
        ..ParseOptions::default()
    };
    let denied = from.filter(|format| is_raw(format)).and_then(|_| denied_as_raw(file.path()));
    let mut layer = open_layer(chain, detect(&probed, from)?, &parse, options)?;
    if let Some(denied) = denied.filter(|_| layer.detection.matches.is_empty() && !layer.files[0].is_device())
    {
        layer.image.findings.push(Finding {
            code: codes::DETECT_EXTENSION_DIFFERS,
            severity: Severity::Warning,
            at: None,
            message: format!("read as raw, as declared by its child, but {denied}"),
        });
    }
    Ok(layer)
}

/// Whether the id of the layer below differs from the expected one.
fn mismatch(parent: &ParentRef, below: &Layer) -> Option<ChainError> {
    let found: Vec<_> = below.image.identities().map(String::as_str).collect();
    let is_same = parent.identities.is_empty()
        || parent.identities.iter().any(|wanted| found.contains(&wanted.as_str()));
    (!is_same).then(|| ChainError::Mismatch {
        at: parent.at,
        name: below.name.clone(),
        expected: parent.identities.join(" or "),
        found: if found.is_empty() { "nothing".into() } else { found.join(" or ") },
    })
}

fn parent_format(parent: &ParentRef) -> Result<Option<&'static Format>, Error> {
    let Some(format) = &parent.format else { return Ok(None) };
    match by_name(format) {
        Some(format) => Ok(Some(format)),
        None => Err(ChainError::ParentFormat {
            at: parent.at,
            name: parent.name.to_string(),
            format: ImageName(format.clone().into_bytes()).to_string(),
        }
        .into()),
    }
}

fn probe(name: String, file: Arc<dyn ImageFile>) -> Result<ProbedFile, Error> {
    ProbedFile::probe(name.clone(), file).map_err(|error| error.in_path(name))
}

/// A file below the first layer: its name in messages is its path.
fn probe_below(file: Arc<dyn ImageFile>) -> Result<ProbedFile, Error> {
    probe(file.path().display().to_string(), file)
}

fn detect(file: &ProbedFile, from: Option<&'static Format>) -> Result<DetectedFile, Error> {
    file.detect(from).map_err(|error| error.in_path(file.name.clone()))
}

fn open_layer(
    chain: &mut Chain,
    file: DetectedFile,
    options: &ParseOptions,
    open: &OpenOptions,
) -> Result<Layer, Error> {
    let DetectedFile { name: shown, file, detection, .. } = file;
    let in_path = |error: Error| error.in_path(&shown);
    let mut parsed = or_unread(&*file, parse(&*file, &detection, options)).map_err(in_path)?;
    let path = file.path().to_path_buf();
    let (mut files, mut findings) = (vec![file], Vec::new());
    let mut image = loop {
        match parsed {
            Parsed::Done(image) => break image,
            Parsed::Needs(needs) => match associated_files(&path, &needs.files, open) {
                Ok(opened) => {
                    files.extend(opened.files);
                    findings.extend(opened.findings);
                    let resumed = (needs.resume)(&readers(&files, None));
                    parsed = resumed.map_err(|error| in_file(error, &files)).map_err(in_path)?;
                }
                Err((name, reason)) if open.follow == FollowPolicy::None => {
                    chain.unopened.push(Named { name, reason });
                    return Ok(Layer { name: shown, detection, image: needs.described, files });
                }
                Err((_, reason)) => return Err(reason),
            },
        }
    };
    // Those that the tables needed are open already.
    match associated_files(&path, image.files.get(files.len() - 1..).unwrap_or_default(), open) {
        Ok(opened) => {
            files.extend(opened.files);
            findings.extend(opened.findings);
        }
        Err((name, reason)) if open.follow == FollowPolicy::None => {
            chain.unopened.push(Named { name, reason });
        }
        Err((_, reason)) => return Err(reason),
    }
    image.findings.extend(findings);
    Ok(Layer { name: shown, detection, image, files })
}

/// The same error with the name of the associated file that it is about.
fn in_file(error: Error, files: &[Arc<dyn ImageFile>]) -> Error {
    let index = usize_of(error.file().0);
    match files.get(index).filter(|_| index > 0) {
        Some(file) => error.in_path(file.path().display().to_string()),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(folder: &Path) -> Chain {
        for name in ["child.raw", "base.raw"] {
            // The zero makes it no text.
            std::fs::write(folder.join(name), format!("{name}\0")).unwrap();
        }
        open(&folder.join("child.raw"), &OpenOptions::default()).unwrap()
    }

    fn parent(name: &str, identities: &[&str]) -> ParentRef {
        let identities = identities.iter().map(ToString::to_string).collect();
        ParentRef { identities, ..ParentRef::named(ImageName(name.into()), 7) }
    }

    fn code(result: Result<Layer, Error>) -> &'static str {
        result.err().map_or("opened", |error| error.code().id)
    }

    #[test]
    fn a_mismatched_parent_is_rejected_unless_accepted() {
        let temp = tempfile::tempdir().unwrap();
        let mut chain = opened(temp.path());
        let (refuse, wanted) = (OpenOptions::default(), parent("base.raw", &["1", "2"]));
        let error = follow(&mut chain, &wanted, &refuse).err().unwrap();
        assert_eq!((error.code().id, error.at()), ("open.parent.mismatch", Some(7)));
        assert!(error.to_string().contains("expects 1 or 2 ["), "{error}");
        assert_eq!(error.hint(), Some(imgprep_map::Hint::AcceptParent));
        assert!(chain.top().image.findings.is_empty());
        let accept = OpenOptions { mismatch: Mismatch::Accept, ..OpenOptions::default() };
        follow(&mut chain, &wanted, &accept).unwrap();
        let finding = &chain.top().image.findings[0];
        assert_eq!(
            (finding.code.id, finding.severity, finding.at),
            ("open.parent.mismatch", Severity::Error, Some(7))
        );
    }

    #[test]
    fn any_identity_of_the_parent_matches_and_a_change_is_reported() {
        let temp = tempfile::tempdir().unwrap();
        let mut chain = opened(temp.path());
        let mut wanted = parent("base.raw", &["1", "2"]);
        let below = || {
            let mut layer = opened(temp.path()).layers.remove(0);
            layer.image.identity = Some("2".into());
            layer.image.revision = Some("b".into());
            layer
        };
        accept(&mut chain, &wanted, below(), Mismatch::Refuse).unwrap();
        wanted.revision = Some("b".into());
        accept(&mut chain, &wanted, below(), Mismatch::Refuse).unwrap();
        assert!(chain.top().image.findings.is_empty());
        wanted.revision = Some("a".into());
        accept(&mut chain, &wanted, below(), Mismatch::Refuse).unwrap();
        assert_eq!(chain.top().image.findings[0].code.id, "open.parent.changed");
    }

    #[test]
    fn a_stale_file_of_the_first_name_does_not_hide_the_parent() {
        let temp = tempfile::tempdir().unwrap();
        let mut chain = opened(temp.path());
        for (name, id) in [("stale.vmdk", 1), ("right.vmdk", 2)] {
            let text = format!(
                "# Disk DescriptorFile\nversion=1\nCID=0000000{id}\nparentCID=ffffffff\n\
                 createType=\"monolithicFlat\"\nRW 8 ZERO\n"
            );
            std::fs::write(temp.path().join(name), text).unwrap();
        }
        let others = vec![ImageName(b"right.vmdk".to_vec())];
        let wanted = ParentRef { others, ..parent("stale.vmdk", &["00000002"]) };
        let layer = follow(&mut chain, &wanted, &OpenOptions::default()).unwrap();
        assert!(layer.name.ends_with("right.vmdk"), "{}", layer.name);
        assert!(chain.top().image.findings.is_empty());
        let neither = ParentRef { others: Vec::new(), ..parent("stale.vmdk", &["00000002"]) };
        assert_eq!(code(follow(&mut chain, &neither, &OpenOptions::default())), "open.parent.mismatch");
    }

    #[test]
    fn alternative_names_and_the_last_component_of_foreign_paths_are_tried() {
        let temp = tempfile::tempdir().unwrap();
        let mut chain = opened(temp.path());
        let options = OpenOptions { mismatch: Mismatch::Accept, ..OpenOptions::default() };
        for foreign in ["C:\\images\\base.raw", "/srv/images/base.raw", "..\\elsewhere\\base.raw"] {
            // The id distinguishes it from a file of the same name: it is searched next to the child.
            assert_eq!(code(follow(&mut chain, &parent(foreign, &["1"]), &options)), "opened", "{foreign}");
            assert_eq!(code(follow(&mut chain, &parent(foreign, &[]), &options)), "open.follow.outside");
            let shut = OpenOptions { follow: FollowPolicy::None, ..options.clone() };
            assert_eq!(code(follow(&mut chain, &parent(foreign, &["1"]), &shut)), "open.follow.denied");
        }
        let others = vec![ImageName(b"gone".to_vec()), ImageName(b"base.raw".to_vec())];
        let several = ParentRef { others, ..parent("nbd://host/base.raw", &[]) };
        assert_eq!(code(follow(&mut chain, &several, &options)), "opened");
        let none = parent("nbd://host/gone.raw", &["1"]);
        assert_eq!(
            code(follow(&mut chain, &none, &options)),
            "open.name.protocol",
            "the first reason is reported"
        );
    }
}
