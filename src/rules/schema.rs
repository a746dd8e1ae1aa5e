//! The object's own schema, judged beside the rules (AD-4): a review sent with curl gets the verdict that the API
//! server's schema would give. The schemas are those of the CRDs.

mod prune;
mod words;

use super::case::lookup;
use super::finding::{Findings, or_nearest};
use super::{Case, CauseReason};
use crate::api::{Kind, schemas};
use crate::values::nearest;
use jsonschema::error::ValidationErrorKind;
use jsonschema::paths::LocationSegment;
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use prune::{Place, prune_value};
use serde_json::Value;
use std::collections::HashSet;
use std::sync::LazyLock;
use words::explain;

/// How many mistakes are told one by one.
const MAX_TOLD: usize = 500;
/// From how many parts on only the first mistake is looked for.
const LARGE: usize = 10_000;
/// For how many unknown fields the nearest known one is looked for; no answer holds more warnings.
const MAX_HINTS: usize = 100;

/// A kind's body schema in one version.
struct Schema {
    kind: Kind,
    version: &'static str,
    json: Value,
    /// `None` where the schema does not compile; a test makes sure that all do.
    validator: Option<Validator>,
}

static SCHEMAS: LazyLock<Vec<Schema>> = LazyLock::new(|| {
    let versions = Kind::ALL
        .into_iter()
        .flat_map(|kind| kind.served().iter().map(move |s| (kind, s.version)));
    versions
        .map(|(kind, version)| {
            let json = schemas::body(kind, version);
            Schema {
                kind,
                version,
                validator: compile(&json),
                json,
            }
        })
        .collect()
});

fn compile(json: &Value) -> Option<Validator> {
    jsonschema::options()
        .with_draft(Draft::Draft7)
        .offline()
        .should_validate_formats(true)
        .with_pattern_options(PatternOptions::regex())
        .build(json)
        .ok()
}

/// Compiles all schemas, so that the first review does not wait for them.
pub fn warm_up() {
    LazyLock::force(&SCHEMAS);
    LazyLock::force(&POLICY_PARTS);
}

fn schema(kind: Kind, version: &str) -> Option<&'static Schema> {
    SCHEMAS
        .iter()
        .find(|schema| schema.kind == kind && schema.version == version)
}

/// Brings a body to what the API server would store: nulls in optional fields go, and so do unknown fields, whose
/// paths are remembered.
pub(super) fn prune(kind: Kind, version: &str, body: &mut Value, unknown: &mut Vec<String>) {
    if let Some(schema) = schema(kind, version) {
        prune_value(Place::Root(kind.body()), &schema.json, body, unknown);
    }
}

/// Judges the body. What a rule already told about a field is not told again; what was wrong before is a warning.
pub(super) fn judge(case: &Case<'_>, findings: &mut Findings) {
    let Some(new) = &case.subject.new else { return };
    let Some(schema) = schema(case.subject.kind, case.subject.version) else {
        return;
    };
    let root = case.subject.kind.body();
    warn_of_unknown(case, schema, findings);
    if new.body.value.is_null() {
        // Only Modules may leave their body out.
        if case.subject.kind != Kind::Module {
            let message = format!("{root} is required: say what the {} shall be", case.subject.kind);
            findings.refuse("AD-4", root, CauseReason::Required, message);
        }
        return;
    }
    let Some(validator) = &schema.validator else {
        return;
    };
    let old = case.subject.old.as_ref().map(|old| &old.body.value);
    report("AD-4", root, validator, &new.body.value, old, findings);
}

/// Tells what of a value breaks a schema; the value stands at the path `root`.
fn report(
    rule: &'static str,
    root: &str,
    validator: &Validator,
    value: &Value,
    old: Option<&Value>,
    findings: &mut Findings,
) {
    if validator.is_valid(value) {
        return;
    }
    let mut errors: Vec<ValidationError<'_>> = if is_large(value) {
        validator.validate(value).err().into_iter().collect()
    } else {
        validator.iter_errors(value).collect()
    };
    // A value of the wrong type breaks most keywords besides: the type alone is told.
    errors.sort_by_key(|error| !matches!(error.kind(), ValidationErrorKind::Type { .. }));
    let mut told_types: Vec<String> = Vec::new();
    let left = errors.len().saturating_sub(MAX_TOLD);
    for error in errors.into_iter().take(MAX_TOLD) {
        let keys = keys(&error);
        let field = keys
            .iter()
            .fold(root.to_owned(), |path, key| match key.parse::<usize>() {
                Ok(index) => format!("{path}[{index}]"),
                Err(_) => child(&path, key),
            });
        if findings.wrong.contains(&field) || told_types.contains(&field) {
            continue;
        }
        let (reason, message) = explain(&error, &field);
        if matches!(error.kind(), ValidationErrorKind::Type { .. }) {
            told_types.push(field.clone());
        }
        findings.refuse(rule, field, reason, message);
        if old.is_some_and(|old| at(old, &keys) == at(value, &keys))
            && let Some(refusal) = findings.refusals.pop()
        {
            findings.tolerate(refusal);
        }
    }
    if left > 0 {
        let message = format!("{left} more values do not fit: mend those that are named first");
        findings.refuse(rule, root, CauseReason::Invalid, message);
    }
}

/// Whether a value has so many parts that only the first mistake in it is looked for: a list of a million wrong items
/// must not cost a gigabyte of errors.
fn is_large(value: &Value) -> bool {
    fn count(value: &Value, left: &mut usize) {
        *left = left.saturating_sub(1);
        match value {
            _ if *left == 0 => {}
            Value::Array(items) => items.iter().take(LARGE).for_each(|item| count(item, left)),
            Value::Object(fields) => fields.values().take(LARGE).for_each(|field| count(field, left)),
            _ => {}
        }
    }
    let mut left = LARGE;
    count(value, &mut left);
    left == 0
}

/// A part of a policy's schema, by which the platform's own settings are judged too (POL-1).
struct PolicyPart {
    json: Value,
    validator: Option<Validator>,
}

static POLICY_PARTS: LazyLock<[(&[&str], PolicyPart); 2]> = LazyLock::new(|| {
    let part = |path: &'static [&'static str]| {
        let mut policy = schemas::body(
            Kind::ModuleUpdatePolicy,
            Kind::ModuleUpdatePolicy.storage_version(),
        );
        let json = schemas::at(&mut policy, path)
            .map(Value::take)
            .unwrap_or_default();
        let validator = compile(&json);
        (path, PolicyPart { json, validator })
    };
    [part(&["releaseChannel"]), part(&["update", "windows"])]
});

/// POL-1: judges a value in the platform's settings by the schema that it has in a policy.
pub(super) fn judge_like_policy(path: &[&str], root: &str, value: &Value, findings: &mut Findings) {
    let part = POLICY_PARTS.iter().find(|(known, _)| *known == path);
    let Some((
        _,
        PolicyPart {
            json,
            validator: Some(validator),
        },
    )) = part
    else {
        return;
    };
    let mut value = value.clone();
    // Keys that a policy does not have are for the platform's own schema.
    prune_value(Place::Root(root), json, &mut value, &mut Vec::new());
    report("POL-1", root, validator, &value, None, findings);
}

/// Fields that the API server will drop, each with the nearest one that it knows.
fn warn_of_unknown(case: &Case<'_>, schema: &Schema, findings: &mut Findings) {
    let Some(new) = &case.subject.new else { return };
    let old = case.subject.old.as_ref();
    let old: HashSet<&String> = old.into_iter().flat_map(|old| &old.body.unknown).collect();
    let fields = new.body.unknown.iter().filter(|field| !old.contains(field));
    for (i, field) in fields.enumerate() {
        let hint = if i < MAX_HINTS {
            let (parent, name) = match field.strip_suffix(']').and_then(|field| field.rsplit_once('[')) {
                Some(pair) => pair,
                None => field.rsplit_once('.').unwrap_or(("", field)),
            };
            let known = known_fields(schema, parent);
            or_nearest(nearest(name, known.iter().map(String::as_str)), "remove it")
        } else {
            String::new()
        };
        findings.warn(
            "AD-4",
            field.clone(),
            format!("unknown field '{field}' is dropped{hint}"),
        );
    }
}

fn known_fields(schema: &Schema, parent: &str) -> Vec<String> {
    // `spec.update.windows[0]` → update, windows, then the items of the list.
    let mut steps = parent.split(['.', '[']).skip(1);
    let found = steps.try_fold(&schema.json, |schema, step| match step.strip_suffix(']') {
        Some(_) => schema.get("items"),
        None => lookup(schema, &["properties", step]),
    });
    let properties = found
        .and_then(|schema| schema.get("properties"))
        .and_then(Value::as_object);
    properties
        .into_iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .collect()
}

/// The keys that lead to what is wrong; a missing field is named itself, not its parent.
fn keys(error: &ValidationError<'_>) -> Vec<String> {
    let mut keys: Vec<String> = error
        .instance_path()
        .iter()
        .map(|segment| match segment {
            LocationSegment::Property(name) => name.into_owned(),
            LocationSegment::Index(index) => index.to_string(),
        })
        .collect();
    if let ValidationErrorKind::Required {
        property: Value::String(name),
    } = error.kind()
    {
        keys.push(name.clone());
    }
    keys
}

fn at<'v>(value: &'v Value, keys: &[String]) -> Option<&'v Value> {
    keys.iter().try_fold(value, |value, key| match value {
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        value => value.get(key),
    })
}

/// A field below a path; a key that would read as several is written in brackets.
fn child(path: &str, key: &str) -> String {
    if key.contains(['.', '/', '[', ']']) {
        format!("{path}[{key}]")
    } else {
        format!("{path}.{key}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn looks_for_one_mistake_alone_in_what_is_large() {
        let (_, PolicyPart { validator, .. }) = &POLICY_PARTS[1];
        let mut findings = Findings::default();
        let items = json!(vec![1; 500_000]);
        report(
            "POL-1",
            "spec",
            validator.as_ref().unwrap(),
            &items,
            None,
            &mut findings,
        );
        assert_eq!(findings.refusals.len(), 1);
    }

    #[test]
    fn counts_the_mistakes_that_are_too_many_to_be_named() {
        let (_, PolicyPart { validator, .. }) = &POLICY_PARTS[1];
        let mut findings = Findings::default();
        let items = json!(vec![1; 1_000]);
        report(
            "POL-1",
            "spec",
            validator.as_ref().unwrap(),
            &items,
            None,
            &mut findings,
        );
        assert_eq!(findings.refusals.len(), MAX_TOLD + 1);
        let last = &findings.refusals[MAX_TOLD].message;
        assert_eq!(
            last,
            "501 more values do not fit: mend those that are named first"
        );
    }

    #[test]
    fn every_schema_compiles() {
        for schema in SCHEMAS.iter() {
            assert!(schema.validator.is_some(), "{} {}", schema.kind, schema.version);
        }
        assert!(
            POLICY_PARTS
                .iter()
                .all(|(_, part)| part.json.is_object() && part.validator.is_some())
        );
    }

    #[test]
    fn pruning_drops_nulls_and_remembers_unknown_fields() {
        let mut body = json!({
            "registry": {"repo": "r/m", "ca": null, "user": "x"}, "scanIntervall": "3m", "a.b": 1,
        });
        let mut unknown = Vec::new();
        prune(Kind::ModuleSource, "v1alpha1", &mut body, &mut unknown);
        assert_eq!(body, json!({"registry": {"repo": "r/m"}}));
        unknown.sort();
        assert_eq!(unknown, ["spec.registry.user", "spec.scanIntervall", "spec[a.b]"]);
    }

    #[test]
    fn pruning_leaves_free_objects_alone() {
        let mut body = json!({"settings": {"a": null, "b": {"c": 1}}});
        let mut unknown = Vec::new();
        prune(Kind::ModuleConfig, "v1alpha1", &mut body, &mut unknown);
        assert_eq!(body, json!({"settings": {"a": null, "b": {"c": 1}}}));
        assert!(unknown.is_empty());
    }
}
