//! Files that must never be read as RAW: here, image formats that are not supported. Files that are not
//! disk images are in [`compressed`](crate::compressed), [`archive`](crate::archive), [`disc`](crate::disc),
//! [`other`](crate::other), [`openpgp`](crate::openpgp), [`program`](crate::program), [`library`](crate::library)
//! and [`text`](crate::text).

use imgprep_map::Probe;

use crate::archive::tar;
use crate::foreign::Treatment::{self, Unsupported};
use crate::foreign::{Foreign, foreign};

/// Name, offset, magic, description, what to do.
type Row = (&'static str, usize, &'static [u8], &'static str, Treatment);

#[rustfmt::skip]
const HEADS: &[Row] = &[
    ("parallels", 0,     b"WithoutFreeSpace",  "magic \"WithoutFreeSpace\"",          Unsupported),
    ("parallels", 0,     b"WithouFreSpacExt",  "magic \"WithouFreSpacExt\"",          Unsupported),
    ("bochs",     0,     b"Bochs Virtual HD Image\0", "magic \"Bochs Virtual HD Image\"", Unsupported),
    ("cloop",     0,     b"#!/bin/sh\n#V2.0 Format\n", "the first lines of a compressed loop image", Unsupported),
];

/// Everything in `probe` that is recognised but not read.
pub(crate) fn recognise(probe: &Probe<'_>) -> Vec<Foreign> {
    let heads = HEADS.iter().filter(|(_, at, magic, ..)| probe.has(*at, magic));
    let mut found: Vec<_> = heads
        .map(|(name, at, magic, description, treatment)| {
            foreign(name, *at as u64, magic.len(), description, *treatment)
        })
        .collect();
    found.extend(tar(probe));
    found.extend(dmg_trailer(probe));
    found.extend(crate::compressed::recognise(probe));
    found.extend(crate::archive::recognise(probe));
    found.extend(crate::disc::recognise(probe));
    found.extend(crate::other::recognise(probe));
    found.extend(crate::openpgp::recognise(probe));
    found.extend(crate::program::recognise(probe));
    if found.is_empty() {
        found.extend(crate::library::recognise(probe));
    }
    found
}

fn dmg_trailer(probe: &Probe<'_>) -> Option<Foreign> {
    let at = probe.tail.len().checked_sub(512)?;
    let is_dmg = probe.tail[at..].starts_with(b"koly\0\0\0\x04\0\0\x02\0");
    is_dmg
        .then(|| foreign("dmg", probe.tail_at() + at as u64, 12, "trailer \"koly\", version 4", Unsupported))
}
