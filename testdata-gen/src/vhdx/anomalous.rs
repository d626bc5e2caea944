//! Images that are read correctly and whose structure is wrong.

use crate::disk::{Noise, text};
use crate::model::{AnomalousImage, ImageFile};
use crate::rows::anomaly;
use crate::vhdx::encode::{
    Block, Change, DATA_WRITE, Entry, FILE_PARAMETERS, HEADERS, LOCATOR, LOG, REGION_TABLES, Vhdx, Written,
    guid, put, seal,
};

const MIB: u64 = 1 << 20;
const KIB: u64 = 1 << 10;
const OWN: &str = "22222222-2222-4333-8444-555555555555";
const LATER: &str = "0badcafe-0000-4000-8000-000000000001";

/// All of them.
pub(crate) fn anomalous() -> Vec<AnomalousImage> {
    let mut all = heads();
    all.extend(regions());
    all.extend(metadata());
    all.extend(entries());
    all.extend(space());
    all.extend(logs());
    all.extend(parents());
    all
}

/// Four blocks of 1 MiB, of which the first and the third are stored.
fn recipe() -> Vhdx {
    let mut recipe = Vhdx::new(MIB, 4 * MIB);
    recipe.blocks.insert(0, Block::Data(text(MIB as usize)));
    recipe.blocks.insert(2, Block::Data(Noise::new(1).bytes(MIB as usize)));
    recipe
}

/// An image of `recipe` that `edit` changes; it gives the place that is wrong.
fn row(
    name: &'static str,
    about: &'static str,
    code: &'static str,
    recipe: &Vhdx,
    edit: impl FnOnce(&mut Written) -> u64,
) -> AnomalousImage {
    let mut written = recipe.write();
    let at = edit(&mut written);
    anomaly("vhdx", (name, about, code, at), written.file)
}

fn heads() -> Vec<AnomalousImage> {
    let plain = recipe();
    vec![
        row(
            "vhdx-header-reserved",
            "a reserved byte of the header that counts",
            "vhdx.check.header-reserved",
            &plain,
            |written| {
                written.header(&[1], 100, &[1]);
                HEADERS[1] + 100
            },
        ),
        row(
            "vhdx-header-number-jumps",
            "the sequence numbers of the headers are not consecutive",
            "vhdx.check.header-sequence",
            &Vhdx { sequences: [7, 20], ..recipe() },
            |_| HEADERS[0] + 8,
        ),
        row(
            "vhdx-headers-data-guid",
            "the older header has another data write GUID",
            "vhdx.check.headers-differ",
            &plain,
            |written| {
                written.header(&[0], 32, &guid(OWN));
                HEADERS[0] + 32
            },
        ),
        row(
            "vhdx-headers-file-guid",
            "the older header has another file write GUID",
            "vhdx.check.headers-differ",
            &plain,
            |written| {
                written.header(&[0], 16, &guid(OWN));
                HEADERS[0] + 16
            },
        ),
        row(
            "vhdx-headers-log-guid",
            "the older header has a log to replay",
            "vhdx.check.headers-differ",
            &plain,
            |written| {
                written.header(&[0], 48, &guid(LOG));
                HEADERS[0] + 48
            },
        ),
        row(
            "vhdx-headers-log-place",
            "the older header has another log offset",
            "vhdx.check.headers-differ",
            &plain,
            |written| {
                written.header(&[0], 72, &(2 * MIB).to_le_bytes());
                HEADERS[0] + 72
            },
        ),
        row("vhdx-data-guid-zero", "no DataWriteGuid", "vhdx.check.header-guid", &plain, |written| {
            written.header(&[0, 1], 32, &[0; 16]);
            HEADERS[1] + 32
        }),
        row(
            "vhdx-no-log",
            "no room for a log",
            "vhdx.check.no-log",
            &Vhdx { log_len: 0, ..recipe() },
            |_| HEADERS[1] + 68,
        ),
        row(
            "vhdx-data-between-headers",
            "something stands in the reserved part of the first MiB",
            "vhdx.check.header-area",
            &plain,
            |written| {
                put(&mut written.file, 400 * KIB, b"#!/bin/sh");
                400 * KIB
            },
        ),
        row(
            "vhdx-creator-goes-on",
            "text after the end of the creator's name",
            "vhdx.check.creator",
            &plain,
            |written| {
                put(&mut written.file, 300, b"x");
                300
            },
        ),
    ]
}

fn regions() -> Vec<AnomalousImage> {
    let code = "vhdx.check.region-reserved";
    let both = |at: u64, bytes: &'static [u8]| {
        move |written: &mut Written| {
            written.region(at, bytes);
            REGION_TABLES[0] + at
        }
    };
    vec![
        row("vhdx-region-head-reserved", "the table's reserved field", code, &recipe(), both(12, &[1])),
        row("vhdx-region-flags", "reserved bits of a region's flags", code, &recipe(), both(16 + 28, &[3])),
        row(
            "vhdx-region-after-entries",
            "something after the last entry, in one copy",
            code,
            &recipe(),
            |written| {
                let at = REGION_TABLES[1] + 5000;
                put(&mut written.file, at, &[7]);
                seal(&mut written.file, REGION_TABLES[1], 64 * KIB);
                at
            },
        ),
    ]
}

fn metadata() -> Vec<AnomalousImage> {
    let put_at = |offset: u64, bytes: &'static [u8]| {
        move |written: &mut Written| {
            let at = written.metadata + offset;
            put(&mut written.file, at, bytes);
            at
        }
    };
    let code = "vhdx.check.metadata-reserved";
    let later = Vhdx { items: vec![(LATER, 2, vec![1; 100])], ..recipe() };
    vec![
        row("vhdx-metadata-head", "the table's reserved bytes", code, &recipe(), put_at(20, &[1])),
        row("vhdx-metadata-entry", "an entry's reserved field", code, &recipe(), put_at(32 + 28, &[1])),
        row("vhdx-metadata-after", "something after the last entry", code, &recipe(), put_at(3000, &[1])),
        row(
            "vhdx-item-flags",
            "a size in an optional item",
            "vhdx.check.item-flags",
            &recipe(),
            put_at(64 + 24, &[2]),
        ),
        row(
            "vhdx-item-optional",
            "an unknown optional item",
            "vhdx.check.item-optional",
            &later,
            |written| written.metadata + 32 + 5 * 32,
        ),
        row(
            "vhdx-parameters-reserved",
            "reserved bits of the file parameters",
            "vhdx.check.parameters-reserved",
            &recipe(),
            |written| {
                let at = written.items[FILE_PARAMETERS] + 4;
                put(&mut written.file, at, &[0x80]);
                at
            },
        ),
        row(
            "vhdx-fixed-absent",
            "a fixed disk that does not have all blocks",
            "vhdx.check.fixed-absent",
            &Vhdx { leave_allocated: true, ..recipe() },
            |written| written.items[FILE_PARAMETERS] + 4,
        ),
        row(
            "vhdx-sectors-swapped",
            "physical sectors smaller than logical ones",
            "vhdx.check.sectors",
            &Vhdx { sector: 4096, physical: 512, ..recipe() },
            |written| written.metadata,
        ),
    ]
}

fn entries() -> Vec<AnomalousImage> {
    let after = |value: u64| {
        move |written: &mut Written| {
            let at = written.bat + 5 * 8;
            put(&mut written.file, at, &value.to_le_bytes());
            at
        }
    };
    // Two chunks: the entry of the first one's bitmap is between those of blocks.
    let mut large = Vhdx::new(256 * MIB, 16 * 256 * MIB + MIB);
    large.blocks.insert(16, Block::Data(text(MIB as usize)));
    let mut unmapped = recipe();
    unmapped.blocks.insert(1, Block::State(3, true));
    let mut undefined = recipe();
    undefined.blocks.insert(3, Block::State(1, true));
    let (place, reserved) = ("vhdx.check.entry-place", "vhdx.check.place-reserved");
    let state = |state: u64| {
        move |written: &mut Written| {
            let (at, place) = (written.entries[&2], written.places[&2]);
            put(&mut written.file, at, &(place | state).to_le_bytes());
            at
        }
    };
    let shared = |state: u64| {
        move |written: &mut Written| {
            let at = written.bat + 8;
            put(&mut written.file, at, &(written.places[&0] | state).to_le_bytes());
            at
        }
    };
    vec![
        row(
            "vhdx-entry-after-end",
            "an entry after the disk's end names data",
            "vhdx.check.bat-after-end",
            &recipe(),
            after((4 * MIB) | 6),
        ),
        row(
            "vhdx-entry-slack",
            "an entry after the disk's end is not 0",
            "vhdx.check.bat-slack",
            &recipe(),
            after(2),
        ),
        row(
            "vhdx-bitmap-without-parent",
            "a sector bitmap of an image without parent",
            "vhdx.check.bitmap-unused",
            &large,
            |written| {
                let at = written.bat + 16 * 8;
                put(&mut written.file, at, &((4 * MIB) | 6).to_le_bytes());
                at
            },
        ),
        row("vhdx-unmapped-with-place", "an unmapped block keeps its place", place, &unmapped, |written| {
            written.entries[&1]
        }),
        row(
            "vhdx-undefined-with-place",
            "an undefined block keeps its place",
            place,
            &undefined,
            |written| written.entries[&3],
        ),
        row(
            "vhdx-absent-with-place",
            "a block that is not present has a place",
            reserved,
            &recipe(),
            state(0),
        ),
        row("vhdx-zero-with-place", "a block of zeros has a place", reserved, &recipe(), state(2)),
        row(
            "vhdx-unmapped-shares",
            "an unmapped block keeps the place of one with data",
            "vhdx.check.place-shared",
            &recipe(),
            shared(3),
        ),
        row(
            "vhdx-undefined-shares",
            "an undefined block keeps the place of one with data",
            "vhdx.check.place-shared",
            &recipe(),
            shared(1),
        ),
    ]
}

fn space() -> Vec<AnomalousImage> {
    let leak = "vhdx.check.leak";
    vec![
        row("vhdx-leak-at-end", "the file continues after its last block", leak, &recipe(), |written| {
            let at = written.file.len() as u64;
            put(&mut written.file, at, &vec![1; 3 * MIB as usize]);
            at
        }),
        row(
            "vhdx-room",
            "zeros between the tables and the first block",
            "vhdx.check.room",
            &recipe(),
            |written| {
                let (entry, place) = (written.entries[&0], written.places[&0]);
                put(&mut written.file, entry, &[0; 8]);
                put(&mut written.file, place, &vec![0; MIB as usize]);
                place
            },
        ),
        row("vhdx-leak-between", "a block that no entry names", leak, &recipe(), |written| {
            let at = written.entries[&0];
            put(&mut written.file, at, &[0; 8]);
            written.places[&0]
        }),
        row(
            "vhdx-length-odd",
            "the file is not whole MiB",
            "vhdx.check.file-unaligned",
            &recipe(),
            |written| {
                let end = written.file.len() as u64 + 100;
                put(&mut written.file, end - 1, &[1]);
                end
            },
        ),
    ]
}

fn logs() -> Vec<AnomalousImage> {
    let three = |torn: [bool; 3]| {
        move |written: &mut Written| {
            let change = written.withdraw(written.bat);
            let entries = torn.map(|torn| Entry { torn, ..Entry::new(vec![change.clone()]) });
            written.dirty(4096, 30, &entries)
        }
    };
    let lengths = |more: i64| {
        move |written: &mut Written| {
            let change = written.withdraw(written.bat);
            let len = written.file.len() as u64;
            let lengths = Some((len - MIB, len.saturating_add_signed(more)));
            written.dirty(0, 1, &[Entry { lengths, ..Entry::new(vec![change]) }])[0] + 56
        }
    };
    let length = "vhdx.check.log-length";
    vec![
        row(
            "vhdx-log-lost",
            "an entry of the log after one that is damaged",
            "vhdx.check.log-lost",
            &recipe(),
            |written| three([false, true, false])(written)[2],
        ),
        row(
            "vhdx-log-hurt",
            "an entry in the middle of the log is damaged",
            "vhdx.check.log-torn",
            &recipe(),
            |written| three([false, true, false])(written)[1],
        ),
        row(
            "vhdx-log-last-torn",
            "the last entry of the log is not whole",
            "vhdx.check.log-torn",
            &recipe(),
            |written| three([false, false, true])(written)[2],
        ),
        row("vhdx-log-file-shorter", "the file was longer", length, &recipe(), lengths(MIB as i64)),
        row("vhdx-log-file-longer", "the file was shorter", length, &recipe(), lengths(-(MIB as i64))),
        row(
            "vhdx-log-leak",
            "the log takes a block out of the table",
            "vhdx.check.leak",
            &recipe(),
            |written| {
                let Change::Data(at, mut bytes) = written.withdraw(written.bat) else {
                    unreachable!("sectors are withdrawn as data")
                };
                bytes[..8].fill(0);
                written.dirty(0, 1, &[Entry::new(vec![Change::Data(at, bytes)])]);
                written.places[&0]
            },
        ),
    ]
}

fn parents() -> Vec<AnomalousImage> {
    let linkage = format!("{{{DATA_WRITE}}}");
    let base = "vhdx-odd.base";
    let keys = |keys: &[(&'static str, &str)]| Vhdx {
        data_write: OWN,
        parent: Some(keys.iter().map(|(key, value)| (*key, (*value).to_string())).collect()),
        ..recipe()
    };
    let (own, named) = (("parent_linkage", &*linkage), ("relative_path", base));
    let mut partial = keys(&[own, named]);
    partial.blocks.insert(1, Block::Partial(vec![0x0f; 256], Noise::new(2).bytes(MIB as usize)));
    let rows = vec![
        row(
            "vhdx-locator-no-relative",
            "the parent has an absolute name only",
            "vhdx.check.locator-relative",
            &keys(&[own, ("absolute_win32_path", "C:\\vhdx-odd.base")]),
            |written| written.items[LOCATOR],
        ),
        row(
            "vhdx-locator-linkage2",
            "the parent was being changed",
            "vhdx.check.locator-linkage2",
            &keys(&[own, named, ("parent_linkage2", &linkage)]),
            |written| written.values["parent_linkage2"],
        ),
        row(
            "vhdx-locator-no-linkage",
            "the parent's second name only",
            "vhdx.check.locator-linkage",
            &keys(&[named, ("parent_linkage2", &linkage)]),
            |written| written.items[LOCATOR],
        ),
        row(
            "vhdx-locator-key",
            "an unknown key",
            "vhdx.check.locator-key",
            &keys(&[own, named, ("a_key_of_later", "times")]),
            |written| written.values["a_key_of_later"],
        ),
        row(
            "vhdx-locator-twice",
            "a key that is there twice",
            "vhdx.check.locator-twice",
            &keys(&[own, named, ("relative_path", "other")]),
            |written| written.values["relative_path"],
        ),
        row(
            "vhdx-locator-empty",
            "a key without a value",
            "vhdx.check.locator-empty",
            &keys(&[own, named, ("volume_path", "")]),
            |written| written.values["volume_path"],
        ),
        row(
            "vhdx-locator-reserved",
            "reserved bytes of the parent locator",
            "vhdx.check.locator-reserved",
            &keys(&[own, named]),
            |written| {
                let at = written.items[LOCATOR] + 16;
                put(&mut written.file, at, &[1]);
                at
            },
        ),
        row(
            "vhdx-bitmap-state",
            "a sector bitmap that no block needs has a state that does not exist",
            "vhdx.check.bitmap-entry",
            &keys(&[own, named]),
            |written| {
                let at = written.bat + 4096 * 8;
                put(&mut written.file, at, &5u64.to_le_bytes());
                at
            },
        ),
        row(
            "vhdx-bitmap-reserved",
            "reserved bits of a sector bitmap's entry",
            "vhdx.check.bitmap-reserved",
            &partial,
            |written| {
                let at = written.bitmap_entries[&0];
                written.file[at as usize + 1] |= 1;
                at
            },
        ),
    ];
    let parent = ImageFile { name: base.into(), bytes: recipe().write().file };
    rows.into_iter()
        .map(|mut image| {
            image.files.push(parent.clone());
            image
        })
        .collect()
}
