use std::error::Error as _;
use std::fs;
use std::os::unix::fs::symlink;

use rcgen::{CertificateParams, KeyPair};

use super::*;
use crate::telemetry::metrics::render;

fn pair(name: &str) -> (String, String) {
    crate::certificates::install_provider();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn write(dir: &Path, (certificate, key): &(String, String)) {
    fs::write(dir.join(CERTIFICATE), certificate).unwrap();
    fs::write(dir.join(KEY), key).unwrap();
}

/// Lays the folder out as the kubelet does: links through `..data`, swapped by rename.
fn mount(dir: &Path, generation: &str, pair: &(String, String)) {
    let folder = dir.join(generation);
    fs::create_dir(&folder).unwrap();
    write(&folder, pair);
    let new = dir.join("..data_tmp");
    symlink(generation, &new).unwrap();
    fs::rename(&new, dir.join("..data")).unwrap();
    for name in [CERTIFICATE, KEY] {
        if fs::symlink_metadata(dir.join(name)).is_err() {
            symlink(format!("..data/{name}"), dir.join(name)).unwrap();
        }
    }
}

fn leaf(resolver: &Resolver) -> CertificateDer<'static> {
    resolver.served().leaf().unwrap().clone()
}

#[test]
fn takes_a_swapped_generation_and_keeps_the_old_pair_when_the_new_one_is_broken() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (pair("one.example.com"), pair("two.example.com"));
    mount(dir.path(), "..2026_01", &one);
    let mut registry = prometheus_client::registry::Registry::default();
    let metrics = Metrics::register(&mut registry);
    let mut files = PairFiles::load(dir.path(), metrics).unwrap();
    let resolver = files.resolver().unwrap();
    let first = leaf(&resolver);

    // The key of one with the certificate of the other.
    mount(dir.path(), "..2026_02", &(two.0.clone(), one.1.clone()));
    files.look(&resolver);
    files.look(&resolver);
    files.look(&resolver);
    assert_eq!(leaf(&resolver), first);
    let text = render(&registry).unwrap();
    assert!(
        text.contains("hatchway_certificate_reload_failures_total{certificate=\"serving\"} 1"),
        "{text}"
    );
    assert!(
        text.contains("hatchway_certificate_broken{certificate=\"serving\"} 1"),
        "{text}"
    );

    mount(dir.path(), "..2026_03", &two);
    fs::remove_dir_all(dir.path().join("..2026_01")).unwrap();
    files.look(&resolver);
    assert_ne!(leaf(&resolver), first);
    assert!(
        render(&registry)
            .unwrap()
            .contains("hatchway_certificate_broken{certificate=\"serving\"} 0")
    );
}

#[test]
fn waits_for_the_second_file_when_plain_files_are_copied_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (pair("one.example.com"), pair("two.example.com"));
    write(dir.path(), &one);
    let mut registry = prometheus_client::registry::Registry::default();
    let mut files = PairFiles::load(dir.path(), Metrics::register(&mut registry)).unwrap();
    let resolver = files.resolver().unwrap();
    fs::write(dir.path().join(CERTIFICATE), &two.0).unwrap();
    files.look(&resolver);
    fs::write(dir.path().join(KEY), &two.1).unwrap();
    files.look(&resolver);
    let served = CertificateDer::from_pem_slice(two.0.as_bytes()).unwrap();
    assert_eq!(leaf(&resolver), served);
    assert!(
        !render(&registry)
            .unwrap()
            .contains("hatchway_certificate_reload_failures_total{")
    );
}

#[test]
fn serves_the_whole_chain() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (pair("one.example.com"), pair("two.example.com"));
    write(dir.path(), &(format!("{}{}", one.0, two.0), one.1));
    let mut files = PairFiles::load(dir.path(), Metrics::default()).unwrap();
    assert_eq!(files.resolver().unwrap().served().key().cert.len(), 2);
}

#[test]
fn names_the_file_and_the_cause_of_a_pair_that_cannot_be_served() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (pair("one.example.com"), pair("two.example.com"));
    let load = |contents: (&str, &str)| {
        write(dir.path(), &(contents.0.to_owned(), contents.1.to_owned()));
        PairFiles::load(dir.path(), Metrics::default()).unwrap_err()
    };
    let said = [
        load((&one.0, &two.1)),
        load(("", &one.1)),
        load((&one.0, "nonsense")),
        load((
            "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
            &one.1,
        )),
        load((
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            &one.1,
        )),
    ];
    for error in &said {
        assert!(error.to_string().contains("tls."), "{error}");
        assert!(error.source().is_some(), "{error}");
    }
    fs::remove_file(dir.path().join(KEY)).unwrap();
    let error = PairFiles::load(dir.path(), Metrics::default()).unwrap_err();
    assert!(
        error.to_string().ends_with("tls.key") && error.source().is_some(),
        "{error}"
    );
}
