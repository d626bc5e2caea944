//! The parent locator.

use super::*;

#[test]
fn the_parent_by_all_its_names() {
    let mut file = sample(CHILD);
    let at = item(5);
    let bytes = locator(&[
        ("absolute_win32_path", "C:\\a\\p.vhdx"),
        ("volume_path", "\\\\?\\Volume{1}\\p.vhdx"),
        ("parent_linkage2", "{33333333-3333-3333-3333-33333333333A}"),
        ("parent_linkage", "{22222222-2222-2222-2222-222222222222}"),
        ("relative_path", ".\\\u{e9}.vhdx"),
    ]);
    file.put(at, &bytes);
    file.put(item_entry(5) + 20, &u32::try_from(bytes.len()).unwrap().to_le_bytes());
    let parent = parsed(&file).unwrap().parent.unwrap();
    assert_eq!(parent.name.to_string(), ".\\\u{e9}.vhdx");
    let end = at + bytes.len() as u64;
    assert_eq!(parent.at, end - utf16(".\\\u{e9}.vhdx").len() as u64);
    let others: Vec<_> = parent.others.iter().map(ToString::to_string).collect();
    assert_eq!(others, ["\\\\?\\Volume{1}\\p.vhdx", "C:\\a\\p.vhdx"]);
    let want = ["22222222-2222-2222-2222-222222222222", "33333333-3333-3333-3333-33333333333a"];
    assert_eq!(parent.identities, want);
    assert_eq!(parent.format.as_deref(), Some("vhdx"));
}

#[test]
fn every_kind_of_invalid_locator_is_reported() {
    let at = item(5);
    let with = |values: &[(&str, &str)]| {
        let bytes = locator(values);
        refusal::<Corrupt>(CHILD, |file| {
            file.put(at, &bytes);
            file.put(item_entry(5) + 20, &u32::try_from(bytes.len()).unwrap().to_le_bytes());
        })
    };
    let bad = |at, reason| Corrupt::Locator { at, reason };
    let linkage = ("parent_linkage", "{22222222-2222-2222-2222-222222222222}");
    assert_eq!(with(&[("relative_path", "p.vhdx")]), bad(at, "no parent_linkage"));
    assert_eq!(with(&[linkage]), bad(at, "it does not name the parent"));
    let value = at + 20 + 12 + utf16("parent_linkage").len() as u64;
    assert_eq!(with(&[("parent_linkage", "{2}")]), bad(value, "a linkage that is no GUID"));
    let edit = |edit: &dyn Fn(&mut Sparse)| refusal::<Corrupt>(CHILD, |file| edit(file));
    let short = edit(&|file| file.put(item_entry(5) + 20, &[19, 0]));
    assert_eq!(short, bad(at, "it is shorter than its header"));
    let count = edit(&|file| file.put(at + 18, &[0xff, 0xff]));
    assert_eq!(count, bad(at + 18, "it has no space for its entries"));
    for field in [20, 24, 28, 30] {
        let outside = edit(&|file| file.put(at + field, &[0xff, 0xff]));
        assert_eq!(outside, bad(at + 20, "a key or value is outside it"), "{field}");
    }
    let kind = refusal::<Unsupported>(CHILD, |file| file.put(at, &[9; 16]));
    assert_eq!(kind, Unsupported::LocatorType { at, guid: Guid([9; 16]).to_string() });
    let none = edit(&|file| file.put(METADATA + 10, &[5]));
    assert!(matches!(none, Corrupt::Missing { at: METADATA, .. }), "{none:?}");
    let options =
        ParseOptions { limits: Limits { text_bytes: 10, ..Limits::default() }, ..ParseOptions::default() };
    let error = parse(&sample(CHILD), &options).err().unwrap();
    assert_eq!((error.code().id, error.at(), error.class()), ("vhdx.limit.text", Some(at), Class::Limit));
}

#[test]
fn a_locator_without_a_parent_is_noted() {
    let mut file = sample(CHILD);
    file.put(item(0) + 4, &[0]);
    assert_eq!(codes(&parsed(&file).unwrap()), ["vhdx.parent.unused"]);
}
