//! Limits that protect the program from hostile images. They are not policy: the profile of an
//! import contains the limits of a cloud.

/// Limits on the work that an image may cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Layers of a chain of parents, the first image included.
    pub chain_depth: u32,
    /// Files that one image may name.
    pub files: u32,
    /// Bytes of one name or one text descriptor.
    pub text_bytes: u64,
    /// Bytes of tables of one image that may be in memory.
    pub resident_bytes: u64,
    /// Internal snapshots that are listed.
    pub snapshots: u32,
}

impl Default for Limits {
    /// Chains of 200 layers are in use; VMDK splits 2 TiB into a thousand files; QEMU
    /// itself stops at 65536 snapshots.
    fn default() -> Self {
        Self {
            chain_depth: 256,
            files: 4096,
            text_bytes: 1 << 20,
            resident_bytes: 64 << 20,
            snapshots: 65536,
        }
    }
}
