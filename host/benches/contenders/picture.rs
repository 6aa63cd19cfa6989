//! The figures as a picture (SVG): bars for what is compared, and lines for
//! what grows.

use std::fmt::Write;

const WIDTH: f64 = 900.0;
const NAMES_WIDTH: f64 = 260.0;
const FIGURES_WIDTH: f64 = 90.0;
const BAR_HEIGHT: f64 = 20.0;
const TITLE_HEIGHT: f64 = 40.0;
const PLOT_HEIGHT: f64 = 260.0;

/// As many lines can be told apart.
const COLOURS: &[&str] = &[
    "#7f7f7f", "#1f77b4", "#17becf", "#2ca02c", "#9467bd", "#d62728", "#ff7f0e", "#8c564b",
    "#e377c2", "#bcbd22", "#1b9e77", "#e7298a", "#66a61e", "#e6ab02",
];

/// One part of the picture.
pub(crate) enum Panel {
    Bars {
        title: String,
        /// Name, length, and whether it is there for comparison only.
        bars: Vec<(String, f64, bool)>,
    },
    /// Both axes are logarithmic.
    Lines {
        title: String,
        across: String,
        lines: Vec<(String, Vec<(f64, f64)>)>,
    },
}

impl Panel {
    fn height(&self) -> f64 {
        TITLE_HEIGHT
            + match self {
                Self::Bars { bars, .. } => bars.len() as f64 * BAR_HEIGHT,
                Self::Lines { .. } => PLOT_HEIGHT + 40.0,
            }
    }

    fn draw(&self, top: f64, svg: &mut String) {
        match self {
            Self::Bars { title, bars } => {
                text(svg, 10.0, top + 25.0, "title", title);
                draw_bars(svg, top + TITLE_HEIGHT, bars);
            }
            Self::Lines {
                title,
                across,
                lines,
            } => {
                text(svg, 10.0, top + 25.0, "title", title);
                draw_lines(svg, top + TITLE_HEIGHT, across, lines);
            }
        }
    }
}

/// All panels, one below the other.
pub(crate) fn draw(panels: &[Panel]) -> String {
    let height: f64 = panels.iter().map(Panel::height).sum::<f64>() + 20.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <style>.title {{ font-weight: bold; font-size: 14px }}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let mut top = 0.0;
    for panel in panels {
        panel.draw(top, &mut svg);
        top += panel.height();
    }
    svg.push_str("</svg>\n");
    svg
}

// Writing to a string can not fail, so what that says is left.

fn text(svg: &mut String, x: f64, y: f64, class: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        svg,
        "<text x=\"{x:.0}\" y=\"{y:.0}\" class=\"{class}\">{text}</text>"
    );
}

fn draw_bars(svg: &mut String, top: f64, bars: &[(String, f64, bool)]) {
    let longest = bars
        .iter()
        .map(|(_, length, _)| *length)
        .fold(1.0, f64::max);
    for (index, (name, length, is_apart)) in bars.iter().enumerate() {
        let y = top + index as f64 * BAR_HEIGHT;
        let width = (WIDTH - NAMES_WIDTH - FIGURES_WIDTH) * length / longest;
        let colour = if *is_apart { COLOURS[0] } else { COLOURS[1] };
        text(svg, 20.0, y + 14.0, "", name);
        let height = BAR_HEIGHT - 4.0;
        let _ = writeln!(
            svg,
            "<rect x=\"{NAMES_WIDTH}\" y=\"{y:.0}\" width=\"{width:.1}\" height=\"{height}\" \
             fill=\"{colour}\"/>"
        );
        let end = NAMES_WIDTH + width + 6.0;
        text(svg, end, y + 14.0, "", &format!("{length:.0}"));
    }
}

fn draw_lines(svg: &mut String, top: f64, across: &str, lines: &[(String, Vec<(f64, f64)>)]) {
    let points = || lines.iter().flat_map(|(_, points)| points);
    let range = |of: fn(&(f64, f64)) -> f64| {
        let low = points().map(of).fold(f64::INFINITY, f64::min);
        let high = points().map(of).fold(1.0, f64::max);
        (low.max(1.0).log10().floor(), high.log10().ceil())
    };
    let ((left, right), (low, high)) = (range(|point| point.0), range(|point| point.1));
    let width = WIDTH - NAMES_WIDTH - 80.0;
    let x = |at: f64| 70.0 + (at.max(1.0).log10() - left) / (right - left).max(1.0) * width;
    let y =
        |at: f64| top + PLOT_HEIGHT * (1.0 - (at.max(1.0).log10() - low) / (high - low).max(1.0));
    for power in low as i32..=high as i32 {
        let value = 10_f64.powi(power);
        let (at, end) = (y(value), 70.0 + width);
        let _ = writeln!(
            svg,
            "<line x1=\"70\" x2=\"{end:.0}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#dddddd\"/>"
        );
        text(svg, 10.0, at + 4.0, "", &format!("{value:.0}"));
    }
    for power in left as i32..=right as i32 {
        let value = 10_f64.powi(power);
        text(
            svg,
            x(value) - 10.0,
            top + PLOT_HEIGHT + 16.0,
            "",
            &format!("{value:.0}"),
        );
    }
    text(svg, 70.0, top + PLOT_HEIGHT + 32.0, "", across);
    for (index, (name, points)) in lines.iter().enumerate() {
        let colour = COLOURS[(index + 1) % COLOURS.len()];
        let path = points
            .iter()
            .map(|(across, up)| format!("{:.1},{:.1} ", x(*across), y(*up)));
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.collect::<String>()
        );
        let (left, at) = (100.0 + width, top + 14.0 + index as f64 * 16.0);
        let _ = writeln!(
            svg,
            "<rect x=\"{:.0}\" y=\"{:.0}\" width=\"10\" height=\"10\" fill=\"{colour}\"/>",
            left - 16.0,
            at - 9.0
        );
        text(svg, left, at, "", name);
    }
}
