//! What protects this program from hostile images. Not policy: a profile of import
//! rules states the limits of others and is elsewhere.

/// Bounds on what an image may make us do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Layers of a chain of parents, the first image included.
    pub chain_depth: u32,
    /// Files that one image may name.
    pub files: u32,
    /// Bytes of one name or one text descriptor.
    pub text_bytes: u64,
    /// Bytes of tables that one image may make us keep in memory.
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
