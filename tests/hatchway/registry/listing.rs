use super::stub::{Stub, ok, response};
use hatchway::registry::words;

fn page(tags: &[&str], next: Option<&str>) -> axum::response::Response {
    let body = serde_json::json!({"name": "modules", "tags": tags}).to_string();
    match next {
        Some(link) => response(200, &[("link", link)], body),
        None => ok(body),
    }
}

#[tokio::test]
async fn follows_the_pages_of_a_listing_and_skips_what_is_no_module() {
    let stub = Stub::start(|seen| match seen.query("last").as_deref() {
        None => page(
            &["echo", "Bad_Name"],
            Some("</v2/modules/tags/list?n=1000&last=b>; rel=\"next\""),
        ),
        Some("b") => page(&["echo", "alpha", "modules"], Some("<?last=c>; rel=next")),
        Some(_) => ok(r#"{"name":"modules","tags":["zeta"]}"#),
    })
    .await;
    let listing = stub.client().modules().await.unwrap();
    assert_eq!(listing.modules, ["alpha", "echo", "zeta"]);
    assert_eq!(listing.skipped, ["Bad_Name", "modules"]);
    assert_eq!(stub.seen().len(), 3);
    assert_eq!(stub.seen()[0].query, "n=1000");
}

#[tokio::test]
async fn takes_a_repository_without_tags_as_empty() {
    let stub = Stub::start(|_| ok(r#"{"name":"modules","tags":null}"#)).await;
    assert!(stub.repository().tags().await.unwrap().is_empty());
}

#[tokio::test]
async fn refuses_listings_that_go_round_in_circles_or_elsewhere() {
    for (link, expected) in [
        (
            "</v2/modules/echo/tags/list?n=1000>; rel=next",
            "goes round in circles",
        ),
        (
            "</v2/modules/echo/tags/list?last=x>; rel=next",
            "goes round in circles",
        ),
        (
            "<http://other.example.com/v2/modules/echo/tags/list?last=x>; rel=next",
            "belongs to another listing",
        ),
        (
            "</v2/modules/foxtrot/tags/list?last=x>; rel=next",
            "belongs to another listing",
        ),
    ] {
        let stub = Stub::start(move |_| page(&["v1"], Some(link))).await;
        let error = words(&stub.repository().tags().await.unwrap_err());
        assert!(error.contains(expected), "{error}");
        assert!(stub.seen().len() <= 3);
    }
}

#[tokio::test]
async fn tells_the_registrys_words() {
    let stub = Stub::start(|_| {
        let body = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"stable"}}]}"#;
        response(404, &[("content-type", "application/json")], body)
    })
    .await;
    let client = stub.client();
    let at = format!(
        "GET http://{}/v2/modules/echo/release/manifests/stable: ",
        stub.host
    );
    let error = client
        .release("echo", &super::stub::tag("stable"))
        .await
        .unwrap_err();
    let expected = format!("fetch image error: {at}MANIFEST_UNKNOWN: manifest unknown; map[Tag:stable]");
    assert_eq!(words(&error), expected);
    // A HEAD has no words, so one GET fetches them.
    let error = client
        .releases("echo")
        .digest(&super::stub::tag("stable"))
        .await
        .unwrap_err();
    assert_eq!(words(&error), expected.trim_start_matches("fetch image error: "));
    let methods: Vec<_> = stub.seen().into_iter().map(|seen| seen.method).collect();
    assert_eq!(methods, ["GET", "HEAD", "GET"]);
}
