//! Transcripts of all test images of the format.

#[test]
fn transcripts_of_all_images_are_unchanged() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vdi.txt");
    imgprep_tests::assert_transcript(
        "vdi",
        |probe| format!("{:?}", imgprep_vdi::probe(probe)),
        imgprep_vdi::parse,
        golden,
    );
}
