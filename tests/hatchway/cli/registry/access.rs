//! Being let in: accounts, tokens, certificates, and where they are looked for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{module, registry, says, with_environment};
use crate::support::authority::{Authority, KeyFiles};
use crate::support::registry::{ALICE, Account, BOB, BOTH, Registry, Settings};
use crate::support::token_service::TokenService;

/// A docker config with an account for a host, in a folder of its own.
fn config(dir: &Path, host: &str, account: &Account) -> PathBuf {
    let auth = STANDARD.encode(format!("{}:{}", account.user, account.password));
    let file = dir.join("config.json");
    std::fs::write(&file, json!({"auths": {host: {"auth": auth}}}).to_string()).unwrap();
    file
}

#[track_caller]
fn publish(repo: &str, more: &[&str]) {
    let module = module();
    let dir = module.path().to_str().unwrap().to_owned();
    says(&[&["publish", &dir, "--repo", repo, "--version", "v1.0.0"], more].concat());
}

#[test]
fn credentials_come_from_the_flag_the_variable_or_the_home() {
    for flavour in BOTH {
        let server = Registry::start(&Settings {
            flavour: Some(flavour),
            accounts: &[ALICE],
            ..Settings::default()
        });
        let repo = &format!("{}/modules", server.host());
        let home = tempfile::tempdir().unwrap();
        let docker = home.path().join(".docker");
        std::fs::create_dir(&docker).unwrap();
        let file = config(&docker, &server.host(), &ALICE);
        let flag = ["--docker-config", file.to_str().unwrap()];
        publish(repo, &flag);
        let list = ["modules", "--repo", repo];
        assert_eq!(says(&[&list[..], &flag].concat()), "echo\n");
        assert_eq!(
            says(&[&list[..], &["--docker-config", docker.to_str().unwrap()]].concat()),
            "echo\n"
        );
        for (name, path) in [("DOCKER_CONFIG", docker.as_path()), ("HOME", home.path())] {
            let ran = with_environment(&list, &[(name, path)]);
            assert_eq!(
                (ran.code, ran.stdout.as_str()),
                (0, "echo\n"),
                "{name}: {}",
                ran.stderr
            );
        }
        let target = home.path().join("echo");
        let image = format!("{repo}/echo:v1.0.0");
        says(&[&["pull", &image, target.to_str().unwrap()][..], &flag].concat());
        assert!(target.join("module.yaml").exists());

        let ran = registry(&list);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
        let start = format!(
            "error: GET {}/v2/modules/tags/list?n=1000: UNAUTHORIZED: ",
            server.url()
        );
        assert!(ran.stderr.starts_with(&start), "{}", ran.stderr);
        config(&docker, &server.host(), &BOB);
        let ran = registry(&[&list[..], &flag].concat());
        assert!(
            ran.code == 2 && ran.stderr.starts_with(&start) && !ran.stderr.contains(BOB.password),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn a_docker_config_names_a_host_in_many_ways() {
    for flavour in BOTH {
        let server = Registry::start(&Settings {
            flavour: Some(flavour),
            accounts: &[ALICE],
            ..Settings::default()
        });
        let host = server.host();
        let repo = &format!("{host}/modules");
        let dir = tempfile::tempdir().unwrap();
        let flag = ["--docker-config", dir.path().to_str().unwrap()];
        let list = [&["modules", "--repo", repo][..], &flag].concat();
        config(dir.path(), &host, &ALICE);
        publish(repo, &flag);
        for address in [
            host.clone(),
            format!("http://{host}"),
            format!("https://{host}/"),
            format!("https://{host}/v1/"),
            format!("https://{host}/v2/"),
            format!("{host}/modules"),
        ] {
            config(dir.path(), &address, &ALICE);
            assert_eq!(says(&list), "echo\n", "{flavour:?} {address}");
        }
        // A user and a password side by side, as other tools write them, and an entry for another host before it.
        let auths = json!({"auths": {
            "index.docker.io": {"username": BOB.user, "password": BOB.password},
            host: {"username": ALICE.user, "password": ALICE.password, "auth": ""},
        }});
        std::fs::write(dir.path().join("config.json"), auths.to_string()).unwrap();
        assert_eq!(says(&list), "echo\n", "{flavour:?}");
        // Ports are exact.
        for address in ["127.0.0.1", "127.0.0.1:443", "https://127.0.0.1/v1/", "localhost"] {
            config(dir.path(), address, &ALICE);
            let ran = registry(&list);
            assert!(
                ran.code == 2 && ran.stderr.contains(": UNAUTHORIZED: "),
                "{flavour:?} {address}: {}",
                ran.stderr
            );
        }
    }
}

#[test]
fn a_self_signed_certificate_is_trusted_by_itself() {
    for is_ca in [
        rcgen::IsCa::NoCa,
        rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.is_ca = is_ca;
        let files = KeyFiles::self_signed(dir.path(), &params);
        let ca = files.certificate.to_str().unwrap();
        for flavour in BOTH {
            let server = Registry::start(&Settings {
                flavour: Some(flavour),
                certificate: Some(&files),
                ..Settings::default()
            });
            let repo = &format!("{}/modules", server.host());
            publish(repo, &["--ca", ca]);
            let target = dir.path().join(format!("{flavour:?}"));
            let image = format!("{repo}/echo:v1.0.0");
            says(&["pull", &image, target.to_str().unwrap(), "--ca", ca]);
            assert!(target.join("module.yaml").exists());
        }
    }
}

#[test]
fn a_docker_config_that_cannot_be_read_is_an_error_that_names_it() {
    let server = Registry::open(BOTH[0]);
    let repo = &format!("{}/modules", server.host());
    publish(repo, &[]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.json");
    let name = file.to_str().unwrap();
    for (content, said) in [
        (None, "cannot read the docker config"),
        (Some("{\"auths\": "), "malformed JSON at line 1"),
        (
            Some("{\"credsStore\": \"desktop\"}"),
            "a credential helper in \"credsStore\"",
        ),
        (
            Some("{\"auths\": {\"registry.example.com\": {\"auth\": \"??\"}}}"),
            "malformed \"auth\"",
        ),
    ] {
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        let list = ["modules", "--repo", repo];
        for ran in [
            registry(&[&list[..], &["--docker-config", name]].concat()),
            with_environment(&list, &[("DOCKER_CONFIG", dir.path())]),
        ] {
            assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
            assert!(
                ran.stderr.contains(name) && ran.stderr.contains(said),
                "{}",
                ran.stderr
            );
        }
    }
    // A home without docker's folder, or with other settings only, is anonymous.
    let ran = with_environment(&["modules", "--repo", repo], &[("HOME", dir.path())]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    std::fs::create_dir(dir.path().join(".docker")).unwrap();
    std::fs::write(dir.path().join(".docker/config.json"), "{\"psFormat\": \"x\"}").unwrap();
    let ran = with_environment(&["modules", "--repo", repo], &[("HOME", dir.path())]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn tokens_are_fetched_with_the_credentials() {
    let tokens = TokenService::start(Some(&ALICE), Duration::from_mins(5));
    let server = Registry::start(&Settings {
        tokens: Some(&tokens),
        ..Settings::default()
    });
    let repo = &format!("{}/modules", server.host());
    let dir = tempfile::tempdir().unwrap();
    let file = config(dir.path(), &server.host(), &ALICE);
    let flag = ["--docker-config", file.to_str().unwrap()];
    publish(repo, &flag);
    let version = ["version", "echo", "v1.0.0", "--repo", repo];
    assert_eq!(says(&[&version[..], &flag].concat()), "v1.0.0\n");
    assert!(
        tokens
            .issued()
            .contains(&"repository:modules/echo/release:pull".to_owned())
    );
    config(dir.path(), &server.host(), &BOB);
    let ran = registry(&[&version[..], &flag].concat());
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains(&format!("GET {}", tokens.realm()))
            && ran
                .stderr
                .contains("UNAUTHORIZED: incorrect username or password")
            && !ran.stderr.contains(BOB.password),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_certificate_is_trusted_when_its_authority_is_named() {
    let authority = Authority::new();
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.crt");
    std::fs::write(&ca, authority.pem()).unwrap();
    let ca = ca.to_str().unwrap();
    for flavour in BOTH {
        let server = Registry::start(&Settings {
            flavour: Some(flavour),
            tls: Some(&authority),
            ..Settings::default()
        });
        let repo = &format!("{}/modules", server.host());
        publish(repo, &["--ca", ca]);
        let list = ["modules", "--repo", repo];
        assert_eq!(says(&[&list[..], &["--ca", ca]].concat()), "echo\n");
        let ran = registry(&[&list[..], &["--scheme", "https"]].concat());
        assert_eq!(ran.code, 2);
        assert!(
            ran.stderr
                .starts_with(&format!("error: GET {}/v2/", server.url()))
                && ran.stderr.contains("certificate"),
            "{}",
            ran.stderr
        );
    }
    for (file, said) in [
        ("missing.crt", "cannot read --ca \"missing.crt\""),
        ("Cargo.toml", "ca holds no PEM"),
    ] {
        let ran = registry(&["modules", "--repo", "127.0.0.1:1/m", "--ca", file]);
        assert!(ran.code == 2 && ran.stderr.contains(said), "{}", ran.stderr);
    }
}

#[test]
fn a_module_source_brings_its_own_way_in() {
    let authority = Authority::new();
    let server = Registry::start(&Settings {
        tls: Some(&authority),
        accounts: &[ALICE],
        ..Settings::default()
    });
    let repo = format!("{}/modules", server.host());
    let dir = tempfile::tempdir().unwrap();
    let file = config(dir.path(), &server.host(), &ALICE);
    let docker_cfg = std::fs::read_to_string(&file).unwrap();
    let ca = dir.path().join("ca.crt");
    std::fs::write(&ca, authority.pem()).unwrap();
    publish(
        &repo,
        &[
            "--docker-config",
            file.to_str().unwrap(),
            "--ca",
            ca.to_str().unwrap(),
        ],
    );
    let world = dir.path().join("world");
    std::fs::create_dir(&world).unwrap();
    let write = |docker_cfg: &str| {
        let source = json!({
            "apiVersion": "deckhouse.io/v1alpha1",
            "kind": "ModuleSource",
            "metadata": {"name": "main"},
            "spec": {"registry": {"repo": repo, "ca": authority.pem(), "dockerCfg": docker_cfg}},
        });
        std::fs::write(world.join("source.json"), source.to_string()).unwrap();
    };
    write(&STANDARD.encode(&docker_cfg));
    let state = ["--state", world.to_str().unwrap()];
    let of = |name: &str| registry(&[&["modules", "--source", name][..], &state].concat());
    let ran = of("main");
    assert_eq!(
        (ran.code, ran.stdout.as_str(), ran.stderr.as_str()),
        (0, "echo\n", "")
    );
    let ran = of("mian");
    assert_eq!(ran.code, 2);
    assert_eq!(
        ran.stderr,
        "error: the 'mian' module source does not exist, did you mean \"main\"?\n"
    );
    write("{}");
    let ran = of("main");
    assert!(
        ran.code == 2
            && ran
                .stderr
                .starts_with("error: ModuleSource \"main\": spec.registry.dockerCfg: "),
        "{}",
        ran.stderr
    );
    write(r#"{"auths":{"registry.example.com":{"username":"u","password":"p"}}}"#);
    assert!(
        of("main")
            .stderr
            .contains(&format!("\"{repo}\" credentials not found in the dockerCfg"))
    );
    let ran = registry(&["modules", "--source", "main"]);
    assert!(
        ran.code == 2 && ran.stderr.contains("--state DIR"),
        "{}",
        ran.stderr
    );
}
