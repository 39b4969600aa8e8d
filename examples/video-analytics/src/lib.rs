//! Says which shapes are seen in a video clip: chunks of the clip are decoded and searched side by side
//! on one cloud, and what is found is classified on another.

use std::path::PathBuf;

use jointlambda::prelude::*;
use serde_bytes::ByteBuf;

pub mod avi;
pub mod image;
pub mod model;

use avi::Movie;
use image::Gray;
use model::Model;

/// What one run works on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clip {
    /// An AVI file with Motion JPEG video.
    pub file: ByteBuf,
    /// How many chunks it is cut in, in [`CHUNKS`](Clip::CHUNKS).
    pub chunks: u32,
}

impl Clip {
    /// How many chunks a clip may be cut in.
    pub const CHUNKS: std::ops::RangeInclusive<u32> = 4..=8;
}

/// A part of a clip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chunk {
    /// Where it lies in the clip.
    pub part: Part,
    /// Its frames, each a JPEG picture.
    pub frames: Vec<ByteBuf>,
}

/// Where a chunk lies in its clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Which chunk, from 0.
    pub chunk: u32,
    /// Its first frame's number in the clip.
    pub first_frame: u32,
    /// When it begins, in milliseconds from the clip's beginning.
    pub start_ms: u64,
    /// When it ends.
    pub end_ms: u64,
}

/// Decoded frames of a chunk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frames {
    /// Where the chunk lies in the clip.
    pub part: Part,
    /// Up to [`SAMPLED`](Frames::SAMPLED) frames, evenly spread.
    pub pictures: Vec<Picture>,
}

impl Frames {
    /// How many frames of a chunk are looked at: so many that one may go wrong, so few that what
    /// travels stays at about 100 KB.
    pub const SAMPLED: usize = 5;
}

/// A decoded frame, in shades of grey.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    /// Its number in the clip.
    pub frame: u32,
    /// Pixels in a row.
    pub width: u32,
    /// All rows, from the top.
    pub pixels: ByteBuf,
}

/// What was found in a chunk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Features {
    /// Where the chunk lies in the clip.
    pub part: Part,
    /// How many frames were looked at.
    pub frames: u32,
    /// The shapes of the objects in all of them: see [`image::Object::cells`].
    pub shapes: Vec<ByteBuf>,
}

/// What is seen in a clip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What is seen in each chunk.
    pub chunks: Vec<View>,
}

/// What is seen in a chunk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// Where the chunk lies in the clip.
    pub part: Part,
    /// What is seen, the surest first.
    pub seen: Vec<Seen>,
}

/// Something seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// What it is.
    pub label: String,
    /// The mean of its probability over the frames looked at, 0 to 1.
    pub confidence: f64,
}

impl Seen {
    /// What is less sure is not reported: it was seen in one frame of five.
    pub const LEAST: f64 = 0.3;
}

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");
    const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

    /// Says what is seen in a clip.
    #[workflow]
    pub async fn video_analytics(clip: Clip) -> Result<Report> {
        let chunks = split(clip).await?;
        let features = try_fan_out(chunks, async |chunk| {
            let frames = extract(chunk).await?;
            image_process(frames).await
        }).await?;
        recognise(features).await
    }

    /// Cuts the clip in chunks of about the same length.
    ///
    /// # Errors
    /// If the clip is not an AVI file with Motion JPEG video, or has fewer frames than chunks.
    #[function(on = AWS, memory = 2048)]
    pub async fn split(clip: Clip) -> Result<Vec<Chunk>> {
        let Clip { file, chunks } = clip;
        if !Clip::CHUNKS.contains(&chunks) {
            let (least, most) = Clip::CHUNKS.into_inner();
            return Err(Error::new(format!("{chunks} chunks: give {least} to {most}")));
        }
        let movie = Movie::read(&file).map_err(|error| error.context("failed to read the clip"))?;
        let total = movie.frames.len() as u64;
        if total < u64::from(chunks) {
            return Err(Error::new(format!("a clip of {total} frames cannot be cut in {chunks} chunks")));
        }
        let frame_at = |chunk: u32| total * u64::from(chunk) / u64::from(chunks);
        let ms_at = |frame: u64| frame * u64::from(movie.frame_us) / 1_000;
        let cut = |chunk: u32| {
            let (first, end) = (frame_at(chunk), frame_at(chunk + 1));
            let frames = movie.frames[first as usize..end as usize].iter().map(|&frame| ByteBuf::from(frame));
            let part = Part { chunk, first_frame: first as u32, start_ms: ms_at(first), end_ms: ms_at(end) };
            Chunk { part, frames: frames.collect() }
        };
        Ok((0..chunks).map(cut).collect())
    }

    /// Decodes some frames of a chunk.
    ///
    /// # Errors
    /// If one of them is not a JPEG picture.
    #[function(on = AWS, memory = 512)]
    pub async fn extract(chunk: Chunk) -> Result<Frames> {
        let Chunk { part, frames } = chunk;
        let sampled = frames.len().min(Frames::SAMPLED);
        // The middle frame of each of so many stretches.
        let picked = (0..sampled).map(|i| (2 * i + 1) * frames.len() / (2 * sampled));
        let decode = |at: usize| {
            let frame = part.first_frame + at as u32;
            let gray = Gray::decode(&frames[at]).map_err(|error| error.context(format!("frame {frame} is damaged")))?;
            Ok(Picture { frame, width: gray.width() as u32, pixels: gray.into_pixels().into() })
        };
        Ok(Frames { part, pictures: picked.map(decode).collect::<Result<_>>()? })
    }

    /// Finds the objects in the frames of a chunk.
    ///
    /// # Errors
    /// If a picture's pixels do not fill its rows.
    #[function(on = AWS, memory = 2048)]
    pub async fn image_process(frames: Frames) -> Result<Features> {
        let Frames { part, pictures } = frames;
        let frames = pictures.len() as u32;
        let mut shapes = Vec::new();
        for picture in pictures {
            let gray = Gray::new(picture.width as usize, picture.pixels.into_vec())?;
            shapes.extend(gray.objects().into_iter().map(|object| ByteBuf::from(object.cells)));
        }
        Ok(Features { part, frames, shapes })
    }

    /// Says what the objects of all chunks are.
    ///
    /// # Errors
    /// If the model that comes with the program is damaged.
    #[function(on = ALI, failover = [AWS], memory = 4096)]
    pub async fn recognise(features: Vec<Features>) -> Result<Report> {
        let model = Model::shipped()?;
        Ok(Report { chunks: features.iter().map(|features| view(&model, features)).collect() })
    }
}

fn view(model: &Model, features: &Features) -> View {
    let mut sums = vec![0.0; model.labels.len()];
    for shape in &features.shapes {
        let (label, probability) = model.classify(shape);
        sums[label] += f64::from(probability);
    }
    let seen = model.labels.iter().zip(sums).map(|(label, sum)| {
        let mean = sum / f64::from(features.frames.max(1));
        // Three digits: more would differ from one processor's exponential function to another's.
        Seen { label: label.clone(), confidence: ((mean * 1_000.0).round() / 1_000.0).min(1.0) }
    });
    let mut seen: Vec<Seen> = seen.filter(|seen| seen.confidence >= Seen::LEAST).collect();
    seen.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    View { part: features.part, seen }
}

/// Says which shapes are seen in a video clip.
#[derive(Clone, Debug, clap::Args)]
pub struct VideoAnalyticsFlags {
    /// An AVI file with Motion JPEG video, instead of the clip that comes with the program.
    #[arg(long, value_name = "FILE")]
    pub clip: Option<PathBuf>,
    /// How many chunks it is cut in, 4 to 8.
    #[arg(long, default_value_t = 8)]
    pub chunks: u32,
}

impl TryFrom<VideoAnalyticsFlags> for Clip {
    type Error = Error;

    fn try_from(flags: VideoAnalyticsFlags) -> Result<Self> {
        let file = match flags.clip {
            None => include_bytes!("../data/clip.avi").to_vec(),
            Some(path) => std::fs::read(&path)
                .map_err(|error| Error::from(error).context(format!("failed to read {}", path.display())))?,
        };
        Ok(Clip { file: file.into(), chunks: flags.chunks })
    }
}
