#[jointlambda::workflow_mod]
async fn twice(x: u32) -> u32 {
    2 * x
}

fn main() {}
