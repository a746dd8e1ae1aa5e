use std::collections::HashMap;
use std::sync::Mutex;

use super::stub::{Stub, digest, network, ok, response};
use hatchway::registry::publish::{Publication, Target, publish};
use hatchway::registry::{Client, Credentials, Scheme, Secret, Source, words};

async fn publish_to(client: &Client) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("module.yaml"), "name: echo\n").unwrap();
    let publication = Publication {
        dir: dir.path().to_owned(),
        version: "1.0.0".parse().unwrap(),
        channels: Vec::new(),
        overwrite: false,
    };
    let target = Target::Registry(client.clone());
    publish(&publication, &target, &|_| {})
        .await
        .map(drop)
        .map_err(|error| words(&error))
}

/// A registry that takes everything in its second try.
fn forgetful() -> impl Fn(&super::stub::Seen) -> axum::response::Response + Send + Sync {
    let tries: Mutex<HashMap<String, usize>> = Mutex::default();
    move |seen| match (seen.method.as_str(), seen.path.as_str()) {
        ("HEAD" | "GET", _) => response(404, &[], ""),
        ("POST", _) => response(
            202,
            &[("location", &format!("/up/{}?state=a%2Bb", seen.before))],
            "",
        ),
        ("PUT", path) if path.starts_with("/up/") => {
            let wanted = seen.query("digest").unwrap();
            assert_eq!(
                (digest(&seen.body), seen.query("state").as_deref()),
                (wanted.clone(), Some("a+b"))
            );
            let mut tries = tries.lock().unwrap();
            let times = tries.entry(wanted).or_insert(0);
            *times += 1;
            response(if *times == 1 { 500 } else { 201 }, &[], "")
        }
        _ => response(201, &[("docker-content-digest", &digest(&seen.body))], ""),
    }
}

#[tokio::test]
async fn makes_an_upload_anew_when_it_breaks_and_lists_the_module_last() {
    let stub = Stub::start(forgetful()).await;
    publish_to(&stub.client()).await.unwrap();
    let manifests: Vec<_> = stub
        .seen()
        .into_iter()
        .filter(|seen| seen.method == "PUT" && seen.path.contains("/manifests/"))
        .map(|seen| seen.path)
        .collect();
    let expected = [
        "/v2/modules/echo/manifests/v1.0.0",
        "/v2/modules/echo/release/manifests/v1.0.0",
        "/v2/modules/manifests/echo",
    ];
    assert_eq!(manifests, expected);
    let posts = stub.seen().iter().filter(|seen| seen.method == "POST").count();
    let puts = stub
        .seen()
        .iter()
        .filter(|seen| seen.path.starts_with("/up/"))
        .count();
    assert_eq!(posts, puts, "each try has its own upload");
}

#[tokio::test]
async fn shows_no_credentials_where_an_upload_leads_elsewhere() {
    let store = Stub::start(|_| response(201, &[], "")).await;
    let place = format!("http://{}/up", store.host);
    let stub = Stub::start(move |seen| match (seen.method.as_str(), &seen.authorization) {
        (_, None) => response(401, &[("www-authenticate", "Basic")], ""),
        ("HEAD" | "GET", _) => response(404, &[], ""),
        ("POST", _) => response(202, &[("location", &place)], ""),
        _ => response(201, &[], ""),
    })
    .await;
    let mut source = Source::new(Scheme::Http, &stub.host, "modules");
    source.credentials = Some(Credentials::Basic {
        user: "u".into(),
        password: Secret::new("p"),
    });
    publish_to(&network().client(source).unwrap()).await.unwrap();
    assert!(!store.seen().is_empty());
    assert!(store.seen().iter().all(|seen| seen.authorization.is_none()));
}

#[tokio::test]
async fn pushes_nothing_that_the_registry_refuses_or_stores_wrongly() {
    let denied = r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#;
    let stub = Stub::start(move |seen| match seen.method.as_str() {
        "POST" => response(403, &[], denied),
        _ => response(404, &[], ""),
    })
    .await;
    let error = publish_to(&stub.client()).await.unwrap_err();
    let at = format!(
        "cannot publish: POST http://{}/v2/modules/echo/blobs/uploads/: ",
        stub.host
    );
    assert_eq!(
        error,
        format!("{at}DENIED: requested access to the resource is denied")
    );

    let other = digest(b"other");
    let stub = Stub::start(
        move |seen| match (seen.method.as_str(), seen.path.contains("/blobs/")) {
            ("PUT", _) => response(201, &[("docker-content-digest", &other)], ""),
            ("HEAD", true) => ok(""),
            _ => response(404, &[], ""),
        },
    )
    .await;
    let error = publish_to(&stub.client()).await.unwrap_err();
    assert!(error.contains("the registry stored"), "{error}");
}
