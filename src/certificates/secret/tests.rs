use std::time::Duration;

use super::*;
use crate::certificates::rotation::{self, Change};

fn kept() -> Kept {
    crate::certificates::install_provider();
    rotation::make(Roots::default(), SystemTime::now()).unwrap()
}

fn put(secret: &mut Secret, name: &str, text: &str) {
    let data = secret.data.get_or_insert_default();
    data.insert(name.to_owned(), ByteString(text.as_bytes().to_vec()));
}

#[test]
fn goes_into_a_secret_and_out_again() {
    // Whole seconds: certificates know no fractions.
    let now = SystemTime::UNIX_EPOCH + Duration::from_hours(500_000);
    crate::certificates::install_provider();
    let first = rotation::make(Roots::default(), now).unwrap();
    let prepared = rotation::carry_out(&first, Change::Prepare, now).unwrap();
    let promoted = rotation::carry_out(&prepared, Change::Promote, now).unwrap();
    let again = rotation::carry_out(&promoted, Change::Prepare, now).unwrap();
    for kept in [first, prepared, promoted, again] {
        let read = Kept::read(&kept.write(None)).unwrap();
        assert_eq!(read.present.key_pem(), kept.present.key_pem());
        assert_eq!(read.bundle(now), kept.bundle(now));
        assert_eq!(read.former_until, kept.former_until);
        assert_eq!(read.next.is_some(), kept.next.is_some());
        assert!(!read.asked);
    }
}

#[test]
fn writes_its_own_part_and_leaves_the_rest_of_a_secret_as_it_was() {
    let mut secret = kept().write(None);
    secret.metadata.resource_version = Some("7".to_owned());
    put(&mut secret, "note", "mine");
    secret
        .metadata
        .annotations
        .get_or_insert_default()
        .extend([ROTATE, "a.b/c"].map(|name| (name.to_owned(), "x".to_owned())));
    let read = Kept::read(&secret).unwrap();
    assert!(read.asked);
    let prepared = rotation::carry_out(&read, Change::Prepare, SystemTime::now()).unwrap();
    let written = prepared.write(Some(secret));
    assert_eq!(written.metadata.resource_version.as_deref(), Some("7"));
    let annotations: Vec<&String> = written.metadata.annotations.as_ref().unwrap().keys().collect();
    assert_eq!(annotations, ["a.b/c"]);
    assert_eq!(value(&written, "note"), Some(&b"mine"[..]));
}

#[test]
fn says_what_is_wrong_with_a_secret_that_nobody_could_sign_with() {
    let good = kept().write(None);
    let other = kept().write(None);
    let said = |change: &dyn Fn(&mut Secret)| {
        let mut secret = good.clone();
        change(&mut secret);
        Kept::read(&secret).unwrap_err().to_string()
    };
    assert_eq!(said(&|secret| secret.data = None), "it has no ca.crt");
    assert_eq!(
        said(&|secret| drop(secret.data.as_mut().unwrap().remove("ca.key"))),
        "it has no ca.key"
    );
    assert_eq!(
        said(&|secret| put(secret, "ca.crt", "no certificate")),
        "its ca.crt and ca.key make no authority"
    );
    let other_key = value(&other, "ca.key").unwrap();
    assert_eq!(
        said(&|secret| put(secret, "ca.key", std::str::from_utf8(other_key).unwrap())),
        "its ca.crt and ca.key make no authority"
    );
    let not_text = ByteString(vec![0xff]);
    assert_eq!(
        said(&|secret| drop(
            secret
                .data
                .as_mut()
                .unwrap()
                .insert("ca.crt".to_owned(), not_text.clone())
        )),
        "its ca.crt is no text"
    );
}

#[test]
fn a_certificate_that_may_not_sign_makes_no_authority() {
    crate::certificates::install_provider();
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let mut secret = Secret::default();
    put(&mut secret, "ca.crt", &leaf.pem());
    put(&mut secret, "ca.key", &key.serialize_pem());
    let said = Kept::read(&secret).unwrap_err().to_string();
    assert!(
        said.starts_with("what its authority signs would not be trusted"),
        "{said}"
    );
}

#[test]
fn a_broken_next_authority_is_none_and_what_is_a_certificate_stays_known() {
    let kept = kept();
    let mut secret = kept.write(None);
    put(&mut secret, "next.crt", "no certificate");
    put(&mut secret, "next.key", "no key");
    assert!(Kept::read(&secret).unwrap().next.is_none());
    put(&mut secret, "ca.key", "no key");
    assert!(Kept::read(&secret).is_err());
    assert!(Kept::certificates(&secret).contains(kept.present.certificate()));
}

#[test]
fn an_authority_of_tomorrow_or_of_yesterday_is_no_broken_one() {
    crate::certificates::install_provider();
    let now = SystemTime::now();
    for made in [now + 48 * Duration::from_hours(1), now - 2 * rotation::LIFE] {
        let kept = rotation::make(Roots::default(), made).unwrap();
        assert!(Kept::read(&kept.write(None)).is_ok());
    }
}
