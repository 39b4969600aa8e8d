//! Names of the user's that are also ours, or the prelude's.
#![allow(dead_code, unused_macros)]

use jointlambda::{Cloud, join, plain::fan_out};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub struct Result(u32);
#[derive(Debug, Serialize, Deserialize)]
pub enum Option {
    Some(u32),
    Nothing,
}

#[allow(non_snake_case)]
fn Ok(x: u32) -> Result {
    Result(x)
}
#[allow(non_snake_case)]
fn Err(x: u32) -> u32 {
    x
}

trait Clone {}
trait Copy {}
trait Debug {}
struct Vec;
struct Box;
mod core {}
mod std {}
macro_rules! vec {
    () => {};
}

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    pub async fn run(x: u32) -> Result {
        let __m = glue(x);
        let __v0 = double(__m).await;
        let __outcomes = private::list(__v0);
        let __items = fan_out(__outcomes, async |__element| {
            let __step = double(__element).await;
            let (__returned, __a0) = join!(double(__step), double(1));
            __returned + __a0
        })
        .await;
        let Result(mut __residual) = Ok(Err(__items[0]));
        for __each in __items {
            __residual += double(__each).await;
        }
        let machine = Machine { state: travel(__residual) };
        if let Option::Some(y) = find(machine.state).await { Ok(double(y).await) } else { Ok(__v0) }
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }

    #[function]
    async fn find(x: u32) -> Option {
        if x > 1 { Option::Some(x) } else { Option::Nothing }
    }

    struct Machine {
        state: u32,
    }

    fn glue(x: u32) -> u32 {
        x
    }

    fn travel(x: u32) -> u32 {
        x
    }

    mod private {
        pub(super) fn list(x: u32) -> [u32; 2] {
            [x, x]
        }
    }

    const DEFINITION: u32 = 1;
    const CODE: u32 = 1;
}

fn main() {
    fn used<W: jointlambda::Workflow>() {}
    used::<Run>();
}
