//! Transcripts of all test images of both formats.

#[test]
fn transcripts_of_all_zvhd_images_are_unchanged() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/zvhd.txt");
    imgprep_tests::assert_transcript(
        "zvhd",
        |probe| format!("{:?}", imgprep_zvhd::probe(probe)),
        imgprep_zvhd::parse,
        golden,
    );
}

#[test]
fn transcripts_of_all_zvhd2_images_are_unchanged() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/zvhd2.txt");
    imgprep_tests::assert_transcript(
        "zvhd2",
        |probe| format!("{:?}", imgprep_zvhd::probe(probe)),
        imgprep_zvhd::parse,
        golden,
    );
}
