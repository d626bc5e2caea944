//! The HTML report of a batch in a real browser.

use std::path::Path;
use std::process::Command;

use testdata_gen::{Noise, broken, sample, write_files};

use crate::support::program::{has_tool, imgprep, root};

/// What a reader does: sorts by a column, twice, and opens a finding. What came of it goes into an attribute.
const READER: &str = r#"<script>
const column = (index) => [...document.querySelectorAll("tbody tr")].map((row) => row.cells[index].dataset.key);
const isSorted = (keys, sign) => keys.every((key, at) => at === 0 || sign * (Number(keys[at - 1]) - Number(key)) <= 0);
const button = document.querySelectorAll("thead button")[5];
const before = column(5);
button.click();
const up = isSorted(column(5), 1);
button.click();
const down = isSorted(column(5), -1) && button.parentElement.getAttribute("aria-sort") === "descending";
const names = document.querySelectorAll("thead button")[0];
names.click();
const byName = column(0);
const finding = [...document.querySelectorAll("details")].find((one) => one.textContent.includes("EVIDENCE"));
const list = finding.querySelector("ul");
const wasShut = !list.checkVisibility();
finding.querySelector("summary").click();
const isOpen = finding.open && list.checkVisibility();
document.body.dataset.result = JSON.stringify({
  rows: before.length, differ: new Set(before).size > 1, up, down,
  names: byName.join() === [...byName].sort((a, b) => a.localeCompare(b, undefined, { numeric: true })).join(),
  wasShut, isOpen, loaded: performance.getEntriesByType("resource").length,
  strips: document.querySelectorAll("svg rect").length > 0, images: document.images.length,
  fits: document.documentElement.scrollWidth <= innerWidth,
});
</script>"#;

fn browser(folder: &Path, args: &[&str]) -> Vec<u8> {
    let profile = format!("--user-data-dir={}", folder.join("profile").display());
    let fixed =
        ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=2000"];
    let output = Command::new("chromium").args(fixed).arg(profile).args(args).current_dir(folder).output();
    let output = output.expect("the browser runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A folder of images with a report: some are fine, one is broken, one is an archive by a hostile name.
fn report(folder: &Path) -> String {
    let images = folder.join("images");
    std::fs::create_dir(&images).unwrap();
    write_files(&sample().files, &images).unwrap();
    let broken =
        broken().into_iter().find(|image| image.files.len() == 1 && image.files[0].name.ends_with("qcow2"));
    write_files(&broken.unwrap().files, &images).unwrap();
    for (index, name) in ["web-01.raw", "web-02.raw", "database.raw", "mail.raw"].into_iter().enumerate() {
        let path = images.join(name);
        std::fs::write(&path, Noise::new(index as u64).half_compressible((index + 1) << 21)).unwrap();
        let size = (index as u64 + 3) << 22;
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(size).unwrap();
    }
    let archive = [&[0x1f, 0x8b, 8][..], &[0; 600]].concat();
    std::fs::write(images.join("<img src=x onerror=alert(1)>.gz"), archive).unwrap();
    let output = imgprep(folder, &["batch", "images", "--out", "ready", "--report", "report.html", "-q"]);
    assert_eq!(output.status.code(), Some(2));
    std::fs::read_to_string(folder.join("report.html")).unwrap()
}

#[test]
fn the_page_is_sorted_and_a_finding_opens_in_a_browser() {
    if !has_tool("chromium") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let page = report(folder.path());
    assert!(!page.contains("<img") && !page.contains("http:") && !page.contains("https:"));
    let reader = READER.replace("EVIDENCE", "detect.no-disk");
    std::fs::write(folder.path().join("read.html"), page + &reader).unwrap();
    let url = format!("file://{}", folder.path().join("read.html").display());
    for width in ["1400", "500"] {
        let size = format!("--window-size={width},1000");
        let dom = browser(folder.path(), &[&size, "--dump-dom", &url]);
        let dom = String::from_utf8_lossy(&dom);
        let result = dom.split("data-result=\"").nth(1).and_then(|rest| rest.split('"').next());
        let result =
            result.unwrap_or_else(|| panic!("the page did not answer: {dom}")).replace("&quot;", "\"");
        let result: serde_json::Value = serde_json::from_str(&result).unwrap();
        let want = serde_json::json!({
            "rows": 7, "differ": true, "up": true, "down": true, "names": true, "wasShut": true, "isOpen": true,
            "loaded": 0, "strips": true, "images": 0, "fits": true,
        });
        assert_eq!(result, want, "{width} pixels wide");
    }
    let picture = folder.path().join("page.png");
    browser(folder.path(), &["--window-size=1400,760", &format!("--screenshot={}", picture.display()), &url]);
    assert!(std::fs::read(&picture).unwrap().starts_with(b"\x89PNG"));
    let paper = folder.path().join("page.pdf");
    browser(folder.path(), &[&format!("--print-to-pdf={}", paper.display()), &url]);
    assert!(std::fs::read(&paper).unwrap().starts_with(b"%PDF"));
    if std::env::var_os("IMGPREP_UPDATE_GOLDEN").is_some() {
        std::fs::copy(&picture, root().join("docs/batch-report.png")).unwrap();
    }
}
