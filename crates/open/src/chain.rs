//! From one path to the layers of a disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgprep_catalog::{Detection, Format, by_name, detect, parse};
use imgprep_io::{SourceFile, SourceOptions};
use imgprep_map::{Error, FileRef, Image, ImageName, ParentRef, ParseOptions, Parsed, ReadAt, ReadError};

use crate::{ChainError, Gate};

/// How a chain is opened.
#[derive(Clone, Default)]
pub struct OpenOptions {
    /// The first image's format, if the user says it.
    pub from: Option<&'static Format>,
    /// Snapshot and size hold for the first image, limits for all.
    pub parse: ParseOptions,
    /// Which names are followed.
    pub gate: Gate,
    /// How files are read.
    pub source: SourceOptions,
}

/// One opened image.
#[derive(Debug)]
pub struct Layer {
    /// Its name, as given by the user or resolved from the layer above.
    pub name: String,
    /// What it was taken for, and why.
    pub detection: Detection,
    /// What it says.
    pub image: Box<Image>,
    /// Its files by [`FileId`](imgprep_map::FileId): itself, then its companions.
    pub files: Vec<Arc<SourceFile>>,
}

impl Layer {
    /// The files as what a map reads from.
    pub fn readers(&self) -> Vec<Arc<dyn ReadAt>> {
        self.files.iter().map(|file| Arc::clone(file) as Arc<dyn ReadAt>).collect()
    }

    /// The files' names, in the same order.
    pub fn names(&self) -> Vec<String> {
        let companions = self.files.iter().skip(1).map(|file| file.path().display().to_string());
        std::iter::once(self.name.clone()).chain(companions).collect()
    }
}

/// A file that an image names and that was not opened.
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
    /// At least one.
    pub layers: Vec<Layer>,
    /// What the last layer, or a companion, still needs: with [`Gate::None`] only.
    pub unopened: Vec<Named>,
}

impl Chain {
    /// The image that the user named.
    pub fn top(&self) -> &Layer {
        // OK: `open` puts the first layer in before anything else.
        &self.layers[0]
    }

    /// Fails if a file is not the one any more that was opened.
    pub fn unchanged(&self) -> Result<(), Error> {
        self.each_file(SourceFile::unchanged)
    }

    /// Fails if a mapping showed bytes that could not be read.
    pub fn sound(&self) -> Result<(), Error> {
        self.each_file(imgprep_map::ReadAt::sound)
    }

    /// The first file that somebody else has open for writing.
    pub fn file_in_use(&self) -> Option<&Path> {
        let mut files = self.layers.iter().flat_map(|layer| &layer.files);
        files.find(|file| file.has_writer()).map(|file| file.path())
    }

    /// Whether `path` is one of the files that are read.
    pub fn reads_from(&self, path: &Path) -> bool {
        let mut files = self.layers.iter().flat_map(|layer| &layer.files);
        files.any(|file| imgprep_io::is_same_file(path, file.identity()))
    }

    fn each_file(&self, check: impl Fn(&SourceFile) -> Result<(), ReadError>) -> Result<(), Error> {
        for file in self.layers.iter().flat_map(|layer| &layer.files) {
            check(file).map_err(|error| Error::new(error).in_path(file.path().display().to_string()))?;
        }
        Ok(())
    }
}

/// Opens an image and what it needs.
///
/// With [`Gate::None`] other files are listed as unopened instead of opened.
pub fn open(path: &Path, options: &OpenOptions) -> Result<Chain, Error> {
    let name = path.display().to_string();
    let file = SourceFile::open(path, options.source).map_err(|error| Error::new(error).in_path(&name))?;
    open_source(name, file, options)
}

/// The same for a file that is open already, under the name `name`.
pub fn open_source(name: String, file: SourceFile, options: &OpenOptions) -> Result<Chain, Error> {
    let mut chain = Chain { layers: Vec::new(), unopened: Vec::new() };
    let mut next = Some((name, file, options.from, options.parse.clone()));
    while let Some((name, file, from, parse)) = next.take() {
        let layer = open_layer(&mut chain, name, file, from, &parse, options)?;
        let parent = layer.image.parent.clone();
        let below = layer.files[0].path().to_path_buf();
        chain.layers.push(layer);
        if let Some(parent) = parent {
            next = follow(&mut chain, &below, &parent, options)?;
        }
    }
    chain.sound()?;
    Ok(chain)
}

type Next = (String, SourceFile, Option<&'static Format>, ParseOptions);

/// The file below, opened; nothing if the gate is shut.
fn follow(
    chain: &mut Chain,
    above: &Path,
    parent: &ParentRef,
    options: &OpenOptions,
) -> Result<Option<Next>, Error> {
    let in_above = |error: Error| error.in_path(above.display().to_string());
    let path = match options.gate.resolve(above, &parent.name, parent.at) {
        Ok(path) => path,
        Err(reason) => {
            let reason = in_above(reason.into());
            if options.gate != Gate::None {
                return Err(reason);
            }
            chain.unopened.push(Named { name: parent.name.to_string(), reason });
            return Ok(None);
        }
    };
    if chain.layers.len() as u64 >= u64::from(options.parse.limits.chain_depth) {
        return Err(in_above(ChainError::Depth { limit: options.parse.limits.chain_depth }.into()));
    }
    let from = parent_format(parent).map_err(in_above)?;
    let file = open_file(&path, options)?;
    if chain.layers.iter().any(|layer| layer.files[0].identity() == file.identity()) {
        return Err(in_above(ChainError::Cycle { at: parent.at, name: parent.name.to_string() }.into()));
    }
    let parse = ParseOptions { limits: options.parse.limits, ..ParseOptions::default() };
    Ok(Some((path.display().to_string(), file, from, parse)))
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

fn open_file(path: &Path, options: &OpenOptions) -> Result<SourceFile, Error> {
    let opened = SourceFile::open(path, options.source);
    opened.map_err(|error| Error::new(error).in_path(path.display().to_string()))
}

fn open_layer(
    chain: &mut Chain,
    name: String,
    file: SourceFile,
    from: Option<&'static Format>,
    options: &ParseOptions,
    open: &OpenOptions,
) -> Result<Layer, Error> {
    let in_path = |error: Error| error.in_path(&name);
    let detection = detect(&file, from).map_err(in_path)?;
    let mut parsed = parse(&file, &detection, options).map_err(in_path)?;
    let path = file.path().to_path_buf();
    let mut files = vec![Arc::new(file)];
    let image = loop {
        match parsed {
            Parsed::Done(image) => break image,
            Parsed::Needs(needs) => {
                for wanted in &needs.files {
                    files.push(Arc::new(companion(&path, wanted, open)?));
                }
                let readers: Vec<Arc<dyn ReadAt>> =
                    files.iter().map(|file| Arc::clone(file) as Arc<dyn ReadAt>).collect();
                parsed = (needs.resume)(&readers).map_err(in_path)?;
            }
        }
    };
    // Those that the tables needed are open already.
    for wanted in image.files.iter().skip(files.len() - 1) {
        match companion(&path, wanted, open) {
            Ok(file) => files.push(Arc::new(file)),
            Err(reason) if open.gate == Gate::None => {
                let name = wanted.name.as_ref().map(ToString::to_string).unwrap_or_default();
                chain.unopened.push(Named { name, reason });
                break;
            }
            Err(reason) => return Err(reason),
        }
    }
    Ok(Layer { name, detection, image, files })
}

fn companion(image: &Path, wanted: &FileRef, options: &OpenOptions) -> Result<SourceFile, Error> {
    let in_image = |error: ChainError| Error::new(error).in_path(image.display().to_string());
    let name = wanted.name.as_ref().ok_or_else(|| in_image(ChainError::Unnamed { at: wanted.at }))?;
    let path: PathBuf = options.gate.resolve(image, name, wanted.at).map_err(in_image)?;
    open_file(&path, options)
}
