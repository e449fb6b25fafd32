//! Puts what was measured into the pages that show it, each between two comments of its own.

use std::path::{Path, PathBuf};

use crate::report::Section;
use crate::support::Outcome;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Replaces what stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->`; false where there is no such place.
fn replace(path: &Path, name: &str, text: &str) -> Outcome<bool> {
    let page = std::fs::read_to_string(path)?;
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->"));
    let place = page.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let Some((before, behind)) = place else { return Ok(false) };
    std::fs::write(path, format!("{before}{begin}{text}{end}{behind}"))?;
    Ok(true)
}

/// Writes a section into the report, with how it was measured, and its targets or its tables where another page shows them.
pub(crate) fn write(section: &Section, circumstances: &str) -> Outcome<()> {
    let report = root().join("benches/RESULTS.md");
    if !replace(&report, section.name, &format!("{}{circumstances}\n", section.render()))? {
        return Err(format!("{} has no place for {}", report.display(), section.name).into());
    }
    replace(&root().join("README.md"), &format!("measured {}", section.name), &section.summary())?;
    let scale = root().join("docs/SCALE.md");
    if scale.exists() {
        replace(&scale, &format!("measured {}", section.name), section.body())?;
    }
    Ok(())
}
