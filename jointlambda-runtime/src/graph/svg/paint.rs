//! The elements of an SVG image. All text is escaped here, and nowhere else.

use std::fmt::Write as _;

const STYLE: &str = "\
text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#111827}\
.middle,.name,.small,.label,.doc{text-anchor:middle}\
.name{font-weight:600}\
.small{font-size:11px;fill:#374151}\
.label{fill:#374151;paint-order:stroke;stroke:#fff;stroke-width:4px}\
.title,.doc{fill:#4b5563}\
.way{fill:none;stroke:#4b5563;stroke-width:1.3}\
.bar{stroke:#4b5563;stroke-width:3;stroke-linecap:round}\
.dashed{fill:none;stroke:#6b7280;stroke-dasharray:5 4}\
.choice{fill:#fef9c3;stroke:#a16207}";

/// An image that is being painted.
pub(super) struct Paper {
    svg: String,
}

impl Paper {
    pub(super) fn new(width: f64, height: f64, title: &str) -> Self {
        let mut svg = String::new();
        let _ = writeln!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">"
        );
        let _ = writeln!(svg, "<title>{}</title>", escaped(title));
        let _ = writeln!(svg, "<style>{STYLE}</style>");
        svg.push_str(
            "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" \
             markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0L8 4L0 8Z\" fill=\"#4b5563\"/></marker></defs>\n",
        );
        svg.push_str("<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n");
        Paper { svg }
    }

    pub(super) fn finish(mut self) -> String {
        self.svg.push_str("</svg>\n");
        self.svg
    }

    /// A text of a class, which also says where its `x` is.
    pub(super) fn text(&mut self, x: f64, y: f64, class: &str, text: &str) {
        let text = escaped(text);
        let _ = writeln!(self.svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{text}</text>");
    }

    /// A box with the colours of its border and its inside, and a hint to show over it.
    pub(super) fn rect(
        &mut self,
        x: f64,
        y: f64,
        (width, height): (f64, f64),
        radius: f64,
        (border, inside): (&str, &str),
        hint: &str,
    ) {
        let _ = write!(
            self.svg,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{radius:.1}\" \
             fill=\"{inside}\" stroke=\"{border}\""
        );
        let _ = if hint.is_empty() {
            writeln!(self.svg, "/>")
        } else {
            writeln!(self.svg, "><title>{}</title></rect>", escaped(hint))
        };
    }

    pub(super) fn dashed(&mut self, x: f64, y: f64, (width, height): (f64, f64), radius: f64) {
        let _ = writeln!(
            self.svg,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{radius:.1}\" class=\"dashed\"/>"
        );
    }

    pub(super) fn hexagon(&mut self, x: f64, y: f64, (width, height): (f64, f64)) {
        let (left, right, point) = (x - width / 2.0, x + width / 2.0, height / 3.0);
        let (middle, bottom) = (y + height / 2.0, y + height);
        let _ = writeln!(
            self.svg,
            "<path d=\"M{left:.1} {middle:.1}L{:.1} {y:.1}L{:.1} {y:.1}L{right:.1} {middle:.1}L{:.1} {bottom:.1}L{:.1} {bottom:.1}Z\" class=\"choice\"/>",
            left + point,
            right - point,
            right - point,
            left + point,
        );
    }

    pub(super) fn dot(&mut self, x: f64, y: f64, (border, inside): (&str, &str)) {
        let _ = writeln!(
            self.svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{inside}\" stroke=\"{border}\"/>"
        );
    }

    pub(super) fn bar(&mut self, from: f64, to: f64, y: f64) {
        let (from, to) = (from - 10.0, to + 10.0);
        let _ = writeln!(self.svg, "<path d=\"M{from:.1} {y:.1}H{to:.1}\" class=\"bar\"/>");
    }

    pub(super) fn line(&mut self, points: &[(f64, f64)]) {
        self.way(points, "");
    }

    pub(super) fn arrow(&mut self, points: &[(f64, f64)]) {
        self.way(points, " marker-end=\"url(#arrow)\"");
    }

    fn way(&mut self, points: &[(f64, f64)], end: &str) {
        let steps = points.iter().enumerate().map(|(index, (x, y))| {
            let step = if index == 0 { 'M' } else { 'L' };
            format!("{step}{x:.1} {y:.1}")
        });
        let steps: String = steps.collect();
        let _ = writeln!(self.svg, "<path d=\"{steps}\" class=\"way\"{end}/>");
    }
}

/// Text as XML, without the characters that XML cannot have.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(
            escaped("</text><script a='\"'>&\u{0}"),
            "&lt;/text&gt;&lt;script a=&apos;&quot;&apos;&gt;&amp; "
        );
    }
}
