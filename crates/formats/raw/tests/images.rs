//! Every test image of the format, in the words of this crate.

#[test]
fn what_is_said_of_every_image() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/raw.txt");
    imgprep_tests::assert_transcript("raw", |_| "nothing speaks for RAW".into(), imgprep_raw::parse, golden);
}
