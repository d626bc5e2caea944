//! The link to the parent: uuids, no name.

use imgprep_map::{Error, ParentRef};

use crate::Corrupt;
use crate::header::Header;
use crate::uuid::Uuid;

/// The parent, in undo and differencing images.
///
/// An image of another type that also has a link cannot be read reliably: blocks
/// never written might be zeros or the parent's.
pub(crate) fn parent(header: &Header) -> Result<Option<ParentRef>, Error> {
    let at = header.places.parent as u64;
    let link = header.raw.parent.known();
    match (header.kind.has_parent(), link) {
        (false, None) => Ok(None),
        (true, Some(uuid)) => {
            let revision = header.raw.parent_modified.known().map(Uuid::text);
            Ok(Some(ParentRef { revision, ..ParentRef::unnamed(uuid.text(), at) }))
        }
        (has_parent, link) => {
            let found = link.map(Uuid::text);
            Err(Corrupt::Link { at, kind: header.kind.name(), has_parent, found }.into())
        }
    }
}
