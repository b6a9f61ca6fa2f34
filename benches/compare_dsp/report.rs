//! Tables in Markdown, and the figures that matter once more at the end.

pub struct Report {
    text: String,
    figures: Vec<[String; 5]>,
}

impl Report {
    pub fn new() -> Report {
        Report { text: String::new(), figures: Vec::new() }
    }

    pub fn table(&mut self, title: &str, columns: &[&str]) {
        eprintln!("{title}");
        self.text += &format!("\n## {title}\n\n| {} |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len()));
    }

    pub fn row(&mut self, cells: &[String]) {
        eprintln!("  {}", cells.join(" | "));
        self.text += &format!("| {} |\n", cells.join(" | "));
    }

    pub fn note(&mut self, text: &str) {
        self.text += &format!("\n{text}\n");
    }

    /// A line of the summary: what is reached for, what we reach, what the best peer reaches in this run. More is better.
    pub fn figure(&mut self, name: &str, aim: &str, ours: &str, peer: &str) {
        self.summarise(name, aim, ours, peer, |a, b| a < b);
    }

    /// The same, where less is better.
    pub fn figure_low(&mut self, name: &str, aim: &str, ours: &str, peer: &str) {
        self.summarise(name, aim, ours, peer, |a, b| a > b);
    }

    /// The row says where a peer is better, and where the aim is missed.
    fn summarise(&mut self, name: &str, aim: &str, ours: &str, peer: &str, worse: fn(f64, f64) -> bool) {
        let mine = numbers(ours);
        let behind = |other: &str| {
            let other = numbers(other);
            mine.iter().enumerate().any(|(i, m)| other.get(i).or(other.last()).is_some_and(|o| worse(*m, *o)))
        };
        let verdict = match (behind(peer), behind(aim)) {
            (true, true) => "**a peer is better**; aim missed",
            (true, false) => "**a peer is better**",
            (false, true) => "aim missed",
            (false, false) => "",
        };
        self.figures.push([name, ours, peer, aim, verdict].map(str::to_string));
    }

    pub fn print(self) {
        println!("# How well tipring hears, beside its peers\n");
        println!("| figure | tipring | best peer | aim | |\n|---|---|---|---|---|");
        for figure in &self.figures {
            println!("| {} |", figure.join(" | "));
        }
        println!("{}", self.text);
    }
}

/// The numbers in a cell; what is in brackets is said besides.
fn numbers(cell: &str) -> Vec<f64> {
    let cell = cell.split('(').next().unwrap_or_default().replace(',', "");
    cell.split(|c: char| !(c.is_ascii_digit() || c == '.')).filter_map(|n| n.parse().ok()).collect()
}

pub fn percent(part: usize, of: usize) -> String {
    if of == 0 { "–".into() } else { format!("{:.1} %", 100.0 * part as f64 / of as f64) }
}
