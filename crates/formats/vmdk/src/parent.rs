//! The parent, as declared by the descriptor.
//!
//! `VMware` identifies it by its content id and its file name (5.0, "The Descriptor File": `parentCID`,
//! `parentFileNameHint`). `VirtualBox` leaves `parentCID` at "no parent" and writes a uuid instead
//! (`ddb.uuid.parent`), without a name: the parent is the image with this `ddb.uuid.image`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use imgprep_map::{Error, ImageName, ParentRef};

use crate::Corrupt;
use crate::encoding::{Charset, Name};
use crate::extent_line::shown;
use crate::key_values::{Values, id};
use crate::layout::NAME;

/// The `parentCID` that means "no parent".
const NO_PARENT: u32 = 0xffff_ffff;
/// The uuid that means "no uuid".
const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// The parent according to the descriptor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parent {
    /// Content id of the parent.
    pub(crate) cid: Option<u32>,
    /// Uuid of the parent.
    pub(crate) uuid: Option<String>,
    /// Uuid of the parent's contents when the child was created.
    revision: Option<String>,
    name: Option<Name>,
    /// Offset of the line with its file name, or else with its uuid.
    at: u64,
}

impl Parent {
    /// Reads the parent's id and name.
    ///
    /// An id without a name, or a name without an id, is an error.
    pub(crate) fn read(values: &Values, charset: &Charset) -> Result<Option<Self>, Error> {
        let cid = match values.get("parentCID") {
            Some((value, at)) => Some((id("parentCID", value, at)?, at)).filter(|(id, _)| *id != NO_PARENT),
            None => None,
        };
        let uuid = uuid(values, "ddb.uuid.parent")?;
        let revision = uuid_text(values, "ddb.uuid.parentmodification")?;
        let name = values.get("parentFileNameHint").map(|(name, at)| (charset.read(name), at));
        let parent = |cid: Option<(u32, u64)>, uuid: Option<(String, u64)>, name, at| {
            let (cid, uuid) = (cid.map(|(id, _)| id), uuid.map(|(uuid, _)| uuid));
            Ok(Some(Self { cid, uuid, revision, name, at }))
        };
        match (cid, uuid, name) {
            (None, None, None) => Ok(None),
            (Some((_, at)), None, None) => {
                let reason = "the disk has a parent (parentCID), but does not name it (parentFileNameHint)";
                Err(Corrupt::Parent { at, reason }.into())
            }
            (None, None, Some((_, at))) => {
                let reason = "the disk names a parent (parentFileNameHint), but parentCID declares none";
                Err(Corrupt::Parent { at, reason }.into())
            }
            (cid, uuid, Some((name, at))) => parent(cid, uuid, Some(name), at),
            (cid, Some((uuid, at)), None) => parent(cid, Some((uuid, at)), None, at),
        }
    }

    /// The id that the parent must have.
    ///
    /// This is `VMware`'s content id if present, because `VMware` changes it together with the contents.
    fn identity(&self) -> Option<String> {
        let by_cid = self.cid.filter(|_| self.name.is_some()).map(identity);
        by_cid.or_else(|| self.uuid.clone())
    }

    pub(crate) fn reference(&self) -> ParentRef {
        let identities = self.identity().into_iter().collect();
        let is_by_cid = self.cid.is_some() && self.name.is_some();
        let (name, others, encoding) = match &self.name {
            Some(name) => (name.bytes.clone(), name.others(), name.encoding.clone()),
            None => (Vec::new(), Vec::new(), None),
        };
        ParentRef {
            // Only VMDK has content ids; a uuid may belong to another format.
            format: is_by_cid.then(|| NAME.into()),
            identities,
            others,
            encoding,
            revision: self.revision.clone().filter(|_| !is_by_cid),
            ..ParentRef::named(ImageName(name), self.at)
        }
    }
}

/// The id by which a `VMware` child refers to an image with this content id.
pub(crate) fn identity(cid: u32) -> String {
    format!("{cid:08x}")
}

/// A uuid of the disk database, in lower case; `None` for the nil uuid.
pub(crate) fn uuid_text(values: &Values, key: &'static str) -> Result<Option<String>, Error> {
    Ok(uuid(values, key)?.map(|(uuid, _)| uuid))
}

fn uuid(values: &Values, key: &'static str) -> Result<Option<(String, u64)>, Error> {
    let Some((value, at)) = values.get(key) else { return Ok(None) };
    let inner = value.strip_prefix(b"{").and_then(|inner| inner.strip_suffix(b"}")).unwrap_or(value);
    let is_uuid = inner.len() == NIL.len()
        && inner.iter().zip(NIL.bytes()).all(|(byte, like)| match like {
            b'-' => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    let text = core::str::from_utf8(inner).ok().filter(|_| is_uuid).map(str::to_ascii_lowercase);
    match text {
        Some(text) => Ok(Some((text, at)).filter(|(text, _)| text != NIL)),
        None => Err(Corrupt::Value { at, key, expected: "a uuid", found: shown(value) }.into()),
    }
}
