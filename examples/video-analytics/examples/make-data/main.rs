//! Makes everything in `data/`: the clip, pictures that the model never saw, and the model.
//!
//! `cargo run --release -p video-analytics --example make-data`

use std::error::Error;
use std::fmt::Write;

use random::Random;
use scene::{Ground, HEIGHT, LABELS, Shape, WIDTH};
use train::Example;
use video_analytics::image::Gray;

mod avi;
mod random;
mod scene;
mod train;

const PER_SECOND: u32 = 12;
/// What is seen in each second of the clip.
const SCRIPT: [&[&str]; 8] = [
    &["circle"],
    &["circle", "star"],
    &["triangle"],
    &["square", "ring"],
    &[],
    &["cross", "triangle"],
    &["star"],
    &["ring", "cross"],
];
const TRAINING: usize = 1_200;
const HELD_OUT: usize = 20;

/// Frames, and what is seen in them, line by line.
type Footage = (Vec<Vec<u8>>, String);

fn main() -> Result<(), Box<dyn Error>> {
    let data = |name: &str| format!("{}/data/{name}", env!("CARGO_MANIFEST_DIR"));

    let (frames, truth) = clip(&mut Random(1))?;
    std::fs::write(data("clip.avi"), avi::file(&frames, PER_SECOND))?;
    std::fs::write(data("clip.txt"), truth)?;

    let (frames, truth) = held_out(&mut Random(2))?;
    std::fs::write(data("held-out.avi"), avi::file(&frames, PER_SECOND))?;
    std::fs::write(data("held-out.txt"), truth)?;

    let mut examples = examples(TRAINING, &mut Random(3))?;
    let fresh = self::examples(TRAINING / 4, &mut Random(4))?;
    let model = train::train(&mut examples, &mut Random(5));
    std::fs::write(data("model.bin"), model.write())?;
    println!("accuracy: {:.4} on {} training examples", train::accuracy(&model, &examples), examples.len());
    println!("accuracy: {:.4} on {} held-out examples", train::accuracy(&model, &fresh), fresh.len());
    Ok(())
}

/// The clip's frames, and for each second what is seen in it. Of two shapes, one keeps to the upper
/// half and one to the lower.
fn clip(random: &mut Random) -> Result<Footage, Box<dyn Error>> {
    let ground = Ground::any(random);
    let mut frames = Vec::new();
    let mut truth = String::new();
    for names in SCRIPT {
        writeln!(truth, "{}", names.join(" "))?;
        let lanes = [HEIGHT as f64 * 0.25, HEIGHT as f64 * 0.75];
        let mut moving: Vec<(Shape, [f64; 3])> = Vec::new();
        for (name, lane) in names.iter().zip(lanes) {
            let label = LABELS.iter().position(|label| label == name).ok_or("an unknown shape")?;
            let start = random.between(35.0, WIDTH as f64 - 35.0);
            let speed = [random.between(-9.0, 9.0), random.between(-0.5, 0.5), random.between(-0.2, 0.2)];
            moving.push((Shape { x: start, y: lane, ..Shape::any(label, random) }, speed));
        }
        for _ in 0..PER_SECOND {
            let shapes: Vec<Shape> = moving.iter().map(|(shape, _)| *shape).collect();
            frames.push(avi::jpeg(&scene::draw(ground, &shapes, random))?);
            for (shape, [right, down, turn]) in &mut moving {
                if !(25.0..=WIDTH as f64 - 25.0).contains(&(shape.x + *right)) {
                    *right = -*right;
                }
                shape.x += *right;
                shape.y += *down;
                shape.angle += *turn;
            }
        }
    }
    Ok((frames, truth))
}

/// Pictures of one shape each, and what it is.
fn held_out(random: &mut Random) -> Result<Footage, Box<dyn Error>> {
    let mut frames = Vec::new();
    let mut truth = String::new();
    for label in (0..LABELS.len()).cycle().take(HELD_OUT * LABELS.len()) {
        frames.push(portrait(label, random)?);
        writeln!(truth, "{}", LABELS[label])?;
    }
    Ok((frames, truth))
}

/// So many examples of each shape. They go through JPEG and through the pipeline's own search.
fn examples(each: usize, random: &mut Random) -> Result<Vec<Example>, Box<dyn Error>> {
    let mut examples = Vec::new();
    for label in (0..LABELS.len()).cycle().take(each * LABELS.len()) {
        let gray = Gray::decode(&portrait(label, random)?).map_err(|error| error.to_string())?;
        examples.extend(gray.objects().into_iter().map(|object| Example { cells: object.cells, label }));
    }
    Ok(examples)
}

/// A picture of one shape, anywhere in it.
fn portrait(label: usize, random: &mut Random) -> Result<Vec<u8>, Box<dyn Error>> {
    let x = random.between(25.0, WIDTH as f64 - 25.0);
    let y = random.between(25.0, HEIGHT as f64 - 25.0);
    let (shape, ground) = (Shape { x, y, ..Shape::any(label, random) }, Ground::any(random));
    Ok(avi::jpeg(&scene::draw(ground, &[shape], random))?)
}
