//! The nearest known word to a mistyped one (rule AD-3).

/// The candidate within a Damerau-Levenshtein distance of max(1, length / 3), the nearest first, ties by order.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.chars().collect();
    let limit = (word.len() / 3).max(1);
    // A key longer than this is no typo, and the table would be large.
    if word.len() > 128 {
        return None;
    }
    candidates
        .into_iter()
        .filter(|candidate| candidate.chars().count().abs_diff(word.len()) <= limit)
        .map(|candidate| (distance(&word, &candidate.chars().collect::<Vec<_>>()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, substitutions and swaps of neighbours.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (row, left) in a.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, right) in b.iter().enumerate() {
            let mut best = (above[column] + usize::from(left != right)).min(above[column + 1] + 1);
            best = best.min(current[column] + 1);
            if row > 0 && column > 0 && *left == b[column - 1] && a[row - 1] == *right {
                best = best.min(before[column - 1] + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut above, current);
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_nearest_word_and_no_farther_one() {
        let known = ["password", "username", "port"];
        assert_eq!(nearest("pasword", known), Some("password"));
        assert_eq!(nearest("prot", known), Some("port"));
        assert_eq!(nearest("completely", known), None);
        assert_eq!(nearest("", known), None);
    }
}
