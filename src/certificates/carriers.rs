//! What carries our caBundle in a cluster: both webhook configurations, and the definitions whose objects we convert.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::{Value, json};

use super::roots::Roots;
use crate::api::Kind;
use crate::api::installation::{FIELD_MANAGER, NAME, convert_service};

/// An object that carries our caBundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Carrier {
    pub(super) sort: Sort,
    /// The object's name.
    pub(super) name: String,
}

/// What kind of object it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sort {
    Validating,
    Mutating,
    Definition,
}

/// How API servers call this Hatchway.
#[derive(Clone, Debug)]
pub enum Target {
    /// By this Service and the one for conversions.
    Service {
        /// The Service's name.
        name: String,
        /// Its namespace.
        namespace: String,
    },
    /// By paths below this URL.
    Url(http::Uri),
}

/// What an API server has told of a carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Carried {
    pub(super) uid: Option<String>,
    pub(super) resource_version: Option<String>,
    /// The places for a caBundle that are about us.
    pub(super) entries: Vec<Entry>,
    /// How many are about somebody else.
    pub(super) others: usize,
}

/// One place for a caBundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The webhook's name; empty for a definition, which has one place only.
    pub(super) name: String,
    /// The host that the caller verifies.
    pub(super) host: String,
    pub(super) bundle: Roots,
    /// Whether a replica of ours wrote the bundle, and nobody else since.
    pub(super) ours: bool,
}

impl Sort {
    /// For logs, metrics and people.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Validating => "validatingwebhookconfiguration",
            Self::Mutating => "mutatingwebhookconfiguration",
            Self::Definition => "customresourcedefinition",
        }
    }

    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Validating, Self::Mutating, Self::Definition];
}

impl std::fmt::Display for Carrier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.sort.name(), self.name)
    }
}

impl Carrier {
    /// All of them.
    pub(super) fn all() -> Vec<Self> {
        let configuration = |sort| Self {
            sort,
            name: NAME.to_owned(),
        };
        let converted = Kind::ALL.into_iter().filter(|kind| kind.is_converted());
        let definitions = converted.map(|kind| Self {
            sort: Sort::Definition,
            name: kind.definition_name(),
        });
        [Sort::Validating, Sort::Mutating]
            .map(configuration)
            .into_iter()
            .chain(definitions)
            .collect()
    }

    /// What an API server calls it.
    pub(super) fn resource(&self) -> ApiResource {
        let (group, kind) = match self.sort {
            Sort::Validating => ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
            Sort::Mutating => ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
            Sort::Definition => ("apiextensions.k8s.io", "CustomResourceDefinition"),
        };
        ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind))
    }

    /// Reads what matters of an object. What has an unknown form is about nobody.
    pub(super) fn read(&self, object: &DynamicObject, target: &Target) -> Carried {
        let places: Vec<(&str, &Value)> = match self.sort {
            Sort::Validating | Sort::Mutating => {
                let webhooks = object.data["webhooks"].as_array().into_iter().flatten();
                webhooks
                    .map(|webhook| {
                        (
                            webhook["name"].as_str().unwrap_or_default(),
                            &webhook["clientConfig"],
                        )
                    })
                    .collect()
            }
            Sort::Definition => {
                let conversion = &object.data["spec"]["conversion"];
                let converted = conversion["strategy"] == "Webhook";
                converted
                    .then(|| ("", &conversion["webhook"]["clientConfig"]))
                    .into_iter()
                    .collect()
            }
        };
        let mut entries = Vec::new();
        let mut others = 0;
        for (name, config) in places {
            let Some(host) = target.host(config) else {
                others += 1;
                continue;
            };
            let bundle = config["caBundle"]
                .as_str()
                .and_then(|text| STANDARD.decode(text).ok());
            entries.push(Entry {
                name: name.to_owned(),
                host,
                bundle: Roots::from_pem(&bundle.unwrap_or_default()),
                ours: self.is_ours(object, name),
            });
        }
        Carried {
            uid: object.metadata.uid.clone(),
            resource_version: object.metadata.resource_version.clone(),
            entries,
            others,
        }
    }

    /// Whether the API server remembers us as the one who wrote the bundle of a place.
    fn is_ours(&self, object: &DynamicObject, entry: &str) -> bool {
        let managed = object.metadata.managed_fields.iter().flatten();
        let applied = managed.filter(|managed| {
            managed.manager.as_deref() == Some(FIELD_MANAGER) && managed.operation.as_deref() == Some("Apply")
        });
        let mut fields = applied.filter_map(|managed| managed.fields_v1.as_ref());
        fields.any(|fields| {
            let holder = match self.sort {
                Sort::Definition => &fields.0["f:spec"]["f:conversion"]["f:webhook"],
                Sort::Validating | Sort::Mutating => {
                    let key = format!("k:{}", json!({"name": entry}));
                    &fields.0["f:webhooks"][key]
                }
            };
            holder["f:clientConfig"].get("f:caBundle").is_some()
        })
    }

    /// What is applied so that the places that are about us hold their `bundles`, in order. It names the very object that
    /// was read: where that has changed or gone meanwhile, the API server answers with a conflict.
    pub(super) fn patch(&self, content: &Carried, bundles: &[Roots]) -> Value {
        let resource = self.resource();
        let mut configs = bundles
            .iter()
            .map(|bundle| json!({"caBundle": STANDARD.encode(bundle.to_pem())}));
        let mut patch = json!({
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {
                "name": self.name,
                "uid": content.uid,
                "resourceVersion": content.resource_version,
            },
        });
        if self.sort == Sort::Definition {
            patch["spec"] = json!({"conversion": {"webhook": {"clientConfig": configs.next()}}});
        } else {
            let webhooks = content.entries.iter().zip(configs);
            let webhook =
                |(entry, config): (&Entry, Value)| json!({"name": entry.name, "clientConfig": config});
            patch["webhooks"] = webhooks.map(webhook).collect();
        }
        patch
    }
}

impl Target {
    /// The host that a caller with this `clientConfig` verifies, if it calls us.
    fn host(&self, config: &Value) -> Option<String> {
        match self {
            Self::Service { name, namespace } => {
                let service = &config["service"];
                let called = service["name"].as_str()?;
                let ours = called == name || called == convert_service(name);
                (ours && service["namespace"] == namespace.as_str())
                    .then(|| format!("{called}.{namespace}.svc"))
            }
            Self::Url(ours) => {
                let url: http::Uri = config["url"].as_str()?.parse().ok()?;
                let port = |url: &http::Uri| url.port_u16().unwrap_or(443);
                let same = url.scheme_str() == ours.scheme_str()
                    && url.host() == ours.host()
                    && port(&url) == port(ours)
                    && url.path().starts_with(ours.path().trim_end_matches('/'));
                same.then(|| url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificates::Authority;

    fn object(carrier: &Carrier, data: Value) -> DynamicObject {
        let mut object = DynamicObject::new(&carrier.name, &carrier.resource()).data(data);
        object.metadata.uid = Some("u".to_owned());
        object.metadata.resource_version = Some("7".to_owned());
        object
    }

    fn service() -> Target {
        Target::Service {
            name: "hatchway".to_owned(),
            namespace: "d8-system".to_owned(),
        }
    }

    #[test]
    fn only_places_that_call_us_are_read_and_written() {
        crate::certificates::install_provider();
        let authority = Authority::generate(
            std::time::SystemTime::now(),
            crate::certificates::authority::AUTHORITY_LIFE,
        )
        .unwrap();
        let roots: Roots = [authority.certificate().clone()].into_iter().collect();
        let bundle = STANDARD.encode(roots.to_pem());
        let carrier = &Carrier::all()[0];
        let data = json!({"webhooks": [
            {"name": "a", "clientConfig": {"service": {"name": "hatchway", "namespace": "d8-system"}, "caBundle": bundle}},
            {"name": "b", "clientConfig": {"service": {"name": "hatchway", "namespace": "elsewhere"}}},
            {"name": "c", "clientConfig": {"url": "https://hatchway.example.com/validate"}},
            {"name": "d", "clientConfig": {"service": {"name": "hatchway", "namespace": "d8-system"}}},
        ]});
        let content = carrier.read(&object(carrier, data), &service());
        assert_eq!(content.others, 2);
        let names: Vec<_> = content.entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["a", "d"]);
        assert_eq!(content.entries[0].host, "hatchway.d8-system.svc");
        assert_eq!(content.entries[0].bundle, roots);
        assert!(content.entries[1].bundle.is_empty());

        assert_eq!(
            carrier.patch(&content, &[roots.clone(), roots]),
            json!({
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": "ValidatingWebhookConfiguration",
                "metadata": {"name": "hatchway", "uid": "u", "resourceVersion": "7"},
                "webhooks": [
                    {"name": "a", "clientConfig": {"caBundle": bundle}},
                    {"name": "d", "clientConfig": {"caBundle": bundle}},
                ],
            })
        );
    }

    #[test]
    fn a_definition_carries_a_bundle_where_it_has_a_webhook() {
        let carrier = &Carrier::all()[2];
        assert_eq!(
            carrier.to_string(),
            "customresourcedefinition moduleupdatepolicies.deckhouse.io"
        );
        let none = carrier.read(
            &object(carrier, json!({"spec": {"conversion": {"strategy": "None"}}})),
            &service(),
        );
        assert_eq!((none.entries.len(), none.others), (0, 0));
        let conversion = json!({"strategy": "Webhook", "webhook": {"clientConfig": {
            "service": {"name": "hatchway-convert", "namespace": "d8-system", "path": "/convert"}}}});
        let content = carrier.read(
            &object(carrier, json!({"spec": {"conversion": conversion}})),
            &service(),
        );
        assert_eq!(content.entries[0].host, "hatchway-convert.d8-system.svc");
        assert_eq!(
            carrier.patch(&content, &[Roots::default()])["spec"],
            json!({"conversion": {"webhook": {"clientConfig": {"caBundle": ""}}}})
        );
    }

    #[test]
    fn who_wrote_a_bundle_is_read_from_what_the_api_server_remembers() {
        let carrier = &Carrier::all()[0];
        let webhook = |name| json!({"name": name, "clientConfig": {"service": {"name": "hatchway", "namespace": "d8-system"}}});
        let mut object = object(carrier, json!({"webhooks": [webhook("a.b"), webhook("c.d")]}));
        let managed = json!([
            {"manager": "hatchway", "operation": "Apply", "fieldsV1": {"f:webhooks": {
                "k:{\"name\":\"a.b\"}": {".": {}, "f:clientConfig": {"f:caBundle": {}}},
                "k:{\"name\":\"c.d\"}": {".": {}}}}},
            {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:webhooks": {
                "k:{\"name\":\"c.d\"}": {"f:clientConfig": {"f:caBundle": {}}}}}},
        ]);
        object.metadata.managed_fields = serde_json::from_value(managed).unwrap();
        let content = carrier.read(&object, &service());
        let ours: Vec<bool> = content.entries.iter().map(|entry| entry.ours).collect();
        assert_eq!(ours, [true, false]);
    }

    #[test]
    fn a_url_is_ours_with_the_same_host_port_and_base() {
        let target = Target::Url("https://[::1]:8443/base".parse().unwrap());
        let host = |url: &str| target.host(&json!({"url": url}));
        assert_eq!(host("https://[::1]:8443/base/validate").as_deref(), Some("::1"));
        assert_eq!(host("https://[::1]:8443/validate"), None);
        assert_eq!(host("https://[::1]/base/validate"), None);
        assert_eq!(host("https://other.example.com:8443/base/validate"), None);
        let target = Target::Url("https://a.example.com".parse().unwrap());
        assert!(
            target
                .host(&json!({"url": "https://a.example.com:443/mutate"}))
                .is_some()
        );
        assert_eq!(
            target.host(&json!({"service": {"name": "hatchway", "namespace": "d8-system"}})),
            None
        );
    }
}
