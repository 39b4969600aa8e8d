//! The classifier: a small neural network with one hidden layer.
//!
//! Its file: `JLNN`, then the numbers of inputs, hidden units and labels (`u32`), the labels as text
//! lines with their length before them, and the weights (`f32`), all little-endian.

use jointlambda::{Error, Result};

use crate::image::SIDE;

/// A network: shape in, label and probability out.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// What can be told apart.
    pub labels: Vec<String>,
    /// From the cells to the hidden units.
    pub hidden: Layer,
    /// From the hidden units to the labels.
    pub output: Layer,
}

/// Weighted sums of some inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// One row per output: a weight for each input.
    pub weights: Vec<Vec<f32>>,
    /// One per output.
    pub biases: Vec<f32>,
}

impl Layer {
    /// The sums.
    pub fn apply(&self, inputs: &[f32]) -> Vec<f32> {
        let sum = |(row, bias): (&Vec<f32>, &f32)| {
            bias + row.iter().zip(inputs).map(|(weight, input)| weight * input).sum::<f32>()
        };
        self.weights.iter().zip(&self.biases).map(sum).collect()
    }
}

impl Model {
    /// The network that comes with the program.
    ///
    /// # Errors
    /// If its file is damaged.
    pub fn shipped() -> Result<Self> {
        Model::read(include_bytes!("../data/model.bin"))
    }

    /// The probability of each label for a shape of [`SIDE`] by [`SIDE`] cells.
    pub fn probabilities(&self, cells: &[u8]) -> Vec<f32> {
        let hidden =
            self.hidden.apply(&inputs(cells)).into_iter().map(|sum| sum.max(0.0)).collect::<Vec<_>>();
        softmax(&self.output.apply(&hidden))
    }

    /// The likeliest label for a shape, as its position, and its probability.
    pub fn classify(&self, cells: &[u8]) -> (usize, f32) {
        let probabilities = self.probabilities(cells).into_iter().enumerate();
        probabilities.max_by(|a, b| a.1.total_cmp(&b.1)).expect("a model has labels")
    }

    /// Reads a model's file.
    ///
    /// # Errors
    /// If the bytes are not such a file, or not for shapes of this size.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader(bytes);
        if reader.take(4)? != b"JLNN" {
            return Err(Error::new("not a model file"));
        }
        let (inputs, hidden, outputs) = (reader.number()?, reader.number()?, reader.number()?);
        if inputs != SIDE * SIDE || !(1..=1_024).contains(&hidden) || !(1..=256).contains(&outputs) {
            return Err(Error::new(format!(
                "a model of {inputs}, {hidden} and {outputs} units is not for this program"
            )));
        }
        let length = reader.number()?;
        let labels = std::str::from_utf8(reader.take(length)?)?;
        let labels: Vec<String> = labels.lines().map(str::to_owned).collect();
        if labels.len() != outputs {
            return Err(Error::new(format!("a model with {} labels for {outputs} outputs", labels.len())));
        }
        let model =
            Model { labels, hidden: reader.layer(inputs, hidden)?, output: reader.layer(hidden, outputs)? };
        if reader.0.is_empty() { Ok(model) } else { Err(Error::new("a model file with more behind its end")) }
    }

    /// Writes the model's file.
    pub fn write(&self) -> Vec<u8> {
        let labels = self.labels.join("\n");
        let sizes = [SIDE * SIDE, self.hidden.biases.len(), self.output.biases.len(), labels.len()];
        let mut bytes = b"JLNN".to_vec();
        bytes.extend(sizes.iter().flat_map(|&size| (size as u32).to_le_bytes()));
        bytes.extend(labels.as_bytes());
        for layer in [&self.hidden, &self.output] {
            let numbers = layer.weights.iter().flatten().chain(&layer.biases);
            bytes.extend(numbers.flat_map(|number| number.to_le_bytes()));
        }
        bytes
    }
}

/// Cells as a network takes them, 0 to 1.
pub fn inputs(cells: &[u8]) -> Vec<f32> {
    cells.iter().map(|&cell| f32::from(cell) / 255.0).collect()
}

/// Sums into probabilities.
pub fn softmax(sums: &[f32]) -> Vec<f32> {
    let most = sums.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = sums.iter().map(|sum| (sum - most).exp()).collect();
    let total: f32 = powers.iter().sum();
    powers.into_iter().map(|power| power / total).collect()
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let Some((taken, rest)) = self.0.split_at_checked(length) else {
            return Err(Error::new("a model file that ends too early"));
        };
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<usize> {
        let bytes = self.take(4)?.try_into().expect("four were taken");
        Ok(u32::from_le_bytes(bytes) as usize)
    }

    fn layer(&mut self, inputs: usize, outputs: usize) -> Result<Layer> {
        let mut row = |length: usize| -> Result<Vec<f32>> {
            let float = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().expect("chunks of four"));
            Ok(self.take(4 * length)?.chunks_exact(4).map(float).collect())
        };
        let weights = (0..outputs).map(|_| row(inputs)).collect::<Result<_>>()?;
        Ok(Layer { weights, biases: row(outputs)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Model {
        let layer = |inputs, outputs| Layer {
            weights: vec![vec![0.5; inputs]; outputs],
            biases: vec![0.25; outputs],
        };
        Model { labels: vec!["a".into(), "b".into()], hidden: layer(SIDE * SIDE, 3), output: layer(3, 2) }
    }

    #[test]
    fn a_file_gives_the_model_that_was_written() {
        assert_eq!(Model::read(&small().write()).unwrap(), small());
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let bytes = small().write();
        for end in 0..bytes.len() {
            assert!(Model::read(&bytes[..end]).is_err(), "{end}");
        }
        assert!(Model::read(&[&bytes[..], b"!"].concat()).is_err());
        assert!(
            Model::read(&[b"JLNX", &bytes[4..]].concat()).unwrap_err().to_string().contains("not a model")
        );
        let huge = [b"JLNN", &[255; 12][..]].concat();
        assert!(Model::read(&huge).unwrap_err().to_string().contains("not for this program"));
    }

    #[test]
    fn probabilities_add_up() {
        let probabilities = softmax(&[1_000.0, 999.0, -1_000.0]);
        assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(probabilities[0] > probabilities[1] && probabilities[1] > probabilities[2]);
    }
}
