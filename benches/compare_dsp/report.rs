//! Tables in Markdown, and the figures that matter once more at the end.

pub struct Report {
    text: String,
    figures: Vec<[String; 4]>,
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

    /// A line of the summary: what is reached for, what we reach, what the best peer reaches in this run.
    pub fn figure(&mut self, name: &str, aim: &str, ours: &str, peer: &str) {
        self.figures.push([name, ours, peer, aim].map(str::to_string));
    }

    pub fn print(self) {
        println!("# How well tipring hears, beside its peers\n");
        println!("| figure | tipring | best peer | aim |\n|---|---|---|---|");
        for figure in &self.figures {
            println!("| {} |", figure.join(" | "));
        }
        println!("{}", self.text);
    }
}

pub fn percent(part: usize, of: usize) -> String {
    if of == 0 { "–".into() } else { format!("{:.1} %", 100.0 * part as f64 / of as f64) }
}
