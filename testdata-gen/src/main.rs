//! `testdata-gen list`, `testdata-gen write DIR [NAME...]`, `testdata-gen resource-bombs DIR`, `testdata-gen disks DIR`, `testdata-gen big FILE SIZE DATA`.
#![allow(clippy::too_many_lines, clippy::type_complexity, reason = "tables of cases read best in one piece")]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::ExitCode;

use testdata_gen::{Noise, anomalous, broken, good, resource_bombs, write_files};

/// Bytes of data in one piece of a big disk.
const RUN: u64 = 8 << 20;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["list"] => {
            list();
            Ok(())
        }
        ["write", folder, names @ ..] => write(Path::new(folder), names),
        ["resource-bombs", folder] => resource_bombs_in(Path::new(folder)),
        ["disks", folder] => disks(Path::new(folder)),
        ["big", file, size, data] => big(Path::new(file), size, data),
        _ => {
            eprintln!(
                "usage: testdata-gen list | write DIR [NAME...] | resource-bombs DIR | disks DIR | big FILE SIZE_BYTES DATA_BYTES"
            );
            return ExitCode::FAILURE;
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("testdata-gen: {error}");
            ExitCode::FAILURE
        }
    }
}

fn list() {
    for image in good() {
        println!("{}: {}", image.name, image.about);
    }
    for image in broken() {
        println!("{} (broken): {}", image.name, image.about);
    }
    for image in anomalous() {
        println!("{} (anomalous): {}", image.name, image.about);
    }
}

fn write(folder: &Path, names: &[&str]) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let is_wanted = |name: &str| names.is_empty() || names.contains(&name);
    for image in good().into_iter().filter(|image| is_wanted(&image.name)) {
        println!("{}", write_files(&image.files, folder)?.display());
    }
    for image in broken().into_iter().filter(|image| is_wanted(image.name)) {
        println!("{}", write_files(&image.files, folder)?.display());
    }
    for image in anomalous().into_iter().filter(|image| is_wanted(image.name)) {
        println!("{}", write_files(&image.files, folder)?.display());
    }
    Ok(())
}

/// Every file that declares more than it has: format, path.
fn resource_bombs_in(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for bomb in resource_bombs() {
        println!("{}\t{}", bomb.format, bomb.write(folder)?.display());
    }
    Ok(())
}

/// Every good image in a folder of its own, with its disk beside it: name, format, image, disk, number of files.
fn disks(folder: &Path) -> io::Result<()> {
    for image in good().into_iter().filter(|image| image.snapshot.is_none()) {
        let own = folder.join(&image.name);
        std::fs::create_dir_all(&own)?;
        let path = write_files(&image.files, &own)?;
        let disk = folder.join(format!("{}.disk", image.name));
        std::fs::write(&disk, &image.disk)?;
        let (path, disk, files) = (path.display(), disk.display(), image.files.len());
        println!("{}\t{}\t{path}\t{disk}\t{files}", image.name, image.format);
    }
    Ok(())
}

/// A sparse RAW for benchmarks: runs of half-compressible data spread evenly over the disk.
fn big(file: &Path, size: &str, data: &str) -> io::Result<()> {
    let number = |text: &str| text.parse::<u64>().map_err(|_| io::Error::from(io::ErrorKind::InvalidInput));
    let (size, data) = (number(size)?, number(data)?);
    let file = File::create(file)?;
    file.set_len(size)?;
    let runs = data / RUN;
    let mut noise = Noise::new(1);
    for run in 0..runs {
        let at = (size / runs.max(1) * run) / 4096 * 4096;
        file.write_all_at(&noise.half_compressible(8 << 20), at)?;
    }
    Ok(())
}
