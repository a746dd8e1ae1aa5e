//! What was applied beside CRDs, by name.

use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind};

use super::Work;
use crate::api::installation::{CA_SECRET, EVENTS_NAMESPACE, NAME, convert_service};
use crate::cluster::calls::call;

/// One object.
pub(super) struct Thing {
    resource: ApiResource,
    /// Empty where it is in none.
    namespace: String,
    name: String,
}

fn thing(group: &str, kind: &str, namespace: &str, name: impl Into<String>) -> Thing {
    let version = GroupVersionKind::gvk(group, "v1", kind);
    Thing {
        resource: ApiResource::from_gvk(&version),
        namespace: namespace.to_owned(),
        name: name.into(),
    }
}

/// What refuses writes when nobody answers.
pub(super) fn webhooks() -> [Thing; 2] {
    const GROUP: &str = "admissionregistration.k8s.io";
    [
        thing(GROUP, "ValidatingWebhookConfiguration", "", NAME),
        thing(GROUP, "MutatingWebhookConfiguration", "", NAME),
    ]
}

/// What lets a replica write.
pub(super) fn rights(namespace: &str) -> [Thing; 6] {
    const GROUP: &str = "rbac.authorization.k8s.io";
    let events = format!("{NAME}-events");
    [
        thing(GROUP, "ClusterRoleBinding", "", NAME),
        thing(GROUP, "RoleBinding", namespace, NAME),
        thing(GROUP, "RoleBinding", EVENTS_NAMESPACE, &events),
        thing(GROUP, "ClusterRole", "", NAME),
        thing(GROUP, "Role", namespace, NAME),
        thing(GROUP, "Role", EVENTS_NAMESPACE, &events),
    ]
}

/// What runs, what leads to it, and what it made for itself.
pub(super) fn workload(namespace: &str, service: &str) -> [Thing; 7] {
    [
        thing("apps", "Deployment", namespace, NAME),
        thing("policy", "PodDisruptionBudget", namespace, NAME),
        thing("", "Service", namespace, service),
        thing("", "Service", namespace, convert_service(service)),
        thing("", "ServiceAccount", namespace, NAME),
        thing("coordination.k8s.io", "Lease", namespace, NAME),
        thing("", "Secret", namespace, CA_SECRET),
    ]
}

impl Work<'_> {
    /// Deletes what is there of these.
    pub(super) async fn delete(&mut self, things: &[Thing]) {
        // In the background: the pods of a Deployment go with it.
        let params = DeleteParams::background();
        for thing in things {
            let api: Api<DynamicObject> = if thing.namespace.is_empty() {
                Api::all_with(self.client.clone(), &thing.resource)
            } else {
                Api::namespaced_with(self.client.clone(), &thing.namespace, &thing.resource)
            };
            let title = thing.title();
            let deletion = api.delete(&thing.name, &params);
            match call(format!("delete {title}"), deletion).await {
                Ok(_) => self.done(&format!("deleted {title}")),
                Err(error) if error.is_missing() => {}
                Err(error) => self.left(error.line()),
            }
        }
    }
}

impl Thing {
    /// As kubectl names it.
    fn title(&self) -> String {
        let Self {
            resource,
            namespace,
            name,
        } = self;
        let kind = resource.kind.to_lowercase();
        if namespace.is_empty() {
            format!("{kind}/{name}")
        } else {
            format!("{kind}/{name} in namespace {namespace}")
        }
    }
}
