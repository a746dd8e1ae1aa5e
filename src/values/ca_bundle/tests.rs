use std::sync::LazyLock;

use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, date_time_ymd};

use super::*;

/// A certificate as PEM, and its key.
fn certificate(name: &str, is_ca: bool) -> (String, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Example");
    params.not_before = date_time_ymd(2026, 1, 2);
    params.not_after = date_time_ymd(2056, 3, 4);
    if is_ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// Made once: the damage to it is done many times.
static ROOT: LazyLock<String> = LazyLock::new(|| certificate("root", true).0);

fn broken(block: usize, line: usize, fault: PemFault) -> Result<CaBundle, ParseCaBundleError> {
    Err(ParseCaBundleError::Broken { block, line, fault })
}

#[test]
fn reads_every_certificate_of_a_bundle() {
    let bundle = format!(
        "# Our root\n{}\nand a leaf\n{}",
        certificate("root", true).0,
        certificate("leaf", false).0
    );
    for text in [
        bundle.clone(),
        bundle.replace('\n', "\r\n"),
        bundle.replace('\n', "\n  "),
    ] {
        let bundle = CaBundle::parse(&text).unwrap();
        let [root, leaf] = bundle.certificates() else {
            panic!("two certificates")
        };
        assert!(
            root.subject().contains("CN=root") && root.subject().contains("O=Example"),
            "{}",
            root.subject()
        );
        assert!(root.is_ca() && !leaf.is_ca());
        assert_eq!(root.not_before().to_string(), "2026-01-02T00:00:00Z");
        assert_eq!(root.not_after().to_string(), "2056-03-04T00:00:00Z");
        assert!(Certificate::from_der(leaf.der()).is_ok());
    }
}

#[test]
fn passes_over_other_blocks() {
    let text = format!(
        "-----BEGIN X509 CRL-----\n%%\n-----END X509 CRL-----\n{}",
        certificate("root", true).0
    );
    assert_eq!(CaBundle::parse(&text).unwrap().certificates().len(), 1);
}

#[test]
fn rejects_a_text_without_certificates() {
    for text in [
        "",
        "  \n",
        "MIIB",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----",
    ] {
        assert_eq!(
            CaBundle::parse(text),
            Err(ParseCaBundleError::NoCertificate),
            "{text}"
        );
    }
}

#[test]
fn rejects_a_private_key_wherever_it_stands() {
    let (certificate, key) = certificate("root", true);
    for text in [
        format!("{certificate}{key}"),
        key.clone(),
        format!("{}{certificate}", key.replace('\n', " ")),
    ] {
        assert_eq!(CaBundle::parse(&text), Err(ParseCaBundleError::PrivateKey));
    }
}

#[test]
fn names_the_block_that_is_broken() {
    let good = certificate("root", true).0;
    let second = good.lines().count() + 1;
    let end = "-----END CERTIFICATE-----";
    for (bad, fault) in [
        (good.replace('\n', " "), PemFault::LineBreaks),
        (good.replace(end, ""), PemFault::NoEnd),
        (good.replace(end, "-----END X509 CRL-----"), PemFault::NoEnd),
        (end.to_owned(), PemFault::NoBegin),
        (good.replace("MII", "M%I"), PemFault::Base64),
        (good.replace("MIIB", ""), PemFault::Certificate),
        (
            format!("-----BEGIN CERTIFICATE-----\n{end}"),
            PemFault::Certificate,
        ),
    ] {
        assert_eq!(
            CaBundle::parse(&format!("{good}{bad}")),
            broken(2, second, fault),
            "{bad}"
        );
    }
    assert_eq!(
        CaBundle::parse(&good.replace(end, &format!("\n{good}"))),
        broken(1, 1, PemFault::NoEnd)
    );
    assert_eq!(
        CaBundle::parse("-----BEGIN CERTIFICATE-----")
            .unwrap_err()
            .to_string(),
        "PEM block 1, in line 1, is broken: it does not end, add its END line"
    );
}

proptest! {
    #[test]
    fn never_panics(text in "\\PC*|(-----(BEGIN|END) [A-Z ]{0,8}-----|[A-Za-z0-9+/=]{0,20}|\n|-){0,20}") {
        let _ = CaBundle::parse(&text);
    }

    #[test]
    fn never_panics_on_a_damaged_certificate(place in 0usize..1000, byte in 0u8..128) {
        let mut text = ROOT.clone().into_bytes();
        let place = place % text.len();
        text[place] = byte;
        let _ = CaBundle::parse(&String::from_utf8(text).unwrap());
    }

    #[test]
    fn never_panics_on_arbitrary_der(der in proptest::collection::vec(any::<u8>(), 0..200)) {
        let body = STANDARD_PAD_INDIFFERENT.encode(der);
        let _ = CaBundle::parse(&format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----"));
    }
}
