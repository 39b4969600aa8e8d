//! The workflow on embedded clouds gives what its plain run gives.

use jointlambda::embedded::Embedded;
use monte_carlo::{MonteCarlo, Simulation, monte_carlo};

#[tokio::test]
async fn branches_on_another_cloud_give_the_same_estimate() {
    for branches in [2, 32, 1024] {
        let simulation = Simulation { draws: 100_000, branches, seed: 7 };
        let clouds = Embedded::<MonteCarlo>::in_memory();
        let distributed = clouds.run("key", simulation.clone()).await.unwrap();
        assert_eq!(distributed, monte_carlo(simulation).await, "{branches} branches");
        let usage = clouds.clouds().meter();
        assert_eq!(usage.clouds[1].cloud, "ALI");
        assert!(usage.clouds[1].deliveries >= u64::from(branches));
    }
}

#[tokio::test]
async fn the_estimate_survives_a_cloud_that_is_down() {
    let simulation = Simulation { draws: 10_000, branches: 8, seed: 7 };
    let clouds = Embedded::<MonteCarlo>::in_memory();
    clouds.clouds().set_available(1, false);
    assert_eq!(clouds.run("key", simulation.clone()).await.unwrap(), monte_carlo(simulation).await);
}
