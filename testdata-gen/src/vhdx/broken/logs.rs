//! The log.

use crate::model::Refused::{AtOpen, AtRead};
use crate::rows::Row;
use crate::vhdx::broken::recipe::{LATER, MIB, edited, recipe};
use crate::vhdx::encode::{Change, Entry, LOG, guid, put, seal};

pub(crate) fn logs() -> Vec<Row> {
    [log_entries(), log_descriptors()].concat()
}

/// Entries of the log.
fn log_entries() -> Vec<Row> {
    let base = recipe().write();
    let (log, bat) = (base.log, base.bat);
    let with = |start, entries: &[Entry]| edited(&recipe(), |written| drop(written.dirty(start, 3, entries)));
    let right = || Change::Data(bat, base.file[bat as usize..bat as usize + 4096].to_vec());
    let one = |change| [Entry::new(vec![change])];
    let none = "vhdx.log.no-sequence";
    let sealed = |name, about, at: u64, bytes: &[u8]| -> Row {
        let file = edited(&recipe(), |written| {
            written.dirty(0, 3, &one(right()));
            put(&mut written.file, log + at, bytes);
            seal(&mut written.file, log, 8192);
        });
        (name, about, AtOpen, none, Some(log), file)
    };
    vec![
        (
            "vhdx-log-named-and-empty",
            "the header names a log that has no entry",
            AtOpen,
            none,
            Some(log),
            edited(&recipe(), |written| written.header(&[0, 1], 48, &guid(LOG))),
        ),
        (
            "vhdx-log-of-another-name",
            "only entries of another log",
            AtOpen,
            none,
            Some(log),
            edited(&recipe(), |written| {
                written.dirty(0, 3, &one(right()));
                written.header(&[0, 1], 48, &guid(LATER));
            }),
        ),
        (
            "vhdx-log-all-torn",
            "the only entry is torn",
            AtOpen,
            none,
            Some(log),
            with(0, &[Entry { torn: true, ..Entry::new(vec![right()]) }]),
        ),
        sealed(
            "vhdx-log-tail-elsewhere",
            "the last entry's tail was overwritten",
            12,
            &65536u32.to_le_bytes(),
        ),
        (
            "vhdx-log-checksum",
            "an entry whose checksum is wrong",
            AtOpen,
            none,
            Some(log),
            edited(&recipe(), |written| {
                written.dirty(0, 3, &one(right()));
                put(&mut written.file, log + 5000, &[1]);
            }),
        ),
        sealed("vhdx-log-sequence-0", "an entry with sequence number 0", 16, &[0; 8]),
        sealed("vhdx-log-entry-bomb", "an entry longer than its log", 8, &0xffff_f000u32.to_le_bytes()),
        sealed("vhdx-log-descriptor-count", "more descriptors than an entry has room for", 24, &[0xff; 4]),
        sealed("vhdx-log-descriptor-number", "a descriptor of another entry", 64 + 24, &[9]),
        sealed("vhdx-log-data-number", "a data sector of another entry", 4096 + 4, &[9]),
    ]
}

/// Descriptors of an entry, and what they write.
fn log_descriptors() -> Vec<Row> {
    let base = recipe().write();
    let (log, bat, file_len) = (base.log, base.bat, base.file.len() as u64);
    let with = |start, entries: &[Entry]| edited(&recipe(), |written| drop(written.dirty(start, 3, entries)));
    let right = || Change::Data(bat, base.file[bat as usize..bat as usize + 4096].to_vec());
    let one = |change| [Entry::new(vec![change])];
    let lengths = |flushed, last| [Entry { lengths: Some((flushed, last)), ..Entry::new(vec![right()]) }];
    vec![
        (
            "vhdx-log-file-was-longer",
            "the file was cut since the log was written",
            AtOpen,
            "vhdx.log.truncated",
            Some(log + 48),
            with(0, &lengths(file_len + MIB, file_len + MIB)),
        ),
        (
            "vhdx-log-data-unaligned",
            "a data descriptor between two sectors",
            AtOpen,
            "vhdx.log.descriptor",
            Some(log + 4096 + 64),
            with(4096, &one(Change::Data(bat + 512, vec![0; 4096]))),
        ),
        (
            "vhdx-log-zeros-unaligned",
            "a zero descriptor of half a sector",
            AtOpen,
            "vhdx.log.descriptor",
            Some(log + 64 + 32),
            with(0, &[Entry::new(vec![right(), Change::Zero(bat + 4096, 512)])]),
        ),
        (
            "vhdx-log-data-past-end",
            "a data descriptor after the end that the log gives the file",
            AtOpen,
            "vhdx.log.descriptor",
            Some(log + 64),
            with(0, &one(Change::Data(file_len, vec![0; 4096]))),
        ),
        (
            "vhdx-log-zeros-bomb",
            "a zero descriptor that ends after all offsets",
            AtOpen,
            "vhdx.log.descriptor",
            Some(log + 64),
            with(0, &one(Change::Zero(4096, u64::MAX - 4095))),
        ),
        (
            "vhdx-log-breaks-metadata",
            "the log overwrites the metadata with zeros",
            AtOpen,
            "vhdx.metadata.signature",
            Some(base.metadata),
            with(0, &one(Change::Zero(base.metadata, 4096))),
        ),
        (
            "vhdx-log-breaks-bat",
            "the log writes an entry past the end of the file",
            AtRead,
            "vhdx.bat.past-end",
            Some(bat),
            with(0, &one(Change::Data(bat, [(file_len | 6).to_le_bytes(), [0; 8]].concat().repeat(256)))),
        ),
    ]
}
