//! The flags of a careful roll-out (rule SV-6).

use clap::ValueEnum;

use crate::review::Enforcement;
use crate::rules;
use crate::values::nearest;

/// What becomes of refusals.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct EnforceArgs {
    /// What becomes of what rules refuse
    #[arg(
        long,
        env = "HATCHWAY_ENFORCE",
        value_name = "HOW",
        value_enum,
        default_value_t
    )]
    enforce: How,
    /// A rule that only warns, such as MC-2; may be repeated
    #[arg(
        long,
        env = "HATCHWAY_WARN_ONLY",
        value_name = "RULE",
        value_delimiter = ',',
        value_parser = rule
    )]
    warn_only: Vec<&'static str>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum How {
    /// It is refused
    #[default]
    Refuse,
    /// It is allowed with a warning, counted and annotated
    Warn,
}

impl EnforceArgs {
    /// What the flags say.
    pub(super) fn enforcement(self) -> Enforcement {
        let Self { enforce, warn_only } = self;
        match enforce {
            How::Warn => Enforcement::warn(),
            How::Refuse => Enforcement::warn_only(warn_only),
        }
    }
}

fn rule(number: &str) -> Result<&'static str, String> {
    rules::rule(number.trim()).ok_or_else(|| match nearest(number, rules::RULES.iter().copied()) {
        Some(known) => format!("there is no such rule, did you mean \"{known}\"?"),
        None => "there is no such rule: docs/rules.md lists them, such as MC-2".to_owned(),
    })
}
