//! The workflow as plain Rust, on the shipped reading.

use clap::Parser;
use iot_pipeline::{Chain, IotPipelineFlags, Length, Reading, Unit, iot_pipeline, record_ali, record_aws};
use jointlambda::{Error, Result};

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    flags: IotPipelineFlags,
}

fn input_of(flags: &[&str]) -> Result<Chain> {
    let command = Command::try_parse_from([&["iot-pipeline"], flags].concat()).map_err(Error::from)?;
    command.flags.try_into()
}

fn shipped() -> Reading {
    input_of(&[]).unwrap().reading
}

/// The greatest step from one sample to the next, in hundredths.
fn roughness(reading: &Reading) -> i32 {
    reading.samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).max().unwrap()
}

#[tokio::test]
async fn a_reading_passes_every_stage_on_the_clouds_in_turn() {
    for length in 1..=100 {
        let chain = Chain { length: length.try_into().unwrap(), reading: shipped() };
        let reading = iot_pipeline(chain).await.unwrap();
        reading.verify().unwrap();
        assert_eq!(reading.stages, length);
        assert_eq!(reading.unit, if length % 2 == 1 { Unit::Kelvin } else { Unit::Celsius });
        assert_eq!(reading.provenance.len(), (length as usize).min(Reading::KEPT));
        for (entry, stage) in reading.provenance.iter().rev().zip((1..=length).rev()) {
            assert_eq!(entry.stage, stage);
            assert_eq!(entry.cloud, if stage % 2 == 1 { "aws" } else { "aliyun" });
        }
    }
}

#[tokio::test]
async fn a_reading_stays_at_about_a_kilobyte() {
    let mut reading = shipped();
    for _ in 0..50 {
        reading = record_aws(reading).await.unwrap();
        reading = record_ali(reading).await.unwrap();
        let bytes = rmp_serde::to_vec_named(&reading).unwrap().len();
        assert!((800..=1_280).contains(&bytes), "{bytes} bytes after {} stages", reading.stages);
    }
}

#[tokio::test]
async fn glitches_and_noise_go_and_the_temperature_stays() {
    let raw = shipped();
    assert!(roughness(&raw) > 1_500, "the shipped reading has glitches");
    let aws = record_aws(raw.clone()).await.unwrap();
    assert!(roughness(&aws) < 200, "{}", roughness(&aws));
    let ali = record_ali(aws.clone()).await.unwrap();
    assert!(roughness(&ali) < roughness(&aws));

    let mean = |samples: &[i32]| samples.iter().sum::<i32>() / samples.len() as i32;
    assert!((mean(&ali.samples) - mean(&raw.samples)).abs() < 30);
    assert!((1_500..2_500).contains(ali.samples.iter().min().unwrap()));
    assert!((1_500..2_500).contains(ali.samples.iter().max().unwrap()));
}

#[tokio::test]
async fn a_damaged_reading_is_refused_at_any_stage() {
    let mut damaged = shipped();
    damaged.samples[17] += 1;
    for outcome in [record_aws(damaged.clone()).await, record_ali(damaged.clone()).await] {
        let said = outcome.unwrap_err().to_string();
        assert!(said.starts_with("reading 4102 of greenhouse-7 is damaged: its checksum is "), "{said}");
    }
    let chain = Chain { length: input_of(&[]).unwrap().length, reading: damaged };
    assert!(iot_pipeline(chain).await.is_err());

    let empty = Reading::new("d", 1, Unit::Celsius, Vec::new());
    assert!(record_aws(empty).await.unwrap_err().to_string().contains("has 0 samples"));
}

#[tokio::test]
async fn extreme_samples_do_not_overflow() {
    let mut reading = Reading::new("d", 1, Unit::Celsius, vec![i32::MAX, i32::MIN, i32::MAX, i32::MAX]);
    for _ in 0..3 {
        reading = record_ali(record_aws(reading).await.unwrap()).await.unwrap();
    }
}

#[test]
fn the_length_is_bounded_wherever_it_comes_from() {
    assert_eq!(input_of(&["--length", "100"]).unwrap().length.get(), 100);
    for length in [0, 101] {
        let said = format!("a chain of {length} stages: give 1 to 100");
        assert_eq!(input_of(&["--length", &length.to_string()]).unwrap_err().to_string(), said);
        let travelling = rmp_serde::to_vec(&length).unwrap();
        assert!(rmp_serde::from_slice::<Length>(&travelling).unwrap_err().to_string().contains(&said));
    }
}

#[test]
fn text_that_is_no_reading_is_refused() {
    for (text, said) in [
        ("", "line 1: not `# device=… sequence=…`"),
        ("# device=d sequence=x\n", "line 1: not a sequence number: x"),
        ("# device=d sequence=1\nminute,celsius\n0,1.5\n2,1.5\n", "line 4: not `1,celsius`: 2,1.5"),
        ("# device=d sequence=1\nminute,celsius\n0,warm\n", "line 3: not `0,celsius`: 0,warm"),
        ("# device=d sequence=1\nminute,celsius\n", "has 0 samples"),
    ] {
        let error = Reading::parse(text).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    assert!(input_of(&["--reading", "/no/such/file"]).unwrap_err().to_string().contains("/no/such/file"));
}
