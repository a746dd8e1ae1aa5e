//! `!!x` and `--x`, which the CEL crate reads as `!x` and `-x`: pairs are taken out before it sees them.

/// The expression without pairs of equal prefix operators; what stands in strings stays as it is.
pub(super) fn without_pairs(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    // Whether what was written last can be an operand: a `-` after one is a subtraction.
    let mut after_operand = false;
    while let Some(c) = rest.chars().next() {
        if let Some(length) = string_length(rest, &out) {
            out.push_str(&rest[..length]);
            rest = &rest[length..];
            after_operand = true;
            continue;
        }
        if c == '!' || c == '-' {
            let run = rest
                .find(|next: char| next != c && !next.is_whitespace())
                .unwrap_or(rest.len());
            let mut count = rest[..run].matches(c).count();
            let mut next = &rest[run..];
            if c == '!' && next.starts_with('=') {
                // The last one belongs to `!=`.
                count -= 1;
                out.push_str(if count % 2 == 1 { "! !=" } else { " !=" });
                next = &next[1..];
            } else if after_operand && c == '-' {
                out.push_str(if count % 2 == 1 { "- " } else { "- -" });
            } else if count % 2 == 1 {
                out.push(c);
            }
            rest = next;
            after_operand = false;
            continue;
        }
        out.push(c);
        rest = &rest[c.len_utf8()..];
        if !c.is_whitespace() {
            after_operand = c.is_alphanumeric() || matches!(c, '_' | ')' | ']' | '}');
        }
    }
    out
}

/// The length of the string literal that starts here, if one does.
fn string_length(rest: &str, before: &str) -> Option<usize> {
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let triple = quote.to_string().repeat(3);
    let quote = if rest.starts_with(&triple) {
        triple
    } else {
        quote.to_string()
    };
    let raw = before.ends_with(['r', 'R']);
    let mut at = quote.len();
    while at < rest.len() {
        if rest[at..].starts_with(&quote) {
            return Some(at + quote.len());
        }
        let mut chars = rest[at..].chars();
        let c = chars.next()?;
        at += c.len_utf8();
        if c == '\\' && !raw {
            at += chars.next().map_or(0, char::len_utf8);
        }
    }
    Some(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_out_pairs_but_not_from_strings() {
        let table = [
            ("!!a", "a"),
            ("!!!a", "!a"),
            ("! !a", "a"),
            ("!a && !!b", "!a && b"),
            ("a != b", "a  != b"),
            ("--a", "a"),
            ("a - -b", "a - -b"),
            ("a-b", "a- b"),
            ("a --- b", "a - b"),
            ("(a) - 1", "(a) - 1"),
            ("x == '!!' && !!y", "x == '!!' && y"),
            (r"x == 'a\'!!' + r'\' + !!y", r"x == 'a\'!!' + r'\' + y"),
            ("'''it's !!''' + !!a", "'''it's !!''' + a"),
            ("'open !!", "'open !!"),
        ];
        for (source, expected) in table {
            assert_eq!(without_pairs(source), expected, "{source}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(source in r#"[a1!=\-'"\\ ré()]{0,20}"#) {
            without_pairs(&source);
        }
    }
}
