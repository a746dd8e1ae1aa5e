//! A module's settings definition: its versions, compiled.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Instant;

use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::node::Node;
use super::problem::{LoadProblem, ProblemKind};
use super::violation::{Judgement, MAX_VIOLATIONS, Source};
use super::{defaults, evaluate, filter, keywords, schema, spec, words};

/// Values beyond which judging is worth a thread of its own.
const HEAVY_VALUES: usize = 20_000;
/// The same where rules loop: a loop over a hundred items within another takes milliseconds, over a thousand it takes
/// all the time that a rule has.
const HEAVY_VALUES_IN_LOOPS: usize = 100;

/// One version of a module's settings, as the definition lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct SchemaVersion {
    /// The version, from 1.
    pub number: u32,
    /// The OpenAPI v3.0 schema; null where the definition has none for this version.
    pub schema: Value,
    /// jq filters, applied in order, that lead **to** this version from the listed one before it.
    pub conversions: Vec<String>,
}

/// How settings of some version become settings of the latest (rule MC-6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathFrom<'a> {
    /// They are of the latest version.
    Same,
    /// These steps, in order; at least one.
    Steps(Vec<Step<'a>>),
    /// The version is newer than the latest, or nothing leads from it.
    None,
}

/// One step of a conversion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// The version that the settings are of before the step.
    pub from: u32,
    /// The version that they are of after it.
    pub to: u32,
    /// jq filters, applied in order.
    pub filters: &'a [String],
}

/// A settings definition, compiled once and shared.
#[derive(Debug)]
pub struct Definition {
    digest: String,
    versions: Vec<SchemaVersion>,
    compiled: Option<Compiled>,
    problems: Vec<LoadProblem>,
    convertible: bool,
    loops: bool,
    deep: bool,
    sensitive_names: BTreeSet<String>,
}

#[derive(Debug)]
struct Compiled {
    validator: Validator,
    root: Node,
}

impl Definition {
    /// Compiles the versions, in whatever order they come. It never fails as a whole: what cannot be used is left
    /// out and told by [`Self::problems`].
    #[must_use]
    pub fn compile(mut versions: Vec<SchemaVersion>) -> Self {
        let mut problems = Vec::new();
        versions.sort_by_key(|version| version.number);
        for pair in versions.windows(2) {
            if pair[0].number == pair[1].number {
                problems.push(LoadProblem {
                    path: format!("versions[{}]", pair[0].number),
                    message: "the version is listed twice, the first one counts".to_owned(),
                    kind: ProblemKind::Version,
                });
            }
        }
        versions.dedup_by_key(|version| version.number);

        let compiled = versions
            .last()
            .and_then(|latest| compile_schema(latest, &mut problems));
        let convertible = check_conversions(&versions, &mut problems);
        let mut sensitive_names = BTreeSet::new();
        let (mut loops, mut deep) = (false, false);
        if let Some(compiled) = &compiled {
            collect(&compiled.root, &mut sensitive_names, &mut loops, &mut deep);
        }
        let digest = digest(&versions);
        // Compiled or of no use: the text of schemas is most of a definition's size.
        for version in &mut versions {
            version.schema = Value::Null;
        }
        Self {
            digest,
            versions,
            compiled,
            problems,
            convertible,
            loops,
            deep,
            sensitive_names,
        }
    }

    /// Compiles the `spec` of a ModuleSettingsDefinition. Entries that cannot be read are among the problems.
    #[must_use]
    pub fn from_spec(spec: &Value) -> Self {
        let (versions, mut problems) = spec::versions_of(spec);
        let mut definition = Self::compile(versions);
        problems.append(&mut definition.problems);
        definition.problems = problems;
        definition
    }

    /// What is wrong with the definition itself: told once, where it is loaded.
    pub fn problems(&self) -> &[LoadProblem] {
        &self.problems
    }

    /// A digest of everything the definition says, in hex: equal definitions have equal digests.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The latest version; 0 when the definition lists none.
    pub fn latest(&self) -> u32 {
        self.versions.last().map_or(0, |latest| latest.number)
    }

    /// Names of fields that the latest schema marks `x-sensitive`: values under them stay out of messages of
    /// conversions, too.
    pub fn sensitive_names(&self) -> &BTreeSet<String> {
        &self.sensitive_names
    }

    /// How settings of `version` come to the latest version (rule MC-6).
    ///
    /// A step to a listed version leads from the listed version before it, or from `version` itself where that is
    /// not listed; a listed version without conversions ends the path. A definition with a filter that does not
    /// compile has no path at all.
    pub fn path_from(&self, version: u32) -> PathFrom<'_> {
        let latest = self.latest();
        if version == latest {
            return PathFrom::Same;
        }
        if version > latest || !self.convertible {
            return PathFrom::None;
        }
        let mut from = version;
        let mut steps = Vec::new();
        for listed in self.versions.iter().filter(|listed| listed.number > version) {
            if listed.conversions.is_empty() {
                return PathFrom::None;
            }
            steps.push(Step {
                from,
                to: listed.number,
                filters: &listed.conversions,
            });
            from = listed.number;
        }
        PathFrom::Steps(steps)
    }

    /// Whether judging these settings is worth a thread of its own rather than the one that serves requests.
    /// Either way it ends in time: rules are cut off by their own clock.
    pub fn is_heavy(&self, settings: &Value) -> bool {
        let limit = if self.loops {
            HEAVY_VALUES_IN_LOOPS
        } else {
            HEAVY_VALUES
        };
        let mut left = limit;
        !count_down(settings, &mut left)
    }

    /// Settings with defaults filled in, as the rules see them. People's objects are never written back.
    #[must_use]
    pub fn with_defaults(&self, settings: &Value) -> Value {
        let mut settings = settings.clone();
        if let Some(compiled) = &self.compiled {
            defaults::fill(&mut settings, &compiled.root);
        }
        settings
    }

    /// Judges settings that are of the latest version already (rules MC-7 and MC-8). `old` is what was there before,
    /// brought to the latest version, too, and `None` where that cannot be done. `deadline` is when the review must
    /// be answered; each rule has at most [`RULE_TIME`](super::RULE_TIME) anyway.
    #[must_use]
    pub fn judge(&self, settings: &Value, old: Option<&Value>, deadline: Option<Instant>) -> Judgement {
        let mut judgement = Judgement::default();
        let Some(compiled) = &self.compiled else {
            judgement.unjudged = true;
            return judgement;
        };
        let settings = self.with_defaults(settings);
        let mut blocked = false;
        if !compiled.validator.is_valid(&settings) {
            blocked = compiled.tell(&settings, &mut judgement);
        }
        if blocked {
            judgement.rules_not_run = compiled.root.rules_below;
        } else if compiled.root.rules_below {
            let old = old.map(|old| self.with_defaults(old));
            let run = if self.deep {
                evaluate::run_deep
            } else {
                evaluate::run
            };
            run(&compiled.root, &settings, old.as_ref(), deadline, &mut judgement);
        }
        judgement
    }
}

impl Compiled {
    /// Tells what breaks the schema. Answers whether that is of a kind beside which rules cannot run, since they
    /// would only stumble over what is missing: the API server draws the same line.
    fn tell(&self, settings: &Value, judgement: &mut Judgement) -> bool {
        let mut blocked = false;
        for error in self.validator.iter_errors(settings) {
            blocked |= !matches!(
                error.kind(),
                ValidationErrorKind::Enum { .. }
                    | ValidationErrorKind::Custom { .. }
                    | ValidationErrorKind::Minimum { .. }
                    | ValidationErrorKind::Maximum { .. }
                    | ValidationErrorKind::ExclusiveMinimum { .. }
                    | ValidationErrorKind::ExclusiveMaximum { .. }
                    | ValidationErrorKind::MultipleOf { .. }
                    | ValidationErrorKind::MinLength { .. }
                    | ValidationErrorKind::MinItems { .. }
                    | ValidationErrorKind::UniqueItems
                    | ValidationErrorKind::AdditionalProperties { .. }
            ) && !words::allows_nothing(error.kind());
            if judgement.violations.len() > MAX_VIOLATIONS {
                continue;
            }
            words::tell(&error, &self.root, &mut judgement.violations);
        }
        judgement.violations.sort_by(|a, b| a.path.cmp(&b.path));
        judgement.violations.dedup();
        if judgement.violations.len() > MAX_VIOLATIONS {
            judgement.violations.truncate(MAX_VIOLATIONS);
            judgement.more = true;
        }
        debug_assert!(
            judgement
                .violations
                .iter()
                .all(|violation| violation.source == Source::Schema)
        );
        blocked
    }
}

fn compile_schema(latest: &SchemaVersion, problems: &mut Vec<LoadProblem>) -> Option<Compiled> {
    let path = format!("versions[{}].schema", latest.number);
    if latest.schema.is_null() {
        let message = "the latest version has no schema".to_owned();
        problems.push(LoadProblem {
            path,
            message,
            kind: ProblemKind::Schema,
        });
        return None;
    }
    let normalised = schema::normalise(&latest.schema, &path, problems)?;
    match keywords::build(&normalised.draft7, normalised.patterns) {
        Ok(validator) => Some(Compiled {
            validator,
            root: normalised.root,
        }),
        Err(message) => {
            problems.push(LoadProblem {
                path,
                message,
                kind: ProblemKind::Schema,
            });
            None
        }
    }
}

/// Whether every filter compiles.
fn check_conversions(versions: &[SchemaVersion], problems: &mut Vec<LoadProblem>) -> bool {
    let before = problems.len();
    for version in versions {
        for (index, code) in version.conversions.iter().enumerate() {
            if let Err(why) = filter::compile_filter(code) {
                problems.push(LoadProblem {
                    path: format!("versions[{}].conversions[{index}]", version.number),
                    message: format!("the filter does not compile, so nothing can be converted: {why}"),
                    kind: ProblemKind::Conversion,
                });
            }
        }
    }
    problems.len() == before
}

fn digest(versions: &[SchemaVersion]) -> String {
    let mut hasher = Sha256::new();
    for version in versions {
        // Lengths in front keep one text from reading as two.
        let schema = version.schema.to_string();
        hasher.update(version.number.to_le_bytes());
        hasher.update((schema.len() as u64).to_le_bytes());
        hasher.update(schema);
        hasher.update((version.conversions.len() as u64).to_le_bytes());
        for filter in &version.conversions {
            hasher.update((filter.len() as u64).to_le_bytes());
            hasher.update(filter);
        }
    }
    hasher
        .finalize()
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

fn collect(node: &Node, sensitive: &mut BTreeSet<String>, loops: &mut bool, deep: &mut bool) {
    *loops |= node.rules.iter().any(|rule| rule.loops);
    *deep |= node.rules.iter().any(|rule| rule.deep);
    for (key, child) in &node.properties {
        if child.sensitive || child.items.as_deref().is_some_and(|items| items.sensitive) {
            sensitive.insert(key.clone());
        }
    }
    for child in node
        .children()
        .filter(|child| child.rules_below || child.sensitive_below)
    {
        collect(child, sensitive, loops, deep);
    }
}

/// Counts values until `left` is used up; answers whether they all fit.
fn count_down(value: &Value, left: &mut usize) -> bool {
    if *left == 0 {
        return false;
    }
    *left -= 1;
    match value {
        Value::Object(object) => object.values().all(|child| count_down(child, left)),
        Value::Array(items) => items.iter().all(|item| count_down(item, left)),
        _ => true,
    }
}
