//! Where the API server finds the webhook.

use http::Uri;
use serde_json::{Value, json};

use crate::api::installation::convert_service;
use crate::webhook::Path;

/// The port of the Services.
pub(super) const SERVICE_PORT: u16 = 443;

/// A Service in the cluster, or a URL.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Service { name: String, namespace: String },
    Url(String),
}

impl Target {
    /// The `clientConfig` of a webhook or a conversion, without a caBundle: the running server fills it in.
    pub(super) fn client_config(&self, path: Path) -> Value {
        match self {
            Self::Service { name, namespace } => {
                let name = match path {
                    Path::Convert => convert_service(name),
                    Path::Validate | Path::Mutate => name.clone(),
                };
                json!({"service": {
                    "name": name, "namespace": namespace, "path": path.route(), "port": SERVICE_PORT,
                }})
            }
            Self::Url(url) => json!({"url": format!("{url}{}", path.route())}),
        }
    }
}

/// A namespace's name.
pub(super) fn label(text: &str) -> Result<String, String> {
    let is_label = (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    if is_label {
        Ok(text.to_owned())
    } else {
        Err("write lower-case letters, digits and dashes, at most 63, with no dash at either end".to_owned())
    }
}

/// A Service's name, to which `-convert` can be added.
pub(super) fn service(text: &str) -> Result<String, String> {
    label(&convert_service(text))?;
    let name = label(text)?;
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        return Err("the name of a Service begins with a letter".to_owned());
    }
    Ok(name)
}

/// A URL as the API server takes it: https, without user, query and fragment.
pub(super) fn url(text: &str) -> Result<String, String> {
    const WAY_OUT: &str = "write it like https://hatchway.example.com:9443";
    let uri: Uri = text.parse().map_err(|_| format!("it is no URL, {WAY_OUT}"))?;
    if uri.scheme_str() != Some("https") || uri.host().is_none_or(str::is_empty) {
        return Err(format!("API servers call https only, {WAY_OUT}"));
    }
    if uri.query().is_some() || text.contains(['#', '@']) {
        return Err(format!("API servers take no user, query or fragment, {WAY_OUT}"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_an_api_server_takes() {
        assert_eq!(
            url("https://a.example.com:9443/x/").unwrap(),
            "https://a.example.com:9443/x"
        );
        for text in [
            "http://a.example.com",
            "a.example.com",
            "https://",
            "https://a.example.com?x=1",
            "https://u:p@a.example.com",
            "https://a.example.com/#x",
            "",
        ] {
            assert!(url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_leave_room_for_the_second_service() {
        assert!(service("hatchway").is_ok());
        for text in ["", "-a", "a-", "A", "a.b", "1a", "a'", &"a".repeat(56)] {
            assert!(service(text).is_err(), "{text}");
        }
        assert!(service(&"a".repeat(55)).is_ok());
    }

    #[test]
    fn conversions_have_a_service_of_their_own() {
        let target = Target::Service {
            name: "hatchway".to_owned(),
            namespace: "d8-system".to_owned(),
        };
        assert_eq!(
            target.client_config(Path::Validate)["service"]["name"],
            "hatchway"
        );
        assert_eq!(
            target.client_config(Path::Convert)["service"],
            json!({"name": "hatchway-convert", "namespace": "d8-system", "path": "/convert", "port": 443})
        );
        let target = Target::Url("https://a.example.com/x".to_owned());
        assert_eq!(
            target.client_config(Path::Mutate),
            json!({"url": "https://a.example.com/x/mutate"})
        );
    }
}
