//! The mutating webhook: a JSON Patch that adds what is missing, and nothing else (MUT-1, MUT-2).

use crate::api::{Kind, defaults};
use crate::values::Day;
use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, PatchOperation, ReplaceOperation};
use serde_json::{Value, json};

/// The patch for an object's body (`spec`); empty when nothing is missing. Applying it and asking again gives an
/// empty one. What does not have the right shape is left to the validating side.
pub fn patch(kind: Kind, version: &str, body: &Value) -> Vec<PatchOperation> {
    let mut patch = Vec::new();
    if !body.is_object() {
        return patch;
    }
    for default in defaults::of(kind, version) {
        fill(body, &default, &mut patch);
    }
    if kind == Kind::ModuleUpdatePolicy {
        canonical_days(body, &mut patch);
    }
    patch
}

/// Adds one default where the field, or with `make_parents` an object on the way to it, is missing or null.
fn fill(body: &Value, default: &defaults::Default, patch: &mut Vec<PatchOperation>) {
    let mut here = body;
    for (depth, key) in default.path.iter().enumerate().skip(1) {
        let is_last = depth + 1 == default.path.len();
        match here.get(*key) {
            Some(value) if !value.is_null() => here = value,
            _ if !here.is_object() => return,
            _ if is_last || default.make_parents => {
                let rest = default.path[depth + 1..].iter().rev();
                let value = rest.fold(default.value.clone(), |value, key| json!({(*key): value}));
                patch.push(add(default.path[..=depth].iter().copied(), value));
                return;
            }
            _ => return,
        }
    }
}

/// Days written in another case, such as `mon`, are put as the schema wants them.
fn canonical_days(body: &Value, patch: &mut Vec<PatchOperation>) {
    let windows = body
        .pointer("/update/windows")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    for (i, window) in windows.enumerate() {
        let days = window.get("days").and_then(Value::as_array).into_iter().flatten();
        for (j, day) in days.enumerate() {
            let Some(text) = day.as_str() else { continue };
            if let Ok(day) = Day::parse_ignoring_case(text)
                && day.name() != text
            {
                let (i, j) = (i.to_string(), j.to_string());
                let tokens = ["spec", "update", "windows", i.as_str(), "days", j.as_str()];
                patch.push(PatchOperation::Replace(ReplaceOperation {
                    path: PointerBuf::from_tokens(tokens),
                    value: day.name().into(),
                }));
            }
        }
    }
}

fn add<'a>(path: impl IntoIterator<Item = &'a str>, value: Value) -> PatchOperation {
    PatchOperation::Add(AddOperation {
        path: PointerBuf::from_tokens(path),
        value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn patched(kind: Kind, version: &str, spec: &Value) -> (Value, usize) {
        let patch = patch(kind, version, spec);
        let mut object = json!({"spec": spec});
        json_patch::patch(&mut object, &patch).unwrap();
        (object["spec"].take(), patch.len())
    }

    #[test]
    fn fills_in_an_override() {
        let (spec, _) = patched(Kind::ModulePullOverride, "v1alpha2", &json!({"imageTag": "main"}));
        assert_eq!(
            spec,
            json!({"imageTag": "main", "scanInterval": "15s", "rollback": false})
        );
    }

    #[test]
    fn makes_the_update_of_a_policy_by_version() {
        let (spec, _) = patched(Kind::ModuleUpdatePolicy, "v1alpha1", &json!({}));
        assert_eq!(
            spec,
            json!({"releaseChannel": "Stable", "update": {"mode": "AutoPatch"}})
        );
        let (spec, _) = patched(Kind::ModuleUpdatePolicy, "v1alpha2", &json!({"update": null}));
        assert_eq!(
            spec,
            json!({"releaseChannel": "Stable", "update": {"mode": "Auto"}})
        );
    }

    #[test]
    fn makes_no_registry() {
        let (spec, _) = patched(Kind::ModuleSource, "v1alpha1", &json!({}));
        assert_eq!(spec, json!({"scanInterval": "3m"}));
        let (spec, _) = patched(
            Kind::ModuleSource,
            "v1alpha1",
            &json!({"registry": {"repo": "r/m"}}),
        );
        assert_eq!(spec["registry"], json!({"repo": "r/m", "scheme": "HTTPS"}));
    }

    #[test]
    fn writes_days_as_the_schema_wants_them() {
        let windows = json!([{"from": "8:00", "to": "9:00", "days": ["mon", "Tue", "someday"]}]);
        let spec = json!({"releaseChannel": "Beta", "update": {"mode": "Auto", "windows": windows}});
        let (spec, operations) = patched(Kind::ModuleUpdatePolicy, "v1alpha2", &spec);
        assert_eq!(operations, 1);
        assert_eq!(
            spec.pointer("/update/windows/0/days"),
            Some(&json!(["Mon", "Tue", "someday"]))
        );
    }

    #[test]
    fn leaves_wrong_shapes_alone() {
        for spec in [json!(null), json!("x"), json!([])] {
            assert_eq!(patch(Kind::ModuleSource, "v1alpha1", &spec), Vec::new());
        }
        let (spec, _) = patched(
            Kind::ModuleUpdatePolicy,
            "v1alpha2",
            &json!({"releaseChannel": 1, "update": "no"}),
        );
        assert_eq!(spec, json!({"releaseChannel": 1, "update": "no"}));
    }

    proptest! {
        #[test]
        fn patching_twice_changes_nothing_more(
            channel in proptest::option::of("[A-Z][a-z]{1,8}"),
            mode in proptest::option::of(proptest::option::of("[A-Z][a-z]{1,8}")),
            day in "[a-zA-Z]{3}",
        ) {
            let mut spec = json!({});
            if let Some(channel) = channel { spec["releaseChannel"] = json!(channel); }
            if let Some(mode) = mode {
                spec["update"] = json!({"mode": mode, "windows": [{"from": "1:00", "to": "2:00", "days": [day]}]});
            }
            for version in ["v1alpha1", "v1alpha2"] {
                let (once, _) = patched(Kind::ModuleUpdatePolicy, version, &spec);
                let (twice, operations) = patched(Kind::ModuleUpdatePolicy, version, &once);
                prop_assert_eq!(&once, &twice);
                prop_assert_eq!(operations, 0);
            }
        }
    }
}
