//! Reads AVI files with one Motion JPEG stream: each frame is a JPEG picture of its own.
//!
//! The format: Microsoft, "AVI RIFF File Reference". A file is a tree of chunks, each with a name of
//! four bytes, a length, and its content, padded to an even length. The index is not needed to read
//! the frames in order, and is not read.

use jointlambda::{Error, Result};

/// What an AVI file holds.
#[derive(Debug)]
pub struct Movie<'a> {
    /// How long each frame is shown, in microseconds.
    pub frame_us: u32,
    /// The frames in order, each a JPEG picture.
    pub frames: Vec<&'a [u8]>,
}

impl<'a> Movie<'a> {
    /// Reads a file.
    ///
    /// # Errors
    /// If the bytes are not an AVI file with Motion JPEG video, or end too early.
    pub fn read(bytes: &'a [u8]) -> Result<Self> {
        let whole = Chunks(bytes).next().unwrap_or_else(|| Err(Error::new("an empty file")))?;
        let Some((b"AVI ", top)) = whole.list(b"RIFF") else {
            return Err(Error::new("not an AVI file"));
        };
        let mut header = None;
        let mut frames = Vec::new();
        for chunk in Chunks(top) {
            match chunk?.list(b"LIST") {
                Some((b"hdrl", inner)) => header = Some(Header::read(inner)?),
                Some((b"movi", inner)) => {
                    let header = header.as_ref().ok_or_else(|| Error::new("no header before the frames"))?;
                    collect(inner, header.stream, &mut frames)?;
                }
                _ => {}
            }
        }
        let header = header.ok_or_else(|| Error::new("no header"))?;
        if frames.is_empty() {
            return Err(Error::new("no frames"));
        }
        Ok(Movie { frame_us: header.frame_us, frames })
    }
}

struct Header {
    frame_us: u32,
    /// The video stream's number, in two digits as frames are named by it.
    stream: [u8; 2],
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Self> {
        let mut frame_us = None;
        let mut stream = None;
        let mut streams = 0;
        for chunk in Chunks(bytes) {
            let chunk = chunk?;
            if chunk.name == *b"avih" {
                frame_us = chunk.content.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
            }
            let Some((b"strl", inner)) = chunk.list(b"LIST") else { continue };
            for part in Chunks(inner) {
                let part = part?;
                if part.name == *b"strh" && part.content.starts_with(b"vids") {
                    if !part.content[4..].to_ascii_uppercase().starts_with(b"MJPG") {
                        return Err(Error::new("the video is not Motion JPEG"));
                    }
                    stream = Some([b'0' + streams / 10, b'0' + streams % 10]);
                }
            }
            streams = u8::min(streams + 1, 99);
        }
        let frame_us = frame_us.filter(|&us| us > 0).ok_or_else(|| Error::new("no frame rate"))?;
        let stream = stream.ok_or_else(|| Error::new("no video stream"))?;
        Ok(Header { frame_us, stream })
    }
}

/// Frames are chunks named `00dc`, at the top or in lists named `rec `. An empty one repeats the
/// frame before it.
fn collect<'a>(bytes: &'a [u8], stream: [u8; 2], frames: &mut Vec<&'a [u8]>) -> Result<()> {
    for chunk in Chunks(bytes) {
        let chunk = chunk?;
        if let Some((b"rec ", inner)) = chunk.list(b"LIST") {
            // Lists do not nest any deeper.
            for chunk in Chunks(inner) {
                frames.extend(chunk?.frame(stream));
            }
        }
        frames.extend(chunk.frame(stream));
    }
    let mut last = None;
    for frame in frames.iter_mut() {
        if frame.is_empty() {
            *frame = last.ok_or_else(|| Error::new("the first frame is empty"))?;
        }
        last = Some(*frame);
    }
    Ok(())
}

struct Chunk<'a> {
    name: [u8; 4],
    content: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// The kind and the inner chunks, if this is a list with the name.
    fn list(&self, name: &[u8; 4]) -> Option<(&'a [u8; 4], &'a [u8])> {
        if self.name == *name { self.content.split_first_chunk() } else { None }
    }

    fn frame(&self, stream: [u8; 2]) -> Option<&'a [u8]> {
        let [a, b, kind @ ..] = self.name;
        ([a, b] == stream && [*b"dc", *b"db"].contains(&kind)).then_some(self.content)
    }
}

/// The chunks side by side in some bytes.
struct Chunks<'a>(&'a [u8]);

impl<'a> Iterator for Chunks<'a> {
    type Item = Result<Chunk<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let bytes = std::mem::take(&mut self.0);
        let Some(([name @ .., a, b, c, d], rest)) = bytes.split_first_chunk::<8>() else {
            return Some(Err(Error::new("ends within a chunk's head")));
        };
        let length = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        let Some((content, rest)) = rest.split_at_checked(length) else {
            let (name, there) = (String::from_utf8_lossy(name), rest.len());
            return Some(Err(Error::new(format!("ends within chunk `{name}`: {there} bytes of {length}"))));
        };
        self.0 = rest.get(length % 2..).unwrap_or_default();
        Some(Ok(Chunk { name: *name, content }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let mut bytes = [&name[..], &(content.len() as u32).to_le_bytes(), content].concat();
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        bytes
    }

    fn list(kind: &[u8; 4], inner: &[Vec<u8>]) -> Vec<u8> {
        chunk(b"LIST", &[&kind[..], &inner.concat()].concat())
    }

    fn file(codec: &[u8], movi: &[Vec<u8>]) -> Vec<u8> {
        let sound = list(b"strl", &[chunk(b"strh", b"auds")]);
        let video = list(b"strl", &[chunk(b"strh", &[b"vids", codec].concat())]);
        let header = list(b"hdrl", &[chunk(b"avih", &40_000_u32.to_le_bytes()), sound, video]);
        chunk(b"RIFF", &[&b"AVI "[..], &header, &list(b"movi", movi)].concat())
    }

    #[test]
    fn frames_of_the_video_stream_are_found_wherever_they_are() {
        let record = list(b"rec ", &[chunk(b"01dc", b"two")]);
        let movi = [
            chunk(b"01dc", b"one"),
            chunk(b"00wb", b"sound"),
            record,
            chunk(b"01dc", b""),
            chunk(b"01db", b"3"),
        ];
        let bytes = file(b"MJPG", &movi);
        let movie = Movie::read(&bytes).unwrap();
        assert_eq!(movie.frame_us, 40_000);
        // The order within records is kept; an empty frame repeats.
        assert_eq!(movie.frames, [&b"one"[..], b"two", b"two", b"3"]);
    }

    #[test]
    fn what_is_not_motion_jpeg_is_refused() {
        for (bytes, said) in [
            (Vec::new(), "an empty file"),
            (b"RIFF".to_vec(), "ends within a chunk's head"),
            (chunk(b"RIFF", b"WAVE"), "not an AVI file"),
            (chunk(b"RIFF", b"AVI "), "no header"),
            (file(b"H264", &[]), "the video is not Motion JPEG"),
            (file(b"mjpg", &[]), "no frames"),
            (file(b"mjpg", &[chunk(b"01dc", b"")]), "the first frame is empty"),
        ] {
            assert_eq!(Movie::read(&bytes).unwrap_err().to_string(), said);
        }
    }

    #[test]
    fn a_file_cut_short_anywhere_is_refused() {
        let bytes = file(b"MJPG", &[chunk(b"01dc", b"one!")]);
        for end in 1..bytes.len() {
            assert!(Movie::read(&bytes[..end]).unwrap_err().to_string().starts_with("ends within"), "{end}");
        }
    }
}
