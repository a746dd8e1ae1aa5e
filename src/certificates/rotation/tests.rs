use super::*;

const DAY: Duration = Duration::from_hours(24);

fn kept(now: SystemTime) -> Kept {
    crate::certificates::install_provider();
    make(Roots::default(), now).unwrap()
}

fn at(now: SystemTime, next_is_known: bool) -> Around {
    Around { now, next_is_known }
}

#[test]
fn at_rest_there_is_nothing_to_do() {
    let now = SystemTime::now();
    let kept = kept(now);
    for days in [0, 1, 100, 240] {
        assert_eq!(plan(&kept, &at(now + days * DAY, true)), None, "{days} days");
    }
    // A clock that is behind, or was set back.
    assert_eq!(plan(&kept, &at(now - 100 * DAY, true)), None);
}

#[test]
fn a_rotation_has_two_phases_and_an_end() {
    let now = SystemTime::now();
    let first = kept(now);
    let later = now + 250 * DAY;
    assert_eq!(plan(&first, &at(later, false)), Some(Change::Prepare));
    let prepared = carry_out(&first, Change::Prepare, later).unwrap();
    assert_eq!(
        prepared.present.certificate(),
        first.present.certificate(),
        "it signs on"
    );
    let next = prepared.next.clone().unwrap();
    assert_eq!(
        prepared.bundle(later).iter().collect::<Vec<_>>(),
        [next.certificate(), first.present.certificate()],
    );

    assert_eq!(
        plan(&prepared, &at(later, false)),
        None,
        "not every caller knows it"
    );
    assert_eq!(plan(&prepared, &at(later, true)), Some(Change::Promote));
    let promoted = carry_out(&prepared, Change::Promote, later).unwrap();
    assert_eq!(promoted.present.certificate(), next.certificate());
    assert!(promoted.next.is_none());
    assert_eq!(
        promoted.bundle(later),
        prepared.bundle(later),
        "callers need not be told again"
    );

    // The former one stays until its last leaf has expired, by a clock that is an hour off, too.
    assert_eq!(plan(&promoted, &at(later + LEAF_LIFE, true)), None);
    let end = later + LEAF_LIFE + CLOCK_SKEW;
    assert_eq!(plan(&promoted, &at(end, true)), Some(Change::Forget));
    let over = carry_out(&promoted, Change::Forget, end).unwrap();
    assert_eq!(over.bundle(end).iter().collect::<Vec<_>>(), [next.certificate()]);
    assert_eq!(plan(&over, &at(end, true)), None);
}

#[test]
fn a_person_may_ask_for_a_rotation() {
    let now = SystemTime::now();
    let mut kept = kept(now);
    kept.asked = true;
    assert_eq!(plan(&kept, &at(now, true)), Some(Change::Prepare));
    let prepared = carry_out(&kept, Change::Prepare, now).unwrap();
    assert!(!prepared.asked, "asked once, done once");
    // Asked again meanwhile: one after the other.
    let mut again = prepared;
    again.asked = true;
    assert_eq!(plan(&again, &at(now, false)), None);
    let promoted = carry_out(&again, Change::Promote, now).unwrap();
    assert_eq!(plan(&promoted, &at(now, false)), Some(Change::Prepare));
}

#[test]
fn an_expired_authority_is_replaced_without_waiting_for_callers() {
    let now = SystemTime::now();
    let first = kept(now);
    let later = now + LIFE + DAY;
    assert_eq!(plan(&first, &at(later, false)), Some(Change::Prepare));
    let prepared = carry_out(&first, Change::Prepare, later).unwrap();
    assert_eq!(plan(&prepared, &at(later, false)), Some(Change::Promote));
    let promoted = carry_out(&prepared, Change::Promote, later).unwrap();
    assert!(promoted.former.is_empty(), "nobody trusts what has expired");
}

#[test]
fn what_callers_trusted_stays_trusted_when_the_secret_is_made_anew() {
    let now = SystemTime::now();
    let lost = kept(now);
    let expired = Authority::generate(now - 3 * DAY, DAY).unwrap();
    let trusted = [lost.present.certificate(), expired.certificate()];
    let made = make(trusted.into_iter().cloned().collect(), now).unwrap();
    assert_eq!(
        made.bundle(now).iter().collect::<Vec<_>>(),
        [made.present.certificate(), lost.present.certificate()],
    );
    assert_eq!(made.former_until, Some(now + RETENTION));
}

#[test]
fn a_bundle_does_not_grow_with_every_rotation() {
    let now = SystemTime::now();
    let mut kept = kept(now);
    for _ in 0..12 {
        kept = carry_out(&kept, Change::Prepare, now).unwrap();
        kept = carry_out(&kept, Change::Promote, now).unwrap();
    }
    assert_eq!(kept.bundle(now).iter().count(), 1 + FORMER);
}

#[test]
fn replicas_whose_clocks_are_ten_minutes_apart_use_each_others_authorities() {
    let now = SystemTime::now();
    let off = Duration::from_mins(10);
    for (theirs, ours) in [(now + off, now), (now - off, now)] {
        let made = kept(theirs);
        assert_eq!(plan(&made, &at(ours, false)), None);
        let leaf = made.present.sign(&["localhost".to_owned()], ours).unwrap();
        for caller in [now - off, now, now + off] {
            let verified =
                crate::certificates::trust::verify(&leaf.key().cert, &made.bundle(ours), "localhost", caller);
            assert_eq!(verified, Ok(()));
        }
    }
}
