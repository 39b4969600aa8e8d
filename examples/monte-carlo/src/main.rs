//! Runs the Monte Carlo workflow.

use monte_carlo::{MonteCarlo, MonteCarloFlags};

jointlambda::main!(MonteCarlo, MonteCarloFlags);
