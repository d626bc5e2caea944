//! Transcripts of every test image of the format.

#[test]
fn transcripts_of_all_images_are_unchanged() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/qcow2.txt");
    imgprep_tests::assert_transcript(
        "qcow2",
        |probe| format!("{:?}", imgprep_qcow2::probe(probe)),
        imgprep_qcow2::parse,
        golden,
    );
}
