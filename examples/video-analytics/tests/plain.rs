//! The workflow as plain Rust, on the shipped clip.

use clap::Parser;
use jointlambda::{Error, Result};
use video_analytics::avi::Movie;
use video_analytics::image::Gray;
use video_analytics::model::Model;
use video_analytics::{
    Clip, Frames, VideoAnalyticsFlags, View, extract, image_process, split, video_analytics,
};

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    flags: VideoAnalyticsFlags,
}

fn input_of(flags: &[&str]) -> Result<Clip> {
    let command = Command::try_parse_from([&["video-analytics"], flags].concat()).map_err(Error::from)?;
    command.flags.try_into()
}

fn shipped(chunks: u32) -> Clip {
    Clip { chunks, ..input_of(&[]).unwrap() }
}

/// What is really seen in each second of the clip, in alphabetical order.
fn truth() -> Vec<Vec<&'static str>> {
    let seconds = include_str!("../data/clip.txt").lines();
    seconds.map(|line| sorted(line.split_whitespace())).collect()
}

fn sorted<'a>(labels: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut labels: Vec<&str> = labels.collect();
    labels.sort_unstable();
    labels.dedup();
    labels
}

fn labels(view: &View) -> Vec<&str> {
    sorted(view.seen.iter().map(|seen| seen.label.as_str()))
}

#[tokio::test]
async fn each_second_of_the_clip_is_seen_as_it_is() {
    let report = video_analytics(shipped(8)).await.unwrap();
    assert_eq!(report.chunks.iter().map(labels).collect::<Vec<_>>(), truth());
    for (second, view) in report.chunks.iter().enumerate() {
        assert_eq!(view.part.chunk as usize, second);
        assert!(view.part.start_ms.abs_diff(second as u64 * 1_000) < 10, "{view:?}");
        assert!(view.seen.iter().all(|seen| seen.confidence > 0.75), "{view:?}");
    }
}

#[tokio::test]
async fn longer_chunks_show_what_is_in_either_half() {
    let report = video_analytics(shipped(4)).await.unwrap();
    let pairs = truth().chunks(2).map(|pair| sorted(pair.concat().into_iter())).collect::<Vec<_>>();
    assert_eq!(report.chunks.iter().map(labels).collect::<Vec<_>>(), pairs);
}

#[test]
fn the_model_knows_pictures_it_never_saw() {
    let movie = Movie::read(include_bytes!("../data/held-out.avi")).unwrap();
    let truth: Vec<&str> = include_str!("../data/held-out.txt").lines().collect();
    assert_eq!(movie.frames.len(), truth.len());
    let model = Model::shipped().unwrap();
    let right = movie.frames.iter().zip(&truth).filter(|(frame, label)| {
        let objects = Gray::decode(frame).unwrap().objects();
        objects.len() == 1 && model.labels[model.classify(&objects[0].cells).0] == **label
    });
    let accuracy = right.count() as f64 / truth.len() as f64;
    println!("accuracy on held-out pictures: {accuracy:.3}");
    assert!(accuracy >= 0.95, "{accuracy}");
}

#[tokio::test]
async fn chunks_cover_the_clip_and_stages_stay_modest() {
    for chunks in Clip::CHUNKS {
        let clip = shipped(chunks);
        let frames: Vec<Vec<u8>> =
            Movie::read(&clip.file).unwrap().frames.iter().map(|f| f.to_vec()).collect();
        let cut = split(clip).await.unwrap();
        assert_eq!(cut.len(), chunks as usize);
        let mut rejoined = Vec::new();
        for chunk in cut {
            assert_eq!(chunk.part.first_frame as usize, rejoined.len());
            rejoined.extend(chunk.frames.iter().map(|frame| frame.to_vec()));
            let extracted = extract(chunk).await.unwrap();
            assert_eq!(extracted.pictures.len(), Frames::SAMPLED);
            let moved: usize = extracted.pictures.iter().map(|picture| picture.pixels.len()).sum();
            assert!(moved <= 100_000, "{moved} bytes");
            let found = image_process(extracted).await.unwrap();
            assert!(found.shapes.iter().map(|shape| shape.len()).sum::<usize>() <= 10_000);
        }
        assert_eq!(rejoined, frames);
    }
}

#[tokio::test]
async fn a_clip_that_is_not_one_is_refused() {
    let good = shipped(8);
    let cut_short = good.file[..good.file.len() / 2].to_vec();
    for (file, said) in [
        (Vec::new(), "failed to read the clip: an empty file"),
        (b"not a clip at all".to_vec(), "failed to read the clip: ends within chunk `not `"),
        (cut_short, "failed to read the clip: ends within chunk `RIFF`"),
    ] {
        let error = video_analytics(Clip { file: file.into(), chunks: 8 }).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(said), "{error:?}");
    }
}

#[tokio::test]
async fn a_damaged_frame_is_refused_by_its_number() {
    let mut chunks = split(shipped(8)).await.unwrap();
    let mut chunk = chunks.remove(3);
    for frame in &mut chunk.frames {
        frame.truncate(40);
    }
    let error = extract(chunk).await.unwrap_err();
    assert!(error.to_string().starts_with("frame 37 is damaged"), "{error:?}");
}

#[tokio::test]
async fn damage_is_an_error_or_goes_unnoticed_but_never_panics() {
    let good = shipped(4);
    let mut refused = 0;
    for start in (0..good.file.len()).step_by(4_001) {
        let mut clip = good.clone();
        let end = (start + 300).min(clip.file.len());
        clip.file[start..end].fill(0xFF);
        let Ok(chunks) = split(clip).await else {
            refused += 1;
            continue;
        };
        for chunk in chunks {
            refused += u32::from(extract(chunk).await.is_err());
        }
    }
    assert!(refused > 0);
}

#[tokio::test]
async fn the_number_of_chunks_is_bounded() {
    for chunks in [0, 3, 9] {
        let error = video_analytics(shipped(chunks)).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{chunks} chunks: give 4 to 8"));
    }
}

#[test]
fn flags_become_the_input() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/held-out.avi");
    let clip = input_of(&["--clip", path, "--chunks", "5"]).unwrap();
    assert_eq!((clip.file.len(), clip.chunks), (std::fs::read(path).unwrap().len(), 5));
    assert!(input_of(&["--clip", "/no/such"]).unwrap_err().to_string().contains("/no/such"));
}
