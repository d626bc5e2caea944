//! Every test image of the format, in the words of this crate.

#[test]
fn what_is_said_of_every_image() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/qed.txt");
    imgprep_tests::assert_transcript(
        "qed",
        |probe| format!("{:?}", imgprep_qed::probe(probe)),
        imgprep_qed::parse,
        golden,
    );
}
