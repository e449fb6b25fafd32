//! The pages, and what is in them: blocks of code, links, and words in backticks.

use std::fs;
use std::path::{Path, PathBuf};

/// One page.
pub(crate) struct Page {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// A fenced block.
pub(crate) struct Block<'a> {
    pub(crate) language: &'a str,
    /// Its lines, each with its number in the page.
    pub(crate) lines: Vec<(usize, &'a str)>,
}

impl Page {
    pub(crate) fn name(&self) -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        self.path.strip_prefix(root).unwrap_or(&self.path).display().to_string()
    }

    pub(crate) fn blocks(&self) -> Vec<Block<'_>> {
        let (mut blocks, mut open): (Vec<Block<'_>>, Option<Block<'_>>) = (Vec::new(), None);
        for (at, line) in self.text.lines().enumerate() {
            match (line.strip_prefix("```"), open.take()) {
                (Some(language), None) => open = Some(Block { language: language.trim(), lines: Vec::new() }),
                (Some(_), Some(block)) => blocks.push(block),
                (None, Some(mut block)) => {
                    block.lines.push((at + 1, line));
                    open = Some(block);
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a block that does not end", self.name());
        blocks
    }

    /// The text outside of blocks: what is not fenced and not indented as code.
    fn prose(&self) -> Vec<(usize, &str)> {
        let mut is_fenced = false;
        let mut lines = Vec::new();
        for (at, line) in self.text.lines().enumerate() {
            if line.starts_with("```") {
                is_fenced = !is_fenced;
            } else if !is_fenced && !line.starts_with("    ") {
                lines.push((at + 1, line));
            }
        }
        lines
    }

    /// What stands in backticks, with the number of its line and the heading that it is under.
    pub(crate) fn words(&self) -> Vec<(usize, String, String)> {
        let mut words = Vec::new();
        let mut heading = "";
        for (number, line) in self.prose() {
            heading = line.strip_prefix("## ").unwrap_or(heading);
            let spans = line.split('`').skip(1).step_by(2);
            words.extend(spans.map(|span| (number, span.to_owned(), heading.to_owned())));
        }
        words
    }

    /// Where its links go.
    pub(crate) fn links(&self) -> Vec<(usize, String)> {
        let mut links = Vec::new();
        for (number, line) in self.prose() {
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            links.extend(targets.map(|target| (number, target.to_owned())));
        }
        links
    }

    /// The names by which links go to its headings.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let headings = self.prose().into_iter().filter(|(_, line)| line.starts_with('#'));
        let anchor = |line: &str| {
            let kept =
                line.trim_start_matches('#').trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.collect::<String>().to_lowercase().replace(' ', "-")
        };
        headings.map(|(_, line)| anchor(line)).collect()
    }
}

pub(crate) fn page(path: &Path) -> Page {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Page { path: path.to_owned(), text }
}

/// All pages: README.md and what is in docs/.
pub(crate) fn all() -> Vec<Page> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = vec![root.join("README.md")];
    let docs = fs::read_dir(root.join("docs")).expect("docs/ can be read");
    paths.extend(docs.map(|entry| entry.expect("an entry").path()));
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    paths.iter().map(|path| page(path)).collect()
}
