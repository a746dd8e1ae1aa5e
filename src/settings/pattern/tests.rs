//! RE2, pattern by pattern.

use super::*;

#[test]
fn reads_patterns_as_go_does() {
    // pattern, text, does it match
    let table = [
        ("^a+$", "aaa", true),
        ("^[0-9]+$", "12a", false),
        (r"^\d+$", "12", true),
        (r"^\d+$", "\u{664}", false),
        (r"^\w$", "é", false),
        (r"^\W$", "é", true),
        (r"^\s$", "\u{a0}", false),
        (r"^\s$", "\u{b}", false),
        (r"\bfoo\b", "a foo b", true),
        (r"\bfoo\b", "éfooé", true),
        ("(?i)^abc$", "ABC", true),
        ("^(?:a|b)$", "b", true),
        (r"\Afoo\z", "foo", true),
        (r"\Afoo\z", "foo\n", false),
        ("^[[:alpha:]]+$", "abc", true),
        ("^[[:^alpha:]]+$", "123", true),
        (r"^\pL+$", "éß", true),
        (r"^\p{Greek}+$", "αβ", true),
        (r"^\p{^Greek}+$", "abc", true),
        ("^(?P<x>a)(?P<y>b)$", "ab", true),
        ("^(?<x>a)$", "a", true),
        ("^[]a]+$", "]a", true),
        ("^[^]a]+$", "b", true),
        ("^[[a]+$", "[a", true),
        ("^[a&&b]+$", "&", true),
        ("^[a~~b-]+$", "~-", true),
        ("^a{2}$", "aa", true),
        ("^a{,2}$", "a{,2}", true),
        ("^{a}$", "{a}", true),
        ("a}", "a}", true),
        (r"^\Qa.b\E+$", "a.bbb", true),
        (r"^\x41\x{1F600}$", "A😀", true),
        (r"^\101\0$", "A\0", true),
        (r"^[\w.-]+$", "a.b-c", true),
        (r"^[\d\-]+$", "1-2", true),
        (r"^\/\-\<$", "/-<", true),
        ("^[+--]$", ",", true),
        ("^.$", "\n", false),
        ("(?s)^.$", "\n", true),
        ("a b#c", "a b#c", true),
    ];
    for (pattern, text, matches) in table {
        let regex = compile(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        assert_eq!(regex.is_match(text.as_bytes()), matches, "{pattern} on {text:?}");
    }
}

#[test]
fn refuses_what_go_refuses() {
    for pattern in [
        "(?=a)",
        "(?!a)",
        "(?<=a)",
        "(?<!a)",
        r"(a)\1",
        "a**",
        "a*+",
        "*a",
        "a{1001}",
        "(?x)a",
        "[b-a]",
        "(a",
        "a)",
        "[a",
        r"\",
        r"\C",
        r"\Z",
        r"\h",
        "(?#c)",
        "[[:foo:]]",
        r"\p{Nonsense}",
        "a{1000}{1000}",
        "(?P<n",
    ] {
        assert!(compile(pattern).is_err(), "{pattern}");
    }
}

#[test]
fn refuses_a_pattern_that_explodes() {
    assert!(compile("(((a{100}){100}){100}){100}").is_err());
    assert!(compile(&format!("{}a{}", "(".repeat(5000), ")".repeat(5000))).is_err());
}

#[test]
fn answers_in_linear_time() {
    let regex = compile("^(a+)+$").unwrap();
    assert!(!regex.is_match(format!("{}b", "a".repeat(100_000)).as_bytes()));
}

proptest::proptest! {
    #[test]
    fn never_panics(pattern in ".*") {
        let _ = compile(&pattern);
    }

    #[test]
    fn never_panics_on_regex_like_text(pattern in r"[a-c\[\]\\(){}?*+|^$:<>PQEdwsxp0-9,.&~-]{0,24}") {
        let _ = compile(&pattern);
    }
}
