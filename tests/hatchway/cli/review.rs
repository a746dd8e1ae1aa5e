//! `hatchway review`.

use serde_json::{Value, json};

use super::{Ran, hatchway, root, run};

fn review(arguments: &[&str], body: &[u8]) -> Ran {
    let arguments = [&["review"], arguments].concat();
    run(hatchway(&root("tests/golden/check"), &arguments), body)
}

fn create(object: Value) -> Vec<u8> {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "deckhouse.io", "version": "v1alpha1", "kind": object["kind"]},
            "resource": {
                "group": "deckhouse.io", "version": "v1alpha1",
                "resource": format!("{}s", object["kind"].as_str().unwrap().to_lowercase()),
            },
            "name": object["metadata"]["name"], "operation": "CREATE",
            "userInfo": {"username": "alice"}, "object": object, "oldObject": null, "dryRun": false,
        },
    });
    serde_json::to_vec(&review).unwrap()
}

fn config(source: &str) -> Value {
    json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleConfig",
        "metadata": {"name": "golf"}, "spec": {"enabled": true, "source": source},
    })
}

fn response(ran: &Ran) -> Value {
    let mut answer: Value = serde_json::from_str(&ran.stdout).unwrap();
    answer["response"].take()
}

#[test]
fn a_refusal_is_an_answer() {
    let ran = review(&["validate", "--state", "state"], &create(config("exampel")));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(ran.stdout.lines().count(), 1);
    let response = response(&ran);
    assert_eq!(response["allowed"], false);
    assert_eq!(response["uid"], "705ab4f5-6393-11e8-b7cc-42010a800002");
    assert_eq!(response["status"]["code"], 422);
}

#[test]
fn check_says_word_for_word_what_review_says() {
    let object = config("exampel");
    let response = response(&review(
        &["validate", "--state", "state"],
        &create(object.clone()),
    ));
    let ran = run(
        hatchway(
            &root("tests/golden/check"),
            &["check", "--state", "state", "-o", "json", "-"],
        ),
        object.to_string().as_bytes(),
    );
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let told = |severity: &str| -> Vec<Value> {
        let findings = report["findings"].as_array().unwrap().iter();
        findings
            .filter(|finding| finding["severity"] == severity)
            .cloned()
            .collect()
    };
    let causes = response["status"]["details"]["causes"].as_array().unwrap();
    let errors = told("error");
    assert_eq!(causes.len(), errors.len());
    for (cause, error) in causes.iter().zip(&errors) {
        assert_eq!(
            (&cause["field"], &cause["message"]),
            (&error["field"], &error["message"])
        );
    }
    let warnings: Vec<Value> = told("warning")
        .iter()
        .map(|warning| warning["message"].clone())
        .collect();
    assert_eq!(response["warnings"], Value::Array(warnings));
}

#[test]
fn defaults_and_conversions_need_no_world() {
    let source = json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleSource", "metadata": {"name": "a"},
        "spec": {"registry": {"repo": "registry.example.com/modules"}},
    });
    let ran = review(&["mutate"], &create(source));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(response(&ran)["patchType"], "JSONPatch");

    let object = json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": "ModulePullOverride",
        "metadata": {"name": "echo"}, "spec": {"imageTag": "main", "source": "example"},
    });
    let conversion = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview",
        "request": {"uid": "1", "desiredAPIVersion": "deckhouse.io/v1alpha2", "objects": [object]},
    });
    let ran = review(&["convert"], conversion.to_string().as_bytes());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let response = response(&ran);
    assert_eq!(response["result"]["status"], "Success");
    assert_eq!(
        response["convertedObjects"][0]["apiVersion"],
        "deckhouse.io/v1alpha2"
    );
}

#[test]
fn what_is_no_review_is_told_in_one_line_and_nothing_is_answered() {
    let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    let wrong: [&[u8]; 6] = [b"", b"{", b"{}", b"\xff\xfe", br#"{"kind":"Pod"}"#, &deep];
    for what in ["validate", "mutate", "convert"] {
        for body in wrong {
            let ran = review(&[what, "--state", "state"], body);
            assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{what}");
            assert!(
                ran.stderr.starts_with("error: ") && ran.stderr.lines().count() == 1,
                "{what}: {}",
                ran.stderr
            );
        }
    }
}

#[test]
fn without_a_world_it_says_how_to_name_one() {
    let ran = review(&["validate"], &create(config("example")));
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("--state DIR"), "{}", ran.stderr);
}
