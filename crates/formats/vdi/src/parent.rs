//! Link to the parent: UUIDs without a name.

use imgprep_map::{Error, ParentRef};

use crate::Corrupt;
use crate::header::Header;
use crate::uuid::Uuid;

/// The parent of an undo or differencing image.
///
/// Fails if such an image has no link. Also fails if an image of another type has one:
/// blocks that were never written could be zeros or the data of the parent.
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
