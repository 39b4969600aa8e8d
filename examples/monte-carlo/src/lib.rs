//! Estimates π by throwing darts at a square, on many branches at once, on two clouds.

use jointlambda::prelude::*;

pub mod random;

use random::Random;

/// What one run works on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Simulation {
    /// How many darts are thrown in all.
    pub draws: u64,
    /// How many branches share them, in [`BRANCHES`](Simulation::BRANCHES).
    pub branches: u32,
    /// Where the random numbers start; the same seed gives the same estimate.
    pub seed: u64,
}

impl Simulation {
    /// How many branches a run may have.
    pub const BRANCHES: std::ops::RangeInclusive<u32> = 2..=1024;

    /// Whether the numbers make sense.
    ///
    /// # Errors
    /// If there are too few or too many branches, or fewer draws than branches.
    pub fn check(&self) -> Result<()> {
        let Simulation { draws, branches, .. } = *self;
        if !Self::BRANCHES.contains(&branches) {
            let (least, most) = Self::BRANCHES.into_inner();
            return Err(Error::new(format!("{branches} branches: give {least} to {most}")));
        }
        if draws < u64::from(branches) {
            return Err(Error::new(format!(
                "{draws} draws on {branches} branches: give one per branch or more"
            )));
        }
        Ok(())
    }
}

/// One branch's part of the work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Which branch, from 0: chooses the stream of random numbers.
    pub branch: u32,
    /// The run's seed.
    pub seed: u64,
    /// How many darts to throw.
    pub draws: u64,
}

/// What one branch saw.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Count {
    /// How many darts were thrown.
    pub draws: u64,
    /// How many of them fell within the quarter circle.
    pub inside: u64,
}

/// The result of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The estimate of π.
    pub pi: f64,
    /// How far from π it is.
    pub error: f64,
    /// How far from π it is expected to be: one standard deviation.
    pub standard_error: f64,
    /// How many darts it rests on.
    pub draws: u64,
    /// How many branches threw them.
    pub branches: u32,
}

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");
    const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

    /// Estimates π.
    #[workflow]
    pub async fn monte_carlo(simulation: Simulation) -> Result<Estimate> {
        let tasks = data_map(simulation).await?;
        let counts = fan_out(tasks, async |task| data_process(task).await).await;
        data_aggregation(counts).await
    }

    /// Deals the draws out to the branches, as evenly as it goes.
    ///
    /// # Errors
    /// If the simulation fails its [`check`](Simulation::check).
    #[function(on = AWS, memory = 1024)]
    pub async fn data_map(simulation: Simulation) -> Result<Vec<Task>> {
        simulation.check()?;
        let Simulation { draws, branches, seed } = simulation;
        let (each, left) = (draws / u64::from(branches), draws % u64::from(branches));
        let task = |branch| Task { branch, seed, draws: each + u64::from(u64::from(branch) < left) };
        Ok((0..branches).map(task).collect())
    }

    /// Throws one branch's darts.
    #[function(on = ALI, failover = [AWS], memory = 512)]
    pub async fn data_process(task: Task) -> Count {
        let mut random = Random::stream(task.seed, task.branch);
        let mut inside = 0;
        for _ in 0..task.draws {
            let (x, y) = (random.next_unit(), random.next_unit());
            inside += u64::from(x * x + y * y < 1.0);
        }
        Count { draws: task.draws, inside }
    }

    /// Makes one estimate of all counts.
    ///
    /// # Errors
    /// If no dart was thrown at all.
    #[function(on = AWS, failover = [ALI], memory = 512)]
    pub async fn data_aggregation(counts: Vec<Count>) -> Result<Estimate> {
        let draws: u64 = counts.iter().map(|count| count.draws).sum();
        let inside: u64 = counts.iter().map(|count| count.inside).sum();
        if draws == 0 {
            return Err(Error::new("failed to estimate pi: no darts were thrown"));
        }
        let share = inside as f64 / draws as f64;
        let pi = 4.0 * share;
        Ok(Estimate {
            pi,
            error: (pi - std::f64::consts::PI).abs(),
            standard_error: 4.0 * (share * (1.0 - share) / draws as f64).sqrt(),
            draws,
            branches: counts.len() as u32,
        })
    }
}

/// Throws darts at a square to estimate π.
#[derive(Clone, Debug, clap::Args)]
pub struct MonteCarloFlags {
    /// How many darts to throw in all.
    #[arg(long, default_value_t = 1_000_000)]
    pub draws: u64,
    /// How many branches share them, 2 to 1024.
    #[arg(long, default_value_t = 32)]
    pub branches: u32,
    /// Where the random numbers start.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

impl TryFrom<MonteCarloFlags> for Simulation {
    type Error = Error;

    fn try_from(flags: MonteCarloFlags) -> Result<Self> {
        let simulation = Simulation { draws: flags.draws, branches: flags.branches, seed: flags.seed };
        simulation.check()?;
        Ok(simulation)
    }
}
