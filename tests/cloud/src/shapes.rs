//! Small workflows that every fault is tried on, the same for each provider.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Something else for every execution, so that it is seen when two copies of one both count.
pub fn nonce() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Relaxed)
}

macro_rules! shapes {
    ($provider:ident, $region:tt) => {
        pub mod chain {
            //! One function after another.

            use jointlambda::prelude::*;

            jointlambda::workflow! {
                const HOME: Cloud = Cloud::$provider($region);

                /// Twice the next number, and whether the second function saw one outcome of the first.
                #[workflow]
                pub async fn chain(x: u64) -> (u64, bool) {
                    let (y, drawn) = first(x).await;
                    second(y, drawn, drawn).await
                }

                #[function(on = HOME)]
                async fn first(x: u64) -> (u64, u64) { (x + 1, crate::shapes::nonce()) }

                #[function(on = HOME)]
                async fn second(x: u64, drawn: u64, again: u64) -> (u64, bool) { (x * 2, drawn == again) }
            }
        }

        pub mod fan {
            //! A map, and glue after it that never does the same twice.

            use jointlambda::prelude::*;

            jointlambda::workflow! {
                const HOME: Cloud = Cloud::$provider($region);

                /// Twice the sum of the next numbers.
                #[workflow]
                pub async fn fan(list: Vec<u64>) -> u64 {
                    let all = fan_out(list, async |x| draw(x).await).await;
                    let sum = all.iter().map(|(x, _)| x).sum::<u64>();
                    last(sum, crate::shapes::nonce()).await
                }

                #[function(on = HOME)]
                async fn draw(x: u64) -> (u64, u64) { (x + 1, crate::shapes::nonce()) }

                #[function(on = HOME)]
                async fn last(x: u64, _salt: u64) -> u64 { x * 2 }
            }
        }

        pub mod pick {
            //! The first answer of several, for two that are to see the same one.

            use jointlambda::prelude::*;

            jointlambda::workflow! {
                const HOME: Cloud = Cloud::$provider($region);

                /// Whether both saw the same answer.
                ///
                /// # Errors
                /// When there is none.
                #[workflow]
                pub async fn pick(list: Vec<u64>) -> Result<bool> {
                    let picked = first_ok(1, list, async |x| ask(x).await).await?;
                    let (a, b) = join!(see(picked.clone()), see(picked.clone()));
                    Ok(a == b && a == picked)
                }

                #[function(on = HOME)]
                async fn ask(x: u64) -> Result<(u64, u64)> {
                    if x == 0 {
                        return Err(Error::new("zero"));
                    }
                    Ok((x, crate::shapes::nonce()))
                }

                #[function(on = HOME)]
                async fn see(picked: Vec<(u64, u64)>) -> Vec<(u64, u64)> { picked }
            }
        }

        pub mod heavy {
            //! What is too large for a row, or for an envelope.

            use jointlambda::prelude::*;

            jointlambda::workflow! {
                const HOME: Cloud = Cloud::$provider($region);

                /// The length of a text, and whether one outcome of what made it was seen.
                #[workflow]
                pub async fn heavy(length: usize) -> (usize, bool) {
                    let (text, drawn) = fill(length).await;
                    measure(text, drawn, drawn).await
                }

                #[function(on = HOME)]
                async fn fill(length: usize) -> (String, u64) {
                    let drawn = crate::shapes::nonce();
                    // Another text each time: objects are named by their content.
                    (format!("{drawn:020}{}", "x".repeat(length.saturating_sub(20))), drawn)
                }

                #[function(on = HOME)]
                async fn measure(text: String, drawn: u64, again: u64) -> (usize, bool) {
                    (text.len(), drawn == again && text.starts_with(&format!("{drawn:020}")))
                }
            }
        }
    };
}

pub mod aws {
    //! Those on AWS.

    shapes!(aws, "us-east-1");
}

pub mod aliyun {
    //! Those on Alibaba Cloud.

    shapes!(aliyun, "cn-hongkong");
}
