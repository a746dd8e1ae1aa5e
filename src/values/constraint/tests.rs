use proptest::prelude::*;

use super::*;

fn matches(constraint: &str, version: &str) -> bool {
    Constraint::parse(constraint)
        .unwrap()
        .matches(&Version::parse(version).unwrap())
}

/// Constraint, versions that fit, versions that do not: as Masterminds/semver 3.4.0 answers.
const CASES: &[(&str, &[&str], &[&str])] = &[
    ("1.2.3", &["1.2.3", "1.2.3+b"], &["1.2.4", "1.2.3-a"]),
    ("=v1.2.3", &["1.2.3"], &["1.2.2"]),
    ("=1.2", &["1.2.0", "1.2.9"], &["1.3.0", "1.1.9"]),
    ("1", &["1.0.0", "1.9.9"], &["2.0.0", "0.9.9"]),
    ("1.x", &["1.0.0", "1.9.9"], &["2.0.0"]),
    ("*", &["0.0.0", "9.9.9"], &["1.0.0-a"]),
    ("!=1.2.3", &["1.2.4"], &["1.2.3"]),
    ("!=1.2", &["1.3.0", "2.2.0"], &["1.2.0", "1.2.5"]),
    ("!=1", &["2.0.0"], &["1.0.0", "1.5.0"]),
    ("!=*", &["1.0.0"], &["0.0.0"]),
    (">11", &["12.0.0"], &["11.0.0", "11.1.0"]),
    (">1.2", &["1.3.0", "2.0.0"], &["1.2.0", "1.2.1"]),
    ("> v1.63.0", &["1.63.1"], &["1.63.0"]),
    (">=1.2", &["1.2.0"], &["1.1.9"]),
    ("=>1.2", &["1.2.0"], &["1.1.9"]),
    ("<1.2", &["1.1.9"], &["1.2.0"]),
    ("<=1.2", &["1.2.9", "0.1.0"], &["1.3.0"]),
    ("=<1", &["1.9.9"], &["2.0.0"]),
    ("<=1.2.3", &["1.2.3"], &["1.2.4"]),
    ("<=*", &["0.0.9"], &["0.1.0"]),
    ("~1", &["1.0.0", "1.9.0"], &["2.0.0"]),
    ("~1.2", &["1.2.9"], &["1.3.0"]),
    ("~>1.2.3", &["1.2.3", "1.2.9"], &["1.2.2", "1.3.0"]),
    ("~0.0.0", &["7.0.0"], &[]),
    ("~0", &["0.9.0"], &["1.0.0"]),
    ("^1.2.3", &["1.2.3", "1.9.0"], &["1.2.2", "2.0.0"]),
    ("^0", &["0.0.0", "0.9.0"], &["1.0.0"]),
    ("^0.0", &["0.0.9"], &["0.1.0"]),
    ("^0.2", &["0.2.9"], &["0.3.0"]),
    ("^0.2.3", &["0.2.3", "0.2.9"], &["0.2.2", "0.3.0"]),
    ("^0.0.3", &["0.0.3"], &["0.0.4", "0.1.0"]),
    ("^*", &["0.0.0"], &["1.0.0", "0.0.1"]),
    ("1.2 - 2.3", &["1.2.0", "2.3.9"], &["1.1.9", "2.4.0"]),
    ("1.2 - 2.3.4 || 5", &["2.3.4", "5.1.0"], &["2.3.5", "4.0.0"]),
    (">=1.25, <2", &["1.25.0"], &["1.24.9", "2.0.0"]),
    (">=1.25 <2 !=1.30.0", &["1.29.0"], &["1.30.0", "2.0.0"]),
    ("^1||^3", &["1.0.0", "3.1.0"], &["2.0.0"]),
    (">=1.2.3-0", &["1.2.3-alpha", "1.3.0-rc.1", "1.2.3"], &["1.2.2"]),
    (">=1.0.0-0 <2 || >=3", &["1.5.0-a", "3.0.0"], &["3.1.0-a"]),
    (">=1.0.0", &["1.0.0"], &["1.1.0-rc.1"]),
    (
        "~1.2.3-beta.2",
        &["1.2.3-beta.4", "1.2.9-a"],
        &["1.2.3-beta.1", "1.3.0"],
    ),
];

#[test]
fn matches_as_masterminds_does() {
    for (constraint, fit, unfit) in CASES {
        for version in *fit {
            assert!(
                matches(constraint, version),
                "{constraint} should admit {version}"
            );
        }
        for version in *unfit {
            assert!(
                !matches(constraint, version),
                "{constraint} should not admit {version}"
            );
        }
    }
}

#[test]
fn rejects_what_is_no_constraint() {
    for text in [
        "foo",
        ">=",
        "1.2,",
        ",1.2",
        "1.2.3.4",
        "> = 1",
        ">>1",
        "1 || ",
        "||",
        "1.2 -",
        "- 1.2",
        ">=1.2 - 2.3",
        "1.xx",
        "1.2.3-",
        "1.2.3-01",
        "latest",
        "1.2;2",
        "==1.2",
        "1|2",
        "1||2 - 3",
        "1 2 - 3",
        "99999999999999999999",
    ] {
        assert!(
            matches!(Constraint::parse(text), Err(ParseConstraintError::Malformed(_))),
            "{text}"
        );
    }
    for text in ["", "  "] {
        assert_eq!(Constraint::parse(text), Err(ParseConstraintError::Empty));
    }
    assert_eq!(
        Constraint::parse("foo").unwrap_err().to_string(),
        r#""foo" is not a version constraint, write comparisons such as ">= 1.25, < 2", "~1.2" or "^1 || ^2""#
    );
}

#[test]
fn prints_as_written() {
    let text = " >=1.2 ,  <2||3.x ";
    assert_eq!(Constraint::parse(text).unwrap().to_string(), text);
}

#[test]
fn reads_optional_requirements() {
    let requirement = Requirement::parse(">= 1.0.0 !optional").unwrap();
    assert!(requirement.optional);
    assert_eq!(requirement.constraint.as_str(), ">= 1.0.0");
    assert!(!Requirement::parse(">= 1.0.0").unwrap().optional);
    assert_eq!(Requirement::parse("!optional"), Err(ParseConstraintError::Empty));
    assert!(Requirement::parse("!optional 1").is_err());
}

proptest! {
    #[test]
    fn never_panics(text in "\\PC*|[0-9xv*<>=!~^|, .-]{0,30}", version in "[1-9]?[0-9]\\.[0-9]\\.[0-9](-a)?") {
        if let Ok(constraint) = Constraint::parse(&text) {
            constraint.matches(&Version::parse(&version).unwrap());
            prop_assert_eq!(constraint.to_string(), text);
        }
    }

    #[test]
    fn a_bound_and_its_opposite_divide_all_releases(
        bound in "[0-3]\\.[0-3]\\.[0-3]",
        version in "[0-3]\\.[0-3]\\.[0-3]",
    ) {
        for (one, other) in [(">", "<="), ("<", ">="), ("=", "!=")] {
            prop_assert_ne!(matches(&format!("{one}{bound}"), &version), matches(&format!("{other}{bound}"), &version));
        }
    }
}
