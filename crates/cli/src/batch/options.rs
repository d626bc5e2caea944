//! Typed arguments to a batch.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use imgprep::{path_from_bytes, reason};
use imgprep_batch::{
    Batch, BatchError, Defaults, Found, JobSpec, Manifest, Search, Template, assemble, search,
};

use super::args::{BatchArgs, DEFAULT_TARGET};
use super::import_rules::Profiles;
use crate::failure::Failure;
use crate::text_file;

/// The batch of all images of a folder, a list or a manifest.
pub(crate) fn batch(args: &BatchArgs, rules: &Profiles) -> Result<Batch, Failure> {
    let defaults = defaults(args)?;
    let jobs = args.jobs.as_deref().unwrap_or(Path::new("."));
    let out = || args.out.clone().ok_or(Failure::Usage("no output folder: use --out DIR".into()));
    let (out, found, left_out) = if jobs == Path::new("-") {
        (out()?, list(&defaults)?, Vec::new())
    } else if jobs.is_dir() {
        let out = out()?;
        let (found, left_out) = search(jobs, &defaults.search, &out)?;
        let found =
            found.into_iter().map(|(source, dir)| image(source, dir, &defaults, Some(jobs.to_path_buf())));
        (out, found.collect(), left_out)
    } else {
        manifest(jobs, args, &defaults, rules)?
    };
    if found.is_empty() {
        let what = match left_out.len() {
            0 => jobs.display().to_string(),
            others => {
                format!(
                    "{} ({others} files there have other extensions: use --include '*' to include all)",
                    jobs.display()
                )
            }
        };
        return Err(imgprep::Error::new(BatchError::NoJobs { what }).into());
    }
    Ok(assemble(&out, found, left_out, rules)?)
}

fn manifest(
    path: &Path,
    args: &BatchArgs,
    defaults: &Defaults,
    rules: &Profiles,
) -> Result<(PathBuf, Vec<Found>, Vec<PathBuf>), Failure> {
    let is_manifest = path.extension().is_some_and(|extension| extension == "toml");
    if !is_manifest && path.exists() {
        let path = path.display();
        return Err(Failure::Usage(format!("{path}: not a folder, a manifest (.toml) or -")));
    }
    let text = text_file::read(path)?;
    let manifest = Manifest::parse(&text, path)?;
    let out = args.out.clone().or_else(|| manifest.out());
    let out =
        out.ok_or(Failure::Usage("no output folder: the manifest has no `out`, use --out DIR".into()))?;
    let (found, left_out) = manifest.images(defaults, &out, rules)?;
    Ok((out, found, left_out))
}

/// Reads one path per line from standard input, as bytes.
fn list(defaults: &Defaults) -> Result<Vec<Found>, Failure> {
    if io::stdin().is_terminal() {
        return Err(Failure::Usage("standard input is a terminal, expected a list of paths".into()));
    }
    let wrong = |what: String| Failure::Usage(format!("the list on standard input: {what}"));
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes).map_err(|error| wrong(reason(&error)))?;
    let bytes = text_file::without_mark(bytes).map_err(wrong)?;
    Ok(paths(&bytes).map(|path| image(path, PathBuf::new(), defaults, None)).collect())
}

/// Splits a list into paths: one per line, or separated by NUL.
///
/// A path cannot contain NUL. So if there is one, as in the output of `find -print0`, NUL separates the paths
/// and line breaks do not.
fn paths(list: &[u8]) -> impl Iterator<Item = PathBuf> {
    let is_nul_separated = list.contains(&0);
    let is_break = move |byte: &u8| *byte == if is_nul_separated { 0 } else { b'\n' };
    let names = list.split(is_break).map(move |name| {
        let without = name.strip_suffix(b"\r").filter(|_| !is_nul_separated);
        without.unwrap_or(name)
    });
    names.filter(|name| !name.trim_ascii().is_empty()).map(|name| path_from_bytes(name.to_vec()))
}

fn image(source: PathBuf, dir: PathBuf, defaults: &Defaults, searched: Option<PathBuf>) -> Found {
    Found { source, dir, spec: defaults.spec.clone(), name: defaults.name.clone(), output: None, searched }
}

fn defaults(args: &BatchArgs) -> Result<Defaults, Failure> {
    let given = &args.spec;
    if let Some(from) = given.format.from.as_deref().filter(|from| imgprep::by_name(from).is_none()) {
        let known: Vec<_> = imgprep::FORMATS.iter().map(|format| format.name).collect();
        return Err(Failure::Usage(format!(
            "--from {from}: unknown format; the formats are {}",
            known.join(", ")
        )));
    }
    let name = match &given.name {
        Some(name) => Template::parse(name).map_err(|what| Failure::Usage(format!("--name {what}")))?,
        None => Template::default(),
    };
    let spec = JobSpec {
        from: given.format.from.clone(),
        snapshot: None,
        follow: given.follow.follow.unwrap_or_default(),
        accept_parent: given.follow.accept_parent,
        to: given.target.to.clone().unwrap_or_else(|| DEFAULT_TARGET.into()),
        options: options(args)?,
        uuid: None,
        bitmap: given.target.bitmap,
        verify: given.target.verify,
        salvage: given.target.salvage,
        profile: given.import.profile.clone(),
        disk: given.import.disk.unwrap_or_default(),
    };
    let search = Search {
        recursive: args.search.recursive,
        include: args.search.include.clone(),
        exclude: args.search.exclude.clone(),
    };
    Ok(Defaults { spec, name, search })
}

fn options(args: &BatchArgs) -> Result<BTreeMap<String, String>, Failure> {
    let mut options = BTreeMap::new();
    let level = args.spec.target.level.map(|level| format!("level={level}"));
    let zlib = args.spec.target.zlib.then(|| "compression_type=zlib".to_string());
    for option in args.spec.target.options.iter().cloned().chain(level).chain(zlib) {
        let (key, value) = option.split_once('=').unwrap_or((&option, ""));
        if options.insert(key.to_string(), value.to_string()).is_some() {
            return Err(Failure::Usage(format!("-o {option}: duplicate option")));
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_separated_by_lines_or_by_nul() {
        let texts = |list: &[u8]| paths(list).map(|path| path.display().to_string()).collect::<Vec<_>>();
        assert_eq!(texts(b"a.raw\r\n\n b\tc.raw\n"), ["a.raw", " b\tc.raw"]);
        assert_eq!(texts(b"a\nb.raw\0c\r\0\0"), ["a\nb.raw", "c\r"]);
        assert_eq!(texts(b""), [""; 0]);
    }
}
