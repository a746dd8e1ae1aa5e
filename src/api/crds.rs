//! The CustomResourceDefinitions, made from the types: `hatchway manifests crds` prints them.

use super::words::{self, Text};
use super::{GROUP, Kind, installation, names, schemas};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Map, Value, json};

/// Longest object name that an API server takes.
const MAX_NAME: u32 = 253;

/// The definitions of all kinds, in the order in which they refer to each other.
///
/// # Errors
/// When a table below makes something that is no CustomResourceDefinition; a test makes sure that none does.
pub fn all() -> Result<Vec<CustomResourceDefinition>, serde_json::Error> {
    Kind::ALL.into_iter().map(definition).collect()
}

/// The definition of one kind.
///
/// # Errors
/// See [`all`].
pub fn definition(kind: Kind) -> Result<CustomResourceDefinition, serde_json::Error> {
    let lower = kind.name().to_lowercase();
    let mut spec = json!({
        "group": GROUP,
        "scope": "Cluster",
        "names": {
            "kind": kind.name(),
            "listKind": format!("{}List", kind.name()),
            "plural": kind.plural(),
            "singular": lower,
            "shortNames": short_names(kind),
        },
        "versions": kind.served().iter().map(|served| version(kind, served.version, served.deprecated)).collect::<Vec<_>>(),
    });
    if short_names(kind).is_empty()
        && let Some(names) = spec["names"].as_object_mut()
    {
        names.remove("shortNames");
    }
    serde_json::from_value(json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": kind.definition_name(),
            "labels": installation::labels(),
        },
        "spec": spec,
    }))
}

/// The schema of a whole object in one version, as the CRD holds it.
pub fn object_schema(kind: Kind, version: &str) -> Value {
    let mut body = schemas::body(kind, version);
    for validation in validations(kind).iter().filter(|validation| !validation.root) {
        if let Some(schema) = schemas::at(&mut body, validation.path).and_then(Value::as_object_mut) {
            push(schema, validation.to_value());
        }
    }
    let mut properties = json!({
        "apiVersion": {"type": "string", "description": "Version of the schema that the object is written in."},
        "kind": {"type": "string", "description": "Kind of the object."},
        // Rules on names can only be written where the name is declared.
        "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": MAX_NAME}}},
        kind.body(): body,
    });
    properties[kind.body()]["description"] = json!("What people write.");
    if kind == Kind::Module {
        properties[kind.body()]["description"] = json!("What is known of the module.");
    }
    if let Some(mut status) = schemas::status(kind) {
        status["description"] = json!("What Hatchway writes.");
        properties["status"] = status;
    }
    let mut root = json!({"type": "object", "description": description(kind), "properties": properties});
    if kind != Kind::Module {
        root["required"] = json!(["spec"]);
    }
    if let Some(root) = root.as_object_mut() {
        for validation in validations(kind).iter().filter(|validation| validation.root) {
            push(root, validation.to_value());
        }
    }
    root
}

fn version(kind: Kind, name: &str, deprecated: bool) -> Value {
    let mut version = json!({
        "name": name,
        "served": true,
        "storage": name == kind.storage_version(),
        "schema": {"openAPIV3Schema": object_schema(kind, name)},
        "additionalPrinterColumns": columns(kind),
    });
    if schemas::status(kind).is_some() {
        version["subresources"] = json!({"status": {}});
    }
    if deprecated {
        version["deprecated"] = json!(true);
        version["deprecationWarning"] = json!(format!(
            "{GROUP}/{name} {} is deprecated, use {GROUP}/{}",
            kind.name(),
            kind.storage_version()
        ));
    }
    version
}

fn push(schema: &mut Map<String, Value>, rule: Value) {
    if let Value::Array(rules) = schema
        .entry("x-kubernetes-validations")
        .or_insert_with(|| json!([]))
    {
        rules.push(rule);
    }
}

fn short_names(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::ModuleConfig => &["mc"],
        Kind::ModulePullOverride => &["mpo", "mop"],
        Kind::ModuleSource => &["ms"],
        Kind::ModuleUpdatePolicy => &["mup"],
        Kind::ModuleRelease => &["mr"],
        Kind::Module | Kind::ModuleSettingsDefinition => &[],
    }
}

fn description(kind: Kind) -> &'static str {
    match kind {
        Kind::ModuleConfig => {
            "Whether a module runs, with which settings, from which source and by which update policy. The name is the module's name; `global` is the one name that is no module."
        }
        Kind::ModulePullOverride => {
            "A developer's image tag that a module follows instead of its releases. The name is the module's name."
        }
        Kind::ModuleSource => "A container registry from which modules are taken.",
        Kind::ModuleUpdatePolicy => "How the modules that name the policy are updated.",
        Kind::ModuleRelease => "A version of a module on its way in. The name is `<module>-v<version>`.",
        Kind::Module => "A module that can be enabled in the cluster. Created by Hatchway, never by people.",
        Kind::ModuleSettingsDefinition => {
            "What a module's image says of its settings, so that they can be judged without the module's files. Written by Hatchway; the name is the module's name."
        }
    }
}

/// What `kubectl get` prints; `true` marks the columns of `-o wide`.
fn columns(kind: Kind) -> Vec<Value> {
    let columns: &[(&str, &str, &str, bool)] = match kind {
        Kind::ModuleConfig => &[
            ("Enabled", "boolean", ".spec.enabled", false),
            ("UpdatePolicy", "string", ".spec.updatePolicy", true),
            ("Source", "string", ".spec.source", true),
            ("Version", "string", ".status.version", false),
            ("Age", "date", ".metadata.creationTimestamp", false),
            ("Message", "string", ".status.message", false),
        ],
        Kind::ModulePullOverride => &[
            ("Updated", "date", ".status.updatedAt", false),
            ("Message", "string", ".status.message", false),
            ("Rollback", "boolean", ".spec.rollback", false),
        ],
        Kind::ModuleSource => &[
            ("Count", "integer", ".status.modulesCount", false),
            ("Sync", "date", ".status.syncTime", false),
            ("Msg", "string", ".status.message", false),
            ("Status", "string", ".status.phase", true),
        ],
        Kind::ModuleUpdatePolicy => &[
            ("Release channel", "string", ".spec.releaseChannel", false),
            ("Update mode", "string", ".spec.update.mode", false),
            ("Update windows", "string", ".spec.update.windows", true),
        ],
        Kind::ModuleRelease => &[
            ("Phase", "string", ".status.phase", false),
            (
                "Update policy",
                "string",
                r".metadata.labels.modules\.deckhouse\.io/update-policy",
                false,
            ),
            ("TransitionTime", "date", ".status.transitionTime", false),
            ("Message", "string", ".status.message", false),
        ],
        Kind::Module => &[
            ("Weight", "integer", ".properties.weight", false),
            ("Source", "string", ".properties.source", false),
            ("Phase", "string", ".status.phase", false),
            (
                "Enabled",
                "string",
                r#".status.conditions[?(@.type=="EnabledByModuleManager")].status"#,
                false,
            ),
            ("Ready", "string", ".status.ready", false),
            ("Stage", "string", ".properties.stage", true),
            ("Release channel", "string", ".properties.releaseChannel", true),
            ("Version", "string", ".properties.version", true),
            (
                "Disabled message",
                "string",
                r#".status.conditions[?(@.type=="EnabledByModuleManager")].message"#,
                true,
            ),
        ],
        Kind::ModuleSettingsDefinition => &[
            ("Versions", "string", ".spec.versions[*].name", false),
            ("Age", "date", ".metadata.creationTimestamp", false),
        ],
    };
    columns
        .iter()
        .map(|(name, type_, path, wide)| {
            let mut column = json!({"name": name, "type": type_, "jsonPath": path});
            if *wide {
                column["priority"] = json!(1);
            }
            column
        })
        .collect()
}

/// A CEL validation: what holds without other objects, and so also while the webhook is away.
struct Validation {
    /// Whether it stands at the object's root (rules on names), where it binds creation only.
    root: bool,
    /// Where it stands within the body.
    path: &'static [&'static str],
    rule: String,
    text: Text,
    /// The value that the text is about, as CEL.
    value: &'static str,
    field_path: Option<&'static str>,
}

impl Validation {
    fn to_value(&self) -> Value {
        let mut value = json!({"rule": self.rule});
        match self.text.expression(self.value) {
            Some(expression) => value["messageExpression"] = json!(expression),
            None => value["message"] = json!(self.text.plain()),
        }
        if let Some(path) = self.field_path {
            value["fieldPath"] = json!(path);
        }
        if self.root {
            value["optionalOldSelf"] = json!(true);
        }
        value
    }
}

/// RFC 1123 label.
const LABEL: &str = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$";
/// Hours, minutes and seconds.
const DURATION: &str = "^([0-9]+h)?([0-9]+m)?([0-9]+s)?$";
/// From 0:00 to 23:59.
const TIME: &str = "^([01]?[0-9]|2[0-3]):[0-5][0-9]$";
/// A host by name, in the reference grammar of distribution.
const DOMAIN: &str = r"^([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])([.]([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*";
/// What tells a host from the first part of a path, as docker does.
const HAS_HOST: &str = "^(localhost|[^/]*[.:A-Z][^/]*)/";
/// Port, if any, and path.
const PORT_AND_PATH: &str = r"(:0*([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?(/[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*)+$";
/// Semantic versioning 2.0.0, with numbers of at most 19 digits, since longer ones do not fit 64 bits.
const SEMVER: &str = r"^(0|[1-9][0-9]{0,18})[.](0|[1-9][0-9]{0,18})[.](0|[1-9][0-9]{0,18})(-(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)([.](0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*)?([+][0-9a-zA-Z-]+([.][0-9a-zA-Z-]+)*)?$";

/// An IPv6 address: eight groups, or fewer around one `::`.
fn ipv6() -> String {
    const GROUP: &str = "[0-9a-fA-F]{1,4}";
    let full = format!("({GROUP}:){{7}}{GROUP}");
    let short = (0..=7).map(|before| match (before, 7 - before) {
        (0, after) => format!(":((:{GROUP}){{1,{after}}}|:)"),
        (before, 0) => format!("({GROUP}:){{{before}}}:"),
        (before, after) => format!("({GROUP}:){{{before}}}((:{GROUP}){{1,{after}}}|:)"),
    });
    [full].into_iter().chain(short).collect::<Vec<_>>().join("|")
}

fn validations(kind: Kind) -> Vec<Validation> {
    let name = |rule: String, text| Validation {
        root: true,
        path: &[],
        rule: format!("oldSelf.hasValue() || {rule}"),
        text,
        value: "self.metadata.name",
        field_path: Some(".metadata.name"),
    };
    let field = |path, rule: String, text| Validation {
        root: false,
        path,
        rule,
        text,
        value: "self",
        field_path: None,
    };
    let label_length = || name("size(self.metadata.name) <= 63".to_owned(), words::LABEL_LENGTH);
    let module_name = |also: &str| {
        let rule =
            format!("{also}(self.metadata.name.matches('{LABEL}') && self.metadata.name != 'modules')");
        name(rule, words::MODULE_NAME)
    };
    match kind {
        Kind::ModuleConfig => vec![
            module_name(&format!("self.metadata.name == '{}' || ", names::GLOBAL_CONFIG)),
            field(
                &["source"],
                format!("self != '{}'", names::EMBEDDED_SOURCE),
                words::FORBIDDEN_SOURCE,
            ),
            field(
                &["updatePolicy"],
                format!("self != '{}'", names::EMBEDDED_POLICY),
                words::EMBEDDED_POLICY_NAMED,
            ),
            Validation {
                root: false,
                path: &[],
                rule: "!has(self.settings) || dyn(self.settings) == dyn({}) || has(self.version)".to_owned(),
                text: words::VERSION_REQUIRED,
                value: "",
                field_path: Some(".version"),
            },
        ],
        Kind::ModulePullOverride => vec![
            module_name(""),
            field(
                &["imageTag"],
                "self.matches('^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$')".to_owned(),
                words::IMAGE_TAG,
            ),
            field(
                &["scanInterval"],
                format!(
                    "self != '' && self.matches('{DURATION}') && duration(self) >= duration('1s') && duration(self) <= duration('24h')"
                ),
                words::OVERRIDE_INTERVAL,
            ),
        ],
        Kind::ModuleUpdatePolicy => {
            let time = |value, field_path| Validation {
                root: false,
                path: &["update", "windows", "[]"],
                rule: format!("{value}.matches('{TIME}')"),
                text: words::TIME_OF_DAY,
                value,
                field_path: Some(field_path),
            };
            let minutes =
                |side: &str| format!("int(self.{side}.split(':')[0]) * 60 + int(self.{side}.split(':')[1])");
            vec![
                name(
                    format!("self.metadata.name != '{}'", names::EMBEDDED_POLICY),
                    words::EMBEDDED_POLICY_TAKEN,
                ),
                label_length(),
                time("self.from", ".from"),
                time("self.to", ".to"),
                Validation {
                    root: false,
                    path: &["update", "windows", "[]"],
                    rule: format!(
                        "!self.from.matches('{TIME}') || !self.to.matches('{TIME}') || {} != {}",
                        minutes("from"),
                        minutes("to")
                    ),
                    text: words::EMPTY_WINDOW,
                    value: "self.to",
                    field_path: Some(".to"),
                },
            ]
        }
        Kind::ModuleSource => vec![
            name(
                format!("self.metadata.name != '{}'", names::EMBEDDED_SOURCE),
                words::EMBEDDED_SOURCE_TAKEN,
            ),
            label_length(),
            field(
                &["registry", "repo"],
                format!(
                    "size(self) - self.indexOf('/') <= 256 && ((self.matches('{HAS_HOST}') && self.matches(r'{DOMAIN}{PORT_AND_PATH}')) || self.matches(r'^\\[({})\\]{PORT_AND_PATH}'))",
                    ipv6()
                ),
                words::REPOSITORY,
            ),
            field(
                &["scanInterval"],
                format!("self != '' && self.matches('{DURATION}') && duration(self) >= duration('1s')"),
                words::SOURCE_INTERVAL,
            ),
        ],
        Kind::ModuleRelease => vec![
            name(
                "self.metadata.name == self.spec.moduleName + '-v' + self.spec.version".to_owned(),
                words::RELEASE_NAME,
            ),
            field(&["version"], format!("self.matches('{SEMVER}')"), words::SEMVER),
        ],
        Kind::Module | Kind::ModuleSettingsDefinition => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_definition() {
        let all = all().unwrap();
        assert_eq!(all.len(), Kind::ALL.len());
        assert_eq!(
            all[0].metadata.name.as_deref(),
            Some("modulesources.deckhouse.io")
        );
    }

    #[test]
    fn every_field_is_described() {
        fn undescribed(path: &str, schema: &Value, found: &mut Vec<String>) {
            for (key, property) in schema["properties"].as_object().into_iter().flatten() {
                let path = format!("{path}.{key}");
                if property.get("description").is_none() && !path.contains(".metadata") {
                    found.push(path.clone());
                }
                undescribed(&path, property, found);
            }
            for key in ["items", "additionalProperties"] {
                if let Some(inner) = schema.get(key) {
                    undescribed(path, inner, found);
                }
            }
        }
        let mut found = Vec::new();
        for kind in Kind::ALL {
            for served in kind.served() {
                undescribed(kind.name(), &object_schema(kind, served.version), &mut found);
            }
        }
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn every_validation_stands_somewhere() {
        for kind in Kind::ALL {
            let rules = object_schema(kind, kind.storage_version())
                .to_string()
                .matches("\"rule\":")
                .count();
            assert_eq!(rules, validations(kind).len(), "{kind}");
        }
    }

    #[test]
    fn defaults_stand_in_the_schema() {
        let schema = schemas::body(Kind::ModuleUpdatePolicy, "v1alpha1");
        assert_eq!(schema["properties"]["update"]["default"], json!({}));
        assert_eq!(
            schema["properties"]["update"]["properties"]["mode"]["default"],
            json!("AutoPatch")
        );
        let schema = schemas::body(Kind::ModuleSource, "v1alpha1");
        assert_eq!(
            schema["properties"]["registry"]["properties"]["scheme"]["default"],
            json!("HTTPS")
        );
        assert_eq!(schema["properties"]["registry"].get("default"), None);
    }
}
