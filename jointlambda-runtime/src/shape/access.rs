//! What is in a made-up value: elements, entries, fields, and the content of a variant.

use serde::de::{
    DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
    value::StrDeserializer,
};

use super::{Key, Refusal, ask::Ask, part, type_key};

/// The elements of a sequence or tuple.
pub(super) struct Elements<'a> {
    pub(super) ask: Ask<'a>,
    pub(super) at: usize,
    pub(super) of: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Refusal;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refusal> {
        if self.at == self.of {
            return Ok(None);
        }
        let at = part(self.ask.at, &self.at.to_string());
        self.at += 1;
        let ask = Ask { trace: &mut *self.ask.trace, at, ty: type_key::<S::Value>(), is_key: false };
        seed.deserialize(ask).map(Some)
    }
}

/// The entries of a map whose keys are values.
pub(super) struct Entries<'a> {
    pub(super) ask: Ask<'a>,
    pub(super) left: usize,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Refusal;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refusal> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let at = part(self.ask.at, "key");
        let ask = Ask { trace: &mut *self.ask.trace, at, ty: type_key::<S::Value>(), is_key: true };
        seed.deserialize(ask).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refusal> {
        let at = part(self.ask.at, "value");
        seed.deserialize(Ask { trace: &mut *self.ask.trace, at, ty: type_key::<S::Value>(), is_key: false })
    }
}

/// The fields of a struct.
pub(super) struct Fields<'a> {
    pub(super) ask: Ask<'a>,
    /// The names that were not given yet, the next one last.
    pub(super) left: Vec<&'static str>,
    /// The name that was given last.
    pub(super) name: &'static str,
    /// The slot of the field whose key was given, and its value not asked for.
    pub(super) pending: Option<&'a mut Option<Key>>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(ask: Ask<'a>, names: &[&'static str]) -> Self {
        Fields { ask, left: names.iter().rev().copied().collect(), name: "", pending: None }
    }

    /// Leaves out the fields that no value was found for.
    pub(super) fn leave_out(&mut self) {
        let (at, without) = (self.ask.at, &self.ask.trace.without);
        self.left.retain(|name| !without.contains(&part(at, name)));
    }
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Refusal;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refusal> {
        let Some(name) = self.left.pop() else { return Ok(None) };
        self.ask.trace.take_down(format_args!("field {name:?}"))?;
        self.name = name;
        if let Some(pending) = &mut self.pending {
            **pending = Some(part(self.ask.at, name));
        }
        let key: StrDeserializer<'_, Refusal> = name.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refusal> {
        if let Some(pending) = &mut self.pending {
            **pending = None;
        }
        let (slot, ty) = (part(self.ask.at, self.name), type_key::<S::Value>());
        self.ask.trace.within(slot, |trace| seed.deserialize(Ask { trace, at: slot, ty, is_key: false }))
    }
}

/// A variant of an enum.
pub(super) struct Variant<'a> {
    pub(super) name: &'static str,
    pub(super) ask: Ask<'a>,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = Refusal;
    type Variant = Ask<'a>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Ask<'a>), Refusal> {
        let name: StrDeserializer<'_, Refusal> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self.ask))
    }
}

impl<'de> VariantAccess<'de> for Ask<'_> {
    type Error = Refusal;

    fn unit_variant(self) -> Result<(), Refusal> {
        self.trace.take_down(format_args!("unit variant"))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Refusal> {
        self.trace.take_down(format_args!("newtype variant"))?;
        seed.deserialize(Ask { ty: type_key::<S::Value>(), ..self })
    }

    fn tuple_variant<V: Visitor<'de>>(mut self, len: usize, visitor: V) -> Result<V::Value, Refusal> {
        self.trace.take_down(format_args!("tuple variant {len}"))?;
        visitor.visit_seq(Elements { ask: self.part("tuple"), at: 0, of: len })
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.trace.take_down(format_args!("struct variant {fields:?}"))?;
        self.fields(fields, visitor)
    }
}
