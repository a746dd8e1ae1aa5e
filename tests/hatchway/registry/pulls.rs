use super::stub::{OCI, Stub, cut, digest, endless, manifest, ok, response, stall, tag};
use bytes::Bytes;
use futures_util::StreamExt;
use hatchway::registry::{PullError, Repository, words};
use oci_spec::image::{Descriptor, MediaType};

fn content() -> Vec<u8> {
    (0..400_000u32).flat_map(u32::to_le_bytes).collect()
}

fn layer(bytes: &[u8]) -> Descriptor {
    let digest: oci_spec::image::Digest = digest(bytes).parse().unwrap();
    Descriptor::new(MediaType::ImageLayer, bytes.len() as u64, digest)
}

async fn pull(repository: &Repository, layer: &Descriptor) -> Result<Vec<u8>, PullError> {
    let mut stream = std::pin::pin!(repository.blob(layer));
    let mut all = Vec::new();
    while let Some(piece) = stream.next().await {
        all.extend_from_slice(&piece?);
    }
    Ok(all)
}

fn from(range: Option<&str>) -> usize {
    range.map_or(0, |text| {
        text.trim_start_matches("bytes=")
            .trim_end_matches('-')
            .parse()
            .unwrap()
    })
}

#[tokio::test]
async fn streams_a_blob_and_checks_it() {
    let bytes = content();
    let served = bytes.clone();
    let stub = Stub::start(move |_| ok(served.clone())).await;
    assert_eq!(pull(&stub.repository(), &layer(&bytes)).await.unwrap(), bytes);
    assert!(
        pull(&stub.repository(), &layer(b"")).await.is_err(),
        "an empty blob with bytes in it"
    );
    let stub = Stub::start(|_| ok("")).await;
    assert_eq!(pull(&stub.repository(), &layer(b"")).await.unwrap(), b"");
}

#[tokio::test]
async fn takes_a_blob_up_where_it_was_cut_off() {
    let bytes = content();
    let served = bytes.clone();
    let stub = Stub::start(move |seen| {
        let start = from(seen.range.as_deref());
        let range = format!("bytes {start}-{}/{}", served.len() - 1, served.len());
        let status = if start == 0 { 200 } else { 206 };
        let headers: &[(&str, &str)] = if start == 0 {
            &[]
        } else {
            &[("content-range", &range)]
        };
        let rest = &served[start..];
        if seen.before < 3 {
            cut(status, headers, rest, 1000)
        } else {
            response(status, headers, rest.to_vec())
        }
    })
    .await;
    assert_eq!(pull(&stub.repository(), &layer(&bytes)).await.unwrap(), bytes);
    let ranges: Vec<_> = stub.seen().into_iter().map(|seen| seen.range).collect();
    assert_eq!(
        ranges,
        [
            None,
            Some("bytes=1000-".into()),
            Some("bytes=2000-".into()),
            Some("bytes=3000-".into())
        ]
    );
}

#[tokio::test]
async fn reads_over_what_it_has_where_a_registry_knows_no_ranges() {
    let bytes = content();
    let served = bytes.clone();
    let stub = Stub::start(move |seen| match seen.before {
        0 => cut(200, &[], &served, 100_000),
        1 => stall(&served, 200_000),
        _ => ok(served.clone()),
    })
    .await;
    assert_eq!(pull(&stub.repository(), &layer(&bytes)).await.unwrap(), bytes);
    assert_eq!(stub.seen().len(), 3);
}

#[tokio::test]
async fn gives_up_on_a_blob_that_never_comes_to_its_end() {
    let bytes = content();
    let served = bytes.clone();
    let stub = Stub::start(move |_| cut(200, &[], &served, 10)).await;
    let error = words(&pull(&stub.repository(), &layer(&bytes)).await.unwrap_err());
    assert!(
        error.contains(&format!("the blob broke off at 10 of {} bytes", bytes.len())),
        "{error}"
    );
    assert_eq!(stub.seen().len(), 5);
    // A body that just is too short.
    let stub = Stub::start(move |_| ok("short")).await;
    let error = words(&pull(&stub.repository(), &layer(&bytes)).await.unwrap_err());
    assert!(error.contains("the blob broke off at 5 of"), "{error}");
}

#[tokio::test]
async fn hands_on_no_end_that_is_not_what_was_asked_for() {
    let bytes = content();
    let mut wrong = bytes.clone();
    *wrong.last_mut().unwrap() ^= 1;
    let stub = Stub::start(move |_| ok(wrong.clone())).await;
    let repository = stub.repository();
    let expected = layer(&bytes);
    let mut stream = std::pin::pin!(repository.blob(&expected));
    let (mut arrived, mut failed) = (0, None);
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(piece) => arrived += piece.len(),
            Err(error) => failed = Some(error),
        }
    }
    assert!(
        matches!(failed, Some(PullError::WrongDigest { .. })),
        "{failed:?}"
    );
    assert!(arrived < bytes.len(), "the last bytes are held back");

    let longer = [bytes.clone(), vec![0]].concat();
    let stub = Stub::start(move |_| ok(longer.clone())).await;
    let error = pull(&stub.repository(), &layer(&bytes)).await.unwrap_err();
    assert!(matches!(error, PullError::TooLong { .. }), "{error:?}");
    let stub = Stub::start(|_| endless()).await;
    let error = pull(&stub.repository(), &layer(&bytes)).await.unwrap_err();
    assert!(matches!(error, PullError::TooLong { .. }), "{error:?}");
}

#[tokio::test]
async fn resolves_an_image_by_what_arrived() {
    let body = manifest(b"layer");
    let (served, claimed) = (body.clone(), digest(body.as_bytes()));
    let stub = Stub::start(move |_| {
        response(
            200,
            &[("content-type", OCI), ("docker-content-digest", &claimed)],
            served.clone(),
        )
    })
    .await;
    let image = stub.repository().resolve(&tag("v1")).await.unwrap();
    assert_eq!(image.digest.to_string(), digest(body.as_bytes()));
    assert_eq!(image.layers[0].digest().to_string(), digest(b"layer"));
    // An unchanged digest costs one request and no bytes.
    let before = stub.seen().len();
    assert_eq!(stub.repository().digest(&tag("v1")).await.unwrap(), image.digest);
    let seen = stub.seen();
    assert_eq!((seen.len() - before, seen[before].method.as_str()), (1, "HEAD"));
    // By digest, other bytes are refused.
    let other: oci_spec::image::Digest = digest(b"other").parse().unwrap();
    let error = words(&stub.repository().resolve(&other.into()).await.unwrap_err());
    assert!(error.contains("the manifest's digest is"), "{error}");
}

#[tokio::test]
async fn refuses_manifests_that_lie_or_never_end() {
    let wrong = digest(b"other");
    let stub =
        Stub::start(move |_| response(200, &[("docker-content-digest", &wrong)], manifest(b"x"))).await;
    let error = words(&stub.repository().resolve(&tag("v1")).await.unwrap_err());
    assert!(error.contains("the manifest's digest is"), "{error}");

    let index = "application/vnd.oci.image.index.v1+json";
    let stub = Stub::start(move |_| response(200, &[("content-type", index)], manifest(b"x"))).await;
    let error = words(&stub.repository().resolve(&tag("v1")).await.unwrap_err());
    assert!(error.contains("does not fit the manifest's mediaType"), "{error}");

    let stub = Stub::start(|_| endless()).await;
    let error = words(&stub.repository().resolve(&tag("v1")).await.unwrap_err());
    assert!(
        error.ends_with("the answer is longer than 4194304 bytes"),
        "{error}"
    );
    assert_eq!(stub.seen().len(), 1);

    // An index that leads to itself.
    let own = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{index}","digest":"{}","size":1}}]}}"#,
        digest(b"never")
    );
    let stub = Stub::start(move |_| response(200, &[("content-type", index)], own.clone())).await;
    let error = words(&stub.repository().resolve(&tag("v1")).await.unwrap_err());
    assert!(error.contains("the manifest's digest is"), "{error}");
}

#[tokio::test]
async fn drops_credentials_at_another_host() {
    let bytes = content();
    let served = bytes.clone();
    let store = Stub::start(move |_| ok(served.clone())).await;
    let to = format!("http://{}/signed?signature=s3cret", store.host);
    let stub = Stub::start(move |seen| match &seen.authorization {
        None => response(401, &[("www-authenticate", "Basic realm=x")], ""),
        Some(_) => response(307, &[("location", &to)], ""),
    })
    .await;
    let mut source = hatchway::registry::Source::new(hatchway::registry::Scheme::Http, &stub.host, "modules");
    source.credentials = Some(hatchway::registry::Credentials::Basic {
        user: "u".into(),
        password: hatchway::registry::Secret::new("p"),
    });
    let client = super::stub::network().client(source).unwrap();
    assert_eq!(
        pull(&client.repository("modules/echo"), &layer(&bytes))
            .await
            .unwrap(),
        bytes
    );
    assert_eq!(store.seen()[0].authorization, None);
    assert_eq!(store.seen()[0].query, "signature=s3cret");

    // What lets in whoever has it is not told.
    let closed = Stub::start(|_| response(403, &[], "no")).await;
    let to = format!("http://{}/signed?signature=s3cret", closed.host);
    let stub = Stub::start(move |_| response(302, &[("location", &to)], "")).await;
    let error = words(&pull(&stub.repository(), &layer(&bytes)).await.unwrap_err());
    assert_eq!(
        error,
        format!(
            "GET http://{}/signed: unexpected status code 403 Forbidden: no",
            closed.host
        )
    );
}

#[tokio::test]
async fn follows_five_redirects_and_no_more() {
    for (hops, fine) in [(5, true), (6, false)] {
        let stub = Stub::start(move |seen| {
            let hop: usize = seen.query("hop").map_or(0, |hop| hop.parse().unwrap());
            if hop == hops {
                return ok(Bytes::from_static(b"blob"));
            }
            response(307, &[("location", &format!("?hop={}", hop + 1))], "")
        })
        .await;
        let pulled = pull(&stub.repository(), &layer(b"blob")).await;
        assert_eq!(pulled.is_ok(), fine, "{pulled:?}");
    }
}
