//! Trains the classifier: stochastic gradient descent with momentum on the cross entropy.

use video_analytics::image::SIDE;
use video_analytics::model::{Layer, Model, inputs, softmax};

use crate::random::Random;
use crate::scene::LABELS;

/// A shape as the pipeline finds it, and what it is.
pub(crate) struct Example {
    pub(crate) cells: Vec<u8>,
    pub(crate) label: usize,
}

const HIDDEN: usize = 48;
const ROUNDS: u32 = 25;
const BATCH: usize = 32;
const MOMENTUM: f32 = 0.9;

/// The share of examples that a model gets right.
pub(crate) fn accuracy(model: &Model, examples: &[Example]) -> f64 {
    let right = examples.iter().filter(|example| model.classify(&example.cells).0 == example.label).count();
    right as f64 / examples.len() as f64
}

/// A model that fits the examples.
pub(crate) fn train(examples: &mut [Example], random: &mut Random) -> Model {
    let labels = LABELS.map(str::to_owned).to_vec();
    let hidden = initial(SIDE * SIDE, HIDDEN, random);
    let output = initial(HIDDEN, LABELS.len(), random);
    let mut model = Model { labels, hidden, output };
    let mut speed = [zero(&model.hidden), zero(&model.output)];
    for round in 0..ROUNDS {
        // The steps get smaller towards the end.
        let rate = 0.05 * (1.0 - round as f32 / ROUNDS as f32);
        random.shuffle(examples);
        for batch in examples.chunks(BATCH) {
            let gradients = gradients(&model, batch);
            let layers = [&mut model.hidden, &mut model.output];
            for ((layer, speed), gradient) in layers.into_iter().zip(&mut speed).zip(&gradients) {
                step(layer, speed, gradient, rate / batch.len() as f32);
            }
        }
    }
    model
}

/// Small weights at random, larger for fewer inputs (He et al., 2015).
fn initial(inputs: usize, outputs: usize, random: &mut Random) -> Layer {
    let bound = (6.0 / inputs as f64).sqrt();
    let mut row = || (0..inputs).map(|_| random.between(-bound, bound) as f32).collect();
    Layer { weights: (0..outputs).map(|_| row()).collect(), biases: vec![0.0; outputs] }
}

fn zero(layer: &Layer) -> Layer {
    let weights = layer.weights.iter().map(|row| vec![0.0; row.len()]).collect();
    Layer { weights, biases: vec![0.0; layer.biases.len()] }
}

/// The sum of the gradients over a batch, for the hidden and the output layer.
fn gradients(model: &Model, batch: &[Example]) -> [Layer; 2] {
    let mut sums = [zero(&model.hidden), zero(&model.output)];
    for example in batch {
        let inputs = inputs(&example.cells);
        let hidden: Vec<f32> = model.hidden.apply(&inputs).iter().map(|sum| sum.max(0.0)).collect();
        // What is wrong with each output: the gradient of the cross entropy after softmax.
        let mut wrong = softmax(&model.output.apply(&hidden));
        wrong[example.label] -= 1.0;
        add(&mut sums[1], &wrong, &hidden);
        let back = |unit: usize| -> f32 {
            let sum: f32 =
                model.output.weights.iter().zip(&wrong).map(|(row, wrong)| row[unit] * wrong).sum();
            if hidden[unit] > 0.0 { sum } else { 0.0 }
        };
        let wrong: Vec<f32> = (0..hidden.len()).map(back).collect();
        add(&mut sums[0], &wrong, &inputs);
    }
    sums
}

fn add(sum: &mut Layer, wrong: &[f32], inputs: &[f32]) {
    for ((row, bias), wrong) in sum.weights.iter_mut().zip(&mut sum.biases).zip(wrong) {
        *bias += wrong;
        for (weight, input) in row.iter_mut().zip(inputs) {
            *weight += wrong * input;
        }
    }
}

fn step(layer: &mut Layer, speed: &mut Layer, gradient: &Layer, rate: f32) {
    let weights = layer.weights.iter_mut().flatten().chain(&mut layer.biases);
    let speeds = speed.weights.iter_mut().flatten().chain(&mut speed.biases);
    let gradients = gradient.weights.iter().flatten().chain(&gradient.biases);
    for ((weight, speed), gradient) in weights.zip(speeds).zip(gradients) {
        *speed = MOMENTUM * *speed - rate * gradient;
        *weight += *speed;
    }
}
