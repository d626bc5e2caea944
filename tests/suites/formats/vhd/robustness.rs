//! Files cut at any length, and headers that declare more than any machine has.

use testdata_gen::good;

use crate::support::cuts::{convert_to_raw, cut_all};
use crate::support::resource_bombs::cost_little;

/// Not those without a copy of the footer at the start: a fixed VHD whose footer is gone is a
/// RAW, and nothing shows that it was another thing (only a footer that is cut in itself does).
#[test]
fn truncated_vhd_is_never_read_as_another_disk() {
    let names =
        ["vhd-dynamic-12", "vhd-shuffled-14", "vhd-dynamic-511", "vhd-batmap", "vhd-w2ru", "vhd-over-raw"];
    cut_all(&names, 60);
}

#[test]
fn fixed_vhd_truncated_in_its_footer_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let (path, target) = (folder.path().join("a.vhd"), folder.path().join("out.raw"));
    let image = good().into_iter().find(|image| image.name == "vhd-fixed-mib").expect("it is there");
    let whole = &image.files[0].bytes;
    // One byte less is the footer of an old Virtual PC: nothing of the disk is lost.
    for back in (2..504).step_by(31) {
        std::fs::write(&path, &whole[..whole.len() - back]).unwrap();
        let error = convert_to_raw(&path, &target).expect_err("it is cut");
        assert_eq!((error.code().id, error.at()), ("vhd.footer.cut", Some(1 << 20)), "{back}");
    }
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    convert_to_raw(&path, &target).unwrap();
    assert!(std::fs::read(&target).unwrap() == image.disk);
}

#[test]
fn resource_bombs_of_vhd_need_little_memory() {
    cost_little("vhd");
}
