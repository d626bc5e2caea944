//! Transcripts of every test image of the format.

#[test]
fn transcripts_of_all_images_are_unchanged() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/qed.txt");
    imgprep_tests::assert_transcript(
        "qed",
        |probe| format!("{:?}", imgprep_qed::probe(probe)),
        imgprep_qed::parse,
        golden,
    );
}
