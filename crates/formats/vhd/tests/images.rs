//! Transcripts of all test images of the format.

#[test]
fn transcripts_of_all_images_are_unchanged() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vhd.txt");
    imgprep_tests::assert_transcript(
        "vhd",
        |probe| format!("{:?}", imgprep_vhd::probe(probe)),
        imgprep_vhd::parse,
        golden,
    );
}
