//! CEL rules of a schema, compiled once (rule MC-8).
//!
//! kube-cel brings the language and the functions of Kubernetes. What it lacks is here: a limit on time, field
//! names as the API server escapes them, patterns as Go reads them, and refusing at load what refers to nothing.

mod compile;
mod signs;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use kube_cel::CompiledSchema;
use kube_cel::cel::parser::Expression;
use kube_cel::cel::{Context, ExecutionError, Value as CelValue};
use serde::Deserialize;
use serde_json::Value;

use super::runtime;
use super::violation::Reason;
pub(super) use compile::bounds;
use compile::{compile, with_room};

/// Rules as modules write them: `{expression, message}`.
pub(super) const DECKHOUSE: &str = "x-deckhouse-validations";
/// Rules as CRDs write them: `{rule, message, messageExpression, …}`.
pub(super) const KUBERNETES: &str = "x-kubernetes-validations";
/// Expressions within expressions that a thread with an ordinary stack runs, in debug builds, too.
const DEEP: usize = 16;

/// One rule, ready to run.
#[derive(Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "what was found in the expression, each read where it matters"
)]
pub(super) struct Rule {
    /// The expression as written, for messages.
    pub source: String,
    program: Expression,
    message: Option<String>,
    message_program: Option<Expression>,
    /// Speaks of `oldSelf`, so it is skipped where there is no old value.
    pub transition: bool,
    /// Runs without an old value, too, with `oldSelf` as an optional.
    pub optional_old: bool,
    /// Where the violation belongs, below the node: `.name`.
    pub field_path: Option<String>,
    /// The reason of its violations.
    pub reason: Reason,
    /// Whether it is nested so deeply that it must not run on the stack of a serving thread.
    pub deep: bool,
    /// The keys of `self` and `oldSelf` that it looks at; `None` when it takes them as a whole.
    pub fields: Option<BTreeSet<String>>,
    /// Whether it loops: only then can the settings make it slow.
    pub loops: bool,
}

/// Both written forms; the keyword decides which of the two keys is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    rule: Option<String>,
    expression: Option<String>,
    message: Option<String>,
    message_expression: Option<String>,
    field_path: Option<String>,
    reason: Option<String>,
    optional_old_self: Option<bool>,
}

impl Rule {
    /// Compiles a rule of the list under `keyword`, or says why it cannot be used.
    pub(super) fn compile(keyword: &str, written: &Value) -> Result<Self, String> {
        let written = Written::deserialize(written)
            .map_err(|_| "it must be an object with a string under each of its keys".to_owned())?;
        let (source, key) = match keyword {
            DECKHOUSE => (written.expression, "expression"),
            _ => (written.rule, "rule"),
        };
        let source = source
            .filter(|text| !text.trim().is_empty())
            .ok_or_else(|| format!("{key} is missing"))?;
        let optional_old = written.optional_old_self == Some(true);
        let (program, mut facts) = compile(&source)?;
        let (message_program, message_depth) = match written.message_expression {
            None => (None, 0),
            Some(text) => {
                let (program, more) =
                    compile(&text).map_err(|why| format!("its messageExpression: {why}"))?;
                facts.fields.extend(more.fields);
                facts.whole |= more.whole;
                (Some(program), more.depth)
            }
        };
        Ok(Self {
            source: source.trim().to_owned(),
            program,
            message: written
                .message
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty()),
            message_program,
            transition: facts.old_self,
            optional_old,
            field_path: written.field_path,
            reason: match written.reason.as_deref() {
                Some("FieldValueRequired") => Reason::Required,
                Some("FieldValueForbidden") => Reason::Forbidden,
                Some("FieldValueDuplicate") => Reason::Duplicate,
                _ => Reason::Invalid,
            },
            deep: facts.depth.max(message_depth) > DEEP,
            fields: (!facts.whole).then_some(facts.fields),
            loops: facts.loops,
        })
    }

    /// A sentence about the rule's cost when kube-cel's estimate is over the API server's budget.
    pub(super) fn cost_warning(&self, bounds: &CompiledSchema) -> Option<String> {
        if !self.loops {
            return None;
        }
        // The estimate parses once more and multiplies without looking; neither may end more than itself.
        with_room(&self.source, || {
            catch_unwind(AssertUnwindSafe(|| {
                kube_cel::estimate_rule_cost(&self.source, bounds)
            }))
            .unwrap_or_default()
            .into_iter()
            .find(|warning| warning.kind == kube_cel::WarningKind::CostExceeded)
            .map(|warning| warning.message)
        })
        .flatten()
    }

    /// Runs the rule in a scope that holds `self` (and `oldSelf`).
    pub(super) fn run(&self, scope: &Context<'_>) -> Outcome {
        // The interpreter has corners that panic; one rule must not take the review with it.
        let ran = catch_unwind(AssertUnwindSafe(|| scope.resolve(&self.program)));
        if runtime::expired() {
            return Outcome::OutOfTime;
        }
        match ran {
            Ok(Ok(CelValue::Bool(true))) => Outcome::Holds,
            Ok(Ok(CelValue::Bool(false))) => self.refusal(scope),
            Ok(Ok(other)) => Outcome::Error(format!(
                "rule \"{}\" gave {} instead of true or false",
                self.source,
                other.type_of()
            )),
            Ok(Err(error)) => Outcome::Error(format!("rule \"{}\" failed: {}", self.source, words(&error))),
            Err(_) => Outcome::Error(format!(
                "rule \"{}\" failed: the CEL interpreter gave up",
                self.source
            )),
        }
    }

    fn refusal(&self, scope: &Context<'_>) -> Outcome {
        let fixed = self
            .message
            .clone()
            .unwrap_or_else(|| format!("failed rule: {}", self.source));
        let computed = self.message_program.as_ref().and_then(|program| {
            match catch_unwind(AssertUnwindSafe(|| scope.resolve(program))) {
                Ok(Ok(CelValue::String(text))) => Some(text.trim().to_owned()),
                _ => None,
            }
        });
        // As in the API server: an empty message or one of several lines is none.
        let computed =
            computed.filter(|text| !text.is_empty() && !text.contains('\n') && text.len() <= 5 * 1024);
        Outcome::Broken { fixed, computed }
    }
}

/// What came of a rule.
#[derive(Debug)]
pub(super) enum Outcome {
    Holds,
    /// It gave false. The computed message may quote settings, the fixed one cannot.
    Broken {
        fixed: String,
        computed: Option<String>,
    },
    /// It could not be evaluated; the text may quote settings.
    Error(String),
    OutOfTime,
}

/// An evaluation error without the values that the crate's own words carry.
fn words(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("no such key: {key}"),
        ExecutionError::UndeclaredReference(name) => format!("undeclared reference to {name}"),
        ExecutionError::FunctionError { function, message } => format!("{function}: {message}"),
        ExecutionError::InvalidArgumentCount { expected, actual } => {
            format!("{expected} arguments expected, {actual} given")
        }
        ExecutionError::UnexpectedType { got, want } => format!("{want} expected, found {got}"),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "division by zero".to_owned()
        }
        ExecutionError::Overflow(..) => "integer overflow".to_owned(),
        ExecutionError::IndexOutOfBounds(_) => "index out of bounds".to_owned(),
        ExecutionError::UnsupportedBinaryOperator(operator, left, right) => {
            format!(
                "no such overload: {} {operator} {}",
                left.type_of(),
                right.type_of()
            )
        }
        ExecutionError::ValuesNotComparable(left, right) => {
            format!(
                "no such overload: {} and {} cannot be compared",
                left.type_of(),
                right.type_of()
            )
        }
        _ => "no such overload".to_owned(),
    }
}
/// A string as CEL keeps it.
pub(super) fn text(text: &str) -> CelValue {
    CelValue::String(Arc::new(text.to_owned()))
}
