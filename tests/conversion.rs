//! Conversions by the real program: limits, failures, what is kept and what is marked.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hatchway::conversion::{ConversionError, Converter, ConverterOptions, Event, Limit};
use hatchway::settings::{Definition, PathFrom, SchemaVersion};
use serde_json::{Value, json};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct World {
    converter: Converter,
    events: Arc<Mutex<Vec<Event>>>,
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut ConverterOptions)) -> Self {
        let mut options = ConverterOptions {
            program: PathBuf::from(env!("CARGO_BIN_EXE_hatchway")),
            ..ConverterOptions::default()
        };
        change(&mut options);
        let events = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&events);
        let converter = Converter::new(options, move |event| lock(&told).push(event.clone()));
        Self { converter, events }
    }

    async fn convert(
        &self,
        definition: &Definition,
        version: u32,
        settings: Value,
    ) -> Result<Value, ConversionError> {
        let deadline = Instant::now() + Duration::from_mins(1);
        let converted = self
            .converter
            .convert(definition, version, &settings, deadline)
            .await?;
        Ok(Value::clone(&converted))
    }

    fn events(&self) -> Vec<Event> {
        std::mem::take(&mut *lock(&self.events))
    }
}

fn definition(steps: &[&[&str]]) -> Definition {
    let schema = json!({"type": "object", "properties": {"pin": {"type": "integer", "x-sensitive": true}}});
    let mut versions = vec![SchemaVersion {
        number: 1,
        schema: Value::Null,
        conversions: Vec::new(),
    }];
    for (number, filters) in (2..).zip(steps) {
        let conversions = filters.iter().map(|&filter| filter.to_owned()).collect();
        versions.push(SchemaVersion {
            number,
            schema: schema.clone(),
            conversions,
        });
    }
    Definition::compile(versions)
}

#[tokio::test]
async fn converts_over_three_versions() {
    // A review's future moves between threads.
    fn movable<T: Send>(future: T) -> T {
        future
    }
    let world = World::new();
    let definition = definition(&[&[".b = .a", "del(.a)"], &[".c = .b * 2 | del(.b)"]]);
    let table = [
        (
            1,
            json!({"a": 2, "k": "é\n\u{0}"}),
            json!({"c": 4, "k": "é\n\u{0}"}),
        ),
        (2, json!({"b": 3}), json!({"c": 6})),
        (3, json!({"b": 3}), json!({"b": 3})),
        (
            1,
            json!({"a": 0.5, "big": 12_345_678_901_234_i64}),
            json!({"c": 1.0, "big": 12_345_678_901_234_i64}),
        ),
    ];
    for (version, settings, expected) in table {
        assert_eq!(
            movable(world.convert(&definition, version, settings))
                .await
                .unwrap(),
            expected
        );
    }
    let error = world.convert(&definition, 4, json!({})).await.unwrap_err();
    assert_eq!(error.to_string(), "no conversion leads from version 4 to 3");
}

#[tokio::test]
async fn names_version_filter_and_cause_of_a_failure() {
    let world = World::new();
    let table: [(&[&[&str]], &str); 7] = [
        (
            &[&["."], &[".", ".mode | tonumber | {v: .}"]],
            "2 to 3: filter 2: cannot parse \"fast\" as JSON: byte offset 0: value expected",
        ),
        (&[&["error(\"give up\")"]], "1 to 2: filter 1: give up"),
        (&[&["empty"]], "1 to 2: filter 1: gave nothing"),
        (&[&["null"]], "1 to 2: filter 1: gave null instead of an object"),
        (
            &[&["[.]"]],
            "1 to 2: filter 1: gave an array instead of an object",
        ),
        (
            &[&[".mode.x"]],
            "1 to 2: filter 1: cannot index \"fast\" with \"x\"",
        ),
        (
            &[&["{a: nan}"]],
            "1 to 2: filter 1: the result cannot be written as JSON",
        ),
    ];
    for (steps, expected) in table {
        let error = world
            .convert(&definition(steps), 1, json!({"mode": "fast"}))
            .await
            .unwrap_err();
        assert!(
            error.to_string().ends_with(expected),
            "{error} should end with {expected}"
        );
        assert_eq!(
            format!(
                "conversion from version {} to {}: {}",
                error.versions().0,
                error.versions().1,
                error.cause()
            ),
            error.to_string()
        );
    }
}

#[tokio::test]
async fn never_quotes_a_secret() {
    let world = World::new();
    let settings = json!({"auth": {"password": "hunter2"}, "pin": 4711});
    for filter in [
        ".auth.password | tonumber",
        ".auth.password[0:5].x",
        ".auth | tonumber",
        "error(.auth.password)",
        "error(\"no \" + .auth.password)",
        ".auth.password | ascii_upcase | tonumber",
        ".pin[]",
        "error(.pin)",
        "error(.)",
        "error(.auth.password | ascii_upcase)",
        "error(.auth.password | explode | implode | .[1:])",
    ] {
        let error = world
            .convert(&definition(&[&[filter]]), 1, settings.clone())
            .await
            .unwrap_err();
        let text = format!("{error} {error:?}").to_lowercase();
        assert!(!text.contains("unte") && !text.contains("4711"), "{text}");
    }
}

#[tokio::test]
async fn ends_hostile_filters_and_marks_their_definitions() {
    let table: [(&str, &[Limit]); 6] = [
        ("def f: 1 + f; f", &[Limit::Depth, Limit::Memory]),
        ("last(repeat(.))", &[Limit::Cpu]),
        ("[range(1e9)]", &[Limit::Memory, Limit::Cpu]),
        (
            "{a: [limit(7000000; repeat(1))]}",
            &[Limit::Output, Limit::Memory, Limit::Cpu],
        ),
        (
            "reduce range(100) as $i (\"x\"; . + .)",
            &[Limit::Memory, Limit::Cpu, Limit::Crash],
        ),
        ("def f: [f]; f", &[Limit::Depth, Limit::Memory]),
    ];
    let world = World::new();
    for (filter, expected) in table {
        let definition = definition(&[&[filter]]);
        assert_eq!(definition.problems(), [], "{filter}");
        let started = Instant::now();
        let error = world.convert(&definition, 1, json!({"a": 1})).await.unwrap_err();
        let ConversionError::Limit { limit, .. } = error else {
            panic!("{filter}: {error}")
        };
        println!("{filter}: {limit:?} after {:?}", started.elapsed());
        // A machine under heavy load gives a child its second of processor time too slowly.
        assert!(
            expected.contains(&limit) || limit == Limit::Time,
            "{filter}: {limit:?}"
        );
        assert_eq!(
            world.events(),
            [Event::Marked {
                digest: definition.digest().to_owned(),
                limit
            }]
        );
        // At once, whatever the settings.
        let error = world.convert(&definition, 1, json!({"b": 1})).await.unwrap_err();
        assert!(matches!(error, ConversionError::Limit { limit: same, .. } if same == limit));
        assert_eq!(world.events(), [Event::RefusedMarked]);
    }
    // Others are none the worse for it.
    assert_eq!(
        world
            .convert(&definition(&[&[".b = 1"]]), 1, json!({}))
            .await
            .unwrap(),
        json!({"b": 1})
    );
}

#[tokio::test]
async fn has_no_path_where_a_filter_reaches_outside() {
    for filter in [
        "env",
        "$ENV.PATH",
        "halt",
        "halt_error",
        "input",
        "now",
        "{a: env}",
    ] {
        let definition = definition(&[&[filter]]);
        assert_eq!(definition.problems().len(), 1, "{filter}");
        assert_eq!(definition.path_from(1), PathFrom::None, "{filter}");
    }
}

#[tokio::test]
async fn keeps_results_by_definition_version_and_settings() {
    let world = World::new();
    let definition = definition(&[&[".b = 1"], &[".c = 1"]]);
    world.convert(&definition, 1, json!({"x": 1})).await.unwrap();
    assert!(matches!(world.events().as_slice(), [Event::Converted(_)]));
    world.convert(&definition, 1, json!({"x": 1})).await.unwrap();
    assert_eq!(world.events(), [Event::Kept]);
    world.convert(&definition, 2, json!({"x": 1})).await.unwrap();
    world.convert(&definition, 1, json!({"x": 2})).await.unwrap();
    assert_eq!(world.events().len(), 2);
    let large = json!({"x": "y".repeat(300_000)});
    world.convert(&definition, 1, large.clone()).await.unwrap();
    world.convert(&definition, 1, large).await.unwrap();
    assert!(
        world
            .events()
            .iter()
            .all(|event| matches!(event, Event::Converted(_)))
    );
}

#[tokio::test]
async fn converts_the_same_settings_once_however_many_ask() {
    let world = World::with(|options| options.waiting = 1);
    let definition = definition(&[&[".b = 1"]]);
    let asked = (0..50).map(|_| world.convert(&definition, 1, json!({"x": 1})));
    for answer in futures_util::future::join_all(asked).await {
        assert_eq!(answer.unwrap(), json!({"x": 1, "b": 1}));
    }
    assert_eq!(
        world
            .events()
            .iter()
            .filter(|event| matches!(event, Event::Converted(_)))
            .count(),
        1
    );
}

#[tokio::test]
async fn says_so_when_too_many_wait() {
    let world = World::with(|options| {
        options.children = 1;
        options.waiting = 1;
    });
    let definition = definition(&[&[".b = 1"]]);
    let asked = (0..20).map(|n| world.convert(&definition, 1, json!({"x": n})));
    let answers = futures_util::future::join_all(asked).await;
    assert!(answers.iter().any(Result::is_ok));
    assert!(
        answers
            .iter()
            .any(|answer| matches!(answer, Err(ConversionError::Busy { .. })))
    );
    assert!(
        world.convert(&definition, 1, json!({"x": 19})).await.is_ok(),
        "nothing transient is kept"
    );
}

#[tokio::test]
async fn goes_on_after_the_callers_deadline() {
    let world = World::new();
    let definition = definition(&[&[".b = 1"]]);
    let settings = json!({"x": 1});
    let error = world
        .converter
        .convert(&definition, 1, &settings, Instant::now())
        .await
        .unwrap_err();
    assert!(matches!(error, ConversionError::Deadline { from: 1, to: 2 }));
    assert_eq!(
        world.convert(&definition, 1, settings).await.unwrap(),
        json!({"x": 1, "b": 1})
    );
    assert_eq!(
        world
            .events()
            .iter()
            .filter(|event| matches!(event, Event::Converted(_)))
            .count(),
        1
    );
}

#[tokio::test]
async fn ends_a_child_that_does_nothing() {
    let world = World::with(|options| {
        options.program = PathBuf::from("/bin/sh");
        options.time = Duration::from_millis(200);
    });
    let error = world
        .convert(&definition(&[&[".b = 1"]]), 1, json!({}))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            ConversionError::Limit {
                limit: Limit::Crash,
                ..
            }
        ),
        "{error:?}"
    );
    let world = World::with(|options| options.program = PathBuf::from("/does/not/exist"));
    let error = world
        .convert(&definition(&[&[".b = 1"]]), 1, json!({}))
        .await
        .unwrap_err();
    assert!(matches!(error, ConversionError::Process { .. }), "{error:?}");
}
