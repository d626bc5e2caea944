//! Every test image of the format, in the words of this crate.

#[test]
fn what_is_said_of_every_image_of_zvhd() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/zvhd.txt");
    imgprep_tests::assert_transcript(
        "zvhd",
        |probe| format!("{:?}", imgprep_zvhd::probe(probe)),
        imgprep_zvhd::parse,
        golden,
    );
}

#[test]
fn what_is_said_of_every_image_of_zvhd2() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/zvhd2.txt");
    imgprep_tests::assert_transcript(
        "zvhd2",
        |probe| format!("{:?}", imgprep_zvhd::probe(probe)),
        imgprep_zvhd::parse,
        golden,
    );
}
