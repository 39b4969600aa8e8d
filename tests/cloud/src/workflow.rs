//! Workflows to be deployed.

use std::time::Duration;

use jointlambda::prelude::*;

pub mod carry {
    //! What is large, from one function to the next.

    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");

        /// The length of a text.
        #[workflow]
        pub async fn carried(text: String) -> usize {
            let text = pass(text).await;
            length(text).await
        }

        #[function(on = AWS)]
        async fn pass(text: String) -> String { text }

        #[function(on = AWS)]
        async fn length(text: String) -> usize { text.len() }
    }
}

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("us-east-1");

    /// The sum of a list, each number doubled first.
    #[workflow]
    pub async fn doubled(list: Vec<u64>) -> u64 {
        let list = checked(list).await;
        let doubled = fan_out(list, async |x| double(x).await).await;
        sum(doubled).await
    }

    #[function(on = AWS)]
    async fn checked(list: Vec<u64>) -> Vec<u64> {
        list
    }

    #[function(on = AWS)]
    async fn double(x: u64) -> u64 {
        // Connections to what follows are opened meanwhile.
        tokio::time::sleep(Duration::from_millis(5)).await;
        x * 2
    }

    #[function(on = AWS)]
    async fn sum(list: Vec<u64>) -> u64 {
        assert!(!list.contains(&UNLUCKY), "{UNLUCKY} is unlucky");
        list.iter().sum()
    }
}

/// What the sum cannot take.
pub const UNLUCKY: u64 = 26;
