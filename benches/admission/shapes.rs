//! Objects as an API server holds them: what people write, and around it what the server and controllers add.

use serde_json::{Map, Value, json};

/// An object with `spec` (or `properties`), as `kubectl apply` and an API server make it: uid, generation, the
/// annotation of the last apply, and managed fields for all that people wrote and for the status.
pub fn object(identity: &Identity<'_>, body: &Value, status: Option<&Value>) -> Value {
    let Identity {
        kind,
        version,
        name,
        body_name,
    } = identity;
    let api_version = format!("deckhouse.io/{version}");
    let applied = json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": {"annotations": {}, "name": name},
        *body_name: body,
    });
    let applied = format!("{applied}\n");
    // Longer ones do not fit into annotations, and are applied by the server.
    let is_long = applied.len() > LONGEST_ANNOTATION;
    let mut managed = vec![
        managed_by(
            "argocd-controller",
            "Apply",
            &api_version,
            json!({
                "f:metadata": {"f:labels": {"f:app.kubernetes.io/managed-by": {}, "f:team": {}}},
                format!("f:{body_name}"): fields_of(body),
            }),
        ),
        managed_by(
            "kubectl-client-side-apply",
            "Update",
            &api_version,
            json!({
                "f:metadata": {"f:annotations": {".": {}, "f:kubectl.kubernetes.io/last-applied-configuration": {}}},
                format!("f:{body_name}"): fields_of(body),
            }),
        ),
    ];
    if is_long {
        managed.truncate(1);
    }
    if let Some(status) = status {
        managed.push(managed_by(
            "deckhouse-controller",
            "Update",
            &api_version,
            json!({
                "f:metadata": {"f:finalizers": {".": {}, "v:\"modules.deckhouse.io/module-registered\"": {}}},
                "f:status": fields_of(status),
            }),
        ));
    }
    let mut object = json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "annotations": {},
            "creationTimestamp": "2026-03-14T09:26:53Z",
            "finalizers": ["modules.deckhouse.io/module-registered"],
            "generation": 7,
            "labels": {"app.kubernetes.io/managed-by": "argocd", "team": "platform"},
            "managedFields": managed,
            "name": name,
            "resourceVersion": "418297364",
            "uid": "0b9a2f6e-8a51-4d2c-9b6e-5d0e3f7c1a42",
        },
        *body_name: body,
    });
    if !is_long {
        object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] =
            applied.into();
    }
    if let Some(status) = status {
        object["status"] = status.clone();
    }
    object
}

/// What the API server allows all annotations of an object together.
const LONGEST_ANNOTATION: usize = 256 << 10;

fn managed_by(manager: &str, operation: &str, api_version: &str, fields: Value) -> Value {
    json!({
        "apiVersion": api_version, "fieldsType": "FieldsV1", "fieldsV1": fields,
        "manager": manager, "operation": operation, "time": "2026-10-02T08:41:17Z",
    })
}

/// What an object is.
pub struct Identity<'a> {
    pub kind: &'a str,
    pub version: &'a str,
    pub name: &'a str,
    /// `spec`, or `properties` of a Module.
    pub body_name: &'a str,
}

/// The fields of a value as server-side apply writes them down; lists without a schema are one field.
fn fields_of(value: &Value) -> Value {
    let Some(object) = value.as_object() else {
        return json!({});
    };
    let mut fields: Map<String, Value> = object
        .iter()
        .map(|(key, value)| (format!("f:{key}"), fields_of(value)))
        .collect();
    if !fields.is_empty() {
        fields.insert(".".to_owned(), json!({}));
    }
    fields.into()
}

/// An AdmissionReview for an object that is made, or changed where there is an old one.
pub fn review(identity: &Identity<'_>, new: &Value, old: Option<&Value>) -> Vec<u8> {
    let Identity {
        kind, version, name, ..
    } = identity;
    let group_kind = json!({"group": "deckhouse.io", "version": version, "kind": kind});
    let resource = json!({"group": "deckhouse.io", "version": version, "resource": plural(kind)});
    let (operation, options) = if old.is_some() {
        ("UPDATE", "UpdateOptions")
    } else {
        ("CREATE", "CreateOptions")
    };
    let review = json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": group_kind,
            "resource": resource,
            "requestKind": group_kind,
            "requestResource": resource,
            "name": name,
            "operation": operation,
            // Releases and Modules are written by controllers.
            "userInfo": user(kind),
            "object": new,
            "oldObject": old,
            "dryRun": false,
            "options": {"kind": options, "apiVersion": "meta.k8s.io/v1", "fieldManager": "kubectl-client-side-apply", "fieldValidation": "Strict"},
        },
    });
    review.to_string().into_bytes()
}

fn user(kind: &str) -> Value {
    if matches!(kind, "ModuleRelease" | "Module") {
        json!({
            "username": "system:serviceaccount:d8-system:hatchway",
            "uid": "5f0c2a8e-62a1-4a0b-8a43-1f0e6f5f5d11",
            "groups": ["system:serviceaccounts", "system:serviceaccounts:d8-system", "system:authenticated"],
        })
    } else {
        json!({"username": "kubernetes-admin", "groups": ["kubeadm:cluster-admins", "system:authenticated"]})
    }
}

fn plural(kind: &str) -> String {
    let lower = kind.to_lowercase();
    match lower.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{lower}s"),
    }
}
