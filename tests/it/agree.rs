//! The oracle: a workflow function called as ordinary Rust, against the same workflow on embedded
//! clouds: in order, with everything late, out of order and delivered twice, and with all clouds being one.

use std::fmt::Debug;

use jointlambda::{
    Options, Workflow,
    backend::local::{Config, LocalClouds, Profile, virtual_time},
    embedded::Embedded,
};

use crate::one_cloud;

/// Runs `W` on each input, plain and distributed, and compares.
pub(crate) fn agree<W: Workflow>(inputs: impl IntoIterator<Item = W::Input>)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    for input in inputs {
        let expected = virtual_time(0, W::plain(input.clone()));
        agree_where::<W>(input, |output| *output == expected);
    }
}

/// Runs `W`, plain and distributed, and has each outcome checked: it may end in several ways.
pub(crate) fn agree_where<W: Workflow>(input: W::Input, accepts: impl Fn(&W::Output) -> bool)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let name = W::definition().name;
    let plain = virtual_time(0, W::plain(input.clone()));
    assert!(accepts(&plain), "{name}, plain: {plain:?}");
    virtual_time(1, async {
        let clouds = Embedded::<W>::in_memory();
        let got = clouds.run("key", input.clone()).await.unwrap();
        assert!(accepts(&got), "{name}, in order: {got:?}, plain {plain:?}");
        drained(clouds.clouds()).await;
    });
    virtual_time(1, async {
        let (clouds, client) = one_cloud::deploy::<W>(Embedded::<W>::config());
        let run = client.start("key", input.clone()).await.unwrap();
        let got = client.result(&run).await.unwrap();
        assert!(accepts(&got), "{name}, on one cloud: {got:?}, plain {plain:?}");
        drained(&clouds).await;
    });
    for seed in 0..3 {
        let config = restless(Embedded::<W>::config(), seed);
        virtual_time(seed, async {
            let clouds = Embedded::<W>::new(config, Options::default()).unwrap();
            let got = clouds.run("key", input.clone()).await.unwrap();
            assert!(accepts(&got), "{name}, restless, seed {seed}: {got:?}, plain {plain:?}");
            drained(clouds.clouds()).await;
        });
    }
}

/// Latencies with jitter, and events delivered twice.
fn restless(mut config: Config, seed: u64) -> Config {
    config.profile = Profile::TOKYO;
    config.seed = seed;
    for cloud in &mut config.clouds {
        cloud.duplicate_percent = 20;
    }
    config
}

/// Late duplicates must find nothing to do.
async fn drained(clouds: &LocalClouds) {
    clouds.idle().await;
}

/// A module with a workflow on two clouds, its functions, and a test that it agrees.
macro_rules! shape {
    ($(#[$doc:meta])* $name:ident: $workflow:ident($($input:expr),+ $(,)?) { $($items:tt)* }) => {
        $(#[$doc])*
        #[allow(clippy::all)] // shapes are odd on purpose
        mod $name {
            use jointlambda::prelude::*;

            jointlambda::workflow! {
                const AWS: Cloud = Cloud::aws("ap-northeast-1");
                const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

                #[function(on = AWS)]
                async fn double(x: u64) -> u64 {
                    2 * x
                }

                #[function(on = ALI, failover = [AWS])]
                async fn add(x: u64, y: u64) -> u64 {
                    x + y
                }

                #[function(on = ALI)]
                async fn halve(x: u64) -> Result<u64> {
                    if x % 2 == 0 { Ok(x / 2) } else { Err(Error::new(format!("{x} is odd"))) }
                }

                $($items)*
            }

            #[test]
            fn agrees() {
                crate::agree::agree::<$workflow>([$($input),+]);
            }

            #[test]
            fn survives_every_single_fault() {
                $(crate::faulty::survive_single_faults::<$workflow>($input);)+
            }
        }
    };
}
