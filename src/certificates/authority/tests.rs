use std::time::UNIX_EPOCH;

use rustls::pki_types::ServerName;

use super::*;
use crate::certificates::install_provider;

fn verify(
    authority: &Authority,
    leaf: &CertificateDer<'_>,
    name: &str,
    at: SystemTime,
) -> Result<(), String> {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(authority.certificate().clone())
        .map_err(|e| e.to_string())?;
    let verifier = rustls::client::WebPkiServerVerifier::builder(roots.into())
        .build()
        .map_err(|e| e.to_string())?;
    let name = ServerName::try_from(name.to_owned()).map_err(|e| e.to_string())?;
    let since = at.duration_since(UNIX_EPOCH).map_err(|e| e.to_string())?;
    rustls::client::danger::ServerCertVerifier::verify_server_cert(
        &*verifier,
        leaf,
        &[],
        &name,
        &[],
        rustls::pki_types::UnixTime::since_unix_epoch(since),
    )
    .map(|_| ())
    .map_err(|e| e.to_string())
}

#[test]
fn signs_leaves_that_callers_trust_for_their_names_and_their_time_only() {
    install_provider();
    let now = SystemTime::now();
    let authority = Authority::generate(now, AUTHORITY_LIFE).unwrap();
    let served = authority
        .sign(
            &["hatchway.d8-system.svc".into(), "127.0.0.1".into(), "::1".into()],
            now,
        )
        .unwrap();
    let leaf = served.leaf().unwrap();
    for name in ["hatchway.d8-system.svc", "127.0.0.1", "::1"] {
        verify(&authority, leaf, name, now).unwrap();
    }
    assert!(verify(&authority, leaf, "localhost", now).is_err());
    verify(
        &authority,
        leaf,
        "127.0.0.1",
        now - CLOCK_SKEW + Duration::from_secs(2),
    )
    .unwrap();
    assert!(
        verify(
            &authority,
            leaf,
            "127.0.0.1",
            now + LEAF_LIFE + Duration::from_secs(2)
        )
        .is_err()
    );
}

#[test]
fn goes_out_and_in_as_pem_and_still_signs_for_the_same_callers() {
    install_provider();
    let now = SystemTime::now();
    let made = Authority::generate(now, AUTHORITY_LIFE).unwrap();
    let read = Authority::from_pem(made.certificate_pem(), made.key_pem()).unwrap();
    let served = read.sign(&["localhost".into()], now).unwrap();
    verify(&made, served.leaf().unwrap(), "localhost", now).unwrap();
    assert_eq!(read.not_after(), made.not_after());
}

#[test]
fn refuses_a_key_of_another_authority() {
    install_provider();
    let now = SystemTime::now();
    let one = Authority::generate(now, AUTHORITY_LIFE).unwrap();
    let other = Authority::generate(now, AUTHORITY_LIFE).unwrap();
    assert!(matches!(
        Authority::from_pem(one.certificate_pem(), other.key_pem()),
        Err(MakeAuthority::Match(_))
    ));
}

#[test]
fn never_signs_beyond_its_own_life() {
    install_provider();
    let now = SystemTime::now();
    let authority = Authority::generate(now, Duration::from_mins(10)).unwrap();
    let served = authority.sign(&["localhost".into()], now).unwrap();
    assert_eq!(served.not_after(), authority.not_after());
}

#[test]
fn shows_no_key_when_printed() {
    install_provider();
    let authority = Authority::generate(SystemTime::now(), AUTHORITY_LIFE).unwrap();
    assert!(!format!("{authority:?}").contains("PRIVATE"));
}
