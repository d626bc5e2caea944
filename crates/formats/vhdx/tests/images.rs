//! Every test image of the format, read with the API of this crate.

#[test]
fn transcripts_of_all_images_are_unchanged() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vhdx.txt");
    imgprep_tests::assert_transcript(
        "vhdx",
        |probe| format!("{:?}", imgprep_vhdx::probe(probe)),
        imgprep_vhdx::parse,
        golden,
    );
}
