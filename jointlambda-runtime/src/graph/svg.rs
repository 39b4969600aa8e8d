//! A picture: a sequence goes down, branches are side by side, clouds have their colours. Every
//! block is measured first, then painted where its parent puts it.

mod block;
mod paint;

use self::{
    block::{Block, GAP, text_width},
    paint::Paper,
};
use super::{colours, one_line, signature};
use crate::definition::Definition;

const MARGIN: f64 = 24.0;
const SWATCH: f64 = 14.0;
const LEGEND_LINE: f64 = 22.0;

/// Draws a workflow as a self-contained SVG image.
pub(super) fn render(definition: &Definition) -> String {
    let mut parts = vec![Block::pill(signature(definition))];
    parts.extend(definition.outline.iter().map(|part| Block::of(definition, part)));
    parts.push(Block::pill("end".to_owned()));
    let drawing = Block::sequence(parts);

    let legend: Vec<_> = definition
        .clouds
        .iter()
        .map(|cloud| format!("{}: {} {}", cloud.name, cloud.cloud.provider.name(), cloud.cloud.region))
        .collect();
    let doc = one_line(definition.doc);
    let widest_text = legend
        .iter()
        .map(|text| text_width(text) + SWATCH + 8.0)
        .chain([text_width(&doc)])
        .fold(0.0, f64::max);
    let width = drawing.width.max(widest_text) + 2.0 * MARGIN;
    let doc_height = if doc.is_empty() { 0.0 } else { LEGEND_LINE };
    let legend_height = legend.len() as f64 * LEGEND_LINE;
    let height = MARGIN + doc_height + drawing.height + GAP + legend_height + MARGIN;

    let mut paper = Paper::new(width, height, definition.name);
    if !doc.is_empty() {
        paper.text(width / 2.0, MARGIN, "doc", &doc);
    }
    drawing.paint(&mut paper, width / 2.0, MARGIN + doc_height);
    let mut y = MARGIN + doc_height + drawing.height + GAP;
    for (index, text) in legend.iter().enumerate() {
        paper.rect(MARGIN, y, (SWATCH, SWATCH), 3.0, colours(index as u16), "");
        paper.text(MARGIN + SWATCH + 8.0, y + SWATCH - 3.0, "left", text);
        y += LEGEND_LINE;
    }
    paper.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::sample;

    #[test]
    fn a_picture_has_every_construct() {
        insta::assert_snapshot!(render(&sample::ALL));
    }

    #[test]
    fn a_picture_is_well_formed() {
        for definition in [&sample::ALL, &sample::NOTHING] {
            check_well_formed(&render(definition));
        }
    }

    /// Tags are nested, and nothing outside them opens one.
    fn check_well_formed(svg: &str) {
        let mut open = Vec::new();
        for part in svg.split('<').skip(1) {
            let (tag, text) = part.split_once('>').expect("a tag ends");
            assert!(!text.contains('>'), "{text}");
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
            match (tag.starts_with('/'), tag.ends_with('/')) {
                (true, _) => assert_eq!(open.pop(), Some(name), "{svg}"),
                (false, false) => open.push(name),
                (false, true) => {}
            }
        }
        assert!(open.is_empty());
    }

    #[test]
    fn nothing_is_painted_outside_of_the_picture() {
        let svg = render(&sample::ALL);
        let numbers = |attribute: &str| -> Vec<f64> {
            let attribute = format!(" {attribute}=\"");
            let parts = svg.split(&attribute).skip(1);
            parts.filter_map(|part| part.split('"').next()?.parse().ok()).collect()
        };
        let (width, height) = (numbers("width")[0], numbers("height")[0]);
        assert!(numbers("x").iter().all(|x| (0.0..width).contains(x)), "{svg}");
        assert!(numbers("y").iter().all(|y| (0.0..height).contains(y)), "{svg}");
    }
}
