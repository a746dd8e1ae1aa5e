//! A layout that is published into and served.

use std::path::Path;

use super::stub::{client, network, tag};
use futures_util::StreamExt;
use hatchway::registry::publish::{Publication, Target, publish};
use hatchway::registry::{Layout, serve, words};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

struct Served {
    host: String,
    dir: tempfile::TempDir,
    task: JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn served() -> Served {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::create(dir.path()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let task = tokio::spawn(async move {
        serve::serve(listener, layout, std::future::pending())
            .await
            .unwrap();
    });
    Served { host, dir, task }
}

async fn add(layout: &Path, name: &str, version: &str, size: usize) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("module.yaml"), format!("name: {name}\n")).unwrap();
    let noise: Vec<u8> = std::iter::repeat_with({
        let mut random = fastrand::Rng::with_seed(1);
        move || random.u8(..)
    })
    .take(size)
    .collect();
    std::fs::write(dir.path().join("data"), noise).unwrap();
    let publication = Publication {
        dir: dir.path().to_owned(),
        version: version.parse().unwrap(),
        channels: vec!["alpha".into()],
        overwrite: false,
    };
    let target = Target::Layout {
        layout: Layout::create(layout).unwrap(),
        path: "modules".into(),
    };
    publish(&publication, &target, &|_| {}).await.unwrap();
}

#[tokio::test]
async fn serves_what_was_published_also_while_it_runs() {
    let served = served().await;
    let client = client(&network(), &served.host);
    assert!(words(&client.modules().await.unwrap_err()).contains("NAME_UNKNOWN"));
    add(served.dir.path(), "echo", "1.0.0", 10).await;
    assert_eq!(client.modules().await.unwrap().modules, ["echo"]);
    add(served.dir.path(), "fox", "2.0.0", 10).await;
    add(served.dir.path(), "echo", "1.1.0", 600_000).await;
    assert_eq!(client.modules().await.unwrap().modules, ["echo", "fox"]);
    assert_eq!(client.module("echo").tags().await.unwrap(), ["v1.0.0", "v1.1.0"]);
    let release = client.release("echo", &tag("alpha")).await.unwrap();
    assert_eq!(release.version.to_string(), "1.1.0");
    assert_eq!(
        client.releases("echo").digest(&tag("alpha")).await.unwrap(),
        release.digest
    );
    assert_eq!(
        client.files("echo", &tag("v1.1.0")).await.unwrap().entries["data"].size,
        600_000
    );
    // By digest, too.
    client
        .releases("echo")
        .resolve(&release.digest.into())
        .await
        .unwrap();
    let error = words(&client.release("echo", &tag("beta")).await.unwrap_err());
    assert!(
        error.ends_with("manifests/beta: MANIFEST_UNKNOWN: manifest unknown; map[Tag:beta]"),
        "{error}"
    );
    let nowhere: oci_spec::image::Digest = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
    let error = words(&client.module("echo").resolve(&nowhere.into()).await.unwrap_err());
    assert!(
        error.contains("MANIFEST_UNKNOWN: manifest unknown; map[Name:modules/echo Revision:sha256:000"),
        "{error}"
    );
}

async fn get(
    host: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> (u16, http::HeaderMap, Vec<u8>) {
    use http_body_util::{BodyExt, Empty};
    let stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let mut request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("host", host);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = sender
        .send_request(request.body(Empty::<bytes::Bytes>::new()).unwrap())
        .await
        .unwrap();
    let (parts, body) = response.into_parts();
    (
        parts.status.as_u16(),
        parts.headers,
        body.collect().await.unwrap().to_bytes().to_vec(),
    )
}

#[tokio::test]
async fn speaks_distributions_dialect() {
    let served = served().await;
    for version in ["1.0.0", "1.0.1", "1.0.2"] {
        add(served.dir.path(), "echo", version, 100_000).await;
    }
    let host = &served.host;
    let (status, headers, body) = get(host, "GET", "/v2/", &[]).await;
    assert_eq!((status, body.as_slice()), (200, &b"{}\n"[..]));
    assert_eq!(headers["docker-distribution-api-version"], "registry/2.0");

    let (_, headers, body) = get(host, "GET", "/v2/modules/echo/tags/list?n=2", &[]).await;
    assert_eq!(
        body,
        b"{\"name\":\"modules/echo\",\"tags\":[\"v1.0.0\",\"v1.0.1\"]}\n"
    );
    assert_eq!(
        headers["link"],
        "</v2/modules/echo/tags/list?last=v1.0.1&n=2>; rel=\"next\""
    );
    let (_, headers, body) = get(host, "GET", "/v2/modules/echo/tags/list?last=v1.0.1&n=2", &[]).await;
    assert_eq!(body, b"{\"name\":\"modules/echo\",\"tags\":[\"v1.0.2\"]}\n");
    assert!(!headers.contains_key("link"));
    assert_eq!(
        get(host, "GET", "/v2/modules/echo/tags/list?n=x", &[]).await.0,
        400
    );

    let client = client(&network(), host);
    let repository = client.module("echo");
    let image = repository.resolve(&tag("v1.0.0")).await.unwrap();
    let layer = &image.layers[0];
    let whole: Vec<u8> = {
        let mut stream = std::pin::pin!(repository.blob(layer));
        let mut all = Vec::new();
        while let Some(piece) = stream.next().await {
            all.extend_from_slice(&piece.unwrap());
        }
        all
    };
    let blob = format!("/v2/modules/echo/blobs/{}", layer.digest());
    let (status, headers, body) = get(host, "GET", &blob, &[("range", "bytes=10-19")]).await;
    assert_eq!((status, body.as_slice()), (206, &whole[10..20]));
    assert_eq!(headers["content-range"], format!("bytes 10-19/{}", whole.len()));
    let (status, _, body) = get(host, "GET", &blob, &[("range", "bytes=999999999-")]).await;
    assert_eq!(
        (status, String::from_utf8(body).unwrap().contains("RANGE_INVALID")),
        (416, true)
    );
    let (status, headers, body) = get(host, "HEAD", &blob, &[]).await;
    assert_eq!(
        (status, headers["content-length"].to_str().unwrap(), body.len()),
        (200, whole.len().to_string().as_str(), 0)
    );
    let (status, headers, _) = get(host, "HEAD", "/v2/modules/echo/manifests/v1.0.0", &[]).await;
    assert_eq!(
        (status, headers["docker-content-digest"].to_str().unwrap()),
        (200, image.digest.as_ref())
    );

    for (method, path, status, code) in [
        ("PUT", "/v2/modules/echo/manifests/v9", 405, "UNSUPPORTED"),
        ("POST", "/v2/modules/echo/blobs/uploads/", 405, "UNSUPPORTED"),
        ("GET", "/v2/none/tags/list", 404, "NAME_UNKNOWN"),
        ("GET", "/v2/none/manifests/x", 404, "NAME_UNKNOWN"),
        ("GET", "/v2/modules/echo/blobs/sha256:x", 400, "DIGEST_INVALID"),
        ("GET", "/v2/modules/echo/blobs/..:..", 400, "DIGEST_INVALID"),
        ("GET", "/v2/modules/echo/blobs/%2e%2e", 400, "DIGEST_INVALID"),
        ("GET", "/etc/passwd", 404, ""),
    ] {
        let (found, _, body) = get(host, method, path, &[]).await;
        let body = String::from_utf8(body).unwrap();
        assert_eq!(
            (found, body.contains(code)),
            (status, true),
            "{method} {path}: {body}"
        );
    }
}

#[tokio::test]
async fn other_clients_pull_from_it_and_read_the_layout() {
    let served = served().await;
    add(served.dir.path(), "echo", "1.0.0", 100_000).await;
    let out = tempfile::tempdir().unwrap();
    let to = format!("dir:{}", out.path().display());
    let from = format!("docker://{}/modules/echo:v1.0.0", served.host);
    let layout = format!("oci:{}:modules/echo:v1.0.0", served.dir.path().display());
    for (source, option) in [
        (from, "--src-tls-verify=false"),
        (layout, "--src-shared-blob-dir="),
    ] {
        let mut command = tokio::process::Command::new("skopeo");
        command.args(["--insecure-policy", "copy", "-q"]);
        if !option.ends_with('=') {
            command.arg(option);
        }
        let output = command.args([&source, &to]).output().await.unwrap();
        assert!(
            output.status.success(),
            "{source}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
