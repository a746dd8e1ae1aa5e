//! What must hold of every manifest, whatever the flags.

use clap::Parser;
use serde_json::Value;

use super::*;
use crate::rules::Operation;
use crate::rules::entries;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn objects(line: &str) -> Vec<Value> {
    let Line { args } = Line::try_parse_from(format!("manifests {line}").split_whitespace()).unwrap();
    let text = yaml::join(&documents(&args.part, args.options).unwrap());
    let reading = crate::documents::parse("manifests.yaml", text.as_bytes());
    assert_eq!(reading.problems, []);
    reading
        .documents
        .into_iter()
        .map(|document| document.value)
        .collect()
}

fn error(line: &str) -> String {
    match Line::try_parse_from(format!("manifests {line}").split_whitespace()) {
        Ok(Line { args }) => documents(&args.part, args.options).unwrap_err().to_string(),
        Err(error) => error.to_string(),
    }
}

fn kinds(objects: &[Value]) -> Vec<&str> {
    objects
        .iter()
        .map(|object| object["kind"].as_str().unwrap())
        .collect()
}

#[test]
fn everything_comes_in_the_order_in_which_it_is_applied() {
    let objects = objects("all --image registry.example.com/hatchway:1");
    let mut kinds = kinds(&objects);
    kinds.dedup();
    assert_eq!(
        kinds,
        [
            "Namespace",
            "CustomResourceDefinition",
            "ServiceAccount",
            "ClusterRole",
            "ClusterRoleBinding",
            "Role",
            "RoleBinding",
            "Role",
            "RoleBinding",
            "Service",
            "Deployment",
            "PodDisruptionBudget",
            "ValidatingWebhookConfiguration",
            "MutatingWebhookConfiguration",
        ]
    );
}

#[test]
fn behind_a_url_nothing_is_deployed() {
    let url = "https://hatchway.example.com:9443";
    let objects = objects(&format!("all --webhook-url {url}/"));
    for kind in ["Service", "Deployment", "PodDisruptionBudget"] {
        assert!(!kinds(&objects).contains(&kind), "{kind}");
    }
    for object in &objects {
        for webhook in object["webhooks"].as_array().into_iter().flatten() {
            let path = if object["kind"] == "MutatingWebhookConfiguration" {
                "mutate"
            } else {
                "validate"
            };
            assert_eq!(
                webhook["clientConfig"],
                serde_json::json!({"url": format!("{url}/{path}")})
            );
        }
    }
    assert!(error(&format!("deployment --webhook-url {url}")).contains("--webhook-url"));
    assert!(error("all --webhook-url http://a.example.com").contains("https"));
    assert!(error(&format!("all --webhook-url {url} --service a")).contains("--service"));
}

#[test]
fn a_deployment_needs_an_image() {
    assert!(error("deployment").contains("--image"));
    assert!(error("all").contains("--image"));
}

#[test]
fn nothing_carries_a_bundle_and_every_service_is_there() {
    let objects = objects("all --image i --namespace ns --service svc");
    let text = serde_json::to_string(&objects).unwrap();
    assert!(!text.contains("caBundle"));
    let services: Vec<&Value> = objects
        .iter()
        .filter(|object| object["kind"] == "Service")
        .collect();
    let names: Vec<&str> = services
        .iter()
        .map(|service| service["metadata"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["svc", "svc-convert"]);
    assert_eq!(services[0]["spec"].get("publishNotReadyAddresses"), None);
    assert_eq!(services[1]["spec"]["publishNotReadyAddresses"], true);
    for object in &objects {
        let namespace = &object["metadata"]["namespace"];
        assert!(
            namespace.is_null() || namespace == "ns" || namespace == "default",
            "{object}"
        );
    }
}

#[test]
fn the_entries_are_those_of_the_table_and_their_names_differ() {
    let objects = objects("webhooks");
    let mut names: Vec<&str> = Vec::new();
    for webhook in objects[0]["webhooks"].as_array().unwrap() {
        let rule = &webhook["rules"][0];
        let kind = Kind::from_plural(rule["resources"][0].as_str().unwrap()).unwrap();
        for operation in rule["operations"].as_array().unwrap() {
            let operation = [Operation::Create, Operation::Update, Operation::Delete]
                .into_iter()
                .find(|known| operation == known.name())
                .unwrap();
            assert_eq!(
                webhook["failurePolicy"],
                entries::failure_policy(kind, operation).name()
            );
        }
        names.push(webhook["name"].as_str().unwrap());
    }
    assert_eq!(names.len(), entries::VALIDATE.len());
    assert!(names.contains(&"modulesources.hatchway.deckhouse.io"));
    assert!(names.contains(&"delete.modulesources.hatchway.deckhouse.io"));
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    for webhook in objects[1]["webhooks"].as_array().unwrap() {
        assert_eq!(webhook["failurePolicy"], "Ignore");
        assert_eq!(webhook["matchConditions"].as_array().unwrap().len(), 2);
    }
}

#[test]
fn kinds_in_two_versions_are_converted() {
    let objects = objects("crds");
    assert_eq!(objects.len(), Kind::ALL.len());
    for object in &objects {
        let versions = object["spec"]["versions"].as_array().unwrap();
        let conversion = &object["spec"]["conversion"];
        if versions.len() == 1 {
            assert!(conversion.is_null());
            continue;
        }
        assert_eq!(conversion["strategy"], "Webhook");
        let service = &conversion["webhook"]["clientConfig"]["service"];
        assert_eq!(service["name"], "hatchway-convert");
        assert_eq!(service["path"], "/convert");
    }
}

#[test]
fn one_definition_can_be_asked_for() {
    for name in ["moduleconfigs", "ModuleConfig"] {
        let objects = objects(&format!("crds {name}"));
        assert_eq!(objects.len(), 1);
        assert_eq!(objects[0]["metadata"]["name"], "moduleconfigs.deckhouse.io");
    }
    assert!(error("crds moduleconfig5").contains("did you mean"));
}

#[test]
fn what_is_printed_says_what_the_types_say() {
    // YAML has many ways to misread a text (`no`, `1:30`, `0x1`); the definitions are full of patterns.
    let printed = objects("crds");
    for (kind, printed) in Kind::ALL.into_iter().zip(printed) {
        let mut made = serde_json::to_value(crate::api::crds::definition(kind).unwrap()).unwrap();
        yaml::whole_numbers(&mut made);
        made["spec"]["conversion"] = printed["spec"]["conversion"].clone();
        if made["spec"]["conversion"].is_null() {
            made["spec"].as_object_mut().unwrap().remove("conversion");
        }
        assert_eq!(printed, made, "{kind}");
    }
}
