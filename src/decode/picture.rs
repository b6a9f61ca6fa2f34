//! A recording to look at: waveform, spectrogram, and what was found where.
//!
//! ```text
//!  LEFT  NOISE 18.0DBRNC0                        one such strip for each channel
//!  ▂▅▇▃▁▂▇▇▂▁    waveform, full scale
//!  ░▒▓▒░░▓▓░░    spectrogram, 0 to 4 kHz, 80 dB
//!  [dial][5][5]  what was found
//!  0 s      10 s
//! ```
//!
//! Columns are merged in pairs when there are too many, so that an hour takes no more memory than a minute.

use super::found::Found;
use crate::dsp;
use std::io::Write;

const WIDTH: usize = 1600;
const MOST_COLUMNS: usize = 2 * WIDTH;
/// Samples of the finest column: 10 ms.
const FINEST: u64 = 80;
const BINS: usize = 128;
const MARGIN: usize = 8;
const WAVE: usize = 96;
const SPECTRUM: usize = 2 * BINS;
const LANES: usize = 4;
const LANE: usize = 14;
const STRIP: usize = 16 + WAVE + 4 + SPECTRUM + 4 + LANES * LANE + 12;
const AXIS: usize = 24;

/// Colours: 0 to 63 are the spectrogram's.
const WHITE: u8 = 64;
const BLACK: u8 = 65;
const GREY: u8 = 66;
const BLUE: u8 = 67;
const FIRST_EVENT: u8 = 68;
/// What is drawn in which colour, and with which.
const EVENTS: [(&str, [u8; 3]); 11] = [
    ("tone", [0x8c, 0xc8, 0x8c]),
    ("dtmf", [0xf5, 0xc2, 0x6b]),
    ("speech", [0xbf, 0xd4, 0xf2]),
    ("caller-id", [0xe0, 0xa0, 0xd8]),
    ("fax", [0xf0, 0x9a, 0x8c]),
    ("loop-break", [0xff, 0x6b, 0x6b]),
    ("unknown-tone", [0xd8, 0xd8, 0x70]),
    ("other-tone", [0xd0, 0xd0, 0xb0]),
    ("beep", [0x9c, 0xd8, 0xd8]),
    ("alert", [0xd8, 0xb0, 0xf0]),
    ("message-waiting", [0xe0, 0xa0, 0xd8]),
];

/// What one channel looks like so far.
pub struct Strip {
    columns: Vec<Column>,
    /// Samples in a column.
    size: u64,
    current: Column,
    recent: [f32; 256],
    total: u64,
}

#[derive(Clone)]
struct Column {
    least: i16,
    most: i16,
    bins: [f32; BINS],
    samples: u64,
}

impl Column {
    const EMPTY: Column = Column { least: 0, most: 0, bins: [0.0; BINS], samples: 0 };

    fn merge(&mut self, other: &Column) {
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
        for (a, b) in self.bins.iter_mut().zip(&other.bins) {
            *a = a.max(*b);
        }
        self.samples += other.samples;
    }
}

impl Default for Strip {
    fn default() -> Self {
        Self::new()
    }
}

impl Strip {
    pub fn new() -> Strip {
        Strip { columns: Vec::new(), size: FINEST, current: Column::EMPTY, recent: [0.0; 256], total: 0 }
    }

    pub fn feed(&mut self, samples: &[i16]) {
        for &s in samples {
            self.recent[(self.total % 256) as usize] = f32::from(s);
            self.total += 1;
            self.current.least = self.current.least.min(s);
            self.current.most = self.current.most.max(s);
            self.current.samples += 1;
            if self.total.is_multiple_of(FINEST) {
                let mut window = self.recent;
                window.rotate_left((self.total % 256) as usize);
                for (a, b) in self.current.bins.iter_mut().zip(dsp::bins(&window)) {
                    *a = a.max(b);
                }
            }
            if self.current.samples >= self.size {
                self.columns.push(std::mem::replace(&mut self.current, Column::EMPTY));
                if self.columns.len() == MOST_COLUMNS {
                    self.columns = self
                        .columns
                        .chunks(2)
                        .map(|pair| {
                            let mut column = pair[0].clone();
                            pair[1..].iter().for_each(|c| column.merge(c));
                            column
                        })
                        .collect();
                    self.size *= 2;
                }
            }
        }
    }
}

/// Writes the picture of all channels as PNG.
pub fn write(strips: &[Strip], found: &[Found], out: impl Write) -> Result<(), png::EncodingError> {
    let height = STRIP * strips.len() + AXIS;
    let mut canvas = Canvas { pixels: vec![WHITE; WIDTH * height], height };
    let seconds = strips.iter().map(|s| s.total as f64 / 8000.0).fold(0.01, f64::max);
    for (i, strip) in strips.iter().enumerate() {
        let top = i * STRIP;
        let side = match (strips.len(), i) {
            (1, _) => "RECORDING".to_string(),
            (2, 0) => "LEFT".to_string(),
            (2, 1) => "RIGHT".to_string(),
            (_, n) => format!("CHANNEL {n}"),
        };
        // noise is of all of it and has no place of its own
        let noise =
            found.iter().filter(|f| f.channel == i && f.event == "noise").map(|f| format!("  NOISE {}", f.value));
        canvas.text(MARGIN, top + 4, &std::iter::once(side).chain(noise).collect::<String>(), BLACK);
        canvas.strip(strip, top + 16, seconds);
        canvas.events(found.iter().filter(|f| f.channel == i), top + 16 + WAVE + 4 + SPECTRUM + 4, seconds);
    }
    canvas.axis(STRIP * strips.len(), seconds);

    let mut palette: Vec<u8> = (0..64u16).flat_map(heat).collect();
    for colour in [[0xff, 0xff, 0xff], [0, 0, 0], [0xbb, 0xbb, 0xbb], [0x30, 0x60, 0xa0]] {
        palette.extend(colour);
    }
    EVENTS.iter().for_each(|(_, colour)| palette.extend(colour));
    let mut encoder = png::Encoder::new(out, WIDTH as u32, canvas.height as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&canvas.pixels)?;
    writer.finish()
}

/// White over yellow and red to black, as paper would be.
fn heat(level: u16) -> [u8; 3] {
    let v = level as f32 / 63.0;
    let part = |from: f32, to: f32| ((1.0 - (v - from) / (to - from)).clamp(0.0, 1.0) * 255.0) as u8;
    [part(0.65, 1.0), part(0.3, 0.75), part(0.0, 0.4)]
}

struct Canvas {
    pixels: Vec<u8>,
    height: usize,
}

impl Canvas {
    fn dot(&mut self, x: usize, y: usize, colour: u8) {
        if x < WIDTH && y < self.height {
            self.pixels[y * WIDTH + x] = colour;
        }
    }

    fn fill(&mut self, x: std::ops::Range<usize>, y: std::ops::Range<usize>, colour: u8) {
        for row in y {
            for column in x.clone() {
                self.dot(column, row, colour);
            }
        }
    }

    fn strip(&mut self, strip: &Strip, top: usize, seconds: f64) {
        let width = WIDTH - 2 * MARGIN;
        self.fill(MARGIN..WIDTH - MARGIN, top + WAVE / 2..top + WAVE / 2 + 1, GREY);
        for x in 0..width {
            // all columns that fall upon this pixel
            let at = |x: usize| (x as f64 / width as f64 * seconds * 8000.0 / strip.size as f64) as usize;
            let (from, to) = (at(x), at(x + 1).max(at(x) + 1));
            let Some(columns) = strip.columns.get(from..to.min(strip.columns.len())).filter(|c| !c.is_empty()) else {
                continue;
            };
            let mut column = columns[0].clone();
            columns[1..].iter().for_each(|c| column.merge(c));
            let tall = |v: i16| usize::from(v.unsigned_abs()) * (WAVE / 2 - 1) / 32_768;
            let middle = top + WAVE / 2;
            let (high, low) = (middle - tall(column.most.max(0)), middle + tall(column.least.min(0)));
            self.fill(MARGIN + x..MARGIN + x + 1, high..low + 1, BLUE);
            for (bin, power) in column.bins.iter().enumerate() {
                // −75 to +5 dBm0
                let db = dsp::level::dbm0_of_power(*power);
                let level = ((db + 75.0) / 80.0 * 63.0).clamp(0.0, 63.0) as u8;
                let y = top + WAVE + 4 + SPECTRUM - 2 * (bin + 1);
                self.dot(MARGIN + x, y, level);
                self.dot(MARGIN + x, y + 1, level);
            }
        }
    }

    fn events<'a>(&mut self, found: impl Iterator<Item = &'a Found>, top: usize, seconds: f64) {
        let width = (WIDTH - 2 * MARGIN) as f64;
        let mut free = [0usize; LANES];
        for f in found {
            let Some(kind) = EVENTS.iter().position(|(name, _)| f.event.starts_with(name)) else { continue };
            let x = |t: f64| MARGIN + (t.clamp(0.0, seconds) / seconds * width) as usize;
            let (from, to) = (x(f.t), x(f.end()).max(x(f.t) + 2));
            let label =
                if f.value.is_empty() || kind >= 3 { format!("{} {}", f.event, f.value) } else { f.value.clone() };
            let wide = to.max(from + 8 * label.trim().len().min(24) + 4);
            let lane = (0..LANES).find(|&l| free[l] <= from).unwrap_or(LANES - 1);
            free[lane] = wide;
            let y = top + lane * LANE;
            self.fill(from..to, y..y + LANE - 2, FIRST_EVENT + kind as u8);
            let text: String = label.trim().chars().take(24).collect();
            self.text(from + 2, y + 1, &text, BLACK);
        }
    }

    fn axis(&mut self, top: usize, seconds: f64) {
        let width = (WIDTH - 2 * MARGIN) as f64;
        let step = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0];
        let step = step.into_iter().find(|s| seconds / s <= 16.0).unwrap_or(7200.0);
        self.fill(MARGIN..WIDTH - MARGIN, top..top + 1, BLACK);
        for n in 0..=(seconds / step) as usize {
            let t = n as f64 * step;
            let x = MARGIN + (t / seconds * width) as usize;
            self.fill(x..x + 1, top..top + 5, BLACK);
            let label = if step < 1.0 { format!("{t:.1}S") } else { format!("{t:.0}S") };
            self.text(x + 3, top + 5, &label, BLACK);
        }
    }

    /// Letters of 3 by 5, twice as large.
    fn text(&mut self, x: usize, y: usize, text: &str, colour: u8) {
        for (i, c) in text.chars().enumerate() {
            let rows = glyph(c.to_ascii_uppercase());
            for (row, bits) in rows.into_iter().enumerate() {
                for column in 0..3 {
                    if bits >> (2 - column) & 1 == 1 {
                        let (px, py) = (x + 8 * i + 2 * column, y + 2 * row);
                        self.fill(px..px + 2, py..py + 2, colour);
                    }
                }
            }
        }
    }
}

/// Five rows of three dots.
fn glyph(c: char) -> [u8; 5] {
    match c {
        '0' | 'O' => [7, 5, 5, 5, 7],
        '1' => [2, 6, 2, 2, 7],
        '2' => [7, 1, 7, 4, 7],
        '3' => [7, 1, 3, 1, 7],
        '4' => [5, 5, 7, 1, 1],
        '5' => [7, 4, 7, 1, 7],
        '6' => [7, 4, 7, 5, 7],
        '7' => [7, 1, 2, 2, 2],
        '8' => [7, 5, 7, 5, 7],
        '9' => [7, 5, 7, 1, 7],
        'A' => [2, 5, 7, 5, 5],
        'B' => [6, 5, 6, 5, 6],
        'C' => [3, 4, 4, 4, 3],
        'D' => [6, 5, 5, 5, 6],
        'E' => [7, 4, 6, 4, 7],
        'F' => [7, 4, 6, 4, 4],
        'G' => [3, 4, 5, 5, 3],
        'H' => [5, 5, 7, 5, 5],
        'I' => [7, 2, 2, 2, 7],
        'J' => [1, 1, 1, 5, 2],
        'K' => [5, 5, 6, 5, 5],
        'L' => [4, 4, 4, 4, 7],
        'M' => [5, 7, 7, 5, 5],
        'N' => [6, 5, 5, 5, 5],
        'P' => [6, 5, 6, 4, 4],
        'Q' => [2, 5, 5, 2, 1],
        'R' => [6, 5, 6, 5, 5],
        'S' => [3, 4, 2, 1, 6],
        'T' => [7, 2, 2, 2, 2],
        'U' => [5, 5, 5, 5, 7],
        'V' => [5, 5, 5, 5, 2],
        'W' => [5, 5, 7, 7, 5],
        'X' => [5, 5, 2, 5, 5],
        'Y' => [5, 5, 2, 2, 2],
        'Z' => [7, 1, 2, 4, 7],
        '-' => [0, 0, 7, 0, 0],
        '+' => [0, 2, 7, 2, 0],
        '/' => [1, 1, 2, 4, 4],
        '*' => [5, 2, 7, 2, 5],
        '#' => [5, 7, 5, 7, 5],
        '.' => [0, 0, 0, 0, 2],
        ',' => [0, 0, 0, 2, 4],
        '"' => [5, 5, 0, 0, 0],
        ' ' => [0; 5],
        _ => [0, 7, 5, 7, 0],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::Source;
    use crate::dsp::tone::ToneGenerator;

    #[test]
    fn a_picture_is_a_png_with_a_strip_for_each_channel() {
        let mut strips = [Strip::new(), Strip::new()];
        let mut samples = vec![0i16; 16_000];
        ToneGenerator::sine(1000.0, -10.0, None).add_to(&mut samples);
        strips.iter_mut().for_each(|s| s.feed(&samples));
        let mut found = Found::new(0.5, "dtmf", "5").lasting(0.1);
        found.channel = 1;
        let mut bytes = Vec::new();
        write(&strips, &[found], &mut bytes).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width as usize, info.height as usize), (WIDTH, 2 * STRIP + AXIS));
        // the tone is a dark line at 1 kHz, bin 32
        let row = 16 + WAVE + 4 + SPECTRUM - 2 * 33;
        let other = 16 + WAVE + 4 + SPECTRUM - 2 * 80;
        let at = |y: usize| pixels[y * WIDTH + WIDTH / 2];
        assert!(at(row) > 40 && at(row) < 64 && at(other) < 20, "{} {}", at(row), at(other));
    }

    /// Every kind of event has a place in the picture, as a bar of its colour or in the title.
    #[test]
    fn whatever_was_found_is_drawn() {
        let mut strip = Strip::new();
        strip.feed(&[0; 16_000]);
        let drawn = |found: &[Found]| {
            let mut bytes = Vec::new();
            write(std::slice::from_ref(&strip), found, &mut bytes).unwrap();
            let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            reader.next_frame(&mut pixels).unwrap();
            pixels
        };
        let nothing = drawn(&[]);
        let lanes = WIDTH * (16 + WAVE + 4 + SPECTRUM + 4);
        for event in ["tone", "dtmf", "speech", "caller-id", "caller-id-garbled", "fax", "loop-break", "unknown-tone"] {
            assert_ne!(drawn(&[Found::new(1.0, event, "5").lasting(0.1)])[lanes..], nothing[lanes..], "{event}");
        }
        for event in ["other-tone", "beep", "alert", "message-waiting"] {
            assert_ne!(drawn(&[Found::new(1.0, event, "").lasting(0.1)])[lanes..], nothing[lanes..], "{event}");
        }
        let title = drawn(&[Found::new(2.0, "noise", "18.0dBrnC0 -72.7dBm0p")]);
        let black = |pixels: &[u8]| pixels[..16 * WIDTH].iter().filter(|&&p| p == BLACK).count();
        assert!(black(&title) > 2 * black(&nothing), "{} {}", black(&title), black(&nothing));
        assert_eq!(title[16 * WIDTH..], nothing[16 * WIDTH..]);
    }

    #[test]
    fn hours_take_no_more_memory_than_minutes() {
        let mut strip = Strip::new();
        let second = vec![100i16; 8000];
        for _ in 0..600 {
            strip.feed(&second);
        }
        assert!(strip.columns.len() < MOST_COLUMNS && strip.size > FINEST);
    }
}
