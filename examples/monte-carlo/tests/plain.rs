//! The workflow as plain Rust.

use clap::Parser;
use jointlambda::{Error, Result};
use monte_carlo::{
    Count, MonteCarloFlags, Simulation, data_aggregation, data_map, data_process, monte_carlo,
};

const MILLION: Simulation = Simulation { draws: 1_000_000, branches: 32, seed: 1 };

#[tokio::test]
async fn a_million_darts_come_close_to_pi() {
    for seed in 1..=5 {
        let estimate = monte_carlo(Simulation { seed, ..MILLION }).await.unwrap();
        assert!(estimate.error < 4.0 * estimate.standard_error, "{estimate:?}");
        assert!((0.0016..0.0017).contains(&estimate.standard_error), "{estimate:?}");
        assert_eq!((estimate.draws, estimate.branches), (1_000_000, 32));
    }
}

#[tokio::test]
async fn more_darts_come_closer() {
    let few = monte_carlo(Simulation { draws: 10_000, ..MILLION }).await.unwrap();
    let many = monte_carlo(Simulation { draws: 4_000_000, ..MILLION }).await.unwrap();
    assert!(many.standard_error < few.standard_error / 10.0);
}

#[tokio::test]
async fn the_seed_decides() {
    let once = monte_carlo(MILLION).await.unwrap();
    assert_eq!(monte_carlo(MILLION).await.unwrap(), once);
    assert_ne!(monte_carlo(Simulation { seed: 2, ..MILLION }).await.unwrap().pi, once.pi);
}

#[tokio::test]
async fn every_draw_is_dealt_to_one_branch() {
    for (draws, branches) in [(1_000_000, 2), (1_000_000, 1_024), (1_003, 7), (5, 5)] {
        let tasks = data_map(Simulation { draws, branches, seed: 1 }).await.unwrap();
        assert_eq!(tasks.len(), branches as usize);
        assert_eq!(tasks.iter().map(|task| task.draws).sum::<u64>(), draws);
        let (least, most) =
            (tasks.iter().map(|t| t.draws).min().unwrap(), tasks.iter().map(|t| t.draws).max().unwrap());
        assert!(most - least <= 1, "{least} to {most}");
    }
}

#[tokio::test]
async fn a_branch_throws_its_own_darts() {
    let tasks = data_map(MILLION).await.unwrap();
    let first = data_process(tasks[0].clone()).await;
    assert_eq!(first.draws, tasks[0].draws);
    assert!(first.inside < first.draws);
    assert_ne!(data_process(tasks[1].clone()).await.inside, first.inside);
}

#[tokio::test]
async fn the_estimate_is_four_times_the_share() {
    let counts = vec![Count { draws: 60, inside: 50 }, Count { draws: 40, inside: 25 }];
    assert_eq!(data_aggregation(counts).await.unwrap().pi, 3.0);
    assert!(data_aggregation(Vec::new()).await.unwrap_err().to_string().contains("no darts"));
}

#[tokio::test]
async fn bad_numbers_are_refused() {
    for (draws, branches, said) in [
        (1_000_000, 0, "0 branches: give 2 to 1024"),
        (1_000_000, 1, "1 branches: give 2 to 1024"),
        (1_000_000, 1_025, "1025 branches: give 2 to 1024"),
        (3, 4, "3 draws on 4 branches: give one per branch or more"),
    ] {
        let error = monte_carlo(Simulation { draws, branches, seed: 1 }).await.unwrap_err();
        assert_eq!(error.to_string(), said);
    }
}

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    flags: MonteCarloFlags,
}

fn input_of(flags: &[&str]) -> Result<Simulation> {
    let command = Command::try_parse_from([&["monte-carlo"], flags].concat()).map_err(Error::from)?;
    command.flags.try_into()
}

#[test]
fn flags_become_the_input() {
    assert_eq!(input_of(&[]).unwrap(), MILLION);
    let flags = ["--draws", "5000", "--branches", "2", "--seed", "9"];
    assert_eq!(input_of(&flags).unwrap(), Simulation { draws: 5_000, branches: 2, seed: 9 });
    assert!(input_of(&["--branches", "1"]).unwrap_err().to_string().contains("2 to 1024"));
}
