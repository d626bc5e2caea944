//! Transcripts of every test image of the format.

#[test]
fn transcripts_of_all_images_are_unchanged() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/raw.txt");
    imgprep_tests::assert_transcript("raw", |_| "nothing speaks for RAW".into(), imgprep_raw::parse, golden);
}
