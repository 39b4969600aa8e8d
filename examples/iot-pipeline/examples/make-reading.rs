//! Makes `data/reading.csv`: four hours in a greenhouse, from a thermometer with noise and glitches.
//!
//! `cargo run -p iot-pipeline --example make-reading`

use std::fmt::Write;

const MINUTES: u32 = 240;
const GLITCHES: [(u32, f64); 4] = [(37, 31.5), (98, -24.0), (163, 18.25), (211, -40.0)];

fn main() -> std::io::Result<()> {
    let mut random = 2_026_u64;
    let mut csv = String::from("# device=greenhouse-7 sequence=4102\nminute,celsius\n");
    for minute in 0..MINUTES {
        let hours = f64::from(minute) / 60.0;
        let sun = 19.0 + 4.5 * (hours / 4.0 * std::f64::consts::PI).sin();
        let vent = if (130..150).contains(&minute) { -1.5 } else { 0.0 };
        let glitch = GLITCHES.iter().find(|(at, _)| *at == minute).map_or(0.0, |(_, jump)| *jump);
        let celsius = sun + vent + glitch + 0.25 * noise(&mut random);
        writeln!(csv, "{minute},{celsius:.2}").expect("a String takes all");
    }
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/data/reading.csv"), csv)
}

/// Noise in -1.0..1.0, denser in the middle: the mean of three numbers of a linear generator.
fn noise(random: &mut u64) -> f64 {
    let mut unit = || {
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*random >> 40) as f64 / (1_u64 << 23) as f64 - 1.0
    };
    (unit() + unit() + unit()) / 3.0
}
