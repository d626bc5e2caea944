//! Lists of images and manifests: byte order marks, line breaks, changes.

use super::cases::{json, two, with_input};
use crate::support::batches::JOURNAL;
use crate::support::program::{imgprep, names, printed};

/// Options of single images in a manifest are compared image by image.
#[test]
fn a_manifest_that_changed_for_one_image_is_shown_for_that_image() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    two(folder);
    let manifest = |second: &str| {
        let text = format!(
            "out = 'out'\n[[image]]\npath = 'images/0.raw'\n[[image]]\npath = 'images/1.raw'\n{second}\n"
        );
        std::fs::write(folder.join("jobs.toml"), text).unwrap();
    };
    let run = |more: &[&str]| {
        imgprep(folder, &[&["batch", "jobs.toml", "--no-sync", "--output", "json"], more].concat())
    };
    manifest("");
    assert!(run(&[]).status.success());
    for (second, difference) in [
        ("options = { level = 19 }", "option level was the default, is 19"),
        (
            "uuid = '00112233-4455-6677-8899-aabbccddeeff'",
            "uuid was the default, is 00112233-4455-6677-8899-aabbccddeeff",
        ),
        ("output = 'other.zvhd2'", "the output of images/1.raw was 1.zvhd2, is other.zvhd2"),
        ("to = 'raw'", "to was zvhd2, is raw"),
        ("snapshot = 'a'", "snapshot was the default, is a"),
    ] {
        manifest(second);
        let error = json(&run(&["--resume"]))["error"].clone();
        assert_eq!(error["hint"], "restart-batch");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(&format!("other options: {difference} [")), "{message}");
    }
    // Another image under the name of an existing output.
    std::fs::copy(folder.join("images/0.raw"), folder.join("1.raw")).unwrap();
    let text = "out = 'out'\n[[image]]\npath = '1.raw'\n";
    std::fs::write(folder.join("jobs.toml"), text).unwrap();
    let error = json(&run(&["--resume"]))["error"]["message"].as_str().unwrap().to_string();
    assert!(error.contains("the source of 1.zvhd2 was ") && error.contains("/images/1.raw, is "), "{error}");
}

/// The case `batch -` with a byte order mark or NUL-separated names.
#[test]
fn a_list_may_have_a_byte_order_mark_or_be_separated_by_nul() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let all = ["a.raw", "b\nc.raw", "dü.raw"];
    for name in all {
        std::fs::write(folder.join(name), vec![1; 4096]).unwrap();
    }
    let utf16 = |text: &str, unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect::<Vec<_>>();
    for (index, (list, want)) in [
        (b"\xef\xbb\xbfa.raw\r\nd\xc3\xbc.raw\r\n".to_vec(), &["a.raw", "dü.raw"][..]),
        (b"a.raw\0b\nc.raw\0d\xc3\xbc.raw\0".to_vec(), &all),
        (b"\xef\xbb\xbfa.raw\0b\nc.raw".to_vec(), &all[..2]),
        (utf16("\u{feff}a.raw\r\ndü.raw\r\n", u16::to_le_bytes), &["a.raw", "dü.raw"]),
        (utf16("\u{feff}dü.raw\n", u16::to_be_bytes), &all[2..]),
    ]
    .into_iter()
    .enumerate()
    {
        let out = format!("out{index}");
        let args = ["batch", "-", "--out", &out, "--no-sync", "--to", "raw"];
        let output = with_input(folder, &args, &list);
        assert!(output.status.success(), "{}", printed(&output));
        let made: Vec<_> = names(&folder.join(out)).into_iter().filter(|name| name != JOURNAL).collect();
        assert_eq!(made, want, "{index}");
    }
    let output = with_input(folder, &["batch", "-", "--out", "x"], b"\xff\xfe\x00\xd8");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(printed(&output), "imgprep: the list on standard input: invalid UTF-16\n");
    let output = with_input(folder, &["batch", "-", "--out", "x"], b"\xef\xbb\xbf\r\n\n");
    assert!(
        output.status.code() == Some(1) && printed(&output).contains("batch.no-jobs"),
        "{}",
        printed(&output)
    );
}

/// A manifest as Windows writes it: byte order marks, line breaks of two bytes, UTF-16. Errors keep their places.
#[test]
fn a_manifest_may_have_a_byte_order_mark_and_any_line_breaks() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::write(folder.join("a.raw"), vec![1; 4096]).unwrap();
    let text = "out = 'out'\r\n[[image]]\r\npath = 'a.raw'\r\n";
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let write = |bytes: &[u8]| std::fs::write(folder.join("jobs.toml"), bytes).unwrap();
    for bytes in [format!("\u{feff}{text}").into_bytes(), text.into(), utf16(&format!("\u{feff}{text}"))] {
        write(&bytes);
        let output = imgprep(folder, &["batch", "jobs.toml", "--force", "--no-sync"]);
        assert!(output.status.success(), "{}", printed(&output));
    }
    write(format!("\u{feff}{text}verfy = true\r\n").as_bytes());
    let output = imgprep(folder, &["batch", "jobs.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        printed(&output).starts_with("imgprep: jobs.toml: line 4, column 1: unknown field `verfy`"),
        "{}",
        printed(&output)
    );
    assert!(printed(&output).contains("[batch.manifest]"), "{}", printed(&output));
    write(b"out = 'out'\n# caf\xe9\n");
    let output = imgprep(folder, &["batch", "jobs.toml"]);
    assert_eq!(printed(&output), "imgprep: jobs.toml: invalid UTF-8 at byte 17\n");
}
