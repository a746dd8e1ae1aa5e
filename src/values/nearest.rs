//! The known word nearest to an unknown one, for `did you mean "<x>"?` (rule AD-3).

/// Words with more characters than this get no suggestion: no name in Kubernetes is longer (253), and the work grows
/// with the square of the length.
const MAX_LENGTH: usize = 256;

/// The candidate nearest to `word` by Damerau–Levenshtein distance (neighbours may swap once), or none within
/// max(1, length / 3), the length being that of the longer of the two in characters.
///
/// Case does not count, save between candidates that are otherwise equally near; after that the first one wins.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Counting stops early, so that a very long word costs nothing.
    if word.is_empty() || word.chars().nth(MAX_LENGTH).is_some() {
        return None;
    }
    let exact: Vec<char> = word.chars().collect();
    let folded = fold(word);
    let mut best: Option<((usize, usize), &str)> = None;
    for candidate in candidates {
        if candidate.is_empty() || candidate.chars().nth(MAX_LENGTH).is_some() {
            continue;
        }
        let other = fold(candidate);
        let limit = (folded.len().max(other.len()) / 3).max(1);
        let Some(near) = distance(&folded, &other, limit) else {
            continue;
        };
        if best.is_some_and(|((best, _), _)| near > best) {
            continue;
        }
        let candidate_exact: Vec<char> = candidate.chars().collect();
        let case = distance(&exact, &candidate_exact, MAX_LENGTH).unwrap_or(usize::MAX);
        if best.is_none_or(|(rank, _)| (near, case) < rank) {
            best = Some(((near, case), candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

fn fold(word: &str) -> Vec<char> {
    word.chars().flat_map(char::to_lowercase).collect()
}

/// The optimal string alignment distance, or none when it is more than `limit`.
fn distance(a: &[char], b: &[char], limit: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > limit {
        return None;
    }
    let width = b.len() + 1;
    let mut before_last = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    let mut row = vec![0; width];
    for (i, &from) in a.iter().enumerate() {
        row[0] = i + 1;
        for (j, &to) in b.iter().enumerate() {
            let swapped = i > 0 && j > 0 && from == b[j - 1] && a[i - 1] == to;
            let kept = last[j] + usize::from(from != to);
            let mut cost = kept.min(last[j + 1] + 1).min(row[j] + 1);
            if swapped {
                cost = cost.min(before_last[j - 1] + 1);
            }
            row[j + 1] = cost;
        }
        // A swap reaches back two rows: only when both are beyond the limit is the end as well.
        let beyond = |costs: &[usize]| costs.iter().all(|cost| *cost > limit);
        if beyond(&row) && beyond(&last) {
            return None;
        }
        std::mem::swap(&mut before_last, &mut last);
        std::mem::swap(&mut last, &mut row);
    }
    Some(last[b.len()]).filter(|cost| *cost <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finds_the_nearest() {
        let known = ["Alpha", "Beta", "EarlyAccess", "Stable", "RockSolid", "Lts"];
        for (word, suggestion) in [
            ("Stabel", Some("Stable")),
            ("stable", Some("Stable")),
            ("early-access", Some("EarlyAccess")),
            ("RokSolid", Some("RockSolid")),
            ("LTS", Some("Lts")),
            ("Bta", Some("Beta")),
            ("Nightly", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), suggestion, "{word}");
        }
    }

    #[test]
    fn counts_a_swap_of_neighbours_once() {
        assert_eq!(distance(&['a', 'b'], &['b', 'a'], 2), Some(1));
        // The optimal alignment does not edit what it swapped: 3, where the unrestricted distance is 2.
        assert_eq!(distance(&['c', 'a'], &['a', 'b', 'c'], 3), Some(3));
        assert_eq!(nearest("ab", ["ba"]), Some("ba"));
    }

    #[test]
    fn keeps_to_a_third_of_the_longer_word() {
        assert_eq!(nearest("abcdef", ["abcdxy"]), Some("abcdxy"));
        assert_eq!(nearest("abcde", ["abcxy"]), None);
        assert_eq!(nearest("a", ["b"]), Some("b"));
    }

    #[test]
    fn prefers_the_case_that_was_written_then_the_first() {
        assert_eq!(nearest("Foo", ["foo", "Foo", "FOO"]), Some("Foo"));
        assert_eq!(nearest("foox", ["fooz", "fooy"]), Some("fooz"));
    }

    #[test]
    fn passes_over_endless_words() {
        let endless = "a".repeat(1_000_000);
        assert_eq!(nearest(&endless, ["a"]), None);
        assert_eq!(nearest("a", [endless.as_str()]), None);
    }

    proptest! {
        #[test]
        fn the_limit_changes_no_distance(a in "[abc]{0,9}", b in "[abc]{0,9}", limit in 0usize..10) {
            let (a, b) = (fold(&a), fold(&b));
            let full = distance(&a, &b, 100);
            prop_assert_eq!(distance(&b, &a, 100), full);
            prop_assert_eq!(distance(&a, &b, limit), full.filter(|cost| *cost <= limit));
        }

        #[test]
        fn suggests_a_word_with_one_slip(word in "[a-z]{2,20}", place in 0usize..20) {
            let mut slipped: Vec<char> = word.chars().collect();
            slipped.remove(place % slipped.len());
            let slipped: String = slipped.into_iter().collect();
            prop_assert_eq!(nearest(&slipped, [word.as_str()]), Some(word.as_str()));
        }

        #[test]
        fn never_panics(word in "\\PC*", other in "\\PC*") {
            nearest(&word, [other.as_str()]);
        }
    }
}
