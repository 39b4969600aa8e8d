use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> u32 {
        let mut counter = Counter(x);
        let (a, b) = join!(
            async {
                counter.count();
                double(x).await
            },
            double(2)
        );
        a + b + counter.0
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }

    #[derive(Serialize, Deserialize)]
    struct Counter(u32);

    impl Counter {
        fn count(&mut self) {
            self.0 += 1;
        }
    }
}

fn main() {}
