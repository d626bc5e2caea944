//! Every test image of the format, read with the API of this crate.

#[test]
fn transcripts_of_all_images_are_unchanged() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vmdk.txt");
    imgprep_tests::assert_transcript(
        "vmdk",
        |probe| format!("{:?}", imgprep_vmdk::probe(probe)),
        imgprep_vmdk::parse,
        golden,
    );
}
