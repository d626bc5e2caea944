//! Converts an image into ZVHD2 without creating a file: `convert_in_memory IMAGE`.

use imgprep::{Error, MemoryOutput, Target};

/// The bytes of an image in any format as a ZVHD2 image, read back and compared.
pub(crate) fn to_zvhd2(image: Vec<u8>) -> Result<Vec<u8>, Error> {
    let output = MemoryOutput::new();
    let disk = imgprep::open_reader(image)?;
    disk.convert(Target::from_name("zvhd2")?).verify(true).write_to(&output)?;
    Ok(output.to_vec())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: convert_in_memory IMAGE")?;
    let image = std::fs::read(path)?;
    let before = image.len();
    let after = to_zvhd2(image)?.len();
    println!("{before} bytes became {after} bytes");
    Ok(())
}
