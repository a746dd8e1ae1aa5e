//! Which requests the API server sends, as CEL (`matchConditions`): it decides itself, without a call.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::api::installation;
use crate::api::{Kind, defaults};
use crate::values::Day;

/// Everything but what Hatchway does itself: it must never wait for its own answer.
pub(super) fn not_ourselves(namespace: &str) -> Value {
    json!({
        "name": "exclude-hatchway",
        "expression": format!("request.userInfo.username != '{}'", installation::account(namespace)),
    })
}

/// Only objects that mutating would patch (MUT-1), from the table of defaults.
pub(super) fn lacks_defaults(kind: Kind) -> Value {
    json!({"name": "lacks-defaults", "expression": lacking(kind)})
}

fn lacking(kind: Kind) -> String {
    let mut paths: Vec<(&'static [&'static str], bool)> = Vec::new();
    for default in defaults::table()
        .into_iter()
        .filter(|default| default.kind == kind)
    {
        // Where versions differ, they differ in the value, which does not matter here.
        let entry = (default.path, default.make_parents);
        if !paths.contains(&entry) {
            paths.push(entry);
        }
    }
    let mut any: Vec<String> = paths
        .into_iter()
        .filter_map(|(path, make_parents)| {
            let (root, rest) = path.split_first()?;
            Some(missing(&format!("object.{root}"), rest, make_parents))
        })
        .collect();
    if kind == Kind::ModuleUpdatePolicy {
        any.push(misspelt_day());
    }
    format!(
        "!has(object.metadata.deletionTimestamp) && {} && ({})",
        present("object.spec"),
        any.join(" || ")
    )
}

/// That a default would be filled in below `here`, which is there.
fn missing(here: &str, rest: &[&str], make_parents: bool) -> String {
    let Some((key, rest)) = rest.split_first() else {
        return "false".to_owned();
    };
    let field = format!("{here}.{key}");
    if rest.is_empty() {
        return absent(&field);
    }
    let below = missing(&field, rest, make_parents);
    if make_parents {
        format!("{} || {below}", absent(&field))
    } else {
        format!("({} && ({below}))", present(&field))
    }
}

/// null counts as missing.
fn absent(field: &str) -> String {
    format!("!has({field}) || {field} == null")
}

fn present(field: &str) -> String {
    format!("has({field}) && {field} != null")
}

/// A day in another case than the schema's.
fn misspelt_day() -> String {
    let (mut exact, mut lower) = (String::new(), String::new());
    for (i, day) in Day::ALL.into_iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        let name = day.name();
        // Writing to a string cannot fail.
        let _written = write!(exact, "{comma}'{name}'");
        let _written = write!(lower, "{comma}'{}'", name.to_ascii_lowercase());
    }
    let windows = "object.spec.update.windows";
    format!(
        "({} && {windows}.exists(window, {} && window.days.exists(day, !(day in [{exact}]) && day.lowerAscii() in [{lower}])))",
        present(windows),
        present("window.days")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::mutate;
    use kube_cel::KubeCelExt;
    use kube_cel::cel::{Context, Program, Value as Cel};

    fn matches(kind: Kind, object: &Value) -> Option<bool> {
        let mut context = Context::default().with_all();
        context.add_variable("object", object).unwrap();
        let program = Program::compile(&lacking(kind)).unwrap();
        match program.execute(&context) {
            Ok(Cel::Bool(matches)) => Some(matches),
            _ => None,
        }
    }

    /// Every combination of leaving a field out, making it null, and writing it.
    fn objects(kind: Kind) -> Vec<Value> {
        let fields: &[(&str, &[Value])] = match kind {
            Kind::ModulePullOverride => &[
                ("scanInterval", &[Value::Null, json!("20s")]),
                ("rollback", &[Value::Null, json!(true)]),
            ],
            Kind::ModuleSource => &[
                ("scanInterval", &[Value::Null, json!("20s")]),
                (
                    "registry",
                    &[
                        Value::Null,
                        json!({"repo": "r/m"}),
                        json!({"scheme": null}),
                        json!({"scheme": "HTTP"}),
                    ],
                ),
            ],
            _ => &[
                ("releaseChannel", &[Value::Null, json!("Beta")]),
                (
                    "update",
                    &[
                        Value::Null,
                        json!({}),
                        json!({"mode": null}),
                        json!({"mode": "Auto"}),
                        json!({"mode": "Auto", "windows": null}),
                        json!({"mode": "Auto", "windows": [{"from": "1:00"}, {"days": null}]}),
                        json!({"mode": "Auto", "windows": [{"days": ["Mon", "someday"]}]}),
                        json!({"mode": "Auto", "windows": [{"days": ["Mon"]}, {"days": ["Tue", "wED"]}]}),
                    ],
                ),
            ],
        };
        let mut specs = vec![json!({})];
        for (name, values) in fields {
            let with = specs.iter().flat_map(|spec| {
                values.iter().map(|value| {
                    let mut spec = spec.clone();
                    spec[*name] = value.clone();
                    spec
                })
            });
            let with: Vec<Value> = with.collect();
            specs.extend(with);
        }
        let mut objects: Vec<Value> = specs
            .into_iter()
            .map(|spec| json!({"metadata": {}, "spec": spec}))
            .collect();
        objects.extend([json!({"metadata": {}}), json!({"metadata": {}, "spec": null})]);
        objects
    }

    #[test]
    fn an_object_is_sent_when_it_would_be_patched_and_only_then() {
        for kind in crate::rules::entries::MUTATE {
            for served in kind.served() {
                for object in objects(*kind) {
                    let patch = mutate::patch(*kind, served.version, &object["spec"]);
                    let patched = !patch.is_empty();
                    assert_eq!(matches(*kind, &object), Some(patched), "{kind} {object}");
                }
            }
        }
    }

    #[test]
    fn what_is_being_deleted_is_not_sent() {
        let object = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": {}});
        assert_eq!(matches(Kind::ModuleUpdatePolicy, &object), Some(false));
    }

    #[test]
    fn our_own_account_is_left_out() {
        let condition = not_ourselves("d8-system");
        let program = Program::compile(condition["expression"].as_str().unwrap()).unwrap();
        for (user, sent) in [
            ("alice", true),
            ("system:serviceaccount:d8-system:hatchway", false),
        ] {
            let mut context = Context::default();
            let request = json!({"userInfo": {"username": user}});
            context.add_variable("request", request).unwrap();
            assert_eq!(program.execute(&context).unwrap(), Cel::Bool(sent));
        }
    }
}
