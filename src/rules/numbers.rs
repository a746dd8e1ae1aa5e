//! The rules by number, for whoever names one on the command line.

/// Every number that a finding of a review can bear, in the order of the documentation. A test reads the sources for
/// others.
pub const RULES: &[&str] = &[
    "AD-1", "AD-3", "AD-4", "AD-6", "MC-1", "MC-2", "MC-3", "MC-4", "MC-5", "MC-6", "MC-7", "MC-8", "MC-9",
    "MC-10", "MC-11", "MC-12", "MC-13", "MC-14", "MPO-1", "MPO-2", "MPO-3", "MPO-4", "MPO-5", "MUP-1",
    "MUP-3", "MUP-4", "MS-1", "MS-2", "MS-3", "MS-4", "MS-5", "MS-6", "MS-7", "MS-8", "MR-1", "MR-2", "MR-3",
    "MR-4", "MOD-1", "POL-1",
];

/// The rule of that number, in whatever case it is written.
pub fn rule(number: &str) -> Option<&'static str> {
    RULES
        .iter()
        .find(|rule| rule.eq_ignore_ascii_case(number))
        .copied()
}
