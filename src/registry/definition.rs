//! `module.yaml`: what a module says of itself (rule REG-3). Strict in what decides, unknown keys are passed over.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A `module.yaml`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModuleDefinition {
    /// The module's name; may be missing, then the repository names it.
    #[serde(default)]
    pub name: Option<String>,
    /// Its place in the order of installation.
    #[serde(default = "default_weight")]
    pub weight: u32,
    /// How finished it is; `Experimental` is asked for before it is enabled (rule MC-9).
    #[serde(default)]
    pub stage: Option<String>,
    /// Whether the platform needs it to work.
    #[serde(default)]
    pub critical: bool,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Subsystems that it belongs to.
    #[serde(default)]
    pub subsystems: Vec<String>,
    /// Where it is installed.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Of the modules of one group, one is enabled at most (rule MC-10).
    #[serde(default)]
    pub exclusive_group: Option<String>,
    /// What it is, by language.
    #[serde(default)]
    pub descriptions: BTreeMap<String, String>,
    /// What it needs.
    #[serde(default)]
    pub requirements: Option<Requirements>,
    /// What to say before it is disabled (rule MC-11).
    #[serde(default)]
    pub disable: Option<Disable>,
    /// Editions and bundles; kept as it is.
    #[serde(default)]
    pub accessibility: Option<serde_json::Value>,
    /// Jumps between versions that are allowed (rule RL-8).
    #[serde(default)]
    pub update: Option<Update>,
}

/// What a module needs, as version constraints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Requirements {
    /// Of the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deckhouse: Option<String>,
    /// Of Kubernetes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<String>,
    /// Of other modules, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub modules: BTreeMap<String, String>,
}

/// What to say before a module is disabled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Disable {
    /// Whether an annotation is asked for.
    #[serde(default)]
    pub confirmation: bool,
    /// Why.
    #[serde(default)]
    pub message: Option<String>,
}

/// Jumps between versions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Update {
    /// Each from one version to another.
    #[serde(default)]
    pub versions: Vec<Jump>,
}

/// One allowed jump; missing parts of a version are 0.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Jump {
    /// From this version on.
    pub from: String,
    /// Up to this one.
    pub to: String,
}

/// A `module.yaml` that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadDefinitionError {
    /// Not UTF-8.
    #[error("module.yaml is not UTF-8")]
    Encoding,
    /// Not YAML, or of another shape.
    #[error("module.yaml: {0}")]
    Shape(String),
    /// A value that decides something, and is none of those that it may be.
    #[error("module.yaml: {field}: {reason}")]
    Value {
        /// The field's path.
        field: &'static str,
        /// What is wrong, with the value in quotes.
        reason: String,
    },
}

impl ModuleDefinition {
    /// Reads a `module.yaml`.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadDefinitionError> {
        let text = std::str::from_utf8(bytes).map_err(|_| ReadDefinitionError::Encoding)?;
        let definition: Self = serde_saphyr::from_str(text).map_err(|error| {
            let words = error.to_string();
            ReadDefinitionError::Shape(words.lines().next().unwrap_or_default().to_owned())
        })?;
        definition.check()?;
        Ok(definition)
    }

    fn check(&self) -> Result<(), ReadDefinitionError> {
        let value = |field, reason| Err(ReadDefinitionError::Value { field, reason });
        if let Some(name) = &self.name
            && !is_module_name(name)
        {
            return value("name", format!("\"{name}\" is no module name"));
        }
        // The link on disk is `<weight>-<name>` and sorts by it.
        if self.weight > 9999 {
            return value("weight", format!("\"{}\" is more than 9999", self.weight));
        }
        Ok(())
    }
}

/// An RFC 1123 label that is not `modules`.
pub fn is_module_name(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = name.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= 63
        && bytes.iter().all(|&b| inner(b) || b == b'-')
        && bytes.first().copied().is_some_and(inner)
        && bytes.last().copied().is_some_and(inner)
        && name != "modules"
}

fn default_weight() -> u32 {
    900
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_a_module_says_of_itself() {
        let definition = ModuleDefinition::parse(
            br#"
name: echo
stage: Experimental
exclusiveGroup: group
requirements:
  deckhouse: "> v1.63.0"
  kubernetes: 1.30
  modules: {ingress-nginx: ">= 1.0.0!optional"}
disable: {confirmation: true, message: "Data goes."}
update: {versions: [{from: "1.2", to: "1.9"}]}
futureKey: [1]
"#,
        )
        .unwrap();
        assert_eq!(definition.weight, 900);
        assert_eq!(definition.name.as_deref(), Some("echo"));
        let requirements = definition.requirements.unwrap();
        assert_eq!(requirements.kubernetes.as_deref(), Some("1.30"));
        assert_eq!(requirements.modules["ingress-nginx"], ">= 1.0.0!optional");
        assert_eq!(definition.update.unwrap().versions[0].to, "1.9");
        assert!(definition.disable.unwrap().confirmation);
    }

    #[test]
    fn refuses_what_would_decide_wrongly() {
        for (text, expected) in [
            ("name: Echo", "module.yaml: name: \"Echo\" is no module name"),
            (
                "weight: 100000",
                "module.yaml: weight: \"100000\" is more than 9999",
            ),
            ("weight: -1", "module.yaml: "),
            ("critical: sometimes", "module.yaml: "),
            ("requirements: [a]", "module.yaml: "),
            ("update: {versions: [{from: '1'}]}", "module.yaml: "),
            ("a: [", "module.yaml: "),
            ("name: a\nname: b", "module.yaml: "),
        ] {
            let error = ModuleDefinition::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }

    #[test]
    fn knows_module_names() {
        for name in ["a", "echo", "1-a", &"a".repeat(63)] {
            assert!(is_module_name(name), "{name}");
        }
        for name in ["", "-a", "a-", "A", "a.b", "a_b", "modules", &"a".repeat(64), "ä"] {
            assert!(!is_module_name(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn survives_any_text(text in "[ -~\n]{0,120}") {
            let _ = ModuleDefinition::parse(text.as_bytes());
        }
    }
}
