//! Writes AVI files with one Motion JPEG stream, with an index, as players want them.

use jpeg_encoder::{ColorType, Encoder, EncodingError};

use crate::scene::{HEIGHT, WIDTH};

/// Encodes a picture as JPEG.
pub(crate) fn jpeg(rgb: &[u8]) -> Result<Vec<u8>, EncodingError> {
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes, 55).encode(rgb, WIDTH as u16, HEIGHT as u16, ColorType::Rgb)?;
    Ok(bytes)
}

/// The file with these frames.
pub(crate) fn file(frames: &[Vec<u8>], per_second: u32) -> Vec<u8> {
    let count = frames.len() as u32;
    let largest = frames.iter().map(Vec::len).max().unwrap_or(0) as u32;
    let (width, height) = (WIDTH as u32, HEIGHT as u32);
    const HAS_INDEX: u32 = 0x10;
    const KEY_FRAME: u32 = 0x10;

    let main =
        [1_000_000 / per_second, largest * per_second, 0, HAS_INDEX, count, 0, 1, largest, width, height];
    let main = chunk(b"avih", &[numbers(&main), vec![0; 16]].concat());
    // After type and codec: flags, priority and language, initial frames, scale, rate, start, length,
    // buffer, quality (none given), sample size; then the frame's rectangle.
    let stream = [0, 0, 0, 1, per_second, 0, count, largest, u32::MAX, 0];
    let rectangle = [0, 0, WIDTH as u16, HEIGHT as u16].map(u16::to_le_bytes).concat();
    let stream = chunk(b"strh", &[b"vidsMJPG".to_vec(), numbers(&stream), rectangle].concat());
    // A BITMAPINFOHEADER: one plane of 24 bits.
    let format = [
        numbers(&[40, width, height, 24 << 16 | 1]),
        b"MJPG".to_vec(),
        numbers(&[3 * width * height, 0, 0, 0, 0]),
    ];
    let format = chunk(b"strf", &format.concat());
    let header = list(b"hdrl", &[main, list(b"strl", &[stream, format].concat())].concat());

    let chunks: Vec<Vec<u8>> = frames.iter().map(|frame| chunk(b"00dc", frame)).collect();
    let mut offset = 4;
    let mut index = Vec::new();
    for (frame, chunk) in frames.iter().zip(&chunks) {
        index.extend([b"00dc".to_vec(), numbers(&[KEY_FRAME, offset, frame.len() as u32])].concat());
        offset += chunk.len() as u32;
    }
    let parts = [b"AVI ".to_vec(), header, list(b"movi", &chunks.concat()), chunk(b"idx1", &index)];
    chunk(b"RIFF", &parts.concat())
}

fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn list(kind: &[u8; 4], inner: &[u8]) -> Vec<u8> {
    chunk(b"LIST", &[kind, inner].concat())
}

fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut bytes = [&name[..], &(content.len() as u32).to_le_bytes(), content].concat();
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes
}
