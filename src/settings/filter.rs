//! jq filters of conversions: compiled, with everything that reaches outside taken away (rule MC-6).
//!
//! Compiling is harmless and happens wherever a definition is loaded; running one is not, and happens only in a
//! process of its own.

use jaq_core::load::{self, Arena, File, Loader};
use jaq_core::{Ctx, Native, Vars, compile, data, unwrap_valr};
use jaq_json::Val;

/// What filters cannot call: the process's environment, its end, its streams, the clock and its time zone.
/// `input` and `inputs` are not in the list because nothing defines them here.
const FORBIDDEN: [&str; 11] = [
    "env",
    "halt",
    "halt_error",
    "now",
    "localtime",
    "strflocaltime",
    "debug",
    "debug_empty",
    "stderr",
    "stderr_empty",
    "input_line_number",
];
/// Bytes of one filter.
const MAX_FILTER: usize = 256 * 1024;

/// A compiled filter.
pub struct Filter(compile::Filter<Native<data::JustLut<Val>>>);

/// Compiles a filter; the error says what is wrong with it in one line.
pub fn compile_filter(code: &str) -> Result<Filter, String> {
    if code.len() > MAX_FILTER {
        return Err(format!("it is longer than {MAX_FILTER} bytes"));
    }
    // Definitions first: one that is built on a forbidden name goes with it.
    let defs = jaq_core::defs()
        .chain(jaq_std::defs())
        .chain(jaq_json::defs())
        .filter(|def| !FORBIDDEN.contains(&def.name));
    let funs = jaq_core::funs()
        .chain(jaq_std::funs())
        .chain(jaq_json::funs())
        .filter(|(name, _, _)| !FORBIDDEN.contains(name));
    let arena = Arena::default();
    let modules = Loader::new(defs)
        .load(&arena, File { code, path: () })
        .map_err(|errors| load_words(&errors))?;
    let filter = jaq_core::Compiler::default()
        .with_funs(funs)
        .compile(modules)
        .map_err(|errors| compile_words(&errors))?;
    Ok(Filter(filter))
}

impl Filter {
    /// The first value that the filter gives for `input`: what modules take, too.
    ///
    /// May run for ever, use up all memory or overflow the stack: only ever called where that ends nothing else.
    /// The error is the filter's own, in jq's words.
    pub fn run(&self, input: Val) -> Result<Option<Val>, String> {
        let context = Ctx::<data::JustLut<Val>>::new(&self.0.lut, Vars::new([]));
        match self.0.id.run((context, input)).map(unwrap_valr).next() {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(value)),
            // A text is shown as it is, not as the JSON string that carries it.
            Some(Err(error)) => Err(match error.into_val() {
                Val::TStr(text) => String::from_utf8_lossy(&text).into_owned(),
                other => other.to_string(),
            }),
        }
    }
}

fn load_words(errors: &load::Errors<&str, ()>) -> String {
    let Some((file, error)) = errors.first() else {
        return "it cannot be read".to_owned();
    };
    match error {
        load::Error::Io(imports) => {
            let name = imports.first().map_or("", |(name, _)| *name);
            format!("it imports \"{name}\", which filters cannot")
        }
        load::Error::Lex(errors) => match errors.first() {
            Some((expected, rest)) => format!("{} expected{}", expected.as_str(), place(file.code, rest)),
            None => "it cannot be read".to_owned(),
        },
        load::Error::Parse(errors) => match errors.first() {
            Some((expected, rest)) => {
                format!("{} expected{}", expected.as_str(), place(file.code, rest))
            }
            None => "it cannot be read".to_owned(),
        },
    }
}

fn compile_words(errors: &compile::Errors<&str, ()>) -> String {
    let first = errors.first().and_then(|(_, errors)| errors.first());
    match first {
        Some((name, undefined)) => format!("undefined {} \"{name}\"", undefined.as_str()),
        None => "it cannot be compiled".to_owned(),
    }
}

/// Where in the filter, counted from 1.
fn place(code: &str, rest: &str) -> String {
    let span = load::span(code, rest);
    if span.start >= code.len() {
        return " at the end".to_owned();
    }
    format!(" at character {}", code[..span.start].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(code: &str, input: &str) -> Result<Option<String>, String> {
        let filter = compile_filter(code)?;
        let input = jaq_json::read::parse_single(input.as_bytes()).unwrap();
        Ok(filter.run(input)?.map(|value| value.to_string()))
    }

    #[test]
    fn runs_the_filters_that_modules_write() {
        let table = [
            (".a = 1", r#"{"b":2}"#, r#"{"b":2,"a":1}"#),
            ("del(.a)", r#"{"a":1,"b":2}"#, r#"{"b":2}"#),
            ("if .a then .b = .a | del(.a) end", r#"{"a":"x"}"#, r#"{"b":"x"}"#),
            (".x |= map(. + 1)", r#"{"x":[1,2]}"#, r#"{"x":[2,3]}"#),
            (".a.b // \"none\" | {v: .}", "{}", r#"{"v":"none"}"#),
            ("with_entries(.key |= ascii_downcase)", r#"{"A":1}"#, r#"{"a":1}"#),
            (".v |= tostring", r#"{"v":1}"#, r#"{"v":"1"}"#),
            ("delpaths([[\"a\",\"b\"]])", r#"{"a":{"b":1}}"#, r#"{"a":{}}"#),
            (
                "walk(if type == \"string\" then ltrimstr(\"x\") else . end)",
                r#"{"a":"xy"}"#,
                r#"{"a":"y"}"#,
            ),
            ("to_entries | from_entries", r#"{"a":1}"#, r#"{"a":1}"#),
            (
                ".a |= (capture(\"(?<n>[0-9]+)\").n | tonumber)",
                r#"{"a":"v12"}"#,
                r#"{"a":12}"#,
            ),
        ];
        for (code, input, output) in table {
            assert_eq!(run(code, input).unwrap().as_deref(), Some(output), "{code}");
        }
        assert_eq!(run("empty", "{}").unwrap(), None);
        assert!(run("error(\"no\")", "{}").unwrap_err().contains("no"));
    }

    #[test]
    fn takes_away_what_reaches_outside() {
        for code in [
            "env",
            "$ENV",
            "halt",
            "halt(3)",
            "halt_error",
            "halt_error(1)",
            "now",
            "input",
            "inputs",
            "debug",
            "debug(1)",
            "stderr",
            "localtime",
            "input_filename",
            "import \"a\" as a; .",
            "include \"a\"; .",
            "$__prog_args",
            "input_line_number",
            "strflocaltime(\"%H\")",
            "todate | now",
        ] {
            assert!(compile_filter(code).is_err(), "{code}");
        }
    }

    #[test]
    fn says_what_is_wrong_with_a_filter() {
        assert_eq!(
            compile_filter("nonsense").err().unwrap(),
            "undefined filter \"nonsense\""
        );
        assert!(compile_filter(".a |").err().unwrap().contains("at the end"));
        assert!(compile_filter("(.a").is_err());
        assert!(compile_filter(&"[".repeat(300_000)).is_err());
    }
}
