//! "Did you mean": the known word closest to an unknown one.

/// The candidate nearest to `given`, if one is near enough to be what was meant.
pub(super) fn closest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let far = given.chars().count().max(3) / 3;
    candidates
        .into_iter()
        .map(|candidate| (distance(given, candidate), candidate))
        .filter(|(distance, _)| *distance <= far)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edits (a character added, removed or replaced) between two words. Time is the product of their lengths.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_counted_in_edits() {
        for (a, b, edits) in
            [("", "", 0), ("port", "prot", 2), ("port", "ports", 1), ("abc", "", 3), ("bind", "find", 1)]
        {
            assert_eq!(distance(a, b), edits, "{a} {b}");
            assert_eq!(distance(b, a), edits, "{b} {a}");
        }
    }

    #[test]
    fn only_a_near_word_is_suggested() {
        let words = ["resp.port", "resp.bind", "mesh.port"];
        assert_eq!(closest("resp.prot", words), Some("resp.port"));
        assert_eq!(closest("mesh.prt", words), Some("mesh.port"));
        assert_eq!(closest("something.else", words), None);
    }
}
