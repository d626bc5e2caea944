//! Files of `OpenPGP` (RFC 9580): encrypted ones begin with the packets of their keys, signatures with one of their own.
//!
//! The first byte of a packet is weak evidence, so the first packet and the beginning of the next one must be valid.

use imgprep_map::Probe;

use crate::foreign::{Foreign, Treatment, foreign};

const LOCKED: Treatment = Treatment::NoDisk("the file is encrypted: decrypt it first");
const SIGNATURE: Treatment = Treatment::NoDisk("it belongs to another file: use that one");

/// Packet types of the first packet (RFC 9580, 5).
const KEY_FOR_PUBLIC: u8 = 1;
const SIGNATURE_PACKET: u8 = 2;
const KEY_FOR_PASSWORD: u8 = 3;

pub(crate) fn recognise(probe: &Probe<'_>) -> Option<Foreign> {
    let (kind, body, next) = packet(probe.head)?;
    match kind {
        KEY_FOR_PUBLIC | KEY_FOR_PASSWORD => {
            let is_key = if kind == KEY_FOR_PUBLIC { is_public(body) } else { is_password(body) };
            // More keys, or the encrypted data.
            let leads_on =
                packet_type(*next.first()?).is_some_and(|next| matches!(next, 1 | 3 | 9 | 18 | 20));
            (is_key && leads_on)
                .then(|| foreign("openpgp", 0, 4, "a key packet of an encrypted file", LOCKED))
        }
        SIGNATURE_PACKET => {
            let is_whole = next.is_empty() && probe.file_len <= 4096;
            let is_signature = matches!(body, [4 | 6, 0 | 1, 1..=3 | 17..=28, 1..=14, ..]);
            (is_whole && is_signature)
                .then(|| foreign("signature", 0, 6, "a signature packet of OpenPGP", SIGNATURE))
        }
        _ => None,
    }
}

/// Version 3, eight bytes of a key id, an algorithm; or version 6.
fn is_public(body: &[u8]) -> bool {
    matches!(body, [3, _, _, _, _, _, _, _, _, 1..=3 | 16 | 18 | 25 | 26, ..] | [6, 0 | 21 | 33, ..])
}

/// Version 4 to 6, a cipher, the derivation of the key from the password.
fn is_password(body: &[u8]) -> bool {
    matches!(body, [4, 1..=13, 0 | 1 | 3 | 4, 1..=14, ..] | [5 | 6, ..]) && body.len() < 256
}

/// The type of the packet that begins with this byte.
fn packet_type(tag: u8) -> Option<u8> {
    match tag {
        0xc0..=0xff => Some(tag & 0x3f),
        0x80..=0xbf => Some(tag >> 2 & 0x0f),
        _ => None,
    }
}

/// The type and the body of the first packet, and what follows it.
fn packet(head: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = head.split_first()?;
    let kind = packet_type(tag)?;
    let (len, rest) = match (tag & 0x40 != 0, tag & 3, rest) {
        (true, _, [len @ 0..=191, rest @ ..]) | (false, 0, [len, rest @ ..]) => (usize::from(*len), rest),
        (true, _, [high @ 192..=223, low, rest @ ..]) => {
            (((usize::from(*high) - 192) << 8) + usize::from(*low) + 192, rest)
        }
        (false, 1, [high, low, rest @ ..]) => (usize::from(*high) << 8 | usize::from(*low), rest),
        _ => return None,
    };
    let (body, next) = rest.split_at_checked(len)?;
    Some((kind, body, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(head: &[u8]) -> Option<&'static str> {
        recognise(&Probe { head, tail: head, file_len: head.len() as u64 }).map(|found| found.name)
    }

    fn key(first: &[u8], version: u8, algorithm: u8, next: u8) -> Vec<u8> {
        [first, &[version], &[7; 8], &[algorithm], &[1; 258], &[next, 1, 2]].concat()
    }

    #[test]
    fn encrypted_files_and_signatures_are_recognised() {
        assert_eq!(name(&key(&[0x85, 1, 12], 3, 1, 0xd2)), Some("openpgp"));
        assert_eq!(name(&key(&[0xc1, 192, 76], 3, 18, 0x85)), Some("openpgp"));
        assert_eq!(name(&[0x8c, 4, 4, 9, 3, 8, 0xd2, 1]), Some("openpgp"));
        assert_eq!(name(&[0x88, 5, 4, 0, 1, 8, 0]), Some("signature"));
    }

    #[test]
    fn similar_beginnings_are_not_recognised() {
        for head in [
            key(&[0x85, 1, 12], 2, 1, 0xd2),
            key(&[0x85, 1, 12], 3, 99, 0xd2),
            key(&[0x85, 1, 12], 3, 1, 0),
            key(&[0x05, 1, 12], 3, 1, 0xd2),
            vec![0x8c, 4, 4, 99, 3, 8, 0xd2, 1],
            vec![0x88, 5, 4, 0, 1, 8, 0, 0],
            vec![0x85, 0xff, 0xff],
            vec![],
        ] {
            assert_eq!(name(&head), None, "{:02x?}", &head[..head.len().min(8)]);
        }
    }
}
