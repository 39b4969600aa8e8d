//! Which workflows are one definition: the shapes of their types count, and no more than that.

use std::collections::BTreeSet;

use jointlambda::Workflow;
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};

/// The hash of a workflow with these types beside it.
macro_rules! hash {
    ($($types:item)*) => {{
        mod one {
            use jointlambda::prelude::*;

            $(#[allow(dead_code)] #[derive(Clone, Default, Serialize, Deserialize)] $types)*

            jointlambda::workflow! {
                const AWS: Cloud = Cloud::aws("us-east-1");

                #[workflow]
                pub(super) async fn run(x: u64) -> u64 {
                    let inside = Inside::default();
                    let all = fan_out(0..x, async |y| { step(y).await; Branch::default() }).await;
                    let Item { .. } = made(x).await;
                    let _ = (inside, all);
                    step(x).await
                }
                #[function]
                async fn step(x: u64) -> u64 { x }
                #[function]
                async fn made(_x: u64) -> Item { Item::default() }
            }
        }
        one::Run::definition().hash
    }};
}

#[test]
fn a_field_of_another_type_makes_another_definition() {
    let base = hash!(
        struct Item {
            a: u64,
        }
        struct Inside {
            a: u64,
        }
        struct Branch {
            a: u64,
        }
    );
    assert_eq!(
        hash!(
            struct Item {
                a: u64,
            }
            struct Inside {
                a: u64,
            }
            struct Branch {
                a: u64,
            }
        ),
        base
    );
    let all = BTreeSet::from([
        base,
        // What a function returns, what lives across a call, and what a branch returns.
        hash!(
            struct Item {
                a: String,
            }
            struct Inside {
                a: u64,
            }
            struct Branch {
                a: u64,
            }
        ),
        hash!(
            struct Item {
                a: u64,
            }
            struct Inside {
                a: String,
            }
            struct Branch {
                a: u64,
            }
        ),
        hash!(
            struct Item {
                a: u64,
            }
            struct Inside {
                a: u64,
            }
            struct Branch {
                a: String,
            }
        ),
        hash!(
            struct Item {
                b: u64,
            }
            struct Inside {
                a: u64,
            }
            struct Branch {
                a: u64,
            }
        ),
    ]);
    assert_eq!(all.len(), 5);
}

#[test]
fn what_does_not_travel_makes_no_other_definition() {
    let base = hash!(
        struct Item {
            a: u64,
        }
        struct Inside {
            a: u64,
        }
        struct Branch {
            a: u64,
        }
    );
    let local = hash! {
        struct Item { a: u64 }
        struct Inside { a: u64, #[serde(skip)] cached: Option<u8> }
        struct Branch { a: u64 }
        struct Other { b: String }
    };
    assert_eq!(base, local);
}

/// A value as its type says.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Plain<T>(T);

/// A value whose type asks for anything, so that no shape is seen.
#[derive(Clone, Serialize)]
pub(crate) struct Hidden<T>(T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Hidden<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let any = serde_json::Value::deserialize(from)?;
        serde_json::from_value(any).map(Hidden).map_err(serde::de::Error::custom)
    }
}

/// The hash of a workflow whose function makes an item with such a field.
macro_rules! hash_of_item {
    ($seen:ident, $field:ty) => {{
        mod one {
            use jointlambda::prelude::*;

            use super::$seen as Seen;

            #[derive(Clone, Serialize, Deserialize)]
            pub(super) struct Item {
                a: $field,
            }

            jointlambda::workflow! {
                const AWS: Cloud = Cloud::aws("us-east-1");

                #[workflow]
                pub(super) async fn run(x: u64) -> Seen<Item> { made(x).await }
                #[function]
                async fn made(_x: u64) -> Seen<Item> { unreachable!("it is never called") }
            }
        }
        one::Run::definition().hash
    }};
}

#[test]
fn a_definition_without_the_shapes_of_its_types_is_taken_for_another() {
    let seen = [hash_of_item!(Plain, u64), hash_of_item!(Plain, String)];
    assert_ne!(seen[0], seen[1]);
    // Nothing but the shape tells them apart.
    let hidden = [hash_of_item!(Hidden, u64), hash_of_item!(Hidden, String)];
    assert_eq!(hidden[0], hidden[1]);
}
