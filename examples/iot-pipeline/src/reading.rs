//! A sensor's reading: its samples, where it has been, and the checksum over both.

use jointlambda::prelude::*;

use crate::crc::Crc;

/// Temperatures from one device, about a kilobyte of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Which device measured.
    pub device: String,
    /// The device's count of its readings.
    pub sequence: u64,
    /// What the samples are in.
    pub unit: Unit,
    /// One temperature per minute, in hundredths of the unit.
    pub samples: Vec<i32>,
    /// How many stages the reading has passed.
    pub stages: u32,
    /// The last stages it has passed, oldest first, at most [`KEPT`](Reading::KEPT).
    pub provenance: Vec<Entry>,
    /// A checksum over the provenance of all stages, those no longer kept included.
    pub history: u32,
    /// A checksum over everything above.
    pub checksum: u32,
}

/// What a temperature is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Degrees Celsius.
    Celsius,
    /// Kelvin.
    Kelvin,
}

impl Unit {
    /// The melting point of ice, in hundredths.
    const fn of_ice(self) -> i32 {
        match self {
            Unit::Celsius => 0,
            Unit::Kelvin => 27_315,
        }
    }
}

/// One stage that a reading has passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Which stage, from 1.
    pub stage: u32,
    /// On which cloud.
    pub cloud: String,
    /// The checksum with which the reading came.
    pub found: u32,
}

impl Reading {
    /// How many provenance entries travel with a reading; with more, it would outgrow its kilobyte.
    pub const KEPT: usize = 8;
    /// How many samples a reading may have.
    pub const SAMPLES: std::ops::RangeInclusive<usize> = 1..=256;

    /// A reading fresh from a device, with its checksum.
    pub fn new(device: impl Into<String>, sequence: u64, unit: Unit, samples: Vec<i32>) -> Self {
        let (device, provenance) = (device.into(), Vec::new());
        let reading =
            Reading { device, sequence, unit, samples, stages: 0, provenance, history: 0, checksum: 0 };
        reading.sealed()
    }

    /// The reading that a device wrote as text: `# device=… sequence=…`, a header, then lines of
    /// `minute,celsius`, with at most two decimals.
    ///
    /// # Errors
    /// If the text is not of this form; the message names the line.
    pub fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
        let (device, sequence) = lines
            .next()
            .and_then(|(_, line)| line.strip_prefix("# device=")?.split_once(" sequence="))
            .ok_or_else(|| Error::new("line 1: not `# device=… sequence=…`"))?;
        let sequence =
            sequence.parse().map_err(|_| Error::new(format!("line 1: not a sequence number: {sequence}")))?;
        let mut samples = Vec::new();
        for (at, line) in lines.skip(1).filter(|(_, line)| !line.is_empty()) {
            let sample = line
                .split_once(',')
                .filter(|(minute, _)| minute.parse() == Ok(samples.len()))
                .and_then(|(_, celsius)| hundredths(celsius))
                .ok_or_else(|| Error::new(format!("line {at}: not `{},celsius`: {line}", samples.len())))?;
            samples.push(sample);
        }
        let reading = Reading::new(device, sequence, Unit::Celsius, samples);
        reading.verify()?;
        Ok(reading)
    }

    /// Whether the reading is as it was when it was last sealed.
    ///
    /// # Errors
    /// If the checksum is another, or if there are no samples or too many.
    pub fn verify(&self) -> Result<()> {
        let (device, sequence) = (&self.device, self.sequence);
        let computed = self.computed();
        if computed != self.checksum {
            let stored = self.checksum;
            return Err(Error::new(format!(
                "reading {sequence} of {device} is damaged: its checksum is {computed:08x}, not {stored:08x}"
            )));
        }
        if !Self::SAMPLES.contains(&self.samples.len()) {
            let (found, (least, most)) = (self.samples.len(), Self::SAMPLES.into_inner());
            return Err(Error::new(format!(
                "reading {sequence} of {device} has {found} samples: it may have {least} to {most}"
            )));
        }
        Ok(())
    }

    /// The same temperatures in another unit.
    #[must_use]
    pub fn converted(mut self, unit: Unit) -> Self {
        let shift = unit.of_ice() - self.unit.of_ice();
        for sample in &mut self.samples {
            *sample = sample.saturating_add(shift);
        }
        self.unit = unit;
        self
    }

    /// The reading with one more stage in its provenance and a new checksum.
    #[must_use]
    pub fn stamped(mut self, cloud: &str) -> Self {
        self.stages += 1;
        let entry = Entry { stage: self.stages, cloud: cloud.to_owned(), found: self.checksum };
        self.history = entry.put(Crc::new().put(&self.history.to_le_bytes())).finish();
        self.provenance.push(entry);
        let surplus = self.provenance.len().saturating_sub(Self::KEPT);
        self.provenance.drain(..surplus);
        self.sealed()
    }

    fn sealed(mut self) -> Self {
        self.checksum = self.computed();
        self
    }

    fn computed(&self) -> u32 {
        let Reading { device, sequence, unit, samples, stages, provenance, history, checksum: _ } = self;
        let mut crc = Crc::new().put_text(device).put(&sequence.to_le_bytes()).put(&[*unit as u8]);
        crc = crc.put(&(samples.len() as u64).to_le_bytes());
        crc = samples.iter().fold(crc, |crc, sample| crc.put(&sample.to_le_bytes()));
        crc = provenance.iter().fold(crc.put(&stages.to_le_bytes()), |crc, entry| entry.put(crc));
        crc.put(&history.to_le_bytes()).finish()
    }
}

impl Entry {
    fn put(&self, crc: Crc) -> Crc {
        crc.put(&self.stage.to_le_bytes()).put_text(&self.cloud).put(&self.found.to_le_bytes())
    }
}

/// `-1.5` is -150. No float in between: two decimals are kept as they are written.
fn hundredths(text: &str) -> Option<i32> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    if !(1..=4).contains(&whole.len()) || !(1..=2).contains(&part.len()) {
        return None;
    }
    let number =
        |digits: &str| digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<i32>().ok())?;
    let part = number(part)? * if part.len() == 1 { 10 } else { 1 };
    Some(sign * (number(whole)? * 100 + part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_become_hundredths() {
        for (text, value) in [("21", 2_100), ("21.5", 2_150), ("-0.07", -7), ("0.70", 70)] {
            assert_eq!(hundredths(text), Some(value), "{text}");
        }
        for text in ["", "-", ".5", "1.", "1.234", "12345", "1e3", "+1", "--1", "1.-5", "warm"] {
            assert_eq!(hundredths(text), None, "{text}");
        }
    }

    #[test]
    fn units_convert_there_and_back() {
        let reading = Reading::new("d", 1, Unit::Celsius, vec![-500, 0, 2_000]);
        let kelvin = reading.clone().converted(Unit::Kelvin);
        assert_eq!(kelvin.samples, [26_815, 27_315, 29_315]);
        assert_eq!(kelvin.converted(Unit::Celsius), reading);
    }

    #[test]
    fn any_change_breaks_the_seal() {
        let reading = Reading::new("d", 1, Unit::Celsius, vec![1, 2]).stamped("aws");
        reading.verify().unwrap();
        let changes: [fn(&mut Reading); 7] = [
            |r| r.device.push('x'),
            |r| r.sequence += 1,
            |r| r.unit = Unit::Kelvin,
            |r| r.samples.swap(0, 1),
            |r| r.stages = 0,
            |r| r.provenance[0].cloud = "aliyun".into(),
            |r| r.history ^= 1,
        ];
        for (at, change) in changes.iter().enumerate() {
            let mut changed = reading.clone();
            change(&mut changed);
            assert!(changed.verify().is_err(), "change {at} goes unseen");
        }
    }
}
