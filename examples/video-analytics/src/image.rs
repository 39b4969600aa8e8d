//! Finds the objects in a picture: evens out the light, removes noise, separates what is bright, and
//! brings each object to one size.

use jointlambda::{Error, Result};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};

/// A picture in shades of grey, in rows from the top.
#[derive(Clone, Debug, PartialEq)]
pub struct Gray {
    width: usize,
    pixels: Vec<u8>,
}

/// Something bright in a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its middle, in pixels from the left.
    pub x: usize,
    /// Its middle, in pixels from the top.
    pub y: usize,
    /// Its shape in [`SIDE`] rows of [`SIDE`]: how much of each cell it fills, 0 to 255.
    pub cells: Vec<u8>,
}

/// The side of an object's shape, in cells.
pub const SIDE: usize = 20;

/// The longest side of a picture.
const MAX_SIDE: usize = 1_024;
/// Fewer pixels are noise.
const MIN_AREA: usize = 100;
/// How much brighter than the ground an object is.
const MIN_CONTRAST: f64 = 25.0;

impl Gray {
    /// A picture `width` pixels wide.
    ///
    /// # Errors
    /// If there are no pixels, too many, or not a whole number of rows.
    pub fn new(width: usize, pixels: Vec<u8>) -> Result<Self> {
        let whole = width > 0 && !pixels.is_empty() && pixels.len().is_multiple_of(width);
        if !whole || width > MAX_SIDE || pixels.len() / width > MAX_SIDE {
            let found = pixels.len();
            return Err(Error::new(format!(
                "{found} pixels are not a picture {width} wide, up to {MAX_SIDE} high"
            )));
        }
        Ok(Gray { width, pixels })
    }

    /// Decodes a JPEG picture, colours left out.
    ///
    /// # Errors
    /// If it is not a JPEG picture, is damaged, or is too large.
    pub fn decode(jpeg: &[u8]) -> Result<Self> {
        let options = DecoderOptions::default()
            .jpeg_set_out_colorspace(ColorSpace::Luma)
            .set_strict_mode(true)
            .set_max_width(MAX_SIDE)
            .set_max_height(MAX_SIDE);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
        let pixels =
            decoder.decode().map_err(|error| Error::new(format!("failed to decode JPEG: {error}")))?;
        let width = decoder.info().map_or(0, |info| usize::from(info.width));
        Gray::new(width, pixels)
    }

    /// The width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The pixels, row by row.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }

    /// The objects in the picture, from the top.
    pub fn objects(&self) -> Vec<Object> {
        let level = self.without_noise().levelled();
        let Some(threshold) = threshold(&level) else { return Vec::new() };
        let bright: Vec<bool> = level.iter().map(|&value| value > threshold).collect();
        let most = bright.len() / 4;
        let regions = regions(&bright, self.width);
        let objects = regions.into_iter().filter(|region| (MIN_AREA..=most).contains(&region.len()));
        objects.map(|region| shape(&region, self.width)).collect()
    }

    /// Each pixel becomes the middle one of the nine around it.
    fn without_noise(&self) -> Gray {
        let (width, height) = (self.width, self.pixels.len() / self.width);
        let mut pixels = self.pixels.clone();
        for y in 1..height.saturating_sub(1) {
            for x in 1..width.saturating_sub(1) {
                let mut around = [0; 9];
                for (row, three) in around.chunks_exact_mut(3).enumerate() {
                    let start = (y + row - 1) * width + x - 1;
                    three.copy_from_slice(&self.pixels[start..start + 3]);
                }
                around.sort_unstable();
                pixels[y * width + x] = around[4];
            }
        }
        Gray { width, pixels }
    }

    /// The brightness over the ground, which is taken to be a plane: light falls off to one side.
    /// The plane is fitted twice, the second time without what stands out from the first.
    fn levelled(&self) -> Vec<f64> {
        let all = vec![true; self.pixels.len()];
        let once = self.over_plane(&all);
        let spread = (once.iter().map(|value| value * value).sum::<f64>() / once.len() as f64).sqrt();
        let ground: Vec<bool> = once.iter().map(|value| value.abs() <= spread).collect();
        self.over_plane(&ground)
    }

    /// What is left of the brightness when the plane through the chosen pixels is taken off.
    fn over_plane(&self, chosen: &[bool]) -> Vec<f64> {
        let at = |i: usize| [1.0, (i % self.width) as f64, (i / self.width) as f64];
        // The normal equations, right-hand side last.
        let mut rows = [[0.0; 4]; 3];
        for (i, &pixel) in self.pixels.iter().enumerate().filter(|(i, _)| chosen[*i]) {
            let point = at(i);
            for (row, &factor) in rows.iter_mut().zip(&point) {
                for (sum, value) in row.iter_mut().zip([point[0], point[1], point[2], f64::from(pixel)]) {
                    *sum += factor * value;
                }
            }
        }
        let plane = solve(rows);
        let over = |(i, &pixel): (usize, &u8)| {
            let ground: f64 = at(i).iter().zip(plane).map(|(x, factor)| x * factor).sum();
            f64::from(pixel) - ground
        };
        self.pixels.iter().enumerate().map(over).collect()
    }
}

/// Solves three equations. An unknown that they do not determine becomes 0.
fn solve(mut rows: [[f64; 4]; 3]) -> [f64; 3] {
    for column in 0..3 {
        let pivot = (column..3).max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()));
        rows.swap(column, pivot.expect("a row is left"));
        let head = rows[column];
        for row in (0..3).filter(|&row| row != column && head[column].abs() > 1e-9) {
            let factor = rows[row][column] / head[column];
            for (value, above) in rows[row].iter_mut().zip(head) {
                *value -= factor * above;
            }
        }
    }
    std::array::from_fn(|i| if rows[i][i].abs() > 1e-9 { rows[i][3] / rows[i][i] } else { 0.0 })
}

/// Otsu's threshold: it sets the two sides as far apart as possible. `None` if they are too close to
/// be ground and object.
fn threshold(level: &[f64]) -> Option<f64> {
    let mut counts = [0.0; 256];
    for value in level {
        counts[(value + 128.0).clamp(0.0, 255.0) as usize] += 1.0;
    }
    let total: f64 = level.len() as f64;
    let sum: f64 = counts.iter().enumerate().map(|(value, count)| value as f64 * count).sum();
    let (mut below, mut sum_below) = (0.0, 0.0);
    let (mut best, mut found) = (0.0, None);
    for (value, count) in counts.iter().enumerate() {
        below += count;
        sum_below += value as f64 * count;
        let above = total - below;
        if below == 0.0 || above == 0.0 {
            continue;
        }
        let contrast = (sum - sum_below) / above - sum_below / below;
        let between = below * above * contrast * contrast;
        if between > best {
            best = between;
            found = (contrast >= MIN_CONTRAST).then_some(value as f64 - 127.5);
        }
    }
    found
}

/// The connected regions of set pixels, each as the positions of its pixels.
fn regions(set: &[bool], width: usize) -> Vec<Vec<usize>> {
    let mut left = set.to_vec();
    let mut regions = Vec::new();
    for start in 0..left.len() {
        if !std::mem::take(&mut left[start]) {
            continue;
        }
        let mut region = vec![start];
        let mut next = 0;
        while let Some(&at) = region.get(next) {
            next += 1;
            let x = at % width;
            let beside = [(x > 0).then(|| at - 1), (x + 1 < width).then_some(at + 1)];
            let over = [at.checked_sub(width), Some(at + width)];
            for neighbour in beside.into_iter().chain(over).flatten() {
                if left.get(neighbour) == Some(&true) {
                    left[neighbour] = false;
                    region.push(neighbour);
                }
            }
        }
        regions.push(region);
    }
    regions
}

/// Brings a region to [`SIDE`] by [`SIDE`] cells. The square around it keeps its proportions.
fn shape(region: &[usize], width: usize) -> Object {
    let points = || region.iter().map(|at| (at % width, at / width));
    let range = |values: &mut dyn Iterator<Item = usize>| {
        values.fold((usize::MAX, 0), |(least, most), value| (least.min(value), most.max(value)))
    };
    let (left, right) = range(&mut points().map(|(x, _)| x));
    let (top, bottom) = range(&mut points().map(|(_, y)| y));
    let side = (right - left).max(bottom - top) + 1;
    let scale = SIDE as f64 / side as f64;
    let inset = |from: usize, to: usize| (side - (to - from + 1)) as f64 / 2.0;
    let (inset_x, inset_y) = (inset(left, right), inset(top, bottom));

    let mut cells = vec![0.0; SIDE * SIDE];
    for (x, y) in points() {
        let columns = shares(((x - left) as f64 + inset_x) * scale, scale);
        let rows = shares(((y - top) as f64 + inset_y) * scale, scale);
        for &(row, high) in &rows {
            for &(column, wide) in &columns {
                cells[row * SIDE + column] += high * wide;
            }
        }
    }
    let cells = cells.into_iter().map(|share: f64| (share * 255.0).round().min(255.0) as u8).collect();
    Object { x: left.midpoint(right), y: top.midpoint(bottom), cells }
}

/// The cells that the range from `start` on covers, and how much of each.
fn shares(start: f64, length: f64) -> Vec<(usize, f64)> {
    let end = (start + length).min(SIDE as f64);
    let cells = start as usize..(end.ceil() as usize).min(SIDE);
    cells.map(|cell| (cell, (end.min((cell + 1) as f64) - start.max(cell as f64)).max(0.0))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ground that gets brighter to the right, with bright rectangles on it.
    fn picture(rectangles: &[[usize; 4]]) -> Gray {
        let pixel = |i: usize| {
            let (x, y) = (i % 160, i / 160);
            let inside = |&[left, top, w, h]: &[usize; 4]| {
                (left..left + w).contains(&x) && (top..top + h).contains(&y)
            };
            40 + x as u8 / 2 + if rectangles.iter().any(inside) { 80 } else { (i % 7) as u8 }
        };
        Gray::new(160, (0..160 * 120).map(pixel).collect()).unwrap()
    }

    #[test]
    fn objects_are_found_where_they_are() {
        let objects = picture(&[[20, 10, 20, 20], [100, 70, 30, 16]]).objects();
        assert_eq!(
            objects.iter().map(|object| (object.x, object.y)).collect::<Vec<_>>(),
            [(29, 19), (114, 77)]
        );
        // The square fills its cells but for the corners that the filter rounds off; the other is
        // half as high as wide.
        let filled = |object: &Object| object.cells.iter().filter(|&&cell| cell > 127).count();
        assert!(filled(&objects[0]) >= SIDE * SIDE - 4, "{}", filled(&objects[0]));
        assert!((190..=240).contains(&filled(&objects[1])), "{}", filled(&objects[1]));
    }

    #[test]
    fn an_even_ground_has_no_objects() {
        assert_eq!(picture(&[]).objects(), []);
        assert_eq!(Gray::new(3, vec![7; 6]).unwrap().objects(), []);
        assert_eq!(Gray::new(1, vec![7]).unwrap().objects(), []);
    }

    #[test]
    fn specks_and_floods_are_no_objects() {
        assert_eq!(picture(&[[20, 20, 6, 6]]).objects(), []);
        assert_eq!(picture(&[[20, 20, 100, 60]]).objects(), []);
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        for (width, pixels) in [(0, 0), (0, 4), (3, 4), (4, 0), (MAX_SIDE + 1, MAX_SIDE + 1)] {
            assert!(Gray::new(width, vec![0; pixels]).is_err(), "{width}, {pixels}");
        }
        for bytes in [&b""[..], b"no picture", b"\xFF\xD8\xFF\xD9"] {
            assert!(Gray::decode(bytes).unwrap_err().to_string().starts_with("failed to decode JPEG"));
        }
    }
}
