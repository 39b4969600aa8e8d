//! One encoding of a value, whatever order its maps are in.
//!
//! A `HashMap` comes in another order in every process; an input that holds one must still be
//! recognised as the same input.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};

/// The encoded value `bytes` with all its maps in order; as it is where that cannot be told.
pub(crate) fn canonical(bytes: &[u8]) -> Vec<u8> {
    rmp_serde::from_slice::<Canonical>(bytes).map_or_else(|_| bytes.to_vec(), |canonical| canonical.0)
}

/// A value in a form of our own: a tag, a length where one is needed, the content.
struct Canonical(Vec<u8>);

impl Canonical {
    fn of(tag: u8, content: &[u8]) -> Self {
        let mut all = vec![tag];
        all.extend((content.len() as u64).to_be_bytes());
        all.extend(content);
        Canonical(all)
    }
}

impl<'de> Deserialize<'de> for Canonical {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Canonical;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_unit<E: de::Error>(self) -> Result<Canonical, E> {
        Ok(Canonical::of(b'n', b""))
    }
    fn visit_none<E: de::Error>(self) -> Result<Canonical, E> {
        self.visit_unit()
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Canonical, D::Error> {
        Canonical::deserialize(deserializer)
    }
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Canonical, D::Error> {
        Canonical::deserialize(deserializer)
    }
    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Canonical, E> {
        Ok(Canonical::of(b'b', &[u8::from(value)]))
    }
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Canonical, E> {
        Ok(Canonical::of(b'i', &i128::from(value).to_be_bytes()))
    }
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Canonical, E> {
        Ok(Canonical::of(b'i', &i128::from(value).to_be_bytes()))
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Canonical, E> {
        Ok(Canonical::of(b'f', &value.to_bits().to_be_bytes()))
    }
    fn visit_str<E: de::Error>(self, value: &str) -> Result<Canonical, E> {
        Ok(Canonical::of(b's', value.as_bytes()))
    }
    fn visit_bytes<E: de::Error>(self, value: &[u8]) -> Result<Canonical, E> {
        Ok(Canonical::of(b'y', value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Canonical, A::Error> {
        let mut all = Vec::new();
        while let Some(Canonical(item)) = seq.next_element()? {
            all.extend(item);
        }
        Ok(Canonical::of(b'l', &all))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Canonical, A::Error> {
        let mut entries = Vec::new();
        while let Some((Canonical(mut entry), Canonical(value))) = map.next_entry()? {
            entry.extend(value);
            entries.push(entry);
        }
        entries.sort_unstable();
        Ok(Canonical::of(b'm', &entries.concat()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_a_map_does_not_matter_and_all_else_does() {
        let encode = |pairs: &[(&str, Vec<u8>)]| {
            let map: std::collections::HashMap<_, _> = pairs.iter().cloned().collect();
            canonical(&rmp_serde::to_vec_named(&(map, 1.5_f32, Some("x"), -3)).unwrap())
        };
        let pairs: Vec<_> = "abcdefgh".split("").map(|key| (key, vec![1, 200])).collect();
        let first = encode(&pairs);
        for _ in 0..20 {
            assert_eq!(encode(&pairs), first);
        }
        assert_ne!(encode(&pairs[2..]), first);
        let list = |list: [u8; 2]| canonical(&rmp_serde::to_vec(&list).unwrap());
        assert_ne!(list([1, 2]), list([2, 1]));
    }
}
