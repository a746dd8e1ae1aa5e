//! The CRDs' own validations say what the rules say, in the same words, so that it makes no difference which of the
//! two is asked: the CEL of each is evaluated over a table of values, and so is the rule.

use super::cases::answer;
use crate::support::reviewer::Reviewer;
use hatchway::api::{Kind, crds};
use hatchway::webhook::Path;
use hatchway::world::World;
use kube_cel::Validator;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What is said of one field: the messages, in order.
type Said = BTreeSet<String>;

fn object(kind: Kind, version: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": format!("deckhouse.io/{version}"), "kind": kind.name(),
        "metadata": {"name": name}, "spec": spec,
    })
}

fn by_crd(kind: Kind, version: &str, object: &Value, field: &str) -> Said {
    let mut schema = crds::object_schema(kind, version);
    on_creation(&mut schema);
    without_dyn(&mut schema);
    let errors = Validator::new().validate(&schema, object, None).err();
    let errors = errors.into_iter().flat_map(kube_cel::ValidationErrors::into_vec);
    errors
        .filter(|error| error.field_path.trim_start_matches('.') == field)
        .map(|error| error.message)
        .collect()
}

/// An object that is made has no old self: `oldSelf.hasValue()`, which this evaluator does not know, is false.
fn on_creation(schema: &mut Value) {
    for rule in schema["x-kubernetes-validations"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        let text = rule["rule"].as_str().unwrap();
        assert!(
            text.starts_with("oldSelf.hasValue() || "),
            "binds more than creation: {text}"
        );
        rule["rule"] = json!(text.replacen("oldSelf.hasValue()", "false", 1));
    }
}

/// `dyn(x)` is `x` to an evaluator without types, and this one does not know it.
fn without_dyn(schema: &mut Value) {
    for rule in schema["properties"]["spec"]["x-kubernetes-validations"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        let text = rule["rule"].as_str().unwrap();
        rule["rule"] = json!(
            text.replace("dyn(self.settings)", "self.settings")
                .replace("dyn({})", "{}")
        );
    }
}

fn by_rules(kind: Kind, version: &str, object: &Value, field: &str) -> Said {
    let reviewer = Reviewer::new(World::new());
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "1", "operation": "CREATE", "object": object,
            "kind": {"group": "deckhouse.io", "version": version, "kind": kind.name()},
        },
    });
    let answer = reviewer.answer(Path::Validate, review.to_string().as_bytes());
    let verdict = answer::decoded(&answer);
    let causes = verdict["status"]["details"]["causes"]
        .as_array()
        .into_iter()
        .flatten();
    causes
        .filter(|cause| cause["field"] == field)
        .map(|cause| cause["message"].as_str().unwrap().to_owned())
        .collect()
}

/// Compares both over objects that differ in one field; at least one of them must be refused and one accepted.
fn agree(kind: Kind, field: &str, objects: impl IntoIterator<Item = (String, Value)>) {
    let objects: Vec<_> = objects.into_iter().collect();
    let mut outcomes = BTreeSet::new();
    for served in kind.served() {
        let version = served.version;
        for (name, spec) in &objects {
            let object = object(kind, version, name, spec);
            let said = by_rules(kind, version, &object, field);
            assert_eq!(
                by_crd(kind, version, &object, field),
                said,
                "{kind} {version} {field}: {object}"
            );
            outcomes.insert(said.is_empty());
        }
    }
    assert_eq!(outcomes.len(), 2, "{kind} {field}: all alike");
}

const NAMES: &[&str] = &[
    "echo",
    "a",
    "0",
    "a-b",
    "a--b",
    "-a",
    "a-",
    "Echo",
    "a.b",
    "a_b",
    "global",
    "modules",
    "deckhouse",
    "Embedded",
    "ä",
    "",
];

fn names() -> impl Iterator<Item = String> {
    let lengths = [62, 63, 64, 200].into_iter().map(|length| "n".repeat(length));
    NAMES.iter().map(|name| (*name).to_owned()).chain(lengths)
}

#[test]
fn names_are_judged_alike() {
    for (kind, spec) in [
        (Kind::ModuleConfig, json!({})),
        (Kind::ModulePullOverride, json!({"imageTag": "main"})),
        (Kind::ModuleUpdatePolicy, json!({})),
        (
            Kind::ModuleSource,
            json!({"registry": {"repo": "registry.example.com/modules"}}),
        ),
    ] {
        agree(
            kind,
            "metadata.name",
            names().map(|name| (name, spec.clone())).collect::<Vec<_>>(),
        );
    }
    let release = |name: &str| (name.to_owned(), json!({"moduleName": "echo", "version": "1.0.0"}));
    agree(
        Kind::ModuleRelease,
        "metadata.name",
        ["echo-v1.0.0", "echo-1.0.0", "echo", "hello-v1.0.0"].map(release),
    );
}

fn specs<'a>(values: &'a [&str], spec: impl Fn(&str) -> Value + 'a) -> Vec<(String, Value)> {
    values
        .iter()
        .map(|value| ("echo".to_owned(), spec(value)))
        .collect()
}

#[test]
fn image_tags_are_judged_alike() {
    let long = ["t".repeat(128), "t".repeat(129)];
    let values = [
        "main", "pr333", "v1.2.3", "_", "A.b-c_d", ".a", "-a", "a b", "a/b", "a:b", "a@b", "", "ä", "a\n",
        &long[0], &long[1],
    ];
    agree(
        Kind::ModulePullOverride,
        "spec.imageTag",
        specs(&values, |tag| json!({"imageTag": tag})),
    );
}

#[test]
fn scan_intervals_are_judged_alike() {
    let values = [
        "15s", "1s", "0s", "0h0m0s", "00h01m", "1h", "24h", "24h0m1s", "86400s", "86401s", "1440m", "90m",
        "1m30s", "30s1m", "1h1h", "1.5s", "-1s", "+1s", "1", "s", "1 s", "1d", "500ms", "", "1s\n",
        "\u{661}s",
    ];
    agree(
        Kind::ModulePullOverride,
        "spec.scanInterval",
        specs(&values, |text| json!({"imageTag": "main", "scanInterval": text})),
    );
    let registry = json!({"repo": "registry.example.com/modules"});
    agree(
        Kind::ModuleSource,
        "spec.scanInterval",
        specs(
            &values,
            |text| json!({"registry": registry, "scanInterval": text}),
        ),
    );
}

#[test]
fn windows_are_judged_alike() {
    let times = [
        "0:00", "00:00", "8:00", "08:00", "23:59", "24:00", "7:60", "8", "8:0", "008:00", "", " 8:00",
        "8:00\n", "-1:00", "8.00",
    ];
    let pairs = times
        .iter()
        .flat_map(|from| times.iter().map(move |to| (from, to)));
    let windows: Vec<_> = pairs
        .map(|(from, to)| {
            (
                "echo".to_owned(),
                json!({"update": {"windows": [{"from": "1:00", "to": "2:00"}, {"from": from, "to": to}]}}),
            )
        })
        .collect();
    agree(
        Kind::ModuleUpdatePolicy,
        "spec.update.windows[1].from",
        windows.clone(),
    );
    agree(Kind::ModuleUpdatePolicy, "spec.update.windows[1].to", windows);
}

#[test]
fn repositories_are_judged_alike() {
    let long = format!("registry.example.com/{}", "m".repeat(300));
    let values = [
        "registry.example.com/modules",
        "registry.example.com/a/b/c",
        "localhost/m",
        "localhost:5000/m",
        "REGISTRY.example.com/m",
        "registry.example.com:65535/m",
        "registry.example.com:123456/m",
        "registry.example.com:/m",
        "registry.example.com:0/m",
        "registry.example.com:65536/m",
        "registry.example.com:99999/m",
        "10.0.0.1:5000/m",
        "registry.example.com",
        "registry.example.com/",
        "/m",
        "m",
        "",
        "registry.example.com/m/",
        "registry.example.com//m",
        "registry.example.com/M",
        "registry.example.com/a_b",
        "registry.example.com/a__b",
        "registry.example.com/a___b",
        "registry.example.com/a.b",
        "registry.example.com/a..b",
        "registry.example.com/a-b",
        "registry.example.com/a---b",
        "registry.example.com/-a",
        "registry.example.com/a-",
        "registry.example.com/m:latest",
        "registry.example.com:5000/m:v1",
        "registry.example.com/m@sha256:0000",
        "https://registry.example.com/m",
        "http://localhost:5000/m",
        "docker.io/library/m",
        "modules/echo",
        "Modules/echo",
        "localhost2/m",
        "[::]/m",
        "[1::]/m",
        "[1:2:3:4:5:6:7:8]/m",
        "[1:2:3:4:5:6:7::]/m",
        "[::2:3:4:5:6:7:8]/m",
        "[1::8]/m",
        "[1:::8]/m",
        "[1::2::3]/m",
        "[12345::]/m",
        "[1:2:3:4:5:6:7]/m",
        "[1:2:3:4:5:6:7:8::]/m",
        "[::1]:5000/m",
        "[::1]/m",
        "[fe80::1%eth0]/m",
        "[]/m",
        "[:]/m",
        "[1:2:3:4:5:6:7:8:9]/m",
        "::1/m",
        "a_b.example.com/m",
        "-a.example.com/m",
        "a-.example.com/m",
        "a..example.com/m",
        ".example.com/m",
        "example.com./m",
        " registry.example.com/m",
        "registry.example.com/m ",
        "registry.example.com/m\n",
        "registry.example.com/ä",
        "ä.example.com/m",
        &long,
    ];
    agree(
        Kind::ModuleSource,
        "spec.registry.repo",
        specs(&values, |repo| json!({"registry": {"repo": repo}})),
    );
}

#[test]
fn versions_of_releases_are_judged_alike() {
    let values = [
        "1.2.3",
        "0.0.0",
        "1.2.3-rc.1",
        "1.2.3+build.5",
        "1.2.3-a.b-c+d",
        "v1.2.3",
        "V1.2.3",
        "1.2",
        "1",
        "",
        "01.2.3",
        "1.02.3",
        "1.2.3-01",
        "1.2.3-",
        "1.2.3+",
        "1.2.3-a..b",
        "1.2.3.4",
        " 1.2.3",
        "1.2.3\n",
        "latest",
        "99999999999999999999.0.0",
        "1.2.3-ä",
    ];
    let spec = |version: &str| json!({"moduleName": "echo", "version": version});
    agree(Kind::ModuleRelease, "spec.version", specs(&values, spec));
}

#[test]
fn configs_are_judged_alike() {
    let named = |values: &[Value]| {
        values
            .iter()
            .map(|spec| ("echo".to_owned(), spec.clone()))
            .collect::<Vec<_>>()
    };
    let settings = [
        json!({}),
        json!({"settings": {}}),
        json!({"settings": {"a": 1}}),
        json!({"settings": {"a": null}}),
        json!({"version": 1}),
        json!({"version": 1, "settings": {"a": 1}}),
        json!({"version": 1, "settings": {}}),
    ];
    agree(Kind::ModuleConfig, "spec.version", named(&settings));
    agree(
        Kind::ModuleConfig,
        "spec.source",
        named(&[json!({"source": "Embedded"}), json!({"source": ""}), json!({})]),
    );
    agree(
        Kind::ModuleConfig,
        "spec.updatePolicy",
        named(&[
            json!({"updatePolicy": "deckhouse"}),
            json!({"updatePolicy": ""}),
            json!({}),
        ]),
    );
}

#[test]
fn every_validation_has_words_that_a_rule_says_too() {
    fn count(schema: &Value) -> usize {
        let own = schema["x-kubernetes-validations"].as_array().map_or(0, Vec::len);
        let fields = schema["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(_, field)| count(field));
        let items = schema.get("items").map_or(0, count);
        own + fields.sum::<usize>() + items
    }
    // Of each field that is compared above, as many validations as the CRDs have: a new one needs a table of its own.
    let kinds = Kind::ALL.map(|kind| count(&crds::object_schema(kind, kind.storage_version())));
    assert_eq!(
        kinds,
        [4, 5, 0, 0, 4, 3, 2],
        "compare the new validation with its rule"
    );
}
