//! Texts that stand both in a rule and in the CRDs' CEL validations, once. A `{}` stands for the value that was
//! written; the rule fills it in, the CRD gets a CEL expression that does.

/// A message, with at most one `{}` for the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text(&'static str);

impl Text {
    /// The message about `value`.
    pub fn about(self, value: &str) -> String {
        self.0.replace("{}", value)
    }

    /// The message as it stands, for texts without a value.
    pub const fn plain(self) -> &'static str {
        self.0
    }

    /// A CEL expression that makes the message, `value` being a CEL expression of type string; `None` where the
    /// message holds no value.
    pub fn expression(self, value: &str) -> Option<String> {
        let (before, after) = self.0.split_once("{}")?;
        Some(format!("{} + {value} + {}", literal(before), literal(after)))
    }
}

/// A CEL string literal.
fn literal(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// MC-1.
pub const FORBIDDEN_SOURCE: Text = Text(
    "'Embedded' is a forbidden source: name a ModuleSource, or leave the field out for the embedded module",
);
/// §ModuleConfig: the embedded policy is chosen by leaving the field out.
pub const EMBEDDED_POLICY_NAMED: Text =
    Text("'deckhouse' is the platform's own update policy: leave the field out to follow it");
/// MC-5.
pub const VERSION_REQUIRED: Text = Text(
    "spec.version is required when spec.settings are specified: set it to the version of the settings schema that they are written for",
);
/// The name of a ModuleConfig or an override.
pub const MODULE_NAME: Text = Text(
    "'{}' is no module name: use at most 63 lower-case letters, digits and '-', beginning and ending with a letter or a digit, and not 'modules'",
);
/// MPO-2.
pub const IMAGE_TAG: Text = Text(
    "'{}' is no image tag: use at most 128 letters, digits, '_', '.' and '-', beginning with a letter, a digit or '_'",
);
/// MPO-3, for an override.
pub const OVERRIDE_INTERVAL: Text =
    Text("'{}' is no scan interval: write hours, minutes and seconds, such as 15s or 1m30s, from 1s to 24h");
/// The same for a source, which has no upper bound.
pub const SOURCE_INTERVAL: Text =
    Text("'{}' is no scan interval: write hours, minutes and seconds, such as 3m or 1h30m, at least 1s");
/// MUP-1.
pub const TIME_OF_DAY: Text =
    Text("'{}' is no time of day: write hours and minutes in UTC, from 0:00 to 23:59");
/// MUP-1.
pub const EMPTY_WINDOW: Text = Text(
    "the window ends at '{}', when it starts: give it another end (one before the start is on the next day)",
);
/// POL-1.
pub const EMBEDDED_POLICY_TAKEN: Text = Text(
    "'deckhouse' is the name of the platform's own update policy: choose another name, or set channel, mode and windows in ModuleConfig deckhouse",
);
/// MS-1.
pub const REPOSITORY: Text = Text(
    "'{}' is no repository: write host[:port]/path, the path in lower case, without scheme, tag, digest or trailing slash, such as registry.example.com/deckhouse/modules",
);
/// MS-5.
pub const EMBEDDED_SOURCE_TAKEN: Text =
    Text("'Embedded' stands for the modules of the platform itself: choose another name for the source");
/// MS-8.
pub const LABEL_LENGTH: Text =
    Text("'{}' is too long: the name becomes a label of releases, so use at most 63 characters");
/// The version of a release.
pub const SEMVER: Text = Text("'{}' is no semantic version: write it like 1.2.3 or 1.2.3-rc.1");
/// The name of a release.
pub const RELEASE_NAME: Text = Text(
    "'{}' is not the name of this release: it is <module>-v<version>, made of spec.moduleName and spec.version",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_in_the_value() {
        assert_eq!(Text("a '{}' b").about("x"), "a 'x' b");
    }

    #[test]
    fn makes_an_expression_with_the_value_in_the_middle() {
        assert_eq!(
            Text("a \"{}\" b").expression("self").unwrap(),
            r#""a \"" + self + "\" b""#
        );
        assert_eq!(Text("plain").expression("self"), None);
    }
}
