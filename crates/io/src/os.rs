//! System calls that differ between operating systems: mapping, holes, locks, limits.
#![expect(unsafe_code, reason = "mapping a file, and calls that no safe crate offers")]

use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use memmap2::{Advice, Mmap, MmapOptions, UncheckedAdvice};
use rustix::fs::{FallocateFlags, SeekFrom, StatxFlags};
use rustix::process::{Resource, Rlimit};

/// Maps a whole file for reading.
pub(crate) fn map(file: &File, len: usize) -> io::Result<Mmap> {
    // SAFETY: the bytes can change while they are mapped, as with every mapped file: they are only read as bytes,
    // values are validated after they were copied, and a conversion ends with an error if the file's length or times
    // have changed. A page that cannot be read is handled in `fault`.
    let mapping = unsafe { MmapOptions::new().len(len).map(file)? };
    // Reading a header must not read the megabytes around it: `page_cache` decides what is read ahead.
    let _ = mapping.advise(Advice::Random);
    Ok(mapping)
}

/// Ranges of a mapped file that are not cached, in whole pages (the last one ends with the file). For users other than
/// the owner, the system reports that everything is cached.
pub(crate) fn missing_pages(mapping: &Mmap, range: Range<u64>) -> Vec<Range<u64>> {
    let page = rustix::param::page_size() as u64;
    let Some(range) = whole_pages(mapping, range) else { return Vec::new() };
    let mut residence = vec![0u8; (range.end - range.start).div_ceil(page) as usize];
    // SAFETY: the range lies in the mapping, and `residence` has a byte for each of its pages.
    let asked = unsafe {
        let start = mapping.as_ptr().add(range.start as usize);
        libc::mincore(start.cast_mut().cast(), (range.end - range.start) as usize, residence.as_mut_ptr())
    };
    let mut missing: Vec<Range<u64>> = Vec::new();
    for (index, _) in residence.iter().enumerate().filter(|(_, state)| asked == 0 && **state & 1 == 0) {
        let at = range.start + index as u64 * page;
        let end = (at + page).min(range.end);
        match missing.last_mut() {
            Some(last) if last.end == at => last.end = end,
            _ => missing.push(at..end),
        }
    }
    missing
}

/// The number of `cachestat` (Linux 6.5) on all architectures but MIPS, where no call has it.
const CACHESTAT: libc::c_long = 451;

/// Whether all pages of a range that ends with a page or with the file are cached, as one query for the whole range reports it: it
/// counts folios, not pages. `false` if the system does not have this query.
pub(crate) fn is_cached(file: &File, range: &Range<u64>) -> bool {
    let page = rustix::param::page_size() as u64;
    let wanted: [u64; 2] = [range.start, range.end - range.start];
    // Cached, modified, in write-back, evicted, recently evicted.
    let mut counts = [0u64; 5];
    // SAFETY: the call reads two numbers and writes five, and the file is open during the call.
    let done = unsafe {
        libc::syscall(CACHESTAT, file.as_raw_fd(), wanted.as_ptr(), counts.as_mut_ptr(), 0 as libc::c_uint)
    };
    done == 0 && counts[0] == wanted[1].div_ceil(page)
}

/// Whether [`missing_pages`] is accurate for this user and a file of `owner`.
pub(crate) fn can_query_page_cache(file: &File, owner: u32) -> bool {
    let user = rustix::process::geteuid();
    let may_write = || {
        let flags = rustix::fs::AtFlags::EACCESS;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        rustix::fs::accessat(rustix::fs::CWD, path, rustix::fs::Access::WRITE_OK, flags).is_ok()
    };
    user.is_root() || user.as_raw() == owner || may_write()
}

/// Widens a range to whole pages, and clips it to the mapping.
fn whole_pages(mapping: &Mmap, range: Range<u64>) -> Option<Range<u64>> {
    let page = rustix::param::page_size() as u64;
    let len = mapping.len() as u64;
    let (start, end) = (range.start / page * page, range.end.min(len).next_multiple_of(page).min(len));
    (start < end).then_some(start..end)
}

/// Loads a range of a mapping with one call instead of a fault every few pages. Only advice: an unreadable page is
/// detected when it is accessed.
pub(crate) fn populate(mapping: &Mmap, range: Range<u64>) {
    if let Some(range) = whole_pages(mapping, range) {
        let len = (range.end - range.start) as usize;
        let _ = mapping.advise_range(Advice::PopulateRead, range.start as usize, len);
    }
}

/// Starts to read a range of a mapping.
pub(crate) fn read_ahead(mapping: &Mmap, range: Range<u64>) {
    if let Some(range) = whole_pages(mapping, range) {
        let len = (range.end - range.start) as usize;
        let _ = mapping.advise_range(Advice::WillNeed, range.start as usize, len);
    }
}

/// Drops a range of a mapped file from the page cache. Only advice: pages in use stay.
pub(crate) fn drop_pages(mapping: &Mmap, file: &File, range: Range<u64>) {
    let Some(range) = whole_pages(mapping, range) else { return };
    let len = range.end - range.start;
    // SAFETY: the mapping is shared and only read: a page that is accessed again is read again.
    let _ = unsafe {
        mapping.unchecked_advise_range(UncheckedAdvice::DontNeed, range.start as usize, len as usize)
    };
    let _ = rustix::fs::fadvise(file, range.start, NonZeroU64::new(len), rustix::fs::Advice::DontNeed);
}

/// Announces sequential positioned reads of a file: the system may read further ahead. Only advice.
pub(crate) fn reads_in_a_row(file: &File) {
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Sequential);
}

/// Disables the read-ahead of the system.
#[cfg(test)]
pub(crate) fn read_no_further(file: &File) {
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Random);
}

/// The first offset at or after `at` that contains data, or that is in a hole; `None` if only a hole follows.
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

/// The path of these bytes. File names have no encoding.
pub fn path_from_bytes(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

/// Allocates blocks.
pub(crate) fn allocate(file: &File, range: Range<u64>) -> io::Result<()> {
    let len = range.end - range.start;
    Ok(rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, range.start, len)?)
}

/// Shares the blocks of a range of `from` with `to`, at offset `at`: completely, or not at all.
pub(crate) fn share_blocks(from: &File, range: Range<u64>, to: &File, at: u64) -> io::Result<()> {
    let wanted = libc::file_clone_range {
        src_fd: from.as_raw_fd().into(),
        src_offset: range.start,
        src_length: range.end - range.start,
        dest_offset: at,
    };
    // SAFETY: the call reads one struct of numbers; both files are open during the call.
    let done = unsafe { libc::ioctl(to.as_raw_fd(), libc::FICLONERANGE, &raw const wanted) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Starts to write back the modified pages of a file. Only advice.
pub(crate) fn begin_write_out(file: &File) {
    // SAFETY: a call with numbers only.
    unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) };
}

/// `STATX_DIOALIGN` of `statx`, which rustix does not name.
const DIRECT_ALIGNMENT: u32 = 0x2000;

/// The alignment of memory and of offsets that direct I/O needs; `None` if the file system does not report it.
pub(crate) fn direct_alignment(file: &File) -> Option<(u64, u64)> {
    let mask = StatxFlags::from_bits_retain(DIRECT_ALIGNMENT);
    let found = rustix::fs::statx(file, c"", rustix::fs::AtFlags::EMPTY_PATH, mask).ok()?;
    let is_known = found.stx_mask & DIRECT_ALIGNMENT != 0 && found.stx_dio_offset_align != 0;
    is_known.then(|| (found.stx_dio_mem_align.into(), found.stx_dio_offset_align.into()))
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

/// `F_SETSIG` of `fcntl`, which the libc crate does not have for every target.
const SET_SIGNAL: libc::c_int = 10;

/// A lease on a file, which the system grants only if no other process has the file open in a conflicting way, mappings
/// included. Another process that opens it then waits until the lease is returned, at most `/proc/sys/fs/lease-break-time`.
pub(crate) fn set_lease(file: &File, lease: Lease) -> io::Result<()> {
    let kind = match lease {
        Lease::Exclusive => libc::F_WRLCK,
        Lease::NoWriter => libc::F_RDLCK,
        Lease::Returned => libc::F_UNLCK,
    };
    // SAFETY: calls with numbers only. The default signal of a lease would end the process; SIGURG is ignored.
    let done = unsafe {
        libc::fcntl(file.as_raw_fd(), SET_SIGNAL, libc::SIGURG);
        libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What a lease excludes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lease {
    /// Every other open file description. The file must be open for writing.
    Exclusive,
    /// Open file descriptions for writing. The file must be open for reading only.
    NoWriter,
    /// Nothing any more.
    Returned,
}

/// Whether a lease is still in force: no other process waits for it, and it was not revoked.
pub(crate) fn has_lease(file: &File, lease: Lease) -> bool {
    // SAFETY: a call with numbers only.
    let found = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETLEASE) };
    match lease {
        Lease::Exclusive => found == libc::F_WRLCK,
        Lease::NoWriter => found == libc::F_RDLCK,
        Lease::Returned => found == libc::F_UNLCK,
    }
}

/// Raises the soft limit of open files to the hard one: a split disk may have a thousand files.
pub fn raise_open_file_limit() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    // If it cannot be raised, opening too many files fails with its own error.
    let _ = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// The number of files that this process may have open; `u64::MAX` if there is no limit.
pub fn open_file_limit() -> u64 {
    rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Free bytes for this user on the file system of `path`.
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
