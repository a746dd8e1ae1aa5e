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

fn carrying(bundles: &[&Roots]) -> Carried {
    let entry = |(number, bundle): (usize, &&Roots)| Entry {
        name: format!("w{number}"),
        host: HOST.to_owned(),
        bundle: (*bundle).clone(),
        ours: false,
    };
    Carried {
        uid: None,
        resource_version: None,
        entries: bundles.iter().enumerate().map(entry).collect(),
        others: 0,
    }
}

/// The first carriers hold this, the others are not there.
fn only(contents: Vec<Carried>) -> Vec<Known> {
    let mut known = vec![Some(None); Carrier::all().len()];
    for (place, content) in known.iter_mut().zip(contents) {
        *place = Some(Some(content));
    }
    known
}

fn judge(scene: &Scene, known: &[Known]) -> Judgement {
    Judgement::of(&Carrier::all(), known, &scene.chain, None, SystemTime::now())
}

#[test]
fn is_ready_when_every_place_that_is_there_trusts_what_is_served() {
    let scene = scene();
    let two = [&scene.good, &scene.good];
    let judgement = judge(&scene, &only(vec![carrying(&two), carrying(&two[..1])]));
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
    let known = [Some(Some(carrying(&[&scene.good]))), None, None, None];
    assert_eq!(
        judge(&scene, &known).readiness(false).unwrap_err(),
        "not read yet: mutatingwebhookconfiguration hatchway, customresourcedefinition \
         moduleupdatepolicies.deckhouse.io, customresourcedefinition modulepulloverrides.deckhouse.io"
    );
    let known = only(vec![carrying(&[&scene.good, &scene.bad])]);
    assert_eq!(
        judge(&scene, &known).readiness(false).unwrap_err(),
        "callers would not trust what is served: validatingwebhookconfiguration hatchway, w1: \
         the served certificate was not signed by an authority in the caBundle"
    );
}

#[test]
fn stays_ready_until_nobody_at_all_trusts_us() {
    let scene = scene();
    let some = only(vec![carrying(&[
        &scene.bad,
        &scene.bad,
        &scene.bad,
        &scene.bad,
        &scene.good,
    ])]);
    let note = judge(&scene, &some).readiness(true).unwrap().unwrap();
    assert!(
        note.starts_with("some callers would not trust what is served: "),
        "{note}"
    );
    assert!(note.contains(" and 1 more; not there: "), "{note}");
    let nobody = only(vec![carrying(&[&scene.bad])]);
    assert!(judge(&scene, &nobody).readiness(true).is_err());
    // Configurations that went away, as in an uninstall, are no reason.
    let gone = only(Vec::new());
    assert!(judge(&scene, &gone).readiness(true).is_ok());
}

#[test]
fn an_empty_bundle_trusts_nobody_whom_no_public_authority_vouches_for() {
    let scene = scene();
    let known = only(vec![carrying(&[&Roots::default()])]);
    let missing = judge(&scene, &known).readiness(false).unwrap_err();
    assert!(missing.ends_with("the caBundle is empty"), "{missing}");
    let system = SystemRoots::read();
    let judgement = Judgement::of(
        &Carrier::all(),
        &known,
        &scene.chain,
        Some(&system),
        SystemTime::now(),
    );
    let missing = judgement.readiness(false).unwrap_err();
    assert!(missing.contains("no public authority vouches"), "{missing}");
}

#[test]
fn configurations_that_call_somebody_else_are_told() {
    let scene = scene();
    let foreign = Carried {
        others: 7,
        ..carrying(&[])
    };
    let known = only(vec![foreign]);
    let note = judge(&scene, &known).readiness(false).unwrap().unwrap();
    assert!(
        note.contains("does not call this Hatchway: validatingwebhookconfiguration hatchway"),
        "{note}"
    );
}
