//! What runs: the Deployment, its Services and its PodDisruptionBudget.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde_json::{Value, json};

use super::target::SERVICE_PORT;
use super::yaml;
use crate::api::installation::{NAME, convert_service, labels};

/// The user that the image runs as.
const USER: u32 = 65532;
/// After SIGTERM the server takes at most 30 s; the rest is for the kubelet.
const GRACE_SECONDS: u8 = 40;
/// The default of `--modules-dir`.
const MODULES_DIR: &str = "/var/lib/hatchway";

/// Services first, so that the pods' names resolve once they are there.
pub(super) fn documents(
    namespace: &str,
    service: &str,
    image: &str,
    replicas: u16,
) -> anyhow::Result<Vec<String>> {
    Ok(vec![
        yaml::document::<Service>(self::service(service, namespace, false))?,
        yaml::document::<Service>(self::service(&convert_service(service), namespace, true))?,
        yaml::document::<Deployment>(deployment(namespace, service, image, replicas))?,
        yaml::document::<PodDisruptionBudget>(budget(namespace))?,
    ])
}

fn selector() -> Value {
    json!({"app.kubernetes.io/name": NAME})
}

/// `unready` also reaches replicas that are not ready, for conversions.
fn service(name: &str, namespace: &str, unready: bool) -> Value {
    let mut service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": labels()},
        "spec": {
            "selector": selector(),
            "ports": [{"name": "https", "port": SERVICE_PORT, "targetPort": "https", "protocol": "TCP"}],
        },
    });
    if unready {
        service["spec"]["publishNotReadyAddresses"] = json!(true);
    }
    service
}

fn deployment(namespace: &str, service: &str, image: &str, replicas: u16) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": namespace, "labels": labels()},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": selector()},
            // A new pod answers before an old one goes.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": labels()},
                "spec": {
                    "serviceAccountName": NAME,
                    "priorityClassName": "system-cluster-critical",
                    "terminationGracePeriodSeconds": GRACE_SECONDS,
                    // A Service of our name would set HATCHWAY_PORT, HATCHWAY_SERVICE_HOST and the like.
                    "enableServiceLinks": false,
                    "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{
                        "weight": 100,
                        "podAffinityTerm": {
                            "labelSelector": {"matchLabels": selector()},
                            "topologyKey": "kubernetes.io/hostname",
                        },
                    }]}},
                    "securityContext": {
                        "runAsNonRoot": true,
                        "runAsUser": USER,
                        "runAsGroup": USER,
                        "fsGroup": USER,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "containers": [container(namespace, service, image)],
                    "volumes": [{"name": "modules", "emptyDir": {}}],
                },
            },
        },
    })
}

fn container(namespace: &str, service: &str, image: &str) -> Value {
    let probe = |path: &str, period: u8, failures: u8| {
        json!({
            "httpGet": {"path": path, "port": "ops"},
            "periodSeconds": period,
            "timeoutSeconds": 5,
            "failureThreshold": failures,
        })
    };
    json!({
        "name": NAME,
        "image": image,
        "args": [
            "serve",
            format!("--namespace={namespace}"),
            format!("--service={service}"),
        ],
        // By it people know a replica in the Lease and in Events. The reference is one value to server-side apply:
        // what the API server would fill in stands here, or the two ways of applying would disagree about it.
        "env": [{
            "name": "POD_NAME",
            "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}},
        }, {
            // Milliseconds until memory that is free goes back to the system. At the allocator's 10 a quiet server that
            // has read a large cluster keeps 10 MiB more, and reviews cost as much.
            "name": "MIMALLOC_PURGE_DELAY",
            "value": "1",
        }],
        "ports": [
            {"name": "https", "containerPort": 9443, "protocol": "TCP"},
            {"name": "ops", "containerPort": 9090, "protocol": "TCP"},
        ],
        "livenessProbe": probe("/livez", 10, 3),
        "readinessProbe": probe("/readyz", 5, 2),
        // Memory is what its own limits add up to: 128 MiB of bodies in flight, the stores, one layer being unpacked.
        // No limit on CPU: throttling would show as latency of every write in the cluster.
        "resources": {"requests": {"cpu": "50m", "memory": "96Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "modules", "mountPath": MODULES_DIR}],
    })
}

/// One pod at a time; never in the way of a node's drain when none is ready anyway.
fn budget(namespace: &str) -> Value {
    json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": NAME, "namespace": namespace, "labels": labels()},
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": selector()},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    })
}
