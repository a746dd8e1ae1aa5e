//! Certificates of every sort that a source's `ca` may hold, with dates far enough away never to matter.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, date_time_ymd};

/// What `${ca}`, `${ca-expired}`, `${ca-future}`, `${leaf}`, `${broken}` and `${key}` stand for in a case.
pub(super) fn made(what: &str) -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, what);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2090, 1, 1);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    match what {
        "ca" => {}
        "ca-expired" => params.not_after = date_time_ymd(2021, 1, 1),
        "ca-future" => params.not_before = date_time_ymd(2080, 1, 1),
        "leaf" => params.is_ca = IsCa::NoCa,
        "broken" => return "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(),
        "key" => return KeyPair::generate().unwrap().serialize_pem(),
        other => panic!("nothing is made for ${{{other}}}"),
    }
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
}
