//! A format that has no data: it takes down what is asked for, and makes a value up.

use serde::{Deserializer, de::Visitor};

use super::{
    Key, Refusal, Trace,
    access::{Elements, Entries, Fields, Variant},
    open::Offer,
    part,
    refusal::mark,
};

/// Texts that types which read one take: a number, a date, an id, an address, and so on.
const TEXTS: &[&str] = &[
    "0",
    "",
    "1970-01-01T00:00:00Z",
    "1970-01-01T00:00:00",
    "1970-01-01",
    "00:00:00",
    "00000000-0000-0000-0000-000000000000",
    "127.0.0.1",
    "::1",
    "127.0.0.1:80",
    "http://localhost/",
    "0.0.0",
    "1s",
    "a@b.c",
    "00",
    "AAAA",
    "true",
    "en",
    "UTC",
];

/// Lengths of bytes that types which read them take.
const LENGTHS: &[usize] = &[0, 16, 4, 8, 12, 20, 24, 32, 64];

/// One value that is asked for.
pub(super) struct Ask<'a> {
    pub(super) trace: &'a mut Trace,
    /// The place.
    pub(super) at: Key,
    /// The type of the value, as far as it is known.
    pub(super) ty: Key,
    /// Whether it is a key of a map.
    pub(super) is_key: bool,
}

impl Ask<'_> {
    pub(super) fn part(&mut self, name: &str) -> Ask<'_> {
        Ask { trace: &mut *self.trace, at: part(self.at, name), ty: self.ty, is_key: false }
    }

    /// Takes down a value of a kind, and gives which of `count` values to offer.
    fn choose(&mut self, kind: &str, count: usize) -> Result<usize, Refusal> {
        self.trace.take_down(format_args!("{kind}"))?;
        Ok(self.trace.choice(part(self.at, kind), count))
    }

    /// Offers something where any value may be.
    fn offer<'de, V: Visitor<'de>>(mut self, is_any: bool, visitor: V) -> Result<V::Value, Refusal> {
        let offer = self.trace.open(self.at, is_any);
        self.trace.take_down(format_args!("any {offer:?}"))?;
        match offer {
            Offer::Mark => visitor.visit_str(&mark(self.at)),
            Offer::Text(text) => visitor.visit_str(text),
            Offer::Unit => visitor.visit_unit(),
            Offer::Bool => visitor.visit_bool(true),
            Offer::Int => visitor.visit_u64(1),
            Offer::Float => visitor.visit_f64(0.5),
            Offer::Bytes => visitor.visit_bytes(&[]),
            Offer::Seq => {
                self.trace.opened += 1;
                let done = visitor.visit_seq(Elements { ask: self.part("any"), at: 0, of: 1 });
                self.trace.opened -= 1;
                done
            }
            Offer::Map => {
                let keys = self.trace.keys(self.at);
                self.trace.opened += 1;
                let done = visitor.visit_map(Fields::new(self.part("any"), &keys));
                self.trace.opened -= 1;
                done
            }
        }
    }

    /// Reads the fields of a struct, or of a variant.
    pub(super) fn fields<'de, V: Visitor<'de>>(
        mut self,
        fields: &[&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        let mut pending = None;
        let mut access = Fields::new(self.part("fields"), fields);
        let all = access.left.len();
        access.pending = Some(&mut pending);
        access.leave_out();
        let is_whole = access.left.len() == all;
        let done = visitor.visit_map(access);
        if done.is_err() && self.trace.refused.is_none() {
            match pending {
                // It refused the key: an alias of a field that it has.
                Some(slot) => self.trace.refused = Some(slot),
                None => self.trace.incomplete |= !is_whole,
            }
        }
        done
    }
}

macro_rules! scalars {
    ($($method:ident $visit:ident $kind:literal $values:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refusal> {
            let values = $values;
            let at = self.choose($kind, values.len())?;
            visitor.$visit(values[at])
        }
    )*};
}

impl<'de> Deserializer<'de> for Ask<'_> {
    type Error = Refusal;

    scalars! {
        deserialize_bool visit_bool "bool" [true, false];
        deserialize_i8 visit_i8 "i8" [1, 0, -1];
        deserialize_i16 visit_i16 "i16" [1, 0, -1];
        deserialize_i32 visit_i32 "i32" [1, 0, -1];
        deserialize_i64 visit_i64 "i64" [1, 0, -1];
        deserialize_i128 visit_i128 "i128" [1, 0, -1];
        deserialize_u8 visit_u8 "u8" [1, 0];
        deserialize_u16 visit_u16 "u16" [1, 0];
        deserialize_u32 visit_u32 "u32" [1, 0];
        deserialize_u64 visit_u64 "u64" [1, 0];
        deserialize_u128 visit_u128 "u128" [1, 0];
        deserialize_f32 visit_f32 "f32" [0.5, 1.0];
        deserialize_f64 visit_f64 "f64" [0.5, 1.0];
        deserialize_char visit_char "char" ['a', '0'];
        deserialize_str visit_str "str" TEXTS;
        deserialize_string visit_str "str" TEXTS;
    }

    fn deserialize_bytes<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refusal> {
        let at = self.choose("bytes", LENGTHS.len())?;
        visitor.visit_bytes(&[0; 64][..LENGTHS[at]])
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refusal> {
        let at = self.choose("bytes", LENGTHS.len())?;
        visitor.visit_byte_buf(vec![0; LENGTHS[at]])
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.offer(true, visitor)
    }

    /// The name of a variant that is a value, or a key of a struct with a flattened field.
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        if self.is_key {
            self.trace.maps.push(self.at);
        }
        self.offer(false, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.trace.take_down(format_args!("ignored"))?;
        visitor.visit_unit()
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.trace.take_down(format_args!("unit"))?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.trace.take_down(format_args!("unit struct {name:?}"))?;
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refusal> {
        self.trace.take_down(format_args!("option"))?;
        if self.trace.is_to_end() {
            return visitor.visit_none();
        }
        self.trace.descend()?;
        let done = visitor.visit_some(self.part("some"));
        self.trace.depth -= 1;
        done
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.trace.take_down(format_args!("newtype {name:?}"))?;
        self.trace.enter(part(self.ty, name), 0)?;
        let done = visitor.visit_newtype_struct(self.part(name));
        self.trace.leave();
        done
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refusal> {
        self.trace.take_down(format_args!("seq"))?;
        self.trace.enter(part(self.ty, "seq"), 0)?;
        let of = usize::from(!self.trace.is_to_end());
        let done = visitor.visit_seq(Elements { ask: self.part("seq"), at: 0, of });
        self.trace.leave();
        done
    }

    fn deserialize_tuple<V: Visitor<'de>>(mut self, len: usize, visitor: V) -> Result<V::Value, Refusal> {
        self.trace.take_down(format_args!("tuple {len}"))?;
        self.trace.enter(part(self.ty, "tuple"), 0)?;
        let done = visitor.visit_seq(Elements { ask: self.part("tuple"), at: 0, of: len });
        self.trace.leave();
        done
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.trace.take_down(format_args!("tuple struct {name:?} {len}"))?;
        self.trace.enter(part(self.ty, name), 0)?;
        let done = visitor.visit_seq(Elements { ask: self.part(name), at: 0, of: len });
        self.trace.leave();
        done
    }

    /// A map, or a struct with a flattened field: the latter asks for the name of a field first.
    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refusal> {
        self.trace.take_down(format_args!("map"))?;
        self.trace.enter(part(self.ty, "map"), 0)?;
        let keys_at = part(part(self.at, "map"), "key");
        let keys = self.trace.opens.get(&keys_at).map(|open| open.keys.clone());
        let done = match keys.filter(|keys| !keys.is_empty()) {
            Some(keys) => {
                self.trace.maps.push(keys_at);
                visitor.visit_map(Fields::new(self.part("map"), &keys))
            }
            None => {
                let left = usize::from(!self.trace.is_to_end());
                visitor.visit_map(Entries { ask: self.part("map"), left })
            }
        };
        self.trace.leave();
        done
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.trace.take_down(format_args!("struct {name:?} {fields:?}"))?;
        let key = part(self.ty, name);
        self.trace.enter(key, 0)?;
        let done = Ask { trace: &mut *self.trace, at: key, ..self }.fields(fields, visitor);
        self.trace.leave();
        done
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.trace.take_down(format_args!("enum {name:?} {variants:?}"))?;
        let key = part(self.ty, name);
        let slot = |index: usize| part(key, variants[index]);
        if variants.is_empty() {
            return Err(Refusal);
        }
        let picked = self.trace.pick(key, slot, variants.len());
        self.trace.enter(key, picked)?;
        let (before, name) = (self.trace.unseen, variants[picked]);
        let ty = self.ty;
        let done = self.trace.within(slot(picked), |trace| {
            trace.take_down(format_args!("variant {name:?}"))?;
            visitor.visit_enum(Variant { name, ask: Ask { trace, at: slot(picked), ty, is_key: false } })
        });
        self.trace.leave();
        if done.is_ok() {
            self.trace.made(key, slot, variants.len(), picked, before);
        }
        done
    }

    /// As of the format that values travel in.
    fn is_human_readable(&self) -> bool {
        false
    }
}
