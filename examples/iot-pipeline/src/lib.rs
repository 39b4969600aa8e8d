//! Passes a sensor's reading through a chain of stages that lie on two clouds in turn.

use jointlambda::prelude::*;

mod crc;
mod filter;
mod reading;

pub use reading::{Entry, Reading, Unit};

/// What one run works on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// How many stages the reading passes.
    pub length: Length,
    /// The reading, as the device sent it.
    pub reading: Reading,
}

/// The number of stages of a chain: 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Length(u32);

impl Length {
    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl From<Length> for u32 {
    fn from(length: Length) -> u32 {
        length.0
    }
}

impl TryFrom<u32> for Length {
    type Error = Error;

    fn try_from(length: u32) -> Result<Self> {
        match length {
            1..=100 => Ok(Length(length)),
            _ => Err(Error::new(format!("a chain of {length} stages: give 1 to 100"))),
        }
    }
}

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");
    const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

    /// Records a reading at every stage of a chain, on the clouds in turn.
    #[workflow]
    pub async fn iot_pipeline(chain: Chain) -> Result<Reading> {
        let Chain { length, mut reading } = chain;
        for stage in 0..length.get() {
            reading = if stage % 2 == 0 { record_aws(reading).await? } else { record_ali(reading).await? };
        }
        Ok(reading)
    }

    /// Removes spikes and records the reading in kelvin.
    ///
    /// # Errors
    /// If the reading is damaged.
    #[function(on = AWS, memory = 512)]
    pub async fn record_aws(mut reading: Reading) -> Result<Reading> {
        reading.verify()?;
        reading.samples = filter::median(&reading.samples);
        Ok(reading.converted(Unit::Kelvin).stamped("aws"))
    }

    /// Damps noise and records the reading in degrees Celsius.
    ///
    /// # Errors
    /// If the reading is damaged.
    #[function(on = ALI, memory = 512)]
    pub async fn record_ali(mut reading: Reading) -> Result<Reading> {
        reading.verify()?;
        reading.samples = filter::smooth(&reading.samples);
        Ok(reading.converted(Unit::Celsius).stamped("aliyun"))
    }
}

/// Records a sensor's reading at every stage of a chain, on two clouds in turn.
#[derive(Clone, Debug, clap::Args)]
pub struct IotPipelineFlags {
    /// How many stages the reading passes, 1 to 100.
    #[arg(long, default_value_t = 10)]
    pub length: u32,
    /// The reading, instead of the one that comes with the program.
    #[arg(long, value_name = "FILE")]
    pub reading: Option<std::path::PathBuf>,
}

impl TryFrom<IotPipelineFlags> for Chain {
    type Error = Error;

    fn try_from(flags: IotPipelineFlags) -> Result<Self> {
        let length = flags.length.try_into()?;
        let reading = match flags.reading {
            None => Reading::parse(include_str!("../data/reading.csv"))?,
            Some(path) => std::fs::read_to_string(&path)
                .map_err(Error::from)
                .and_then(|text| Reading::parse(&text))
                .map_err(|error| error.context(format!("failed to read {}", path.display())))?,
        };
        Ok(Chain { length, reading })
    }
}
