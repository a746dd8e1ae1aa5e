//! What does not exist yet may be on its way (AD-5): a refusal for its absence waits a moment for it, and no longer.

use super::cases::answer;
use super::support::reviewer::Reviewer;
use bytes::Bytes;
use hatchway::api::Kind;
use hatchway::webhook::{Deadline, Path};
use hatchway::world::{Object, Shared};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const LONG: Duration = Duration::from_secs(30);

fn config(spec: &Value) -> Bytes {
    let object = json!({"apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleConfig", "metadata": {"name": "global"}, "spec": spec});
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "1", "operation": "CREATE", "object": object,
            "kind": {"group": "deckhouse.io", "version": "v1alpha1", "kind": "ModuleConfig"},
        },
    });
    review.to_string().into()
}

fn policy(name: &str) -> Object {
    let object = json!({"apiVersion": "deckhouse.io/v1alpha2", "kind": "ModuleUpdatePolicy", "metadata": {"name": name}, "spec": {}});
    Object::from_value(object).unwrap()
}

/// The verdict, and how long was waited for it, by a clock that stands still while anybody works.
async fn judge(world: &Arc<Shared>, spec: &Value, patience: Duration) -> (Value, Duration) {
    let reviewer = Reviewer::over(world.clone());
    let start = Instant::now();
    let deadline = Deadline::at(std::time::Instant::now() + patience);
    let answer = reviewer
        .answer_in_time(Path::Validate, config(spec), deadline)
        .await;
    (answer::decoded(&answer), start.elapsed())
}

#[tokio::test]
async fn a_policy_that_arrives_in_time_turns_a_refusal_into_an_accepted_config() {
    let world = Arc::new(Shared::default());
    let spec = json!({"updatePolicy": "slow"});
    let bring = async {
        // Another object first: its arrival alone is no answer.
        tokio::task::yield_now().await;
        world.update(|world| world.insert(policy("other")));
        tokio::task::yield_now().await;
        world.update(|world| world.insert(policy("slow")));
    };
    let ((verdict, _), ()) = tokio::join!(judge(&world, &spec, LONG), bring);
    assert_eq!(verdict["allowed"], true);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_does_not_arrive_is_waited_for_and_then_refused() {
    let (verdict, took) = judge(&Arc::default(), &json!({"updatePolicy": "slow"}), LONG).await;
    assert_eq!(verdict["allowed"], false);
    assert_eq!(took.as_millis() / 10, 50, "{took:?}");
}

#[tokio::test]
async fn what_cannot_be_read_exists_all_the_same() {
    let world = Arc::new(Shared::default());
    world.update(|world| {
        for kind in [Kind::ModuleUpdatePolicy, Kind::ModuleSource] {
            world.insert_unreadable(kind, "odd", "status of another shape".into());
        }
    });
    let (verdict, _) = judge(&world, &json!({"updatePolicy": "odd", "source": "odd"}), LONG).await;
    assert_eq!(verdict["allowed"], true, "{verdict}");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_past_the_deadline() {
    let (verdict, took) = judge(
        &Arc::default(),
        &json!({"updatePolicy": "slow"}),
        Duration::from_millis(50),
    )
    .await;
    assert_eq!(verdict["allowed"], false);
    assert!(took <= Duration::from_millis(51), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_what_would_not_help() {
    let spec = json!({"updatePolicy": "slow", "source": "Embedded"});
    let (verdict, took) = judge(&Arc::default(), &spec, LONG).await;
    assert_eq!(verdict["allowed"], false);
    assert_eq!(took, Duration::ZERO);
}
