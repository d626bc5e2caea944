//! The parent, as described by the descriptor.
//!
//! `VMware` names it by its content id and its file (5.0, "The Descriptor File": `parentCID`,
//! `parentFileNameHint`). `VirtualBox` leaves `parentCID` at "no parent" and writes a uuid instead
//! (`ddb.uuid.parent`), without a name: the parent is the image whose `ddb.uuid.image` that is.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use imgprep_map::{Error, ImageName, ParentRef};

use crate::Corrupt;
use crate::encoding::{Charset, Name};
use crate::extent_line::shown;
use crate::key_values::{Values, id};
use crate::layout::NAME;

/// A parent's id that means "no parent".
const NO_PARENT: u32 = 0xffff_ffff;
/// The uuid that means "no uuid".
const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// What a descriptor says of the layer below.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parent {
    /// Its content id.
    pub(crate) cid: Option<u32>,
    /// Its uuid.
    pub(crate) uuid: Option<String>,
    /// The uuid of its contents when the child was made.
    revision: Option<String>,
    name: Option<Name>,
    /// Offset of the line that names it: by its file, else by its uuid.
    at: u64,
}

impl Parent {
    /// An id without a name, or a name without an id, leaves open what is below.
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

    /// What the parent must call itself: `VMware`'s id where there is one, since `VMware` changes it with the
    /// contents.
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
            // Nothing else has a content id; a uuid may be that of another format.
            format: is_by_cid.then(|| NAME.into()),
            identities,
            others,
            encoding,
            revision: self.revision.clone().filter(|_| !is_by_cid),
            ..ParentRef::named(ImageName(name), self.at)
        }
    }
}

/// What a child of `VMware` calls the image with this content id.
pub(crate) fn identity(cid: u32) -> String {
    format!("{cid:08x}")
}

/// A uuid of the disk data base, in lower case; nothing where it is nil.
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
