use super::stub::{Stub, network, ok, response};
use hatchway::registry::{Client, Credentials, Scheme, Secret, Source, words};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const EMPTY: &str = r#"{"tags":[]}"#;

fn client(stub: &Stub, credentials: Option<Credentials>) -> Client {
    let mut source = Source::new(Scheme::Http, &stub.host, "modules");
    source.credentials = credentials;
    network().client(source).unwrap()
}

fn user() -> Credentials {
    Credentials::Basic {
        user: "user".into(),
        password: Secret::new("pass"),
    }
}

/// A registry and its token server in one; tokens are numbered.
async fn with_tokens(lifetime: u64, accepted: impl Fn(&str) -> bool + Send + Sync + 'static) -> Stub {
    let given = AtomicUsize::new(0);
    Stub::start(move |seen| {
        if seen.path == "/token" {
            let token = format!("t{}", given.fetch_add(1, Ordering::SeqCst));
            return ok(format!(r#"{{"token":"{token}","expires_in":{lifetime}}}"#));
        }
        match seen
            .authorization
            .as_deref()
            .and_then(|header| header.strip_prefix("Bearer "))
        {
            Some(token) if accepted(token) => ok(EMPTY),
            _ => response(
                401,
                &[("www-authenticate", r#"Bearer realm="/token",service="registry""#)],
                r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#,
            ),
        }
    })
    .await
}

fn tokens(stub: &Stub) -> Vec<super::stub::Seen> {
    stub.seen()
        .into_iter()
        .filter(|seen| seen.path == "/token")
        .collect()
}

#[tokio::test]
async fn trades_a_password_for_tokens_one_per_scope() {
    let stub = with_tokens(300, |_| true).await;
    let client = client(&stub, Some(user()));
    for _ in 0..3 {
        client.repository("modules/echo").tags().await.unwrap();
        client.repository("modules/fox").tags().await.unwrap();
    }
    let tokens = tokens(&stub);
    let scopes: Vec<_> = tokens.iter().map(|seen| seen.query("scope").unwrap()).collect();
    assert_eq!(
        scopes,
        ["repository:modules/echo:pull", "repository:modules/fox:pull"]
    );
    assert_eq!(tokens[0].query("service").as_deref(), Some("registry"));
    assert_eq!(tokens[0].authorization.as_deref(), Some("Basic dXNlcjpwYXNz"));
    // One 401 taught it how to ask, for every scope.
    assert_eq!(stub.seen().len(), 1 + 2 + 6);
}

#[tokio::test]
async fn asks_for_a_token_without_a_password_too() {
    let stub = with_tokens(300, |_| true).await;
    client(&stub, None).repository("modules").tags().await.unwrap();
    assert_eq!(tokens(&stub)[0].authorization, None);
}

#[tokio::test]
async fn fetches_one_token_for_many_who_wait_for_it() {
    let stub = with_tokens(300, |_| true).await;
    let client = client(&stub, Some(user()));
    let all = (0..20).map(|_| {
        let repository = client.repository("modules/echo");
        async move { repository.tags().await.unwrap() }
    });
    futures_util::future::join_all(all).await;
    assert_eq!(tokens(&stub).len(), 1);
}

#[tokio::test]
async fn renews_a_token_before_its_end_and_not_earlier() {
    let stub = with_tokens(2, |_| true).await;
    let client = client(&stub, Some(user()));
    client.repository("m").tags().await.unwrap();
    client.repository("m").tags().await.unwrap();
    assert_eq!(tokens(&stub).len(), 1);
    // Four fifths of its life are over.
    tokio::time::sleep(std::time::Duration::from_millis(1700)).await;
    client.repository("m").tags().await.unwrap();
    assert_eq!(tokens(&stub).len(), 2);
}

#[tokio::test]
async fn asks_once_more_when_a_token_is_refused() {
    let valid = Arc::new(AtomicUsize::new(0));
    let current = Arc::clone(&valid);
    let stub = with_tokens(300, move |token| {
        token == format!("t{}", current.load(Ordering::SeqCst))
    })
    .await;
    let client = client(&stub, Some(user()));
    client.repository("m").tags().await.unwrap();
    valid.store(1, Ordering::SeqCst);
    client.repository("m").tags().await.unwrap();
    assert_eq!(tokens(&stub).len(), 2);
    valid.store(99, Ordering::SeqCst);
    let error = words(&client.repository("m").tags().await.unwrap_err());
    assert!(
        error.ends_with("UNAUTHORIZED: authentication required"),
        "{error}"
    );
    assert_eq!(tokens(&stub).len(), 3);
}

#[tokio::test]
async fn shows_user_and_password_where_they_are_asked_for() {
    let stub = Stub::start(|seen| match seen.authorization.as_deref() {
        Some("Basic dXNlcjpwYXNz") => ok(EMPTY),
        _ => response(401, &[("www-authenticate", "Basic realm=\"x\"")], ""),
    })
    .await;
    let known = client(&stub, Some(user()));
    known.repository("m").tags().await.unwrap();
    known.repository("m").tags().await.unwrap();
    assert_eq!(stub.seen().len(), 3, "asked once, known from then on");
    assert_eq!(
        stub.seen()[0].authorization,
        None,
        "nothing is shown before it is asked for"
    );
    client(&stub, None).repository("m").tags().await.unwrap_err();
    let wrong = Some(Credentials::Basic {
        user: "user".into(),
        password: Secret::new("wrong"),
    });
    let error = words(&client(&stub, wrong).repository("m").tags().await.unwrap_err());
    assert!(
        error.ends_with("unexpected status code 401 Unauthorized"),
        "{error}"
    );
}

#[tokio::test]
async fn trades_an_identity_token_by_oauth() {
    let stub = Stub::start(|seen| {
        if seen.path == "/token" {
            return ok(r#"{"access_token":"access"}"#);
        }
        match seen.authorization.as_deref() {
            Some("Bearer access") => ok(EMPTY),
            _ => response(
                401,
                &[("www-authenticate", r#"Bearer realm="/token",service="s""#)],
                "",
            ),
        }
    })
    .await;
    let credentials = Some(Credentials::IdentityToken(Secret::new("id&entity")));
    client(&stub, credentials)
        .repository("modules")
        .tags()
        .await
        .unwrap();
    let asked = tokens(&stub).remove(0);
    assert_eq!((asked.method.as_str(), asked.query.as_str()), ("POST", ""));
    assert_eq!(
        std::str::from_utf8(&asked.body).unwrap(),
        "grant_type=refresh_token&service=s&client_id=hatchway&scope=repository%3Amodules%3Apull&refresh_token=id%26entity"
    );
}

#[tokio::test]
async fn tells_what_the_token_server_said_and_no_credential() {
    let stub = Stub::start(|seen| {
        if seen.path == "/token" {
            return response(
                401,
                &[],
                r#"{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}"#,
            );
        }
        response(401, &[("www-authenticate", r#"Bearer realm="/token""#)], "")
    })
    .await;
    let error = words(
        &client(&stub, Some(user()))
            .repository("m")
            .tags()
            .await
            .unwrap_err(),
    );
    let expected = format!(
        "GET http://{}/token?scope=repository%3Am%3Apull: UNAUTHORIZED: wrong password",
        stub.host
    );
    assert_eq!(error, expected);
}
