//! While a user function runs, connections are opened to the clouds of what it may invoke afterwards.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::SeqCst},
};

use async_trait::async_trait;
use bytes::Bytes;
use jointlambda::{
    Client, Options, Runtime,
    backend::{
        Functions, Invoked,
        local::{LocalClouds, virtual_time},
    },
    embedded::Embedded,
};

mod gathered {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow(home = ALI)]
        pub(crate) async fn gathered(n: u64) -> u64 {
            let squares = fan_out(0..n, async |x| square(x).await).await;
            sum(squares).await
        }

        #[function(on = ALI)]
        async fn square(x: u64) -> u64 { x * x }

        #[function(on = AWS)]
        async fn sum(squares: Vec<u64>) -> u64 { squares.into_iter().sum() }
    }
}

/// The functions of a cloud, and how often connections to them were opened.
struct Warmed {
    functions: Arc<dyn Functions>,
    times: Arc<AtomicU32>,
}

#[async_trait]
impl Functions for Warmed {
    async fn invoke(&self, function: &str, envelope: Bytes) -> Invoked {
        self.functions.invoke(function, envelope).await
    }

    async fn warm(&self) {
        self.times.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_branch_opens_a_connection_to_what_follows_its_fan_in() {
    virtual_time(0, async {
        let clouds = LocalClouds::new(Embedded::<gathered::Gathered>::config()).unwrap();
        let times = [(); 2].map(|()| Arc::new(AtomicU32::new(0)));
        for index in 0..2 {
            let mut backends = clouds.backends_from(index);
            if index == 1 {
                for (backend, times) in backends.iter_mut().zip(&times) {
                    let functions = backend.functions.clone();
                    backend.functions = Arc::new(Warmed { functions, times: times.clone() });
                }
            }
            let runtime = Runtime::new::<gathered::Gathered>(backends, Options::default()).on(index as u16);
            clouds.serve(index, Arc::new(runtime));
        }
        let client = Client::<gathered::Gathered>::new(clouds.backends_for_client(), Options::default());
        let run = client.start("key", 3).await.unwrap();
        assert_eq!(client.result(&run).await.unwrap(), 5);
        // Each of the three branches may be the last, and none invokes anything on its own cloud.
        assert_eq!(times.map(|times| times.load(SeqCst)), [3, 0]);
    });
}
