use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use proptest::prelude::*;
use serde_json::json;

use super::ParseDockerConfigError as Error;
use super::*;

fn basic(username: &str, password: &str) -> Credentials {
    Credentials::Basic {
        username: username.into(),
        password: password.into(),
    }
}

fn auth(text: &str) -> Value {
    json!({ "auth": STANDARD.encode(text) })
}

fn parse(config: &Value) -> Result<DockerConfig, Error> {
    DockerConfig::parse(&config.to_string())
}

#[test]
fn reads_base64_however_it_is_broken_and_padded() {
    let raw = json!({ "auths": { "registry.example.com": auth("me:secret:1") } }).to_string();
    let mut broken = STANDARD.encode(&raw);
    broken.insert(20, '\n');
    broken.insert_str(10, "\r\n");
    for text in [
        raw.clone(),
        format!(" {raw}\n"),
        STANDARD.encode(&raw),
        STANDARD_NO_PAD.encode(&raw),
        broken,
    ] {
        let config = DockerConfig::parse(&text).unwrap();
        assert_eq!(
            config.credentials_for("registry.example.com"),
            Some(&basic("me", "secret:1"))
        );
        assert_eq!(config.hosts().collect::<Vec<_>>(), ["registry.example.com"]);
    }
}

#[test]
fn reads_each_kind_of_entry() {
    let config = parse(&json!({ "auths": {
        "a.example": { "username": "me", "password": "secret", "auth": "" },
        "b.example": { "identitytoken": "token", "auth": STANDARD.encode("me:") },
        "c.example": { "auth": STANDARD.encode("me:secret\0\0"), "email": "me@example.com" },
    }, "credHelpers": {}, "credsStore": "" }))
    .unwrap();
    assert_eq!(config.credentials_for("a.example"), Some(&basic("me", "secret")));
    assert_eq!(
        config.credentials_for("b.example"),
        Some(&Credentials::IdentityToken("token".into()))
    );
    assert_eq!(config.credentials_for("c.example"), Some(&basic("me", "secret")));
    assert_eq!(config.credentials_for("d.example"), None);
}

#[test]
fn compares_hosts_as_docker_does() {
    let config = parse(&json!({ "auths": {
        "https://R.example/v1/": auth("one:1"),
        "r.example:5000": auth("two:2"),
        "https://index.docker.io/v1/": auth("hub:3"),
    } }))
    .unwrap();
    assert_eq!(config.credentials_for("r.EXAMPLE"), Some(&basic("one", "1")));
    assert_eq!(config.credentials_for("r.example:5000"), Some(&basic("two", "2")));
    assert_eq!(config.credentials_for("r.example:443"), None);
    for hub in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
        assert_eq!(config.credentials_for(hub), Some(&basic("hub", "3")));
    }
}

#[test]
fn prefers_the_very_name() {
    let config =
        parse(&json!({ "auths": { "docker.io": auth("one:1"), "index.docker.io": auth("two:2") } })).unwrap();
    assert_eq!(
        config.credentials_for("index.docker.io"),
        Some(&basic("two", "2"))
    );
    assert_eq!(
        config.credentials_for("registry-1.docker.io"),
        Some(&basic("one", "1"))
    );
}

#[test]
fn tells_each_mistake_by_its_name() {
    for (config, error) in [
        (json!({}), Error::NoAuths),
        (json!({ "auths": null }), Error::NoAuths),
        (
            json!({ "auths": [] }),
            Error::WrongType {
                field: "\"auths\"".into(),
            },
        ),
        (
            json!({ "auths": { "a": "x" } }),
            Error::WrongType {
                field: "entry for \"a\"".into(),
            },
        ),
        (
            json!({ "auths": { "a": { "auth": 1 } } }),
            Error::WrongType {
                field: "\"auth\" for \"a\"".into(),
            },
        ),
        (
            json!({ "auths": { "a": {} } }),
            Error::NoCredentials { host: "a".into() },
        ),
        (
            json!({ "auths": { "a": { "username": "me" } } }),
            Error::NoCredentials { host: "a".into() },
        ),
        (
            json!({ "auths": { "a": { "auth": "%" } } }),
            Error::Auth { host: "a".into() },
        ),
        (
            json!({ "auths": { "a": auth("no colon") } }),
            Error::Auth { host: "a".into() },
        ),
        (
            json!({ "auths": { "a": auth("me:x") }, "credsStore": "pass" }),
            Error::CredentialHelper("credsStore"),
        ),
        (
            json!({ "credHelpers": { "a": "gcr" } }),
            Error::CredentialHelper("credHelpers"),
        ),
        (json!({ "a": auth("me:x") }), Error::OldForm),
    ] {
        assert_eq!(parse(&config), Err(error.clone()), "{config}");
        assert_eq!(
            DockerConfig::parse(&STANDARD.encode(config.to_string())),
            Err(error)
        );
    }
    assert_eq!(
        DockerConfig::parse("{\n\"auths\": secret}"),
        Err(Error::MalformedJson { line: 2, column: 10 })
    );
    assert_eq!(
        DockerConfig::parse(&STANDARD.encode("secret")),
        Err(Error::NotJson)
    );
    assert_eq!(
        DockerConfig::parse(&STANDARD.encode([0xff, 0xfe])),
        Err(Error::NotJson)
    );
    for text in ["", "  ", "me:secret", "[]", "se_cret"] {
        assert_eq!(
            DockerConfig::parse(text),
            Err(Error::NeitherBase64NorJson),
            "{text}"
        );
    }
}

#[test]
fn accepts_a_config_without_entries() {
    assert_eq!(parse(&json!({ "auths": {} })).unwrap().hosts().count(), 0);
}

#[test]
fn hides_every_secret() {
    for credentials in [basic("me", "s3cret"), Credentials::IdentityToken("s3cret".into())] {
        assert!(!format!("{credentials:?}").contains("s3cret"));
    }
    let wrong =
        parse(&json!({ "auths": { "https://me:s3cret@a.example": { "auth": "s3cret" } } })).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        r#"a docker config with a malformed "auth" for "a.example", write the base64 of user:password"#
    );
    assert!(!format!("{wrong:?}").contains("s3cret"));
}

proptest! {
    #[test]
    fn never_panics(text in "\\PC*|[A-Za-z0-9+/= \n]{0,60}|[{}\":a-z,\\[\\]]{0,40}") {
        let _ = DockerConfig::parse(&text);
    }

    #[test]
    fn no_error_repeats_a_secret(
        secret in "[a-z0-9]{12,20}",
        shape in 0usize..8,
        encoded in proptest::bool::ANY,
        cut in 0usize..40,
    ) {
        let config = [
            json!({ "auths": { "a": { "auth": secret } } }),
            json!({ "auths": { "a": { "password": secret } } }),
            json!({ "auths": { "a": secret } }),
            json!({ "auths": secret }),
            json!({ "a": { "password": secret } }),
            json!({ "auths": { "a": { "auth": [secret] } } }),
            json!({ "credsStore": secret }),
            json!([secret]),
        ][shape].to_string();
        let config = if encoded { STANDARD.encode(config) } else { config };
        // Cut anywhere, so that syntax errors come as well.
        for text in [config.as_str(), &config[..config.len().saturating_sub(cut)]] {
            if let Err(error) = DockerConfig::parse(text) {
                let told = format!("{error} {error:?}");
                prop_assert!(!told.contains(&secret) && !told.contains(&STANDARD_NO_PAD.encode(&secret)));
            }
        }
    }

    #[test]
    fn reads_back_what_docker_writes(username in "[^:\0]{1,20}", password in "[^\0]{1,20}") {
        let config = parse(&json!({ "auths": { "a": auth(&format!("{username}:{password}")) } })).unwrap();
        prop_assert_eq!(config.credentials_for("a"), Some(&basic(&username, &password)));
    }
}
