//! What all our kinds have in common, and the macro that declares one.

use super::Kind;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// An object of one of our kinds.
pub trait Resource: Clone + Send + Sync + serde::Serialize + serde::de::DeserializeOwned + 'static {
    /// Which kind it is.
    const KIND: Kind;

    /// Its metadata.
    fn metadata(&self) -> &ObjectMeta;

    /// Its metadata, to change.
    fn metadata_mut(&mut self) -> &mut ObjectMeta;

    /// Its name; empty for an object that has none yet.
    fn name(&self) -> &str {
        self.metadata().name.as_deref().unwrap_or_default()
    }

    /// The value of an annotation.
    fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata().annotations.as_ref()?.get(key).map(String::as_str)
    }

    /// The value of a label.
    fn label(&self, key: &str) -> Option<&str> {
        self.metadata().labels.as_ref()?.get(key).map(String::as_str)
    }

    /// Whether its deletion was asked for and waits for finalizers.
    fn is_being_deleted(&self) -> bool {
        self.metadata().deletion_timestamp.is_some()
    }
}

/// Declares a kind's object: `apiVersion` and `kind` are constants, `metadata` is the usual one, the body is named
/// (`spec`, or `properties` for a Module), `status` is optional where the kind has one.
macro_rules! resource {
    ($(#[$doc:meta])* $name:ident, $version:literal, $plural:literal, $body:ident: $spec:ty $(, status: $status:ty)?) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            #[serde(skip_deserializing, default = "api_version")]
            api_version: &'static str,
            #[serde(skip_deserializing, default = "kind")]
            kind: &'static str,
            /// Name, labels, annotations and what else every object has.
            #[serde(default)]
            pub metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
            /// What people write.
            #[serde(default)]
            pub $body: $spec,
            $(
                /// What Hatchway writes.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub status: Option<$status>,
            )?
        }

        const fn api_version() -> &'static str {
            concat!("deckhouse.io/", $version)
        }

        const fn kind() -> &'static str {
            stringify!($name)
        }

        impl $name {
            /// An object of that name and body, and nothing else.
            pub fn new(name: &str, $body: $spec) -> Self {
                Self {
                    api_version: api_version(),
                    kind: kind(),
                    metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                        name: Some(name.to_owned()),
                        ..Default::default()
                    },
                    $body,
                    $( status: None::<$status>, )?
                }
            }
        }

        impl $crate::api::Resource for $name {
            const KIND: $crate::api::Kind = $crate::api::Kind::$name;

            fn metadata(&self) -> &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                &self.metadata
            }

            fn metadata_mut(&mut self) -> &mut k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                &mut self.metadata
            }
        }

        impl kube::Resource for $name {
            type DynamicType = ();
            type Scope = k8s_openapi::ClusterResourceScope;

            fn kind(_: &()) -> std::borrow::Cow<'_, str> {
                kind().into()
            }

            fn group(_: &()) -> std::borrow::Cow<'_, str> {
                $crate::api::GROUP.into()
            }

            fn version(_: &()) -> std::borrow::Cow<'_, str> {
                $version.into()
            }

            fn plural(_: &()) -> std::borrow::Cow<'_, str> {
                $plural.into()
            }

            fn meta(&self) -> &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

pub(super) use resource;
