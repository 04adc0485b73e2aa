//! Draws `benches/time_per_level.svg`: what a level costs against the size of its book, against
//! its rank, and against the number of products on the connection.
//!
//! `cargo bench -p level2` measures and then draws; with `--bench plot` it only draws, from the
//! estimates that criterion kept.

mod support;

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use support::estimates::{self, Estimate};
use support::mode;

/// Width and height in pixels.
const SIZE: (u32, u32) = (1260, 400);

const FONT: &str = "sans-serif";

const BLUE_OF_LEVEL2: RGBColor = RGBColor(0x1f, 0x5f, 0xbf);

const GREY_OF_OTHERS: RGBColor = RGBColor(0x80, 0x80, 0x80);

/// One of the pictures side by side.
struct Panel {
    title: &'static str,
    x_label: &'static str,
    y_label: &'static str,
    curves: Vec<Curve>,
}

struct Curve {
    label: &'static str,
    colour: RGBColor,
    points: Vec<Estimate>,
}

/// Puts the panels together; `estimates` finds a benchmark by its name.
fn panels(
    estimates: impl Fn(&str) -> Result<Vec<Estimate>, Box<dyn Error>>,
) -> Result<Vec<Panel>, Box<dyn Error>> {
    let curve = |label, colour, benchmark| {
        Ok::<_, Box<dyn Error>>(Curve { label, colour, points: estimates(benchmark)? })
    };
    Ok(vec![
        Panel {
            title: "A change, by size of the book",
            x_label: "levels in the book (log scale); real ranks",
            y_label: "ns per change",
            curves: vec![
                curve("Book::set", BLUE_OF_LEVEL2, "book_set/real_ranks")?,
                curve("plain BTreeMap", GREY_OF_OTHERS, "book_set/real_ranks_plain_btreemap")?,
            ],
        },
        Panel {
            title: "A change, by its rank",
            x_label: "rank from the best (log scale); book of 45,000 levels",
            y_label: "ns per change",
            curves: vec![
                curve("Book::set", BLUE_OF_LEVEL2, "book_set/at_rank")?,
                curve("plain BTreeMap", GREY_OF_OTHERS, "book_set/at_rank_plain_btreemap")?,
            ],
        },
        Panel {
            title: "The whole path, by products",
            x_label: "products on the connection (log scale); 240 levels each",
            y_label: "ns per level, frame to BBO",
            curves: vec![curve("Session", BLUE_OF_LEVEL2, "path_products")?],
        },
    ])
}

/// Returns the drawing as the text of an SVG.
fn draw(panels: &[Panel]) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        for (area, panel) in root.split_evenly((1, panels.len())).iter().zip(panels) {
            draw_panel(area, panel)?;
        }
        root.present()?;
    }
    Ok(svg)
}

fn draw_panel(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    panel: &Panel,
) -> Result<(), Box<dyn Error>> {
    let points = || panel.curves.iter().flat_map(|curve| &curve.points);
    let x_min = points().map(|point| point.parameter).fold(f64::INFINITY, f64::min);
    let x_max = points().map(|point| point.parameter).fold(0.0, f64::max);
    let y_max = points().map(|point| point.nanos).fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(panel.title, (FONT, 18))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(54)
        // The room above the curves is for the legend.
        .build_cartesian_2d((x_min / 1.6..x_max * 1.6).log_scale(), 0.0..y_max * 1.4)?;
    chart
        .configure_mesh()
        .x_desc(panel.x_label)
        .y_desc(panel.y_label)
        .x_label_formatter(&|x| grouped(*x))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .label_style((FONT, 13))
        .axis_desc_style((FONT, 14))
        .bold_line_style(BLACK.mix(0.12))
        .light_line_style(BLACK.mix(0.03))
        .draw()?;
    for curve in &panel.curves {
        let colour = curve.colour;
        let places = || curve.points.iter().map(|point| (point.parameter, point.nanos));
        chart
            .draw_series(LineSeries::new(places(), colour.stroke_width(2)))?
            .label(curve.label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        chart.draw_series(places().map(|place| {
            let figure = format!("{:.0}", place.1);
            // Of two curves, the upper has its figures above it and the lower below.
            let is_lowest =
                points().all(|other| other.parameter != place.0 || other.nanos >= place.1);
            let drop = if is_lowest && panel.curves.len() > 1 { 6 } else { -18 };
            EmptyElement::at(place)
                + Circle::new((0, 0), 3, colour.filled())
                + Text::new(figure, (-8, drop), (FONT, 12).into_font().color(&colour))
        }))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font((FONT, 13))
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}

/// Writes a whole number with commas between its thousands.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Draws invented estimates and checks that everything is in the picture.
fn test() -> Result<(), Box<dyn Error>> {
    assert_eq!(grouped(45_000.0), "45,000");
    assert_eq!(grouped(200.0), "200");
    let invented = |_: &str| {
        let point = |power| Estimate { parameter: 10f64.powi(power), nanos: 20.0 };
        Ok((0..4).map(point).collect())
    };
    let panels = panels(invented)?;
    let svg = draw(&panels)?;
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    for text in panels.iter().flat_map(|panel| [panel.title, panel.x_label, panel.y_label]) {
        assert!(svg.contains(text), "the picture does not say {text}");
    }
    for curve in panels.iter().flat_map(|panel| &panel.curves) {
        assert!(svg.contains(curve.label), "the legend does not say {}", curve.label);
    }
    let curves: usize = panels.iter().map(|panel| panel.curves.len()).sum();
    assert_eq!(svg.matches("<circle").count(), 4 * curves);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    if mode::is_test() {
        return test();
    }
    let home = estimates::criterion_home()?;
    let panels = panels(|benchmark| estimates::of_benchmark(&home.join(benchmark)))?;
    if panels.iter().flat_map(|panel| &panel.curves).any(|curve| curve.points.len() < 2) {
        println!("There is nothing to draw yet: cargo bench -p level2 --bench book --bench path");
        return Ok(());
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/time_per_level.svg");
    std::fs::write(&path, draw(&panels)?)?;
    println!("drew benches/time_per_level.svg");
    Ok(())
}
