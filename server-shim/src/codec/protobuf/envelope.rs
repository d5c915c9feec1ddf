//! What is around a message: the envelope of an object or a list, and the frame of an event.

use prost::encoding::{
    DecodeContext, WireType, decode_key, encode_key, encode_varint, encoded_len_varint, skip_field,
};

use super::BadMessage;
use super::decode::{expect, take, text};
use super::encode::within;
use super::special::{put_bytes, put_number};
use crate::codec::Identity;

/// What every envelope begins with.
const MAGIC: &[u8] = b"k8s\0";
/// What every envelope ends with: that its content is neither encoded nor of another type.
pub const END: &[u8] = b"\x1a\0\x22\0";

/// An object as a client sent it: its kind, and the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'b> {
    /// `version` or `group/version`; empty where the client does not say.
    pub api_version: &'b str,
    /// Such as `ConfigMap`; empty where the client does not say.
    pub kind: &'b str,
    /// The message of the kind.
    pub message: &'b [u8],
}

impl<'b> Envelope<'b> {
    /// Opens an envelope.
    ///
    /// # Errors
    /// [`BadMessage`] for bytes that are none, or that hold something else than a message of protobuf.
    pub fn open(body: &'b [u8]) -> Result<Self, BadMessage> {
        let begins =
            || BadMessage("it does not begin with the four bytes of a protobuf of Kubernetes".to_owned());
        let mut unknown = body.strip_prefix(MAGIC).ok_or_else(begins)?;
        let mut envelope = Self { api_version: "", kind: "", message: b"" };
        while !unknown.is_empty() {
            let (tag, wire_type) = decode_key(&mut unknown)?;
            if !matches!(tag, 1..=4) {
                skip_field(wire_type, tag, &mut unknown, DecodeContext::default())?;
                continue;
            }
            expect(wire_type, WireType::LengthDelimited, tag)?;
            let field = take(&mut unknown)?;
            match tag {
                1 => (envelope.api_version, envelope.kind) = type_meta(field)?,
                2 => envelope.message = field,
                _ if field.is_empty() => {}
                _ => return Err(BadMessage(format!("its content is {}, and not protobuf", text(field)?))),
            }
        }
        Ok(envelope)
    }

    /// Puts a message into the envelope of its kind.
    pub fn close(identity: Identity<'_>, message: &[u8]) -> Vec<u8> {
        let mut out = open(identity);
        out.reserve(message.len() + 16);
        put_bytes(2, message, &mut out);
        out.extend_from_slice(END);
        out
    }
}

fn type_meta(mut bytes: &[u8]) -> Result<(&str, &str), BadMessage> {
    let (mut api_version, mut kind) = ("", "");
    while !bytes.is_empty() {
        let (tag, wire_type) = decode_key(&mut bytes)?;
        match tag {
            1 | 2 => {
                expect(wire_type, WireType::LengthDelimited, tag)?;
                let field = text(take(&mut bytes)?)?;
                *(if tag == 1 { &mut api_version } else { &mut kind }) = field;
            }
            _ => skip_field(wire_type, tag, &mut bytes, DecodeContext::default())?,
        }
    }
    Ok((api_version, kind))
}

/// What a list says about itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListHead<'a> {
    /// `metadata.resourceVersion`.
    pub resource_version: &'a str,
    /// `metadata.continue`.
    pub continue_token: Option<&'a str>,
    /// `metadata.remainingItemCount`.
    pub remaining: Option<u64>,
}

impl ListHead<'_> {
    /// The beginning of a list whose kind `identity` is, up to its first item. What comes behind has to be the items of
    /// these messages, in their order ([`write_item`]), and [`END`].
    pub fn begin<'m>(self, identity: Identity<'_>, items: impl Iterator<Item = &'m [u8]>) -> Vec<u8> {
        let mut metadata = Vec::with_capacity(128);
        within(1, &mut metadata, |out| {
            put_bytes(2, self.resource_version.as_bytes(), out);
            if let Some(token) = self.continue_token {
                put_bytes(3, token.as_bytes(), out);
            }
            if let Some(remaining) = self.remaining {
                put_number(4, i64::try_from(remaining).unwrap_or(i64::MAX), out);
            }
        });
        let length = metadata.len() + items.map(item_len).sum::<usize>();
        let mut out = open(identity);
        encode_key(2, WireType::LengthDelimited, &mut out);
        encode_varint(length as u64, &mut out);
        out.extend_from_slice(&metadata);
        out
    }

    /// A list that is all there.
    pub fn close(self, identity: Identity<'_>, items: &[impl AsRef<[u8]>]) -> Vec<u8> {
        let mut out = self.begin(identity, items.iter().map(AsRef::as_ref));
        for item in items {
            write_item(item.as_ref(), &mut out);
        }
        out.extend_from_slice(END);
        out
    }
}

/// Appends an item of a list.
pub fn write_item(message: &[u8], out: &mut Vec<u8>) {
    put_bytes(2, message, out);
}

/// How many bytes [`write_item`] appends.
fn item_len(message: &[u8]) -> usize {
    // The tag is one byte.
    1 + encoded_len_varint(message.len() as u64) + message.len()
}

/// The beginning of an envelope, up to its message.
fn open(identity: Identity<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    out.extend_from_slice(MAGIC);
    within(1, &mut out, |out| {
        put_bytes(1, identity.api_version.as_bytes(), out);
        put_bytes(2, identity.kind.as_bytes(), out);
    });
    out
}

/// An event of a watch: a length of four bytes, and a message that holds its type and an object in its envelope.
#[derive(Clone, Copy, Debug)]
pub struct WatchFrame<'a> {
    /// Such as `ADDED`.
    pub event_type: &'a str,
    /// The object, in its envelope.
    pub object: &'a [u8],
}

impl WatchFrame<'_> {
    /// Appends the frame.
    pub fn write(self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        put_bytes(1, self.event_type.as_bytes(), out);
        within(2, out, |out| put_bytes(1, self.object, out));
        // An event is far below 4 GiB.
        let length = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX);
        if let Some(place) = out.get_mut(start..start + 4) {
            place.copy_from_slice(&length.to_be_bytes());
        }
    }
}
