//! Settings through the wire: what filters and rules of modules cannot do to the server (rules MC-6, MC-8, AD-6).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::http::{HyperClient, Version, send};
use crate::support::{Hatchway, command, eventually};

/// A definition of two versions of settings.
fn definition(name: &str, filter: &str, schema: &Value) -> Value {
    json!({
        "apiVersion": "deckhouse.io/v1alpha1",
        "kind": "ModuleSettingsDefinition",
        "metadata": {"name": name},
        "spec": {"versions": [
            {"name": "1"},
            {"name": "2", "schema": {"openAPIV3Schema": schema}, "conversions": [{"expr": [filter]}]},
        ]},
    })
}

/// A server whose world holds the definitions.
async fn server(definitions: &[Value]) -> Hatchway {
    let server = Hatchway::start(&[]);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": definitions});
    std::fs::write(server.dir.path().join("world/definitions.json"), list.to_string()).unwrap();
    for definition in definitions {
        let path = format!(
            "/state/modulesettingsdefinitions/{}",
            definition["metadata"]["name"].as_str().unwrap()
        );
        eventually("the definition", async || {
            (server.get(&path).await.0 == 200).then_some(())
        })
        .await;
    }
    server
}

fn review(module: &str, version: u32, settings: &Value) -> String {
    let kind = json!({"group": "deckhouse.io", "version": "v1alpha1", "kind": "ModuleConfig"});
    let resource = json!({"group": "deckhouse.io", "version": "v1alpha1", "resource": "moduleconfigs"});
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": kind, "resource": resource, "requestKind": kind, "requestResource": resource,
            "name": module, "operation": "CREATE", "userInfo": {"username": "somebody"},
            "object": {
                "apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleConfig", "metadata": {"name": module},
                "spec": {"version": version, "settings": settings},
            },
        },
    })
    .to_string()
}

async fn ask(server: &Hatchway, client: &HyperClient, path: &str, review: String) -> Value {
    let answer = send(client, server.post(path, review)).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str::<Value>(&answer.body).unwrap()["response"].take()
}

#[tokio::test]
async fn a_filter_that_hangs_costs_its_caller_a_timeout_and_nobody_else_anything() {
    let server = server(&[
        definition("hangs", "last(repeat(.))", &json!({"type": "object"})),
        definition(
            "echo",
            ".b = .a | del(.a)",
            &json!({"type": "object", "properties": {"b": {"type": "integer"}}}),
        ),
    ])
    .await;
    let client = server.client(Version::H2);
    let started = Instant::now();
    let hanging = ask(
        &server,
        &client,
        "/validate?timeout=1s",
        review("hangs", 1, &json!({"a": 1})),
    );
    let others = async {
        for _ in 0..5 {
            let answer = ask(
                &server,
                &client,
                "/validate",
                review("echo", 1, &json!({"a": "x"})),
            )
            .await;
            assert_eq!(
                answer["status"]["details"]["causes"][0]["message"],
                "spec.settings are not valid (version 1 converted to 2): expected integer, found string \"x\""
            );
        }
    };
    let (answer, ()) = tokio::join!(hanging, others);
    assert!(
        started.elapsed() >= Duration::from_millis(800),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(answer["allowed"], false);
    assert_eq!(answer["status"]["reason"], "Timeout");
    assert_eq!(answer["status"]["code"], 504);
    assert_eq!(answer["auditAnnotations"]["hatchway.rules"], "AD-6");

    // The child is ended by its own limit; from then on the definition is refused at once, for whatever settings.
    server
        .metric_reaches("hatchway_settings_conversions_total{reason=\"limit\"}", 1.0)
        .await;
    let answer = ask(
        &server,
        &client,
        "/validate?timeout=1s",
        review("hangs", 1, &json!({"b": 1})),
    )
    .await;
    assert_eq!(
        answer["status"]["details"]["causes"][0]["message"],
        "spec.settings conversion from version 1 to 2: a filter needs too much processor time"
    );
    server
        .metric_reaches("hatchway_settings_conversions_total{reason=\"refused\"}", 1.0)
        .await;
    server.log_says("broke a limit", 1).await;
}

#[tokio::test]
async fn a_rule_over_a_hundred_thousand_items_is_skipped_and_others_are_answered() {
    let slow = json!({
        "type": "object",
        "properties": {"list": {"type": "array", "items": {"type": "integer"}}},
        "x-kubernetes-validations": [{"rule": "self.list.all(a, self.list.all(b, a + b >= 0))"}],
    });
    let quick = json!({"type": "object", "properties": {"b": {"type": "integer"}}});
    let server = server(&[definition("slow", ".", &slow), definition("echo", ".", &quick)]).await;
    let client = server.client(Version::H2);
    let list: Vec<u32> = (0..100_000).collect();
    let heavy = ask(
        &server,
        &client,
        "/validate?timeout=10s",
        review("slow", 2, &json!({"list": list})),
    );
    let others = async {
        for _ in 0..20 {
            let answer = ask(&server, &client, "/validate", review("echo", 2, &json!({"b": 1}))).await;
            assert_eq!(answer["allowed"], true, "{answer}");
        }
    };
    let (answer, ()) = tokio::join!(heavy, others);
    assert_eq!(answer["allowed"], true, "{answer}");
    let skipped = "a rule at spec.settings took too long and was skipped: self.list.all(a, self.list.all(b, a + b >= 0))";
    assert!(
        answer["warnings"].as_array().unwrap().contains(&json!(skipped)),
        "{answer}"
    );
    server
        .metric_reaches("hatchway_settings_skipped_total{reason=\"rule\"}", 1.0)
        .await;
}

#[tokio::test]
async fn what_is_wrong_with_a_definition_is_told_where_it_is_loaded() {
    let schema = json!({
        "type": "object",
        "properties": {"a": {"type": "string", "pattern": "^(?=x)"}},
        "x-kubernetes-validations": [{"rule": "self.a =="}],
    });
    let server = server(&[definition("broken", "halt", &schema)]).await;
    for reason in ["pattern", "rule", "conversion"] {
        let series = format!("hatchway_settings_definition_problems_total{{reason=\"{reason}\"}}");
        server.metric_reaches(&series, 1.0).await;
    }
    let told = server
        .log_says("versions[2].schema.properties.a.pattern", 1)
        .await;
    assert!(told[0].contains("definitions.json"), "{told:?}");
}

#[test]
fn check_warns_of_what_a_definition_cannot_be_judged_by_with_file_and_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("definition.yaml");
    let text = "apiVersion: deckhouse.io/v1alpha1
kind: ModuleSettingsDefinition
metadata:
  name: echo
spec:
  versions:
  - name: '1'
  - name: '2'
    schema:
      openAPIV3Schema:
        type: object
        properties:
          a:
            type: string
            pattern: '^(?=x)'
        x-deckhouse-validations:
        - expression: self.a ==
          message: m
    conversions:
    - expr:
      - .
      - halt
";
    std::fs::write(&file, text).unwrap();
    let output = command()
        .args(["check", "--state"])
        .args([dir.path(), &file])
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    for line in [
        "definition.yaml:15:13: warning[MC-7]: ModuleSettingsDefinition/echo: pattern \"^(?=x)\" is left out",
        "definition.yaml:17:11: warning[MC-8]: ModuleSettingsDefinition/echo: the rule is skipped: ",
        "definition.yaml:22:9: warning[MC-6]: ModuleSettingsDefinition/echo: the filter does not compile",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
}
