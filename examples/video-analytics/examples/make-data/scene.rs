//! Draws pictures: bright shapes on a ground that is lit from one side, with noise.

use crate::random::Random;

pub(crate) const WIDTH: usize = 160;
pub(crate) const HEIGHT: usize = 120;
pub(crate) const LABELS: [&str; 6] = ["circle", "cross", "ring", "square", "star", "triangle"];

/// A shape in a picture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Which one, as a position in [`LABELS`].
    pub(crate) label: usize,
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) radius: f64,
    /// In radians.
    pub(crate) angle: f64,
    /// How much of the light it throws back in red, green and blue, beside the ground.
    pub(crate) colour: [f64; 3],
}

impl Shape {
    /// A shape of any size, angle and colour in the middle of the picture.
    pub(crate) fn any(label: usize, random: &mut Random) -> Self {
        let colour = std::array::from_fn(|_| random.between(55.0, 130.0));
        let (radius, angle) = (random.between(12.0, 21.0), random.between(0.0, std::f64::consts::TAU));
        Shape { label, x: WIDTH as f64 / 2.0, y: HEIGHT as f64 / 2.0, radius, angle, colour }
    }

    /// Whether a point of the picture lies in it.
    fn covers(&self, x: f64, y: f64) -> bool {
        let (dx, dy) = ((x - self.x) / self.radius, (y - self.y) / self.radius);
        let (sin, cos) = self.angle.sin_cos();
        let (u, v) = (dx * cos + dy * sin, dy * cos - dx * sin);
        let far = u.hypot(v);
        match LABELS[self.label] {
            "circle" => far <= 0.9,
            "cross" => u.abs().max(v.abs()) <= 0.95 && u.abs().min(v.abs()) <= 0.3,
            "ring" => (0.5..=0.95).contains(&far),
            "square" => u.abs().max(v.abs()) <= 0.8,
            "star" => far <= edge(u, v, 5, 0.42),
            _ => far <= edge(u, v, 3, 0.5),
        }
    }
}

/// How far the edge of a star with so many points lies from its middle, in the direction of (u, v).
/// The points are 1 from the middle, the corners between them `inner`. With three points and 0.5 the
/// star is a triangle.
fn edge(u: f64, v: f64, points: u32, inner: f64) -> f64 {
    let half = std::f64::consts::PI / f64::from(points);
    let turn = v.atan2(u).rem_euclid(2.0 * half);
    let turn = turn.min(2.0 * half - turn);
    // The line from the point (1, 0) to the corner between the points, in polar form.
    let (corner_x, corner_y) = (inner * half.cos(), inner * half.sin());
    corner_y / (corner_y * turn.cos() + (1.0 - corner_x) * turn.sin())
}

/// The light on the ground.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ground {
    base: f64,
    slope: [f64; 2],
}

impl Ground {
    pub(crate) fn any(random: &mut Random) -> Self {
        Ground {
            base: random.between(50.0, 80.0),
            slope: [random.between(-0.2, 0.2), random.between(-0.2, 0.2)],
        }
    }
}

/// Draws a picture, as rows of red, green and blue.
pub(crate) fn draw(ground: Ground, shapes: &[Shape], random: &mut Random) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(3 * WIDTH * HEIGHT);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let (dx, dy) = (x as f64 - WIDTH as f64 / 2.0, y as f64 - HEIGHT as f64 / 2.0);
            let light =
                ground.base + ground.slope[0] * dx + ground.slope[1] * dy + random.between(-10.0, 10.0);
            let mut pixel = [light, light, light * 1.1];
            for shape in shapes {
                let covered = cover(shape, x, y);
                for (channel, colour) in pixel.iter_mut().zip(shape.colour) {
                    *channel += covered * colour;
                }
            }
            rgb.extend(pixel.map(|channel| channel.round().clamp(0.0, 255.0) as u8));
        }
    }
    rgb
}

/// How much of a pixel a shape covers: nine points of it are looked at.
fn cover(shape: &Shape, x: usize, y: usize) -> f64 {
    let thirds = [1.0 / 6.0, 0.5, 5.0 / 6.0];
    let inside = |dx: f64, dy: f64| shape.covers(x as f64 + dx, y as f64 + dy);
    let points = thirds.iter().flat_map(|&dy| thirds.iter().map(move |&dx| (dx, dy)));
    points.filter(|&(dx, dy)| inside(dx, dy)).count() as f64 / 9.0
}
