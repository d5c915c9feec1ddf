//! A type as protobuf has it: the fields by their tags.
//!
//! What JSON inlines into an object is a message of its own in protobuf, so a field of JSON may lie several
//! messages deep ([`Field::tags`]). `kind` and `apiVersion` have no tag: they stand in the envelope.

use super::field::Field;

/// The fields of a message, in the order of their tags.
#[derive(Debug)]
pub struct Message(Vec<(u32, Place)>);

/// What a tag stands for.
#[derive(Debug)]
pub enum Place {
    /// A field.
    Field(&'static Field),
    /// A message whose fields JSON inlines.
    Inlined(Message),
}

impl Message {
    /// The message of a type with these fields.
    pub(super) fn of(fields: &'static [Field]) -> Self {
        Self::of_tagged(fields.iter().map(|field| (field.tags, field)).collect())
    }

    /// The message of fields that each lie under a path of tags.
    fn of_tagged(mut fields: Vec<(&'static [u32], &'static Field)>) -> Self {
        // Stable: what is under one tag stays together, and only that is compared.
        fields.sort_by_key(|(tags, _)| tags.first().copied());
        let same_tag = |(one, _): &(&[u32], _), (other, _): &(&[u32], _)| one.first() == other.first();
        let places = fields.chunk_by(same_tag).filter_map(|group| match group {
            [([tag], field)] => Some((*tag, Place::Field(field))),
            [([tag, ..], _), ..] => {
                let inner = group.iter().filter_map(|(tags, field)| Some((tags.split_first()?.1, *field)));
                Some((*tag, Place::Inlined(Self::of_tagged(inner.collect()))))
            }
            _ => None,
        });
        Self(places.collect())
    }

    /// What stands under a tag.
    pub fn place(&self, tag: u32) -> Option<&Place> {
        let position = self.0.binary_search_by_key(&tag, |(own, _)| *own).ok()?;
        self.0.get(position).map(|(_, place)| place)
    }

    /// What stands under each tag, in their order.
    pub fn places(&self) -> impl Iterator<Item = (u32, &Place)> {
        self.0.iter().map(|(tag, place)| (*tag, place))
    }
}

#[cfg(test)]
mod tests {
    use crate::kinds::generated::fields::CORE_V1_VOLUME;
    use crate::kinds::table::ResourceTable;

    use super::*;

    #[test]
    fn what_json_inlines_is_a_message_of_its_own() {
        let volume = CORE_V1_VOLUME.message();
        assert!(matches!(volume.place(1), Some(Place::Field(field)) if field.json == "name"));
        let Some(Place::Inlined(source)) = volume.place(2) else { panic!("{volume:?}") };
        assert!(matches!(source.place(2), Some(Place::Field(field)) if field.json == "emptyDir"));
        assert!(volume.place(3).is_none());
    }

    /// A tag that two fields share would be one of them.
    #[test]
    fn every_field_of_every_kind_has_a_place_of_its_own() {
        fn count(message: &Message) -> usize {
            let under = |place: &Place| match place {
                Place::Field(_) => 1,
                Place::Inlined(inner) => count(inner),
            };
            message.places().map(|(_, place)| under(place)).sum()
        }
        for resource in ResourceTable::built_in().resources() {
            let tagged = resource.schema.fields.iter().filter(|field| !field.tags.is_empty()).count();
            assert_eq!(count(resource.schema.message()), tagged, "{}", resource.kind);
        }
    }
}
