//! Facts for `info`, named as in `qemu-img info`.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use imgprep_map::{Encryption, Facts, ImageName, Value, size_text};

use crate::Unsupported;
use crate::descriptor::Descriptor;
use crate::layout::NAME;
use crate::refusal::Refusal;
use crate::sparse::Sparse;

/// The reported facts of one extent.
pub(crate) struct Shown {
    name: String,
    /// Type in the descriptor; empty if the extent is the image itself.
    kind: &'static str,
    size: u64,
    /// Grain size and whether grains are compressed, of a parsed sparse extent.
    grain: Option<(u64, bool)>,
    what: Option<(&'static str, &'static str)>,
    is_dirty: bool,
}

impl Shown {
    pub(crate) fn new(name: Option<&[u8]>, kind: &'static str, size: u64, sparse: Option<&Sparse>) -> Self {
        Self {
            name: name.map(|name| ImageName(name.to_vec()).to_string()).unwrap_or_default(),
            kind,
            size,
            grain: sparse.map(|sparse| (sparse.grain, sparse.is_compressed)),
            what: sparse.map(|sparse| (sparse.what, sparse.version)),
            is_dirty: sparse.is_some_and(|sparse| sparse.is_dirty),
        }
    }

    fn value(&self) -> Value {
        let mut table = Vec::new();
        // An extent without a descriptor does not contain its own name.
        if !self.name.is_empty() {
            table.push(("filename", Value::Text(self.name.clone())));
        }
        table.push(("format", Value::Text(self.kind.to_string())));
        table.push(("virtual-size", Value::Number(self.size)));
        if let Some((grain, is_compressed)) = self.grain {
            table.push(("cluster-size", Value::Number(grain)));
            if is_compressed {
                table.push(("compressed", Value::Flag(true)));
            }
        }
        Value::Table(table)
    }
}

pub(crate) fn facts(descriptor: Option<&Descriptor>, extents: &[Shown]) -> Facts {
    let mut facts = Facts::new(NAME, variant(descriptor, extents));
    facts.cluster_size = extents.iter().filter_map(|extent| extent.grain).map(|(grain, _)| grain).max();
    facts.dirty = extents.iter().any(|extent| extent.is_dirty);
    if let Some(descriptor) = descriptor {
        if let Some(Refusal::Unsupported(Unsupported::Encrypted { .. })) = descriptor.refusal {
            facts.encryption = Some(Encryption::Other(0));
        }
        if let Some(cid) = descriptor.cid {
            facts.details.push(("cid", Value::Number(cid.into())));
        }
        let parent = descriptor.parent.as_ref().and_then(|parent| parent.cid).unwrap_or(u32::MAX);
        facts.details.push(("parent-cid", Value::Number(parent.into())));
        if let Some(create_type) = &descriptor.create_type {
            facts.details.push(("create-type", Value::Text(create_type.clone())));
        }
        let shown = descriptor.shown.iter();
        facts.details.extend(shown.map(|(name, value)| (*name, Value::Text(value.clone()))));
        let parent = descriptor.parent.as_ref().and_then(|parent| parent.uuid.as_ref());
        let uuids = [("image-uuid", descriptor.uuid.as_ref()), ("parent-uuid", parent)];
        let known = uuids.into_iter().filter_map(|(name, uuid)| Some((name, Value::Text(uuid?.clone()))));
        facts.details.extend(known);
        let tracking = descriptor.tracking.iter().filter_map(|file| file.name.as_ref());
        facts.details.extend(tracking.map(|name| ("change-tracking-file", Value::Text(name.to_string()))));
    }
    facts.details.push(("extents", Value::List(extents.iter().map(Shown::value).collect())));
    facts
}

/// `monolithicSparse, version 1, grains of 64 KiB`.
fn variant(descriptor: Option<&Descriptor>, extents: &[Shown]) -> String {
    let mut words = Vec::new();
    match descriptor {
        Some(descriptor) => words.extend(descriptor.create_type.clone()),
        None => words.push("an extent without descriptor".into()),
    }
    if extents.len() > 1 {
        words.push(format!("{} extents", extents.len()));
    }
    let sparse = extents.iter().find_map(|extent| Some((extent.what?, extent.grain?)));
    if let Some(((what, version), (grain, _))) = sparse {
        words.push(format!("{what} of version {version}"));
        words.push(format!("grains of {}", size_text(grain)));
    }
    words.join(", ")
}
