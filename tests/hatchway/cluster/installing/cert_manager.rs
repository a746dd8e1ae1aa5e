//! The cert-manager overlay. cert-manager itself is not here: what is its own is compared with what was written, all
//! else goes through the API server.

use serde_json::Value;

use super::{folder, manifests, objects, shared, taken};
use crate::cli::golden::golden;

const ANNOTATION: &str = "cert-manager.io/inject-ca-from";

#[test]
fn the_overlay_adds_certificates_where_they_are_served_and_trusted() {
    let plane = shared();
    let kustomized = plane.kubectl(&["kustomize", &folder("manifests/cert-manager")]);
    assert_eq!(kustomized.code, 0, "{}", kustomized.stderr);
    let overlay = objects(&kustomized.stdout);
    let printed = objects(&manifests(&["all", "--image", "hatchway"]));

    let mut added = String::new();
    let mut injected = Vec::new();
    for object in &overlay {
        if printed.contains(object) {
            continue;
        }
        let mut bare = object.clone();
        let annotations = bare["metadata"].as_object_mut().unwrap().remove("annotations");
        if printed.contains(&bare) {
            injected.push((name(object), annotations.unwrap()[ANNOTATION].clone()));
            continue;
        }
        added += "---\n";
        added += serde_saphyr::to_string(object).unwrap().trim_end();
        added += "\n";
    }
    // Wherever the API server calls.
    injected.sort_by(|(one, _), (other, _)| one.cmp(other));
    let names: Vec<&str> = injected.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "CustomResourceDefinition/modulepulloverrides.deckhouse.io",
            "CustomResourceDefinition/moduleupdatepolicies.deckhouse.io",
            "MutatingWebhookConfiguration/hatchway",
            "ValidatingWebhookConfiguration/hatchway",
        ]
    );
    assert!(injected.iter().all(|(_, from)| from == "d8-system/hatchway"));
    golden("tests/golden/manifests/cert-manager.yaml", &added);
    // Everything else is as it was: the Deployment has the one change, and nothing is gone.
    let theirs = |object: &&Value| {
        object["apiVersion"]
            .as_str()
            .unwrap()
            .starts_with("cert-manager.io/")
    };
    assert_eq!(
        overlay.len(),
        printed.len() + overlay.iter().filter(theirs).count()
    );

    let ours: Vec<&Value> = overlay.iter().filter(|object| !theirs(object)).collect();
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": ours});
    let applied = plane.kubectl_with(&["apply", "--dry-run=server", "-f", "-"], &list.to_string());
    assert_eq!(taken(&applied).len(), printed.len());
}

fn name(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"]))
}
