//! Every test image of the format, in the words of this crate.

#[test]
fn what_is_said_of_every_image() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vdi.txt");
    imgprep_tests::assert_transcript(
        "vdi",
        |probe| format!("{:?}", imgprep_vdi::probe(probe)),
        imgprep_vdi::parse,
        golden,
    );
}
