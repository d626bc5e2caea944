//! What differs between operating systems: mapping, holes, locks, limits.
#![expect(unsafe_code, reason = "mapping a file, and a lock query that no safe crate offers")]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use memmap2::{Mmap, MmapOptions};
use rustix::fs::{FallocateFlags, SeekFrom};
use rustix::process::{Resource, Rlimit};

/// Maps a whole file for reading.
pub(crate) fn map(file: &File, len: usize) -> io::Result<Mmap> {
    // SAFETY: the bytes can change while they are mapped, as with every mapped file: they are only ever
    // looked at as bytes, decoded values are validated after they were copied out, and a conversion ends
    // with an error if the file's length or times changed. A page that vanishes is handled in `fault`.
    unsafe { MmapOptions::new().len(len).map(file) }
}

/// The first offset at or after `at` that holds data (`None`: only a hole follows), or that is in a hole.
pub(crate) fn seek_data(file: &File, at: u64) -> io::Result<Option<u64>> {
    match rustix::fs::seek(file, SeekFrom::Data(at)) {
        Ok(found) => Ok(Some(found)),
        Err(rustix::io::Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The first offset at or after `at` that is in a hole.
pub(crate) fn seek_hole(file: &File, at: u64) -> io::Result<u64> {
    Ok(rustix::fs::seek(file, SeekFrom::Hole(at))?)
}

/// The path of these bytes, whatever their encoding: names of files have none.
pub fn path_from_bytes(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

/// Prepares room for data.
pub(crate) fn allocate(file: &File, range: Range<u64>) -> io::Result<()> {
    let len = range.end - range.start;
    Ok(rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, range.start, len)?)
}

/// Makes a range read as zeros without writing them.
pub(crate) fn zero_range(file: &File, range: Range<u64>) -> io::Result<()> {
    let flags = FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE;
    Ok(rustix::fs::fallocate(file, flags, range.start, range.end - range.start)?)
}

/// Makes a range of a file a hole.
pub(crate) fn punch_hole(file: &File, range: Range<u64>) -> io::Result<()> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    Ok(rustix::fs::fallocate(file, flags, range.start, range.end - range.start)?)
}

/// Byte that QEMU holds a lock on while it may write to an image: 100 for permissions,
/// plus 1 for the permission to write.
const QEMU_WRITE_LOCK: libc::off_t = 101;

/// Whether a QEMU process has the file open for writing.
pub(crate) fn has_writer(file: &File) -> bool {
    // SAFETY: `query` is a plain struct of numbers, and F_OFD_GETLK only fills it.
    unsafe {
        let mut query = std::mem::zeroed::<libc::flock>();
        query.l_type = libc::F_WRLCK as libc::c_short;
        query.l_whence = libc::SEEK_SET as libc::c_short;
        query.l_start = QEMU_WRITE_LOCK;
        query.l_len = 1;
        let asked = libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut query);
        asked == 0 && query.l_type != libc::F_UNLCK as libc::c_short
    }
}

/// Raises the soft limit of open files to the hard one: a split disk has a thousand.
pub fn raise_open_file_limit() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    // Where it can't be raised, opening a file too many says so.
    let _ = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// How many files this process may have open; `u64::MAX` if the system sets no limit.
pub fn open_file_limit() -> u64 {
    rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Bytes that this user can still write on the file system of `path`.
pub fn free_space(path: &std::path::Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(path)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Sixteen random bytes as a UUID of version 4 (RFC 9562 5.4).
pub fn random_uuid() -> std::io::Result<[u8; 16]> {
    let mut uuid = [0; 16];
    let got = rustix::rand::getrandom(&mut uuid, rustix::rand::GetRandomFlags::empty())?;
    if got < uuid.len() {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
    }
    uuid[6] = uuid[6] & 0x0f | 0x40;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    Ok(uuid)
}
