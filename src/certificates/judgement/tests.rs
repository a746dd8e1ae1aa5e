use super::*;
use crate::certificates::Authority;
use crate::certificates::authority::AUTHORITY_LIFE;
use crate::certificates::carriers::Entry;
use crate::certificates::roots::Roots;

const HOST: &str = "hatchway.d8-system.svc";

struct Scene {
    chain: Vec<CertificateDer<'static>>,
    /// What trusts it.
    good: Roots,
    /// What does not.
    bad: Roots,
}

fn scene() -> Scene {
    crate::certificates::install_provider();
    let now = SystemTime::now();
    let authority = || Authority::generate(now, AUTHORITY_LIFE).unwrap();
    let roots = |authority: &Authority| [authority.certificate().clone()].into_iter().collect();
    let (good, bad) = (authority(), authority());
    Scene {
        chain: good.sign(&[HOST.to_owned()], now).unwrap().key().cert.clone(),
        good: roots(&good),
        bad: roots(&bad),
    }
}

fn carried(bundles: &[&Roots]) -> Known {
    let entry = |(number, bundle): (usize, &&Roots)| Entry {
        name: format!("w{number}"),
        host: HOST.to_owned(),
        bundle: (*bundle).clone(),
        ours: false,
    };
    Some(Some(Carried {
        uid: None,
        resource_version: None,
        entries: bundles.iter().enumerate().map(entry).collect(),
        others: 0,
    }))
}

fn judge(scene: &Scene, known: &[Known], system_roots: bool) -> Judgement {
    Judgement::of(
        &Carrier::all(),
        known,
        &scene.chain,
        system_roots,
        SystemTime::now(),
    )
}

#[test]
fn is_ready_when_every_place_that_is_there_trusts_what_is_served() {
    let scene = scene();
    let two = [&scene.good, &scene.good];
    let judgement = judge(
        &scene,
        &[carried(&two), carried(&two[..1]), Some(None), Some(None)],
        false,
    );
    assert_eq!(judgement.trusting, 3);
    assert_eq!(
        judgement.readiness(false),
        Ok(Some(
            "not there: customresourcedefinition moduleupdatepolicies.deckhouse.io, \
             customresourcedefinition modulepulloverrides.deckhouse.io"
                .to_owned()
        ))
    );
}

#[test]
fn is_not_ready_at_first_before_all_is_read_and_trusts_us() {
    let scene = scene();
    let known = [carried(&[&scene.good]), None, None, None];
    assert_eq!(
        judge(&scene, &known, false).readiness(false).unwrap_err(),
        "not read yet: mutatingwebhookconfiguration hatchway, customresourcedefinition \
         moduleupdatepolicies.deckhouse.io, customresourcedefinition modulepulloverrides.deckhouse.io"
    );
    let known = [
        carried(&[&scene.good, &scene.bad]),
        Some(None),
        Some(None),
        Some(None),
    ];
    assert_eq!(
        judge(&scene, &known, false).readiness(false).unwrap_err(),
        "callers would not trust what is served: validatingwebhookconfiguration hatchway, w1: \
         the served certificate was not signed by an authority in the caBundle"
    );
}

#[test]
fn stays_ready_until_nobody_at_all_trusts_us() {
    let scene = scene();
    let some = [
        carried(&[&scene.bad, &scene.bad, &scene.bad, &scene.bad, &scene.good]),
        Some(None),
        Some(None),
        Some(None),
    ];
    let note = judge(&scene, &some, false).readiness(true).unwrap().unwrap();
    assert!(
        note.starts_with("some callers would not trust what is served: "),
        "{note}"
    );
    assert!(note.contains(" and 1 more; not there: "), "{note}");
    let none = [carried(&[&scene.bad]), Some(None), Some(None), Some(None)];
    assert!(judge(&scene, &none, false).readiness(true).is_err());
    // Configurations that went away, as in an uninstall, are no reason.
    let gone = [Some(None), Some(None), Some(None), Some(None)];
    assert!(judge(&scene, &gone, false).readiness(true).is_ok());
}

#[test]
fn an_empty_bundle_trusts_nobody_unless_it_is_meant_to_be_empty() {
    let scene = scene();
    let known = [carried(&[&Roots::default()]), Some(None), Some(None), Some(None)];
    assert!(judge(&scene, &known, false).readiness(false).is_err());
    let note = judge(&scene, &known, true).readiness(false).unwrap().unwrap();
    assert!(
        note.contains("left to the API server's own roots: 1 entry"),
        "{note}"
    );
}

#[test]
fn configurations_that_call_somebody_else_are_told() {
    let scene = scene();
    let foreign = Some(Some(Carried {
        uid: None,
        resource_version: None,
        entries: Vec::new(),
        others: 7,
    }));
    let known = [foreign, Some(None), Some(None), Some(None)];
    let note = judge(&scene, &known, false).readiness(false).unwrap().unwrap();
    assert!(
        note.contains("does not call this Hatchway: validatingwebhookconfiguration hatchway"),
        "{note}"
    );
}
