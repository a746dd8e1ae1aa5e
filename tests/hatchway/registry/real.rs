//! Against registries that others wrote, distribution 3.1 and Debian's docker-registry 2.8, and beside other clients,
//! crane and skopeo.

use std::path::Path;
use std::process::Command;

use super::stub::{client, tag};
use crate::support::authority::KeyFiles;
use crate::support::parts;
use crate::support::registry::{ALICE, BOTH, Registry, Settings};
use hatchway::archive::ListedKind;
use hatchway::network::Proxies;
use hatchway::registry::publish::{Publication, PublishError, Published, Target, publish};
use hatchway::registry::{Client, Credentials, Name, Network, Options, Scheme, Secret, Source, words};

/// Real registries get the patience of production.
fn network() -> std::sync::Arc<Network> {
    Network::new(Options {
        proxies: Proxies::none(),
        ..Options::default()
    })
}

fn module(content: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("templates")).unwrap();
    std::fs::write(
        dir.path().join("module.yaml"),
        "name: echo\nweight: 910\nstage: Experimental\n",
    )
    .unwrap();
    std::fs::write(dir.path().join("changelog.yaml"), "features: [a]\n").unwrap();
    std::fs::write(
        dir.path().join("images_digests.json"),
        r#"{"backend":"sha256:0"}"#,
    )
    .unwrap();
    std::fs::write(dir.path().join("templates/a.yaml"), content).unwrap();
    std::os::unix::fs::symlink("templates/a.yaml", dir.path().join("link")).unwrap();
    dir
}

async fn publish_module(
    client: &Client,
    dir: &Path,
    version: &str,
    overwrite: bool,
) -> Result<Published, PublishError> {
    let publication = Publication {
        dir: dir.to_owned(),
        version: version.parse().unwrap(),
        channels: vec!["stable".into(), "early-access".into()],
        overwrite,
    };
    publish(&publication, &Target::Registry(client.clone()), &|_| {}).await
}

async fn content_of(client: &Client, name: &Name, path: &'static str) -> Vec<u8> {
    let repository = client.module("echo");
    let image = repository.resolve(name).await.unwrap();
    let mut files = repository.extract(name, &image, &[path]).await.unwrap();
    files.remove(path).unwrap()
}

#[tokio::test]
async fn publishes_and_reads_back_modules() {
    for flavour in BOTH {
        let registry = Registry::open(flavour);
        let client = client(&network(), &registry.host());
        let dir = module("one");
        let published = publish_module(&client, dir.path(), "1.2.3", false).await.unwrap();
        assert_eq!(published.images.len(), 5);
        assert_eq!(
            published.images[0].reference,
            format!("{}/modules/echo:v1.2.3", registry.host())
        );
        assert_eq!(client.modules().await.unwrap().modules, ["echo"]);
        assert_eq!(client.module("echo").tags().await.unwrap(), ["v1.2.3"]);
        let mut releases = client.releases("echo").tags().await.unwrap();
        releases.sort();
        assert_eq!(releases, ["early-access", "stable", "v1.2.3"]);
        let release = client.release("echo", &tag("early-access")).await.unwrap();
        assert_eq!(release.version.to_string(), "1.2.3");
        assert_eq!(release.digest.to_string(), published.images[1].digest);
        assert_eq!(release.definition.unwrap().weight, 910);
        assert!(release.changelog.unwrap().contains_key("features"));
        let files = client.files("echo", &tag("v1.2.3")).await.unwrap();
        let kind = |path: &str| files.iter().find(|file| file.path == path).unwrap().kind.clone();
        assert_eq!(
            kind("templates/a.yaml"),
            ListedKind::File { size: 3, mode: 0o644 }
        );
        assert!(matches!(kind("link"), ListedKind::Link { .. }));
        assert_eq!(
            client.images_digests("echo", &tag("v1.2.3")).await.unwrap()["backend"],
            "sha256:0"
        );

        let again = publish_module(&client, dir.path(), "1.2.3", false).await.unwrap();
        assert!(again.images.iter().all(|image| image.unchanged));
        let other = module("other");
        let error = publish_module(&client, other.path(), "1.2.3", false)
            .await
            .unwrap_err();
        assert!(matches!(error, PublishError::Exists { .. }), "{error}");
        publish_module(&client, other.path(), "1.2.3", true)
            .await
            .unwrap();
        assert_eq!(
            content_of(&client, &tag("v1.2.3"), "templates/a.yaml").await,
            b"other"
        );
    }
}

#[tokio::test]
async fn tells_what_real_registries_say() {
    for flavour in BOTH {
        let registry = Registry::open(flavour);
        let client = client(&network(), &registry.host());
        publish_module(&client, module("x").path(), "1.0.0", false)
            .await
            .unwrap();
        let error = words(&client.release("echo", &tag("beta")).await.unwrap_err());
        let at = format!(
            "fetch image error: GET http://{}/v2/modules/echo/release/manifests/beta: ",
            registry.host()
        );
        assert!(
            error.starts_with(&format!("{at}MANIFEST_UNKNOWN: manifest unknown; ")),
            "{error}"
        );
        assert!(
            error.contains("beta]") || error.ends_with("unknown tag=beta"),
            "{error}"
        );
        let error = words(&client.module("none").tags().await.unwrap_err());
        assert!(
            error.contains("NAME_UNKNOWN: repository name not known to registry; map[name:modules/none]"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn is_let_in_by_user_and_password() {
    for flavour in BOTH {
        let registry = Registry::start(&Settings {
            flavour: Some(flavour),
            accounts: &[ALICE],
            ..Settings::default()
        });
        let with = |password: &str| {
            let mut source = Source::new(Scheme::Http, registry.host(), "modules");
            source.credentials = Some(Credentials::Basic {
                user: ALICE.user.into(),
                password: Secret::new(password),
            });
            network().client(source).unwrap()
        };
        publish_module(&with(ALICE.password), module("x").path(), "1.0.0", false)
            .await
            .unwrap();
        assert_eq!(with(ALICE.password).modules().await.unwrap().modules, ["echo"]);
        let error = words(&with("s3cret").modules().await.unwrap_err());
        assert!(error.contains("UNAUTHORIZED: authentication required"), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}

fn skopeo(arguments: &[&str]) {
    let output = Command::new("skopeo")
        .args(["--insecure-policy", "copy", "-q"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "skopeo {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
async fn understands_other_clients_and_is_understood_by_them() {
    for flavour in BOTH {
        let registry = Registry::open(flavour);
        let client = client(&network(), &registry.host());
        publish_module(&client, module("content").path(), "1.0.0", false)
            .await
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let layout = format!("oci:{}:x", dir.path().join("layout").display());
        let image = |tag: &str| format!("docker://{}/modules/echo:{tag}", registry.host());
        skopeo(&["--src-tls-verify=false", &image("v1.0.0"), &layout]);
        let cases: &[(&str, &[&str])] = &[
            ("docker", &["--format", "v2s2"]),
            ("oci", &["--format", "oci"]),
            (
                "zstd",
                &[
                    "--format",
                    "oci",
                    "--dest-compress-format",
                    "zstd",
                    "--dest-compress-level",
                    "3",
                ],
            ),
            ("index", &["--all"]),
        ];
        for (name, options) in cases {
            let to = image(name);
            skopeo(&[options, &["--dest-tls-verify=false", &layout, &to][..]].concat());
            assert_eq!(
                content_of(&client, &tag(name), "templates/a.yaml").await,
                b"content",
                "{name}"
            );
        }
    }
}

#[tokio::test]
async fn crane_reads_what_was_published() {
    let crane = parts::crane();
    for flavour in BOTH {
        let registry = Registry::open(flavour);
        publish_module(
            &client(&network(), &registry.host()),
            module("content").path(),
            "1.0.0",
            false,
        )
        .await
        .unwrap();
        let run = |arguments: &[&str]| {
            let output = Command::new(&crane).args(arguments).output().unwrap();
            assert!(
                output.status.success(),
                "crane {arguments:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            output.stdout
        };
        let root = format!("{}/modules", registry.host());
        assert_eq!(run(&["ls", &root]), b"echo\n");
        run(&["validate", "--remote", &format!("{root}/echo:v1.0.0")]);
        let exported = run(&["export", &format!("{root}/echo/release:stable"), "-"]);
        let mut archive = tar::Archive::new(exported.as_slice());
        let mut version = archive
            .entries()
            .unwrap()
            .map(Result::unwrap)
            .find(|entry| entry.path().unwrap() == Path::new("version.json"));
        let mut text = String::new();
        std::io::Read::read_to_string(version.as_mut().unwrap(), &mut text).unwrap();
        assert_eq!(text, r#"{"version":"v1.0.0"}"#);
    }
}

#[tokio::test]
async fn lists_more_tags_than_fit_on_a_page() {
    for flavour in BOTH {
        let registry = Registry::open(flavour);
        let client = client(&network(), &registry.host());
        publish_module(&client, module("x").path(), "1.0.0", false)
            .await
            .unwrap();
        let tags = registry
            .store()
            .join("docker/registry/v2/repositories/modules/echo/_manifests/tags");
        let link = std::fs::read(tags.join("v1.0.0/current/link")).unwrap();
        for i in 0..2500 {
            let current = tags.join(format!("v2.0.{i}/current"));
            std::fs::create_dir_all(&current).unwrap();
            std::fs::write(current.join("link"), &link).unwrap();
        }
        assert_eq!(client.module("echo").tags().await.unwrap().len(), 2501);
    }
}

#[tokio::test]
async fn trusts_a_registry_whose_certificate_is_its_own_ca() {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let files = KeyFiles {
        certificate: dir.path().join("tls.crt"),
        key: dir.path().join("tls.key"),
    };
    std::fs::write(&files.certificate, certificate.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    for flavour in BOTH {
        let registry = Registry::start(&Settings {
            flavour: Some(flavour),
            certificate: Some(&files),
            ..Settings::default()
        });
        let mut source = Source::new(Scheme::Https, registry.host(), "modules");
        source.ca = Some(certificate.pem());
        let client = network().client(source).unwrap();
        publish_module(&client, module("x").path(), "1.0.0", false)
            .await
            .unwrap();
        assert_eq!(client.modules().await.unwrap().modules, ["echo"]);
    }
}
