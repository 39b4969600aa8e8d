//! The blocks of a picture: how large each is, and how it is painted. A block is entered at the
//! middle of its top, and left at the middle of its bottom.

use super::{
    super::{colours, join_title, map_title, may_pass, needs, one_line, placement},
    paint::Paper,
};
use crate::definition::{CloudIndex, Definition, NodeIndex, Outline};

/// Between a block and the next.
pub(super) const GAP: f64 = 26.0;
const CHAR: f64 = 7.3;
const LINE: f64 = 17.0;
const PADDING: f64 = 12.0;
/// The height of a frame's title.
const TITLE: f64 = 26.0;
/// Between columns.
const BETWEEN: f64 = 24.0;
/// From the point where columns part to their labels' end, and from their ends to where they meet.
const BUS: f64 = 12.0;
const LABEL: f64 = 30.0;
/// The least width of a column.
const COLUMN: f64 = 32.0;
/// Room for the way back of a loop.
const BACK: f64 = 22.0;
/// By how much the sheets of a fan-out are shifted.
const SHEET: f64 = 5.0;
/// Longer source texts are cut.
const MAX_CHARS: usize = 56;

const GREY: (&str, &str) = ("#6b7280", "#f3f4f6");
const WHITE: (&str, &str) = ("#9ca3af", "#ffffff");

/// A part of the picture.
pub(super) struct Block {
    pub(super) width: f64,
    pub(super) height: f64,
    /// Nothing follows it: it ends in a `return`.
    ends: bool,
    kind: Kind,
}

enum Kind {
    Pill(String),
    Call {
        lines: Vec<String>,
        doc: String,
        clouds: Vec<CloudIndex>,
    },
    Sequence(Vec<Block>),
    /// `fan_out`, `first_ok`: many of the same.
    Map {
        title: String,
        body: Box<Block>,
    },
    Loop {
        title: String,
        body: Box<Block>,
    },
    Join {
        title: &'static str,
        branches: Vec<Block>,
    },
    Choice {
        title: String,
        arms: Vec<(String, Block)>,
    },
}

/// How wide a text is, about.
pub(super) fn text_width(text: &str) -> f64 {
    text.chars().map(|c| if u32::from(c) < 0x1100 { CHAR } else { 2.0 * CHAR }).sum()
}

impl Block {
    /// A part of a workflow function.
    pub(super) fn of(definition: &Definition, part: &Outline) -> Self {
        match part {
            Outline::Call { node } => Self::call(definition, *node),
            Outline::Map { node, over, body } => {
                let title = shortened(&map_title(definition, *node, over));
                let body = Self::all(definition, body);
                let width = body.width.max(text_width(&title)) + 2.0 * PADDING + 2.0 * SHEET;
                let height = TITLE + GAP + body.height + GAP / 2.0 + 2.0 * SHEET;
                Block { width, height, ends: false, kind: Kind::Map { title, body: Box::new(body) } }
            }
            Outline::Loop { head, body } => {
                let title = shortened(&one_line(head));
                let body = Self::all(definition, body);
                let width = body.width.max(text_width(&title)) + 2.0 * PADDING + 2.0 * BACK;
                let height = TITLE + GAP + body.height + GAP;
                Block { width, height, ends: false, kind: Kind::Loop { title, body: Box::new(body) } }
            }
            Outline::Join { node, branches } => {
                let title = join_title(definition, *node);
                let branches: Vec<_> = branches.iter().map(|branch| Self::all(definition, branch)).collect();
                let inside = columns_width(branches.iter().map(branch_width));
                let tallest = branches.iter().map(|branch| branch.height).fold(0.0, f64::max);
                let width = inside.max(text_width(title)) + 2.0 * PADDING;
                let height = TITLE + GAP + tallest + GAP;
                Block { width, height, ends: false, kind: Kind::Join { title, branches } }
            }
            Outline::Choice { on, arms } => Self::choice(definition, on, arms),
            Outline::Return => Block { ends: true, ..Self::pill("return".to_owned()) },
        }
    }

    fn all(definition: &Definition, outline: &[Outline]) -> Self {
        Self::sequence(outline.iter().map(|part| Block::of(definition, part)).collect())
    }

    /// Blocks one after another.
    pub(super) fn sequence(parts: Vec<Block>) -> Self {
        let width = parts.iter().map(|part| part.width).fold(0.0, f64::max);
        let gaps = parts.len().saturating_sub(1) as f64 * GAP;
        let height = parts.iter().map(|part| part.height).sum::<f64>() + gaps;
        let ends = parts.last().is_some_and(|part| part.ends);
        Block { width, height, ends, kind: Kind::Sequence(parts) }
    }

    /// The start or the end of something.
    pub(super) fn pill(text: String) -> Self {
        let width = text_width(&text) + 2.0 * PADDING + 8.0;
        Block { width, height: LINE + PADDING, ends: false, kind: Kind::Pill(text) }
    }

    fn call(definition: &Definition, node: NodeIndex) -> Self {
        let function = definition.node(node).and_then(|node| definition.function_of(node));
        let Some(function) = function else { return Self::pill("?".to_owned()) };
        let lines = vec![shortened(function.name), placement(definition, function), needs(function)];
        let width = lines.iter().map(|line| text_width(line)).fold(0.0, f64::max) + 2.0 * PADDING + 16.0;
        let height = lines.len() as f64 * LINE + PADDING;
        let (doc, clouds) = (one_line(function.doc), function.placements().collect());
        Block { width, height, ends: false, kind: Kind::Call { lines, doc, clouds } }
    }

    fn choice(definition: &Definition, on: &str, arms: &[(&str, &[Outline])]) -> Self {
        let title = shortened(&one_line(on));
        let mut columns: Vec<_> = arms
            .iter()
            .map(|(label, body)| (shortened(&one_line(label)), Self::all(definition, body)))
            .collect();
        if may_pass(on, arms) {
            columns.push(("else".to_owned(), Self::sequence(Vec::new())));
        }
        let width = columns_width(columns.iter().map(column_width)).max(text_width(&title) + 4.0 * PADDING);
        let tallest = columns.iter().map(|(_, body)| body.height).fold(0.0, f64::max);
        let height = LINE + PADDING + BUS + LABEL + tallest + BUS;
        let ends = columns.iter().all(|(_, body)| body.ends);
        Block { width, height, ends, kind: Kind::Choice { title, arms: columns } }
    }

    /// Paints the block below the point.
    pub(super) fn paint(&self, paper: &mut Paper, x: f64, y: f64) {
        let left = x - self.width / 2.0;
        match &self.kind {
            Kind::Pill(text) => {
                paper.rect(left, y, (self.width, self.height), self.height / 2.0, GREY, "");
                paper.text(x, y + self.height / 2.0 + 4.0, "middle", text);
            }
            Kind::Call { lines, doc, clouds } => self.paint_call(paper, x, y, lines, doc, clouds),
            Kind::Sequence(parts) => {
                let mut at = y;
                for (index, part) in parts.iter().enumerate() {
                    part.paint(paper, x, at);
                    at += part.height;
                    if index + 1 < parts.len() {
                        if !part.ends {
                            paper.arrow(&[(x, at), (x, at + GAP)]);
                        }
                        at += GAP;
                    }
                }
            }
            Kind::Map { title, body } => {
                let size = (self.width - 2.0 * SHEET, self.height - 2.0 * SHEET);
                for sheet in [2.0, 1.0, 0.0] {
                    paper.rect(left + sheet * SHEET, y + sheet * SHEET, size, 8.0, WHITE, "");
                }
                let middle = left + size.0 / 2.0;
                paper.text(left + PADDING, y + TITLE - 9.0, "title", title);
                let top = y + TITLE + GAP;
                if body.height > 0.0 {
                    paper.arrow(&[(middle, y + TITLE), (middle, top)]);
                    body.paint(paper, middle, top);
                }
            }
            Kind::Loop { title, body } => self.paint_loop(paper, x, y, title, body),
            Kind::Join { title, branches } => self.paint_join(paper, x, y, title, branches),
            Kind::Choice { title, arms } => self.paint_choice(paper, x, y, title, arms),
        }
    }

    fn paint_call(
        &self,
        paper: &mut Paper,
        x: f64,
        y: f64,
        lines: &[String],
        doc: &str,
        clouds: &[CloudIndex],
    ) {
        let left = x - self.width / 2.0;
        let colour = clouds.first().map_or(GREY, |&cloud| colours(cloud));
        paper.rect(left, y, (self.width, self.height), 6.0, colour, doc);
        for (index, line) in lines.iter().enumerate() {
            let class = if index == 0 { "name" } else { "small" };
            paper.text(x, y + PADDING / 2.0 + LINE * (index as f64 + 0.75), class, line);
        }
        // A dot for each cloud that it may fail over to.
        for (index, &cloud) in clouds.iter().skip(1).enumerate() {
            paper.dot(left + self.width - 9.0 - 10.0 * index as f64, y + 9.0, colours(cloud));
        }
    }

    fn paint_loop(&self, paper: &mut Paper, x: f64, y: f64, title: &str, body: &Block) {
        let left = x - self.width / 2.0;
        paper.dashed(left, y, (self.width, self.height), 8.0);
        paper.text(left + PADDING, y + TITLE - 9.0, "title", title);
        let (top, bottom) = (y + TITLE + GAP, y + TITLE + GAP + body.height);
        if body.height > 0.0 {
            paper.arrow(&[(x, y + TITLE), (x, top)]);
            body.paint(paper, x, top);
        }
        if !body.ends {
            let right = left + self.width - PADDING;
            let turn = top - GAP / 2.0 - 2.0;
            let below = bottom + GAP / 2.0;
            paper.arrow(&[(x, bottom), (x, below), (right, below), (right, turn), (x + 2.0, turn)]);
        }
    }

    fn paint_join(&self, paper: &mut Paper, x: f64, y: f64, title: &str, branches: &[Block]) {
        let left = x - self.width / 2.0;
        paper.rect(left, y, (self.width, self.height), 8.0, WHITE, "");
        paper.text(left + PADDING, y + TITLE - 9.0, "title", title);
        let (from, to) = (y + TITLE, y + self.height - GAP / 2.0);
        let top = from + GAP;
        let middles = columns(x, branches.iter().map(branch_width));
        if let (Some(first), Some(last)) = (middles.first(), middles.last()) {
            paper.bar(*first, *last, from);
            paper.bar(*first, *last, to);
        }
        for (branch, &middle) in branches.iter().zip(&middles) {
            if branch.height > 0.0 {
                paper.arrow(&[(middle, from), (middle, top)]);
                branch.paint(paper, middle, top);
            }
            let bottom = if branch.height > 0.0 { top + branch.height } else { from };
            paper.line(&[(middle, bottom), (middle, to)]);
        }
    }

    fn paint_choice(&self, paper: &mut Paper, x: f64, y: f64, title: &str, arms: &[(String, Block)]) {
        let bottom = y + LINE + PADDING;
        paper.hexagon(x, y, (text_width(title) + 3.0 * PADDING, LINE + PADDING));
        paper.text(x, y + (LINE + PADDING) / 2.0 + 4.0, "middle", title);
        let (bus, top) = (bottom + BUS, bottom + BUS + LABEL);
        let end = y + self.height;
        for ((label, body), middle) in arms.iter().zip(columns(x, arms.iter().map(column_width))) {
            let way = [(x, bottom), (x, bus), (middle, bus), (middle, top)];
            if body.height > 0.0 {
                paper.arrow(&way);
                body.paint(paper, middle, top);
            } else {
                paper.line(&way);
            }
            paper.text(middle, bus + 15.0, "label", label);
            if !body.ends {
                paper.line(&[(middle, top + body.height), (middle, end), (x, end)]);
            }
        }
    }
}

fn branch_width(branch: &Block) -> f64 {
    branch.width.max(COLUMN)
}

fn column_width((label, body): &(String, Block)) -> f64 {
    branch_width(body).max(text_width(label) + PADDING)
}

fn columns_width(widths: impl Iterator<Item = f64>) -> f64 {
    (widths.map(|width| width + BETWEEN).sum::<f64>() - BETWEEN).max(0.0)
}

/// The middle of each column, when all of them are centred at `x`.
fn columns(x: f64, widths: impl Iterator<Item = f64> + Clone) -> Vec<f64> {
    let mut left = x - columns_width(widths.clone()) / 2.0;
    widths
        .map(|width| {
            let middle = left + width / 2.0;
            left += width + BETWEEN;
            middle
        })
        .collect()
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
