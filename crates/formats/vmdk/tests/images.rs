//! Every test image of the format, in the words of this crate.

#[test]
fn what_is_said_of_every_image() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vmdk.txt");
    imgprep_tests::assert_transcript(
        "vmdk",
        |probe| format!("{:?}", imgprep_vmdk::probe(probe)),
        imgprep_vmdk::parse,
        golden,
    );
}
