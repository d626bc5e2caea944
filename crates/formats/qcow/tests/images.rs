//! Transcripts of every test image of the format.

#[test]
fn transcripts_of_all_images_are_unchanged() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/qcow.txt");
    imgprep_tests::assert_transcript(
        "qcow",
        |probe| format!("{:?}", imgprep_qcow::probe(probe)),
        imgprep_qcow::parse,
        golden,
    );
}
