//! The three ways to write a workflow.

use jointlambda::prelude::*;

mod braces {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        pub(crate) const AWS: Cloud = Cloud::aws("ap-northeast-1");

        #[workflow]
        pub(crate) async fn twice(x: u32) -> u32 {
            double(double(x).await).await
        }

        #[function(on = AWS)]
        pub(crate) async fn double(x: u32) -> u32 {
            2 * x
        }
    }
}

mod parentheses {
    use jointlambda::prelude::*;

    jointlambda::workflow!(
        const AWS: Cloud = Cloud::aws("ap-northeast-1");

        #[workflow]
        pub(super) async fn twice(x: u32) -> u32 {
            double(double(x).await).await
        }

        #[function]
        async fn double(x: u32) -> u32 {
            2 * x
        }
    );
}

#[jointlambda::workflow_mod]
mod attribute {
    #![allow(clippy::needless_return)]
    use jointlambda::prelude::*;

    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow(home = AWS, max_turns = 10)]
    pub(super) async fn twice(x: u32) -> u32 {
        double(double(x).await).await
    }

    #[function]
    async fn double(x: u32) -> u32 {
        return 2 * x;
    }
}

jointlambda::workflow! {
    const HOME: Cloud = Cloud::aliyun("cn-hangzhou");

    #[workflow]
    async fn outermost() {
        note().await;
    }

    #[function]
    async fn note() {}
}

fn main() {
    fn name<W: jointlambda::Workflow>() -> &'static str {
        W::definition().name
    }
    assert_eq!(name::<braces::Twice>(), "twice");
    assert_eq!(name::<parentheses::Twice>(), "twice");
    assert_eq!(name::<attribute::Twice>(), "twice");
    assert_eq!(name::<Outermost>(), "outermost");
    _ = (braces::AWS, braces::double(1), braces::twice(1), outermost());
    _ = (parentheses::twice(1), attribute::twice(1));
}
