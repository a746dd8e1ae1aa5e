//! What Hatchway is called in a cluster: names that manifests, the running server and `uninstall` share.

use std::collections::BTreeMap;

/// Everything that has one name: the ServiceAccount, the Deployment, both webhook configurations, the Lease, and the
/// Service unless another one is named.
pub const NAME: &str = "hatchway";
/// The namespace unless another one is named.
pub const NAMESPACE: &str = "d8-system";
/// The Secret that holds the certificate authority (rule SV-2), in Hatchway's namespace.
pub const CA_SECRET: &str = "hatchway-ca";
/// The annotation by which a person asks for a new certificate authority: set on that Secret, to any value.
pub const ROTATE: &str = "hatchway.deckhouse.io/rotate";
/// The annotation that says until when former certificate authorities stay trusted, in RFC 3339.
pub const FORMER_UNTIL: &str = "hatchway.deckhouse.io/former-until";
/// The label of all that belongs to Hatchway.
pub const PART_OF: &str = "app.kubernetes.io/part-of";
/// Who wrote a field, as an API server remembers it of server-side apply.
pub const FIELD_MANAGER: &str = "hatchway";
/// Where Events about objects without a namespace go: it is there in every cluster.
pub const EVENTS_NAMESPACE: &str = "default";

/// The labels of everything that is installed.
pub fn labels() -> BTreeMap<String, String> {
    ["app.kubernetes.io/name", PART_OF]
        .map(|label| (label.to_owned(), NAME.to_owned()))
        .into()
}

/// The Service for conversions, which also reaches replicas that are not ready: none is before it has read the stored
/// objects, and the old ones among them have to be converted for that.
pub fn convert_service(service: &str) -> String {
    format!("{service}-convert")
}

/// The name under which Hatchway's own account calls an API server.
pub fn account(namespace: &str) -> String {
    format!("system:serviceaccount:{namespace}:{NAME}")
}
