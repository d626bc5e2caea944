//! Every test image of the format, in the words of this crate.

#[test]
fn what_is_said_of_every_image() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vhdx.txt");
    imgprep_tests::assert_transcript(
        "vhdx",
        |probe| format!("{:?}", imgprep_vhdx::probe(probe)),
        imgprep_vhdx::parse,
        golden,
    );
}
