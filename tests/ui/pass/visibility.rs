//! Types that only the workflow's module sees, and visibilities of all kinds.

mod outer {
    pub mod inner {
        use jointlambda::prelude::*;

        #[derive(Serialize, Deserialize)]
        struct Hidden(u32);

        mod deep {
            #[derive(serde::Serialize, serde::Deserialize)]
            pub(in crate::outer) struct Shared {
                pub(super) n: u32,
            }
        }
        pub(in crate::outer) use deep::Shared;

        jointlambda::workflow! {
            const AWS: Cloud = Cloud::aws("ap-northeast-1");

            #[workflow]
            async fn private(x: u32) -> u32 {
                let hidden = hide(x).await;
                let shared = share(x).await;
                let kept = hide(shared.n).await;
                hidden.0 + kept.0 + shared.n
            }

            #[function]
            async fn hide(x: u32) -> Hidden {
                Hidden(x)
            }

            #[function]
            pub(in crate::outer) async fn share(n: u32) -> Shared {
                Shared { n }
            }
        }

        pub fn used() {
            fn used<W: jointlambda::Workflow>() {}
            used::<Private>();
        }
    }

    pub fn again() {
        _ = inner::share(1);
    }
}

fn main() {
    outer::inner::used();
    outer::again();
}
